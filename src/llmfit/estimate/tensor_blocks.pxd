# The tensors of one kind of layer each: attention, latent attention, recurrent layers, feed-forward.
from libc.math cimport ceil
from llmfit.estimate.codes cimport *
from llmfit.estimate.model cimport (
    ATTENTION_GATE, EXPERTS_MXFP4, FUSED_QKV, GATED_QUERY, INTERLEAVED_EXPERTS, NO_GATE, QK_NORM, SINGLE_BLOCKS, Model,
)
from llmfit.estimate.tensor_list cimport *


cdef inline void add_attention(Tensors* s, const Model* m, int layers, int out_of, double kv_heads, double dim) noexcept nogil:
    """Query, key, value and output of plain attention layers; phi and its like store the first three as one."""
    cdef double h = m.hidden, q = m.n_heads * dim, value = m.v_head_dim if m.v_head_dim else dim
    if m.layout & FUSED_QKV:
        add(s, T_ATTN_QKV, 0, layers, out_of, h, h * (q + kv_heads * (dim + value)))
    else:
        add(s, T_ATTN_Q, 0, layers, out_of, h, h * q * (2 if m.layout & GATED_QUERY else 1))
        add(s, T_ATTN_K, 0, layers, out_of, h, h * kv_heads * dim)
        add(s, T_ATTN_V, 0, layers, out_of, h, h * kv_heads * value)
    add(s, T_ATTN_OUT, 0, layers, out_of, m.n_heads * value, m.n_heads * value * h)
    if m.layout & ATTENTION_GATE:
        add(s, T_BODY, 0, layers, out_of, h, h * m.n_heads * value)
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
    add(s, T_HEADS, 0, layers, layers, nope, m.n_heads * nope * m.kv_lora_rank)
    add(s, T_HEADS, 0, layers, layers, m.kv_lora_rank, m.n_heads * value * m.kv_lora_rank)
    add(s, T_ATTN_OUT, 0, layers, layers, m.n_heads * value, m.n_heads * value * h)
    add_small(s, <double>layers * m.kv_lora_rank)


cdef inline double step_rank(const Model* m) noexcept nogil:
    """Mamba-1's rank of the step size: a sixteenth of the hidden width, rounded up."""
    return ceil(m.hidden / 16.0)


cdef inline void add_linear(Tensors* s, const Model* m, int n) noexcept nogil:
    """Input and output projections of the layers that keep a recurrent state."""
    cdef double h = m.hidden, inner = m.ssm_inner, conv = inner + 2.0 * m.ssm_groups * m.ssm_state, rank = step_rank(m)
    if m.linear_kind == GATED_DELTA_NET:
        add(s, T_ATTN_QKV, 0, n, m.n_layers, h, h * conv)
        add(s, T_BODY, 0, n, n, h, h * inner)  # gate
        add(s, T_BODY, 0, n, n, h, 2.0 * h * m.ssm_heads)  # alpha, beta
        add(s, T_BODY, 0, n, n, inner, inner * h)
        add_small(s, n * (m.ssm_conv * conv + 2.0 * m.ssm_heads + m.ssm_state))
    elif m.linear_kind == KDA:
        add(s, T_ATTN_Q, 0, n, n, h, h * inner)
        add(s, T_ATTN_K, 0, n, n, h, h * inner)
        add(s, T_ATTN_V, 0, n, n, h, h * inner)
        add(s, T_ATTN_OUT, 0, n, n, inner, inner * h)
        add(s, T_BODY, 0, n, n, h, h * (2.0 * m.ssm_state + m.ssm_heads))  # decay and gate in, beta
        add(s, T_BODY, 0, n, n, m.ssm_state, 2.0 * m.ssm_state * inner)  # decay and gate out
        add_small(s, n * (3.0 * m.ssm_conv * inner + inner + m.ssm_heads + m.ssm_state))
    elif m.linear_kind == MAMBA2:
        add(s, T_BODY, 0, n, n, h, h * (inner + conv + m.ssm_heads))
        add(s, T_BODY, 0, n, n, inner, inner * h)
        add_small(s, n * ((m.ssm_conv + 1.0) * conv + inner + 3.0 * m.ssm_heads))
    elif m.linear_kind == MAMBA1:
        add(s, T_BODY, 0, n, n, h, 2.0 * h * inner)
        add(s, T_BODY, 0, n, n, inner, inner * (rank + 2.0 * m.ssm_state + h))
        add(s, T_BODY, 0, n, n, rank, rank * inner)
        add_small(s, n * inner * (m.ssm_conv + 3.0 + m.ssm_state))
    elif m.linear_kind == SHORT_CONV:
        add(s, T_BODY, 0, n, n, h, 4.0 * h * h)
        add_small(s, n * <double>m.ssm_conv * h)
    elif m.linear_kind == LIGHTNING:
        add(s, T_ATTN_QKV, 0, n, m.n_layers, h, 3.0 * h * inner)
        add(s, T_BODY, 0, n, n, h, 2.0 * h * inner)
    elif m.linear_kind == RWKV7:
        add(s, T_BODY, 0, n, n, h, 4.0 * h * h)


cdef inline void add_ffn(Tensors* s, const Model* m, int layers) noexcept nogil:
    """Feed-forward: dense layers first, then experts with what they share (or each kind on its own layers, in turn)."""
    cdef double h = m.hidden, latent = m.moe_latent if m.moe_latent else h
    cdef int L = m.n_layers, dense = m.n_dense_layers if m.n_experts > 1 and m.moe_intermediate else layers
    cdef int n = layers - dense, since = s.n, first = s.n, i
    cdef double wide = <double>m.n_experts * m.moe_intermediate * latent
    if not m.layout & NO_GATE:
        add(s, T_FFN_GATE, 0, dense, L, h, h * m.intermediate)
    add(s, T_FFN_UP, 0, dense, L, h, h * m.intermediate)
    add(s, T_FFN_DOWN, 0, dense, L, m.intermediate, h * m.intermediate)
    if n <= 0:
        return
    if m.layout & INTERLEAVED_EXPERTS and dense > 0:
        spread(s, since, -(L // n))
    since = s.n
    if not m.layout & NO_GATE:
        add(s, T_EXPERTS_GATE, dense, n, L, latent, wide)
        add(s, T_FFN_GATE, dense, n, L, h, h * m.shared_intermediate)
    add(s, T_EXPERTS_UP, dense, n, L, latent, wide)
    add(s, T_FFN_UP, dense, n, L, h, h * m.shared_intermediate)
    add(s, T_EXPERTS_DOWN, dense, n, L, m.moe_intermediate, wide)
    if m.shared_intermediate:  # the quantizer counts both kinds of down projections as one
        s.t[s.n - 1].step = 2
        add(s, T_FFN_DOWN, dense, n, L, m.shared_intermediate, h * m.shared_intermediate)
        s.t[s.n - 1].place, s.t[s.n - 1].step = dense + 1, 2
    if m.layout & SINGLE_BLOCKS or m.layout & INTERLEAVED_EXPERTS:
        spread(s, since, L // n)
    if m.layout & INTERLEAVED_EXPERTS:
        for i in range(first, s.n):
            s.t[i].step = 0
    add_small(s, n * (h * m.n_experts + (h if m.shared_intermediate else 0)))
    if m.moe_latent:
        add(s, T_BODY, dense, n, n, h, 2.0 * h * latent)
    if m.layout & EXPERTS_MXFP4:
        add_small(s, n * m.n_experts * (2.0 * m.moe_intermediate + h + 1))
