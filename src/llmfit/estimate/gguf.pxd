# The size of a GGUF file, tensor by tensor: which type each takes under a label, in blocks that never span two rows.
# Numbers: src/data/gguf_types.csv (blocks), gguf_mixes.csv (labels).
from libc.math cimport floor
from llmfit.estimate.codes cimport *
from llmfit.estimate.model cimport EXPERTS_MXFP4, Model
from llmfit.estimate.tensors cimport *

cdef enum:
    MAX_TYPES = 32
    MAX_RULES = 5           # of one kind of tensor under one label

cdef enum:  # which layers a rule covers; the order of codes.LAYER_SETS
    ALL_LAYERS, MORE_BITS, FIRST_2, FIRST_4, FIRST_EIGHTH, FIRST_SIXTEENTH, MIDDLE

cdef enum:  # when a rule holds; the order of codes.MIX_CONDITIONS
    ALWAYS, GQA4, EXPERTS4, EXPERTS8, IMATRIX, NO_IMATRIX, LAYERS80

cdef struct BlockType:
    double block, bytes     # weights of a block, and its bytes
    int fallback            # the type of rows that do not divide into blocks; -1: none

cdef struct MixRule:
    int type, layers, condition

cdef struct Mix:
    # One label: types by kind of tensor. Later rules beat earlier ones.
    const BlockType* types
    int base, experts_type  # experts_type: of models whose experts keep their published form
    int n_rules[N_SLOTS]
    MixRule rules[N_SLOTS][MAX_RULES]


cdef inline double first_layers(int k, int n, int layers) noexcept nogil:
    """How many of the layers 0 .. k-1 of `n` a rule covers.

    more_bits: the first eighth, the last eighth, and every third layer between.
    """
    cdef int eighth = n // 8, last = 7 * n // 8
    if layers == MORE_BITS:
        return min(k, eighth) + max(min(k, last) - eighth, 0) // 3 + max(k - last, 0)
    if layers == FIRST_2:
        return min(k, 2)
    if layers == FIRST_4:
        return min(k, 4)
    if layers == FIRST_EIGHTH:
        return min(k, eighth)
    if layers == FIRST_SIXTEENTH:
        return min(k, n // 16)
    if layers == MIDDLE:
        return max(min(k, last) - eighth, 0)
    return k


cdef inline int holds(int condition, const Model* m, int imatrix) noexcept nogil:
    """Whether a rule's condition is true of the model (and of how the file was made)."""
    if condition == GQA4:
        return m.n_kv_heads > 0 and m.n_heads >= 4 * m.n_kv_heads
    if condition == EXPERTS4:
        return m.n_experts >= 4
    if condition == EXPERTS8:
        return m.n_experts == 8
    if condition == IMATRIX:
        return imatrix
    if condition == NO_IMATRIX:
        return not imatrix
    if condition == LAYERS80:
        return m.n_layers == 80 and m.n_experts == 0 and m.attention == FULL
    return 1


cdef inline double block_bytes(const BlockType* types, int type, double row) noexcept nogil:
    """Bytes of one element in a row of this length, after the fallbacks for rows that do not divide into blocks."""
    while types[type].fallback >= 0 and row - floor(row / types[type].block) * types[type].block != 0:
        type = types[type].fallback
    return types[type].bytes / types[type].block


cdef inline double tensor_bytes(const Tensor* t, const Mix* x, const Model* m, int imatrix) noexcept nogil:
    """Bytes of one tensor over all its layers: sum of layers x elements x bytes of an element."""
    cdef int i, type = x.base
    cdef double some = 0, some_bytes = 0, bytes
    cdef const MixRule* r
    if m.layout & EXPERTS_MXFP4 and t.slot >= T_EXPERTS_GATE:
        return t.layers * t.elements * block_bytes(x.types, x.experts_type, t.row)
    for i in range(x.n_rules[t.slot]):
        r = &x.rules[t.slot][i]
        if not holds(r.condition, m, imatrix):
            continue
        if r.layers == ALL_LAYERS:
            type = r.type
        else:
            some = first_layers(t.first + t.layers, t.out_of, r.layers) - first_layers(t.first, t.out_of, r.layers)
            some_bytes = block_bytes(x.types, r.type, t.row)
    bytes = block_bytes(x.types, type, t.row)
    return t.elements * (some * some_bytes + (t.layers - some) * bytes)


cdef inline double metadata_bytes(double vocab) noexcept nogil:
    """Tokenizer and header: 39.2 B a token above 60 k tokens, 23.3 B below (published files)."""
    return vocab * (39.2 if vocab > 60000 else 23.3)


cdef inline double gguf_bytes(const Model* m, const Tensors* s, const Mix* x, int imatrix) noexcept nogil:
    """Bytes of the whole file: all tensors, 4 bytes for each element of the small ones, metadata."""
    cdef double bytes = 4.0 * s.small
    cdef int i, slot
    cdef Tensor t
    for i in range(s.n):
        t = s.t[i]
        if t.slot == T_EMBEDDING and m.tied and i == 0:
            t.slot = T_OUTPUT  # a tied embedding is stored as the output matrix
        bytes = bytes + tensor_bytes(&t, x, m, imatrix)
    return bytes + metadata_bytes(m.vocab)
