# The ways a model can lie wholly on accelerators. All memory in thousandths of a GiB.
from llmfit.arith cimport high, up
from llmfit.codes cimport *
from llmfit.fit cimport Candidate, Job, decode_ms, judge
from llmfit.machine cimport Machine, Rate
from llmfit.memory cimport bytes_of
from llmfit.model cimport Model
from llmfit.policy cimport Policy
from llmfit.quant cimport Quant


cdef inline void on_one_gpu(
    const Machine* h, const Model* m, const Job* j, double weights, const Quant* q, int quant, int runtime, int kind, const Policy* p, Candidate* c
) noexcept nogil:
    """The whole model on the freest device of one kind."""
    cdef const Rate* r = &h.gpu[runtime][kind]
    c.fits = 0
    c.weights = weights
    c.total = weights + j.cache + j.compute + r.context
    c.required = c.total
    c.available = h.capacity[h.first[kind]]
    c.utilization = c.total / high(c.available, 1.0)
    if c.utilization > r.max_utilization:
        return
    c.mode = GPU
    c.runtime = runtime
    c.quant = quant
    c.kind = kind
    c.devices = 1
    c.on_gpu = 1.0
    c.token_ms = decode_ms(m, j, r, bytes_of(weights) * j.read_share, 1.0, q.speed_class, p)
    judge(c, j, q.loss, p)


cdef inline void over_layers(
    const Machine* h, const Model* m, const Job* j, double weights, const Quant* q, int quant, const Policy* p, Candidate* c
) noexcept nogil:
    """llama.cpp over all GPUs: whole layers on each, in proportion to what is free; one after another for a token."""
    cdef double room = 0, ms = 0, share, need = weights + j.cache, weights_read, own
    cdef int i, n = 0
    cdef const Rate* r
    c.fits = 0
    for i in range(h.n_devices):
        own = h.capacity[i] - j.compute - h.gpu[LLAMACPP][h.kind[i]].context
        if own > 0 and h.gpu[LLAMACPP][h.kind[i]].runs:
            room = room + own
            n = n + 1
    if n < 2 or m.n_layers < n:
        return
    # a layer cannot be cut: leave half a layer of room on each device
    if need * (1.0 + 0.5 * n / m.n_layers) + n > room:
        return
    weights_read = bytes_of(weights) * j.read_share
    c.total = need
    for i in range(h.n_devices):
        r = &h.gpu[LLAMACPP][h.kind[i]]
        own = h.capacity[i] - j.compute - r.context
        if own <= 0 or not r.runs:
            continue
        share = own / room
        c.total = c.total + j.compute + r.context
        ms = ms + share * (decode_ms(m, j, r, weights_read, 1.0, q.speed_class, p) - p.fixed_ms)
    c.weights = weights
    c.required = c.total
    c.available = h.gpu_total
    c.utilization = c.total / h.gpu_total
    c.mode = GPU
    c.runtime = LLAMACPP
    c.quant = quant
    c.kind = 0
    c.devices = n
    c.on_gpu = 1.0
    c.token_ms = ms + p.fixed_ms + 0.05 * (n - 1)
    judge(c, j, q.loss, p)


cdef inline void tensor_parallel(
    const Machine* h, const Model* m, const Job* j, double weights, const Quant* q, int quant, int kind, int n, const Policy* p, Candidate* c
) noexcept nogil:
    """vLLM over `n` equal devices: weights and cache divided, buffers repeated; the cache of MLA is not divided."""
    cdef const Rate* r = &h.gpu[VLLM][kind]
    cdef int heads = 1 if (m.attention == MLA or m.attention == HYBRID_LINEAR_MLA) else (m.n_kv_heads if m.n_kv_heads else 1)
    cdef double cut = n if heads >= n else heads
    cdef double each
    c.fits = 0
    if n > h.count[kind] or not (m.tp_sizes >> n) & 1:
        return
    each = up(weights / n) + up(j.cache / cut) + j.compute + r.context
    c.weights = up(weights / n) * n
    c.available = h.capacity[h.first[kind] + n - 1] * n
    c.total = each * n
    c.required = c.total
    c.utilization = c.total / high(c.available, 1.0)
    if c.utilization > r.max_utilization:
        return
    c.mode = TENSOR_PARALLEL
    c.runtime = VLLM
    c.quant = quant
    c.kind = kind
    c.devices = n
    c.on_gpu = 1.0
    c.token_ms = decode_ms(m, j, r, bytes_of(weights) * j.read_share / n, 1.0 / cut, q.speed_class, p) + m.n_layers * r.tp_layer_ms
    judge(c, j, q.loss, p)
