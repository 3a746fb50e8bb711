# Where the time of one token goes: what estimate_basis says, so that tokens/s can be recomputed by hand.
# Computed when a row is written. The parts add up to the time that ranking used; tests/estimate/test_basis.py holds that.
from libc.math cimport sqrt
from llmfit.estimate.arith cimport low
from llmfit.estimate.codes cimport *
from llmfit.estimate.estimate cimport Estimate, Settings, job_of
from llmfit.estimate.evidence cimport rate_of
from llmfit.estimate.fit cimport Candidate
from llmfit.estimate.job cimport Job, decode_ms
from llmfit.estimate.machine cimport Machine, Rate
from llmfit.estimate.memory cimport bytes_of
from llmfit.estimate.model cimport Model
from llmfit.estimate.policy cimport Policy
from llmfit.estimate.quant cimport Quant
from llmfit.estimate.speed cimport read_ms

cdef struct Parts:
    double weights, cache   # bytes read for one token, over all memories; of several sessions for a step
    double ram              # of weights + cache / cache_efficiency what RAM supplies
    double ram_efficiency   # share of its bandwidth reached
    double read             # ms of reading them
    double compute          # ms that computing adds: a CPU computes while it reads
    double layers           # ms of fixed costs of layers, and of passing work between devices
    double fixed            # ms of fixed costs of a token
    double tflops           # shader rate behind `compute` of the (first) processor


cdef inline void add_part(
    Parts* t, const Model* m, const Job* j, const Rate* r, double share, double weights, double cache_share, int speed_class, const Policy* p
) noexcept nogil:
    """`share` of what one processor would take for `weights` bytes of weights and `cache_share` of the cache."""
    cdef double read = read_ms(weights + j.cache_read * cache_share / p.cache_efficiency, r, speed_class, m.is_moe)
    cdef double work = j.n_seq * m.active * 1e-9 * r.flop_ms + j.attention * cache_share * r.attention_ms
    cdef double layers = m.n_layers * r.layer_ms * j.factor
    if r.overlaps:
        work = sqrt(read * read + work * work) - read
    t.weights = t.weights + share * weights
    if r.overlaps:
        t.ram = t.ram + share * (weights + j.cache_read * cache_share / p.cache_efficiency)
    t.cache = t.cache + share * j.cache_read * cache_share
    # where the roofline's cap is higher, reading takes what the cap says
    t.read = t.read + share * (read + decode_ms(m, j, r, weights, cache_share, speed_class, p) - (read + work + layers + p.fixed_ms))
    t.compute = t.compute + share * work
    t.layers = t.layers + share * layers
    t.fixed = t.fixed + share * p.fixed_ms


cdef inline void add_devices(
    Parts* t, const Machine* h, const Model* m, const Job* j, double weights, int speed_class, const Policy* p
) noexcept nogil:
    """Layers over all GPUs, as place_gpu.over_layers divides them."""
    cdef double room = 0, own
    cdef int i, n = 0
    for i in range(h.n_devices):
        own = h.capacity[i] - j.compute - h.gpu[LLAMACPP][h.kind[i]].context
        if own > 0 and h.gpu[LLAMACPP][h.kind[i]].runs:
            room = room + own
            n = n + 1
    for i in range(h.n_devices):
        own = h.capacity[i] - j.compute - h.gpu[LLAMACPP][h.kind[i]].context
        if own > 0 and h.gpu[LLAMACPP][h.kind[i]].runs:
            add_part(t, m, j, &h.gpu[LLAMACPP][h.kind[i]], own / room, weights, 1.0, speed_class, p)
    t.layers = t.layers + 0.05 * (n - 1)


cdef inline Parts parts_of(
    const Machine* h, const Model* m, const Estimate* e, const Quant* q, double weights, const Settings* s, const Policy* p
) noexcept nogil:
    """The parts of e.best.token_ms; `weights`: of the file, thousandths of a GiB. All 0 where the model cannot run."""
    cdef Parts t
    cdef Job j = job_of(h, m, NULL, s, e.context, p)
    cdef const Candidate* c = &e.best
    cdef const Rate* r = rate_of(h, c)
    cdef double bytes = bytes_of(weights) * j.read_share, left, experts
    cdef int heads = 1 if (m.attention == MLA or m.attention == HYBRID_LINEAR_MLA) else (m.n_kv_heads if m.n_kv_heads else 1)
    t.weights = t.cache = t.ram = t.read = t.compute = t.layers = t.fixed = 0
    t.tflops = p.attention_flop / r.attention_ms if r.attention_ms > 0 else 0
    t.ram_efficiency = h.cpu.eta[q.speed_class][m.is_moe]
    if not c.fits:
        return t
    if c.mode == TENSOR_PARALLEL:
        add_part(&t, m, &j, r, 1.0, bytes / c.devices, 1.0 / (c.devices if heads >= c.devices else heads), q.speed_class, p)
        t.layers = t.layers + m.n_layers * r.tp_layer_ms
    elif c.mode == MOE_OFFLOAD:
        left = 1.0 - c.on_gpu
        experts = low(m.expert_params * j.expert_share * q.expert_bits / 8.0, 0.95 * bytes) * left
        add_part(&t, m, &j, r, 1.0, bytes - experts, 1.0, q.speed_class, p)
        t.weights = t.weights + experts
        t.ram = experts
        t.read = t.read + read_ms(experts, &h.cpu, q.speed_class, 1)
        t.compute = t.compute + left * j.n_seq * m.active_expert_params * 1e-9 * h.cpu.flop_ms
    elif c.mode == CPU_OFFLOAD:
        add_part(&t, m, &j, r, c.on_gpu, bytes, 1.0, q.speed_class, p)
        add_part(&t, m, &j, &h.cpu, 1.0 - c.on_gpu, bytes, 1.0, q.speed_class, p)
    elif c.devices > 1:
        add_devices(&t, h, m, &j, bytes, q.speed_class, p)
    else:
        add_part(&t, m, &j, r, 1.0, bytes, 1.0, q.speed_class, p)
    return t
