# The weight tensors of a model as a list of groups: what kind, on which layers, how long a row, how many elements.
from llmfit.estimate.codes cimport *

cdef enum:
    MAX_TENSORS = 32

cdef enum:  # Slot: kinds of tensors that a GGUF mix tells apart; the order of codes.TENSORS
    T_BODY, T_EMBEDDING, T_OUTPUT, T_ATTN_Q, T_ATTN_K, T_ATTN_V, T_ATTN_QKV, T_ATTN_OUT, T_FFN_GATE, T_FFN_UP, T_FFN_DOWN
    T_EXPERTS_GATE, T_EXPERTS_UP, T_EXPERTS_DOWN, T_HEADS, N_SLOTS

cdef struct Tensor:
    int slot
    int first, layers       # on `layers` layers, from layer `first`
    int every               # on every n-th of all layers, the last of each n; below 0: on all others; 0: one after the other
    int place, step         # its first and how far to the next as the quantizer counts its kind; step 0: counted by layers
    int out_of              # layers that a rule for "the first eighth" counts
    double row              # elements of a row: a block of weights never spans two
    double elements         # a layer

cdef struct Tensors:
    int n
    int exact               # 1: the facts explain the parameter count
    double small            # elements that stay in 32-bit floats: norms, biases, router, convolution
    double kept             # elements that stay in 16-bit floats under every label
    double left             # parameters that the facts do not explain; below 0: they explain more than there are
    Tensor t[MAX_TENSORS]


cdef inline void add(Tensors* s, int slot, int first, int layers, int out_of, double row, double elements) noexcept nogil:
    cdef Tensor t
    if layers <= 0 or row <= 0 or elements <= 0 or s.n >= MAX_TENSORS:
        return
    t.slot, t.first, t.layers, t.out_of, t.row, t.elements = slot, first, layers, out_of, row, elements
    t.every, t.place, t.step = 0, first, 1
    s.t[s.n] = t
    s.n = s.n + 1
    s.left = s.left - layers * elements


cdef inline void spread(Tensors* s, int since, int every) noexcept nogil:
    """The tensors from number `since` on lie on every n-th layer (below 0: on all layers but those)."""
    cdef int i
    for i in range(since, s.n):
        s.t[i].every = every


cdef inline void add_small(Tensors* s, double elements) noexcept nogil:
    s.small = s.small + elements
    s.left = s.left - elements


cdef inline void add_kept(Tensors* s, double elements) noexcept nogil:
    s.kept = s.kept + elements
    s.left = s.left - elements
