# The weight tensors of a model, in closed form from the facts of its shape; what the facts do not explain is put down
# as one more tensor of its own.
from libc.math cimport fabs
from llmfit.estimate.codes cimport *
from llmfit.estimate.model cimport POSITIONS, SINGLE_BLOCKS, Model
from llmfit.estimate.tensor_blocks cimport *
from llmfit.estimate.tensor_list cimport *


cdef inline double most_vectors(const Model* m) noexcept nogil:
    """Elements that biases and further norms can hold at most: a vector for each matrix of a layer, and four norms."""
    cdef double wide = 2.0 * m.intermediate + 3.0 * m.shared_intermediate + 6.0 * m.hidden
    return m.n_layers * (wide + 2.0 * m.n_heads * m.head_dim + 2.0 * m.ssm_inner + 2.0 * m.n_experts)


cdef inline void add_all_attention(Tensors* s, const Model* m) noexcept nogil:
    """Attention of all layers: of one kind, or of two in turn, the growing ones on the last of each few layers."""
    cdef int full = m.attention_layers, window = m.window_layers, since = s.n, both = full + window
    cdef int counted = m.n_layers if m.linear_kind == GATED_DELTA_NET or m.linear_kind == LIGHTNING else both
    cdef double kv = m.full_kv_heads if m.full_kv_heads else m.n_kv_heads
    cdef double dim = m.full_head_dim if m.full_head_dim else m.head_dim
    if m.kv_lora_rank:
        add_latent(s, m, full)
    elif kv == m.n_kv_heads and dim == m.head_dim:
        add_attention(s, m, both, counted, kv, dim)
        if counted > both > 0:
            spread(s, since, counted // both)
    else:
        add_attention(s, m, full, both, kv, dim)
        if full and window:
            spread(s, since, both // full)
        since = s.n
        add_attention(s, m, window, both, m.n_kv_heads, m.head_dim)
        if full and window:
            spread(s, since, -(both // full))


cdef inline void add_tables(Tensors* s, const Model* m) noexcept nogil:
    """Tables of which a token takes one row: the vocabulary's, and those of every layer (Gemma 3n and 4 E)."""
    cdef double every = m.per_layer_embedding * <double>m.n_layers
    add(s, T_EMBEDDING, 0, 1, 1, m.hidden, m.embedding_params)
    if not m.tied:
        add(s, T_OUTPUT, 0, 1, 1, m.hidden, m.embedding_params)
    if m.per_layer_embedding:
        add(s, T_EMBEDDING, 0, 1, 1, every, m.vocab * every)
        add(s, T_BODY, 0, m.n_layers, m.n_layers, m.hidden, <double>m.hidden * m.per_layer_embedding)
        add(s, T_BODY, 0, m.n_layers, m.n_layers, m.per_layer_embedding, <double>m.hidden * m.per_layer_embedding)
        add_kept(s, m.hidden * every)
    if m.layout & POSITIONS:
        add_small(s, <double>m.context * m.hidden)


cdef inline Tensors tensors_of(const Model* m) noexcept nogil:
    """All tensors of the text decoder. What the facts leave over: vectors where they can explain it, else a matrix."""
    cdef Tensors s
    cdef int full = m.attention_layers, linear = m.n_linear if m.linear_kind else 0, window = m.window_layers
    cdef int since
    cdef double scale
    cdef int i
    s.n, s.small, s.kept, s.left, s.exact = 0, 0, 0, m.params, 1
    add_tables(&s, m)
    add_all_attention(&s, m)
    if linear:
        since = s.n
        add_linear(&s, m, linear)
        if full and (m.linear_kind == GATED_DELTA_NET or m.linear_kind == LIGHTNING):
            spread(&s, since, -(m.n_layers // full))
    add_ffn(&s, m, m.n_layers - full - window - linear if m.layout & SINGLE_BLOCKS else m.n_layers)
    add_small(&s, m.hidden * (1.0 + m.n_layers * (1.0 if m.layout & SINGLE_BLOCKS else 2.0)))
    if fabs(s.left) > 0.03 * m.params:
        s.exact = 0
    if 0 < s.left < most_vectors(m):
        add_small(&s, s.left)
    elif s.left > 0:
        add(&s, T_BODY, 0, 1, 1, m.hidden if m.hidden else 256, s.left)
    elif s.left < 0 and -s.left <= s.small:  # norms that it has not
        s.small = s.small + s.left
    elif s.left < -0.002 * m.params:  # more than there is: take it off evenly
        scale = m.params / (m.params - s.left)
        for i in range(s.n):
            s.t[i].elements = s.t[i].elements * scale
    return s
