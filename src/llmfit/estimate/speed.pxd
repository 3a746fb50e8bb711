# How fast a model runs: decode as a roofline over every memory that is read, prefill as a share of compute.
from libc.math cimport pow
from llmfit.estimate.arith cimport high, low
from llmfit.estimate.codes cimport *
from llmfit.estimate.machine cimport Rate
from llmfit.estimate.model cimport SINGLE_BLOCKS, Model
from llmfit.estimate.policy cimport Policy


cdef inline double layer_factor(const Model* m, const Policy* p) noexcept nogil:
    """a_layer of the decode formula: MoE (E / 128)^e x its factor, hybrids, Gemma, models whose every block is a layer.

    Does not depend on the machine: computed once for each shape.
    """
    cdef double a = 1.0
    if m.is_moe:
        a = a * p.moe_layer * pow(high(m.n_experts, 1) / 128.0, p.expert_exponent)
    if m.attention == HYBRID_LINEAR or m.attention == HYBRID_LINEAR_MLA or m.attention == HYBRID_SSM or m.attention == SSM:
        a = a * p.hybrid_layer
    if m.gemma:
        a = a * p.gemma_layer
    if m.layout & SINGLE_BLOCKS:
        a = a * p.block_layer
    return a


cdef inline double attention_gflop(const Model* m, double tokens) noexcept nogil:
    """Attention of one token with `tokens` in the cache, GFLOP; window layers see their window at most."""
    cdef double windowed = low(tokens, m.window) if m.window else tokens
    return (m.attention_full * tokens + m.attention_window * windowed) * 1e-9


cdef inline double read_ms(double bytes, const Rate* r, int speed_class, int is_moe) noexcept nogil:
    """Milliseconds to read `bytes` of weights: bytes / (eta BW)."""
    return bytes * r.byte_ms[is_moe][speed_class]


cdef inline double roofline_ms(double bytes, const Rate* r) noexcept nogil:
    """The least a token can take, ms: bytes / (0.95 BW)."""
    return bytes * r.floor_ms


cdef inline double expert_share(const Model* m, double n_seq) noexcept nogil:
    """Share of the routed experts that a step for `n_seq` sequences reads: 1 - (1 - k / E)^n, every token choosing k of E."""
    if m.n_experts <= 1 or m.n_experts_active <= 0:
        return 1.0
    if n_seq <= 1:
        return <double>m.n_experts_active / m.n_experts
    return 1.0 - pow(1.0 - <double>m.n_experts_active / m.n_experts, n_seq)


cdef inline double read_share(const Model* m, double n_seq, const Policy* p) noexcept nogil:
    """Share of all weights read for one step: the active share, without the untied input embedding of larger dense models.

    A step for several sequences reads more of the experts, and the rest once.
    """
    cdef double share = m.active / m.params
    if not m.is_moe and not m.tied and m.params > p.untied_from and m.embedding_params > 0:
        share = share - m.embedding_params / m.params
    if n_seq > 1 and m.active_expert_params > 0:
        share = share + (m.expert_params * expert_share(m, n_seq) - m.active_expert_params) / m.params
    return low(1.0, high(share, 0.01))


cdef inline double prefill_tps(const Model* m, double weights, double prompt, double depth, const Rate* r, const Policy* p) noexcept nogil:
    """Prompt tokens a second, for `prompt` tokens behind `depth` cached ones; 0 where the shader rate is not known.

    ms a token: 2 P / (s TF) + W / (k BW u) + k_a A / (s TF) + L t / u; u tokens a batch, all weights read once a batch,
    P active parameters outside embedding and output, A attention work at the mean length. Constants: policy.csv.
    """
    cdef double ub = low(prompt, p.ubatch), ms
    if r.prompt_ms <= 0:
        return 0
    ms = m.prompt_params * 1e-9 * r.prompt_ms * (p.prompt_moe if m.is_moe else 1.0)
    ms = ms + weights * 1e-6 / (p.prompt_read * r.bandwidth * ub) + m.n_layers * p.prompt_layer_ms / ub
    return 1000.0 / (ms + attention_gflop(m, depth + 0.5 * prompt) * p.prompt_attention * 0.5 * r.prompt_ms)
