# The ways that need system RAM: all of it on the CPU, or what a GPU cannot hold. All memory in thousandths of a GiB.
# Each tries the forms of a model from the best that fits down to the first that is fast enough.
from llmfit.estimate.arith cimport down, high, low
from llmfit.estimate.codes cimport *
from llmfit.estimate.fit cimport Candidate, offer, placed
from llmfit.estimate.job cimport Forms, Job, StepParts, step_ms, step_parts_of
from llmfit.estimate.machine cimport Machine, Rate
from llmfit.estimate.memory cimport bytes_of, expert_bytes, milli_up
from llmfit.estimate.model cimport Model
from llmfit.estimate.policy cimport Policy
from llmfit.estimate.quant cimport Quant
from llmfit.estimate.speed cimport read_ms


cdef inline void on_cpu(const Job* j, const Forms* f, Candidate* best) noexcept nogil:
    """The whole model in system RAM, run by the CPU."""
    cdef const Machine* h = j.h
    cdef const Model* m = j.m
    cdef const Quant* q
    cdef double available = high(h.ram, 1.0), beside = j.cache + j.cpu_compute + h.cpu.context
    cdef StepParts parts = step_parts_of(m, j, &h.cpu, 1.0, j.p)
    cdef Candidate c = placed(CPU_ONLY, LLAMACPP, 0, 0, 0.0, h.ram)
    cdef int i
    for i in range(f.n):
        c.total = f.sizes[i] + beside
        if c.total > available:
            continue
        q = &j.quants[f.quant[i]]
        c.quant = f.quant[i]
        c.weights = f.sizes[i]
        c.required = c.total
        c.utilization = c.total / available
        c.token_ms = step_ms(&h.cpu, &parts, bytes_of(c.weights) * j.read_share, q.speed_class, j.p)
        # the GPU's share of one memory is what the system leaves to a model
        if offer(&c, j, q, MARGINAL if h.unified else PERFECT, 0, best):
            return


cdef inline void experts_in_ram(const Job* j, const Forms* f, Candidate* best) noexcept nogil:
    """A mixture of experts with attention, cache and as many experts as fit on the freest GPU, the rest in RAM."""
    cdef const Machine* h = j.h
    cdef const Model* m = j.m
    cdef const Rate* r = &h.gpu[LLAMACPP][h.largest_kind]
    cdef const Quant* q
    cdef double beside = j.cache + j.compute + r.context, most = h.largest * j.p.comfortable_utilization
    cdef double experts, base, kept, active, expert_active
    cdef StepParts parts = step_parts_of(m, j, r, 1.0, j.p)
    cdef Candidate c = placed(MOE_OFFLOAD, LLAMACPP, h.largest_kind, 1, 0.0, h.largest)
    cdef int i
    if m.active_expert_params <= 0:
        return
    for i in range(f.n):
        q = &j.quants[f.quant[i]]
        c.weights = f.sizes[i]
        experts = low(milli_up(expert_bytes(m, q)), c.weights - 1)
        base = c.weights - experts + beside
        kept = down(low(experts, high(most - base, 0)))
        if base > most or kept >= experts or experts - kept > high(h.ram, 1.0):
            continue
        c.quant = f.quant[i]
        c.total = base + experts
        c.required = base + kept
        c.utilization = high(c.required / h.largest, (experts - kept) / high(h.ram, 1.0))
        c.on_gpu = kept / experts
        active = bytes_of(c.weights) * j.read_share
        expert_active = low(m.expert_params * j.expert_share * q.expert_bits / 8.0, 0.95 * active)
        c.token_ms = step_ms(r, &parts, active - expert_active * (1.0 - c.on_gpu), q.speed_class, j.p)
        c.token_ms = c.token_ms + read_ms(expert_active * (1.0 - c.on_gpu), &h.cpu, q.speed_class, 1)
        c.token_ms = c.token_ms + (1.0 - c.on_gpu) * j.n_seq * m.active_expert_params * 1e-9 * h.cpu.flop_ms
        if offer(&c, j, q, PERFECT, 0, best):
            return


cdef inline void layers_in_ram(const Job* j, const Forms* f, Candidate* best) noexcept nogil:
    """As many layers (with their cache) as fit on the freest GPU, the rest in RAM, run by the CPU."""
    cdef const Machine* h = j.h
    cdef const Model* m = j.m
    cdef const Rate* r = &h.gpu[LLAMACPP][h.largest_kind]
    cdef const Quant* q
    cdef double beside = j.compute + r.context, ram = high(h.ram, 1.0)
    cdef double room = h.largest * j.p.comfortable_utilization - beside
    cdef double kept = down(high(room, 0)), need, active
    cdef StepParts parts = step_parts_of(m, j, r, 1.0, j.p), cpu_parts = step_parts_of(m, j, &h.cpu, 1.0, j.p)
    cdef Candidate c = placed(CPU_OFFLOAD, LLAMACPP, h.largest_kind, 1, 0.0, h.largest)
    cdef int i
    if m.n_layers == 0:
        return
    for i in range(f.n):
        need = f.sizes[i] + j.cache
        if kept >= need or kept < 0.1 * need or need - kept > ram:
            continue
        q = &j.quants[f.quant[i]]
        c.quant = f.quant[i]
        c.weights = f.sizes[i]
        c.total = need + beside
        c.required = kept + beside
        c.utilization = high(c.required / h.largest, (need - kept) / ram)
        c.on_gpu = kept / need
        active = bytes_of(c.weights) * j.read_share
        c.token_ms = c.on_gpu * step_ms(r, &parts, active, q.speed_class, j.p)
        c.token_ms = c.token_ms + (1.0 - c.on_gpu) * step_ms(&h.cpu, &cpu_parts, active, q.speed_class, j.p)
        if offer(&c, j, q, PERFECT, 0, best):
            return
