# The size of a GGUF file, tensor by tensor: by the type that each takes under a label (gguf_mix.pxd).
from libc.math cimport floor
from llmfit.estimate.codes cimport *
from llmfit.estimate.gguf_mix cimport *
from llmfit.estimate.model cimport EXPERTS_MXFP4, Model
from llmfit.estimate.tensors cimport *


cdef inline double tensor_bytes(const Tensor* t, const Mix* x, const Model* m, int made, int conditions) noexcept nogil:
    """Bytes of one tensor over all its layers: sum of layers x elements x bytes of an element."""
    cdef int i
    cdef double base = block_bytes(x.types, x.base, t.row), last, bytes, n, more = 0
    cdef const MixRule* r
    if made & EXPERTS_KEPT and m.layout & EXPERTS_MXFP4 and T_EXPERTS_GATE <= t.slot <= T_EXPERTS_DOWN:
        return t.layers * t.elements * block_bytes(x.types, x.experts_type, t.row)
    if t.slot == T_OUTPUT and t.row - floor(t.row / x.types[x.base].block) * x.types[x.base].block != 0:
        return t.elements * block_bytes(x.types, x.odd_output, t.row)
    last = base
    for i in range(x.n_rules[t.slot]):
        r = &x.rules[t.slot][i]
        if r.conditions & ~conditions:
            continue
        bytes = block_bytes(x.types, r.type, t.row)
        if r.layers == ALL_LAYERS:
            base, more = bytes, 0
        else:
            n = covered(t, r.layers)
            more = more + n * (bytes - last)
        last = bytes
    return t.elements * (t.layers * base + more)


cdef inline double metadata_bytes(double vocab) noexcept nogil:
    """Tokenizer and header: 39.2 B a token above 60 k tokens, 23.3 B below (published files)."""
    return vocab * (39.2 if vocab > 60000 else 23.3)


cdef inline int as_quantized(const Tensors* s, const Model* m, int i, int made) noexcept nogil:
    """The kind as which tensor `i` is quantized: a tied embedding as the output matrix, a table by layer as the embedding."""
    if s.t[i].slot == T_EMBEDDING:
        if i > 0 and made & MADE_BEFORE:
            return T_BODY
        if m.tied:
            return T_OUTPUT
    return s.t[i].slot


cdef inline double gguf_bytes(const Model* m, const Tensors* s, const Mix* x, int made) noexcept nogil:
    """Bytes of the whole file: all tensors, 4 bytes for each element of the small ones, 2 of those kept, metadata."""
    cdef double bytes = 4.0 * s.small + 2.0 * s.kept
    cdef int i, conditions = conditions_of(m, made)
    cdef Tensor t
    for i in range(s.n):
        t = s.t[i]
        t.slot = as_quantized(s, m, i, made)
        bytes = bytes + tensor_bytes(&t, x, m, made, conditions)
    return bytes + metadata_bytes(m.vocab)


cdef inline double gguf_table_bytes(const Model* m, const Tensors* s, const Mix* x, int made, int shared) noexcept nogil:
    """Bytes of the tables that lie in RAM beside a GPU which holds every layer: a token takes one row of each.

    `shared` 0: those that the GPU does without; 1: a tied embedding, which it holds too, as its output matrix.
    """
    cdef double bytes = 0
    cdef int i, held, conditions = conditions_of(m, made)
    cdef Tensor t
    for i in range(s.n):
        t = s.t[i]
        held = 1 if i == 0 and m.tied else 0
        if t.slot != T_EMBEDDING or held != shared:
            continue
        t.slot = as_quantized(s, m, i, made)
        bytes = bytes + tensor_bytes(&t, x, m, made, conditions)
    return bytes
