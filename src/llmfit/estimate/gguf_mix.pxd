# Which type a tensor takes under a GGUF label: on which layers, under which conditions, in blocks that never span two rows.
# Numbers: src/data/gguf_types.csv (blocks), gguf_mixes.csv (labels).
from libc.math cimport floor
from llmfit.estimate.codes cimport *
from llmfit.estimate.model cimport FALCON, MANY_LAYERS, Model
from llmfit.estimate.tensor_list cimport *

cdef enum:
    MAX_TYPES = 32
    MAX_RULES = 8           # of one kind of tensor under one label

cdef enum:  # which layers a rule covers; the order of codes.LAYER_SETS
    ALL_LAYERS, MORE_BITS, FIRST_2, FIRST_4, FIRST_EIGHTH, FIRST_SIXTEENTH, MIDDLE, COUNTED_EIGHTH

cdef enum:  # how a file was made
    IMATRIX_MADE = 1        # with an importance matrix
    MADE_BEFORE = 2         # before llama.cpp's rules of March 2026
    EXPERTS_KEPT = 4        # by a packager who keeps experts that are published in MXFP4

cdef enum:  # when a rule holds, bits; the order of codes.MIX_CONDITIONS
    GQA4 = 1
    EXPERTS4 = 2
    EXPERTS8 = 4
    IMATRIX = 8
    NO_IMATRIX = 16
    LAYERS80 = 32
    IS_FALCON = 64
    NOT_FALCON = 128
    SINCE_2026_03 = 256
    BEFORE_2026_03 = 512

cdef struct BlockType:
    double block, bytes     # weights of a block, and its bytes
    int fallback            # the type of rows that do not divide into blocks; -1: none

cdef struct MixRule:
    int type, layers, conditions

cdef struct Mix:
    # One label: types by kind of tensor. Later rules beat earlier ones; what a later one covers lies within an earlier one.
    const BlockType* types
    int base, experts_type  # experts_type: of models whose experts keep their published form
    int odd_output          # type of an output matrix whose rows do not divide into blocks of `base`
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


cdef inline double covered(const Tensor* t, int layers) noexcept nogil:
    """On how many of a tensor's layers a rule holds: by the number of the layer, or (counted_eighth) by the order of counting."""
    cdef int i, k, n = t.out_of, every = t.every if t.every >= 0 else -t.every
    cdef double on = 0
    if layers == COUNTED_EIGHTH and t.step == 0:
        layers = FIRST_EIGHTH
    if layers == COUNTED_EIGHTH:
        return min(max((n // 8 - t.place + t.step - 1) // t.step, 0), t.layers)
    if every <= 1:
        return first_layers(t.first + t.layers, n, layers) - first_layers(t.first, n, layers)
    for k in range(n // every):
        i = every * k + every - 1
        on = on + first_layers(i + 1, n, layers) - first_layers(i, n, layers)
    return min(on if t.every > 0 else first_layers(n, n, layers) - on, t.layers)


cdef inline int conditions_of(const Model* m, int made) noexcept nogil:
    """The conditions that are true of the model, and of how the file was made: bits.

    The quantizer takes the first layer's heads for the model's: 0 where that layer keeps a state and no keys.
    """
    cdef int state_first = m.n_linear > 0 and m.attention_layers + m.window_layers < m.n_layers
    cdef int found = IMATRIX if made & IMATRIX_MADE else NO_IMATRIX
    found = found | (BEFORE_2026_03 if made & MADE_BEFORE else SINCE_2026_03) | (IS_FALCON if m.layout & FALCON else NOT_FALCON)
    if m.linear_kind == GATED_DELTA_NET or m.linear_kind == LIGHTNING:
        state_first = 0
    if m.n_kv_heads > 0 and m.n_heads >= 4 * m.n_kv_heads and not state_first:
        found = found | GQA4
    if m.n_experts >= 4:
        found = found | EXPERTS4
    if m.n_experts == 8:
        found = found | EXPERTS8
    if m.n_layers == 80 and m.layout & MANY_LAYERS and m.n_heads > m.n_kv_heads:
        found = found | LAYERS80
    return found


cdef inline double block_bytes(const BlockType* types, int type, double row) noexcept nogil:
    """Bytes of one element in a row of this length, after the fallbacks for rows that do not divide into blocks."""
    while types[type].fallback >= 0 and row - floor(row / types[type].block) * types[type].block != 0:
        type = types[type].fallback
    return types[type].bytes / types[type].block
