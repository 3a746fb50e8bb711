# The ways that need system RAM: all of it on the CPU, or what a GPU cannot hold. All memory in thousandths of a GiB.
from llmfit.arith cimport down, high, low
from llmfit.codes cimport *
from llmfit.fit cimport Candidate, Job, decode_ms, judge
from llmfit.machine cimport Machine, Rate
from llmfit.memory cimport bytes_of, expert_bytes, milli_up
from llmfit.model cimport Model
from llmfit.policy cimport Policy
from llmfit.quant cimport Quant
from llmfit.speed cimport read_ms


cdef inline void on_cpu(
    const Machine* h, const Model* m, const Job* j, double weights, const Quant* q, int quant, const Policy* p, Candidate* c
) noexcept nogil:
    """The whole model in system RAM, run by the CPU."""
    c.weights = weights
    c.total = weights + j.cache + j.cpu_compute + h.cpu.context
    c.required = c.total
    c.available = h.ram
    c.utilization = c.total / high(h.ram, 1.0)
    c.fits = 0
    if c.utilization > 1.0:
        return
    c.mode = CPU_ONLY
    c.runtime = LLAMACPP
    c.quant = quant
    c.kind = 0
    c.devices = 0
    c.on_gpu = 0.0
    c.token_ms = decode_ms(m, j, &h.cpu, bytes_of(weights) * j.read_share, 1.0, q.speed_class, p)
    judge(c, j, q.loss, p)
    if h.unified:  # the GPU's share of one memory is what the system leaves to a model
        c.level = MARGINAL


cdef inline void experts_in_ram(
    const Machine* h, const Model* m, const Job* j, double weights, const Quant* q, int quant, const Policy* p, Candidate* c
) noexcept nogil:
    """A mixture of experts with attention, cache and as many experts as fit on the freest GPU, the rest in RAM."""
    cdef const Rate* r = &h.gpu[LLAMACPP][h.largest_kind]
    cdef double experts = low(milli_up(expert_bytes(m, q)), weights - 1)
    cdef double base = weights - experts + j.cache + j.compute + r.context
    cdef double room = h.largest * p.comfortable_utilization - base
    cdef double kept, active, expert_active
    c.fits = 0
    if room < 0 or m.active_expert_params <= 0:
        return
    kept = down(low(experts, room))
    c.total = base + experts
    c.required = base + kept
    c.available = h.largest
    c.utilization = high(c.required / h.largest, (experts - kept) / high(h.ram, 1.0))
    if c.utilization > 1.0 or kept >= experts:
        return
    c.weights = weights
    c.mode = MOE_OFFLOAD
    c.runtime = LLAMACPP
    c.quant = quant
    c.kind = h.largest_kind
    c.devices = 1
    c.on_gpu = kept / experts
    active = bytes_of(weights) * j.read_share
    expert_active = low(m.expert_params * j.expert_share * q.expert_bits / 8.0, 0.95 * active)
    c.token_ms = decode_ms(m, j, r, active - expert_active * (1.0 - c.on_gpu), 1.0, q.speed_class, p)
    c.token_ms = c.token_ms + read_ms(expert_active * (1.0 - c.on_gpu), &h.cpu, q.speed_class, 1)
    c.token_ms = c.token_ms + (1.0 - c.on_gpu) * j.n_seq * m.active_expert_params * 1e-9 * h.cpu.flop_ms
    judge(c, j, q.loss, p)


cdef inline void layers_in_ram(
    const Machine* h, const Model* m, const Job* j, double weights, const Quant* q, int quant, const Policy* p, Candidate* c
) noexcept nogil:
    """As many layers (with their cache) as fit on the freest GPU, the rest in RAM, run by the CPU."""
    cdef const Rate* r = &h.gpu[LLAMACPP][h.largest_kind]
    cdef double base = j.compute + r.context
    cdef double need = weights + j.cache
    cdef double kept = down(low(need, h.largest * p.comfortable_utilization - base))
    cdef double active
    c.fits = 0
    if kept < 0.1 * need or m.n_layers == 0:
        return
    c.total = need + base
    c.required = kept + base
    c.available = h.largest
    c.utilization = high(c.required / h.largest, (need - kept) / high(h.ram, 1.0))
    if c.utilization > 1.0 or kept >= need:
        return
    c.weights = weights
    c.mode = CPU_OFFLOAD
    c.runtime = LLAMACPP
    c.quant = quant
    c.kind = h.largest_kind
    c.devices = 1
    c.on_gpu = kept / need
    active = bytes_of(weights) * j.read_share
    c.token_ms = c.on_gpu * decode_ms(m, j, r, active, 1.0, q.speed_class, p)
    c.token_ms = c.token_ms + (1.0 - c.on_gpu) * decode_ms(m, j, &h.cpu, active, 1.0, q.speed_class, p)
    judge(c, j, q.loss, p)
