# The weight tensors of a model, grouped: what kind, on how many layers, how long a row, how many elements a layer.
# Closed form from the facts of its shape; what the facts do not explain is put down as one more tensor of its own.
from libc.math cimport fabs
from llmfit.estimate.codes cimport *
from llmfit.estimate.model cimport EXPERTS_MXFP4, FUSED_QKV, GATED_QUERY, NO_GATE, QK_NORM, SINGLE_BLOCKS, Model

cdef enum:
    MAX_TENSORS = 24

cdef enum:  # Slot: kinds of tensors that a GGUF mix tells apart; the order of codes.TENSORS
    T_BODY, T_EMBEDDING, T_OUTPUT, T_ATTN_Q, T_ATTN_K, T_ATTN_V, T_ATTN_QKV, T_ATTN_OUT, T_FFN_GATE, T_FFN_UP, T_FFN_DOWN
    T_EXPERTS_GATE, T_EXPERTS_UP, T_EXPERTS_DOWN, N_SLOTS

cdef struct Tensor:
    int slot
    int first, layers       # on `layers` layers, from layer `first`
    int out_of              # layers that a rule for "the first eighth" counts
    double row              # elements of a row: a block of weights never spans two
    double elements         # a layer

cdef struct Tensors:
    int n
    int exact               # 1: the facts explain the parameter count
    double small            # elements that stay in 32-bit floats: norms, biases, router, convolution
    double left             # parameters that the facts do not explain; below 0: they explain more than there are
    Tensor t[MAX_TENSORS]


cdef inline void add(Tensors* s, int slot, int first, int layers, int out_of, double row, double elements) noexcept nogil:
    cdef Tensor t
    if layers <= 0 or row <= 0 or elements <= 0 or s.n >= MAX_TENSORS:
        return
    t.slot, t.first, t.layers, t.out_of, t.row, t.elements = slot, first, layers, out_of, row, elements
    s.t[s.n] = t
    s.n = s.n + 1
    s.left = s.left - layers * elements


cdef inline void add_small(Tensors* s, double elements) noexcept nogil:
    s.small = s.small + elements
    s.left = s.left - elements


cdef inline void add_attention(Tensors* s, const Model* m, int layers, double kv_heads, double dim) noexcept nogil:
    """Query, key, value and output of plain attention layers; phi and its like store the first three as one."""
    cdef double h = m.hidden, q = m.n_heads * dim, value = m.v_head_dim if m.v_head_dim else dim
    # mixed models count every fused qkv among the value tensors of "the first eighth" and the like
    cdef int out_of = m.n_layers if m.linear_kind == GATED_DELTA_NET or not m.n_linear else layers
    if m.layout & FUSED_QKV:
        add(s, T_ATTN_QKV, 0, layers, layers, h, h * (q + kv_heads * (dim + value)))
    else:
        add(s, T_ATTN_Q, 0, layers, layers, h, h * q * (2 if m.layout & GATED_QUERY else 1))
        add(s, T_ATTN_K, 0, layers, layers, h, h * kv_heads * dim)
        add(s, T_ATTN_V, 0, layers, out_of, h, h * kv_heads * value)
    add(s, T_ATTN_OUT, 0, layers, layers, m.n_heads * value, m.n_heads * value * h)
    if m.layout & QK_NORM:
        add_small(s, layers * 2.0 * dim)


cdef inline void add_latent(Tensors* s, const Model* m, int layers) noexcept nogil:
    """Multi-head latent attention: compressed queries, the joint latent, its two halves by head, output."""
    cdef double h = m.hidden, rope = m.rope_head_dim, value = m.v_head_dim if m.v_head_dim else 128
    cdef double nope = m.nope_dim if m.nope_dim else m.head_dim - rope
    cdef double q = m.n_heads * (nope + rope)
    if m.q_lora_rank:
        add(s, T_BODY, 0, layers, layers, h, h * m.q_lora_rank)
        add(s, T_BODY, 0, layers, layers, m.q_lora_rank, m.q_lora_rank * q)
        add_small(s, <double>layers * m.q_lora_rank)
    else:
        add(s, T_ATTN_Q, 0, layers, layers, h, h * q)
    add(s, T_BODY, 0, layers, layers, h, h * (m.kv_lora_rank + rope))
    add(s, T_BODY, 0, layers, layers, nope, m.n_heads * nope * m.kv_lora_rank)
    add(s, T_BODY, 0, layers, layers, m.kv_lora_rank, m.n_heads * value * m.kv_lora_rank)
    add(s, T_ATTN_OUT, 0, layers, layers, m.n_heads * value, m.n_heads * value * h)
    add_small(s, <double>layers * m.kv_lora_rank)


cdef inline void add_linear(Tensors* s, const Model* m) noexcept nogil:
    """Input and output projections of the layers that keep a recurrent state."""
    cdef int n = m.n_linear
    cdef double h = m.hidden, inner = m.ssm_inner, conv = inner + 2.0 * m.ssm_groups * m.ssm_state
    if m.linear_kind == GATED_DELTA_NET or m.linear_kind == KDA:
        add(s, T_ATTN_QKV, 0, n, n, h, h * conv)
        add(s, T_BODY, 0, n, n, h, h * inner)  # gate
        add(s, T_BODY, 0, n, n, h, 2.0 * h * m.ssm_heads)  # alpha, beta
        add(s, T_BODY, 0, n, n, inner, inner * h)
        add_small(s, n * (m.ssm_conv * conv + 2.0 * m.ssm_heads + m.ssm_state))
    elif m.linear_kind == MAMBA2:
        add(s, T_BODY, 0, n, n, h, h * (inner + conv + m.ssm_heads))
        add(s, T_BODY, 0, n, n, inner, inner * h)
        add_small(s, n * ((m.ssm_conv + 1.0) * conv + inner + 3.0 * m.ssm_heads))
    elif m.linear_kind == MAMBA1:
        add(s, T_BODY, 0, n, n, h, 2.0 * h * inner)
        add(s, T_BODY, 0, n, n, inner, inner * (h / 16.0 + 2.0 * m.ssm_state + h))
        add_small(s, n * inner * (m.ssm_conv + 3.0 + m.ssm_state + h / 16.0))
    elif m.linear_kind == SHORT_CONV:
        add(s, T_BODY, 0, n, n, h, 4.0 * h * h)
        add_small(s, n * <double>m.ssm_conv * h)
    elif m.linear_kind == LIGHTNING:
        add(s, T_ATTN_QKV, 0, n, n, h, 3.0 * h * inner)
        add(s, T_BODY, 0, n, n, h, 2.0 * h * inner)
    elif m.linear_kind == RWKV7:
        add(s, T_BODY, 0, n, n, h, 4.0 * h * h)


cdef inline void add_ffn(Tensors* s, const Model* m, int layers) noexcept nogil:
    """Feed-forward: dense layers first, then experts with what they share."""
    cdef double h = m.hidden, latent = m.moe_latent if m.moe_latent else h
    cdef int L = m.n_layers, dense = m.n_dense_layers if m.n_experts > 1 and m.moe_intermediate else layers
    cdef int n = layers - dense
    cdef double wide = <double>m.n_experts * m.moe_intermediate * latent
    if not m.layout & NO_GATE:
        add(s, T_FFN_UP if m.layout & FUSED_QKV else T_FFN_GATE, 0, dense, L, h, h * m.intermediate)
    add(s, T_FFN_UP, 0, dense, L, h, h * m.intermediate)
    add(s, T_FFN_DOWN, 0, dense, L, m.intermediate, h * m.intermediate)
    if n > 0:
        if not m.layout & NO_GATE:
            add(s, T_EXPERTS_GATE, dense, n, L, latent, wide)
            add(s, T_FFN_GATE, dense, n, L, h, h * m.shared_intermediate)
        add(s, T_EXPERTS_UP, dense, n, L, latent, wide)
        add(s, T_EXPERTS_DOWN, dense, n, L, m.moe_intermediate, wide)
        add(s, T_FFN_UP, dense, n, L, h, h * m.shared_intermediate)
        add(s, T_FFN_DOWN, dense, n, L, m.shared_intermediate, h * m.shared_intermediate)
        add_small(s, n * (h * m.n_experts + (h if m.shared_intermediate else 0)))
        if m.moe_latent:
            add(s, T_BODY, dense, n, n, h, 2.0 * h * latent)
        if m.layout & EXPERTS_MXFP4:
            add_small(s, n * m.n_experts * (2.0 * m.moe_intermediate + h + 1))


cdef inline Tensors tensors_of(const Model* m) noexcept nogil:
    """All tensors of the text decoder. `left` is what the facts leave over: below 0.2 % it counts as small tensors."""
    cdef Tensors s
    cdef int full = m.attention_layers, linear = m.n_linear if m.linear_kind else 0, window = m.window_layers
    cdef double scale
    cdef int i
    s.n, s.small, s.left, s.exact = 0, 0, m.params, 1
    add(&s, T_EMBEDDING, 0, 1, 1, m.hidden, m.embedding_params)
    if not m.tied:
        add(&s, T_OUTPUT, 0, 1, 1, m.hidden, m.embedding_params)
    if m.per_layer_embedding:
        add(&s, T_EMBEDDING, 0, 1, 1, m.per_layer_embedding * <double>m.n_layers, <double>m.vocab * m.per_layer_embedding * m.n_layers)
        add(&s, T_BODY, 0, m.n_layers, m.n_layers, m.hidden, 3.0 * m.hidden * m.per_layer_embedding)
    if m.kv_lora_rank:
        add_latent(&s, m, full)
    else:
        add_attention(&s, m, full, m.full_kv_heads if m.full_kv_heads else m.n_kv_heads, m.full_head_dim if m.full_head_dim else m.head_dim)
        add_attention(&s, m, window, m.n_kv_heads, m.head_dim)
    if linear:
        add_linear(&s, m)
    add_ffn(&s, m, m.n_layers - full - window - linear if m.layout & SINGLE_BLOCKS else m.n_layers)
    add_small(&s, m.hidden * (1.0 + m.n_layers * (1.0 if m.layout & SINGLE_BLOCKS else 2.0)))
    if fabs(s.left) > 0.03 * m.params:
        s.exact = 0
    if 0 < s.left < 0.002 * m.params:
        add_small(&s, s.left)
    elif s.left > 0:
        add(&s, T_BODY, 0, 1, 1, m.hidden if m.hidden else 256, s.left)
    elif s.left < -0.002 * m.params:  # more than there is: take it off evenly
        scale = m.params / (m.params - s.left)
        for i in range(s.n):
            s.t[i].elements = s.t[i].elements * scale
    return s
