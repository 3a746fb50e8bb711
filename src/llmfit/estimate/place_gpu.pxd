# The ways a model can lie wholly on accelerators. All memory in thousandths of a GiB.
# Each tries the forms of a model from the best that fits down to the first that is fast enough.
from llmfit.estimate.arith cimport high, up
from llmfit.estimate.codes cimport *
from llmfit.estimate.fit cimport Candidate, offer, placed
from llmfit.estimate.job cimport Forms, Job, StepParts, step_ms, step_parts_of
from llmfit.estimate.machine cimport MAX_KINDS, Machine, Rate
from llmfit.estimate.memory cimport bytes_of
from llmfit.estimate.model cimport Model
from llmfit.estimate.policy cimport Policy
from llmfit.estimate.quant cimport Quant


cdef inline void on_one_gpu(const Job* j, const Forms* f, int runtime, int kind, Candidate* best) noexcept nogil:
    """The whole model on the freest device of one kind."""
    cdef const Model* m = j.m
    cdef const Rate* r = &j.h.gpu[runtime][kind]
    cdef const Quant* q
    cdef double available = j.h.capacity[j.h.first[kind]]
    cdef double beside = j.cache + j.compute + r.context
    cdef double room = available * r.max_utilization - beside, minus = 0
    cdef StepParts parts = step_parts_of(m, j, r, 1.0, j.p)
    cdef Candidate c = placed(GPU, runtime, kind, 1, 1.0, available)
    cdef int i
    for i in range(f.n):
        if f.sizes[i] > room:
            continue
        q = &j.quants[f.quant[i]]
        c.quant = f.quant[i]
        c.weights = f.sizes[i]
        c.total = c.weights + beside
        c.required = c.total
        c.utilization = c.total / high(available, 1.0)
        c.token_ms = step_ms(r, &parts, bytes_of(c.weights) * j.read_share, q.speed_class, j.p)
        if runtime == MLX and m.own_quant != c.quant:  # it must be converted first, unless a copy is known
            minus = 0 if (m.mlx >> (f.step + i + 1)) & 1 else j.p.no_gguf_penalty
        if offer(&c, j, q, PERFECT, minus, best):
            return


cdef inline void over_layers(const Job* j, const Forms* f, Candidate* best) noexcept nogil:
    """llama.cpp over all GPUs: whole layers on each, in proportion to what is free; one after another for a token."""
    cdef const Machine* h = j.h
    cdef const Model* m = j.m
    cdef double own[MAX_KINDS]      # room on all devices of a kind
    cdef StepParts kinds_parts[MAX_KINDS]
    cdef const Quant* q
    cdef const Rate* r
    cdef double room = 0, beside = 0, each, need, read, ms
    cdef Candidate c
    cdef int i, k, n = 0
    for k in range(h.n_kinds):
        own[k] = 0
    for i in range(h.n_devices):
        r = &h.gpu[LLAMACPP][h.kind[i]]
        each = h.capacity[i] - j.compute - r.context
        if each > 0 and r.runs:
            own[h.kind[i]] = own[h.kind[i]] + each
            room = room + each
            beside = beside + j.compute + r.context
            n = n + 1
    if n < 2 or m.n_layers < n:
        return
    for k in range(h.n_kinds):
        if own[k] > 0:
            kinds_parts[k] = step_parts_of(m, j, &h.gpu[LLAMACPP][k], 1.0, j.p)
    c = placed(GPU, LLAMACPP, 0, n, 1.0, h.gpu_total)
    for i in range(f.n):
        need = f.sizes[i] + j.cache
        # a layer cannot be cut: leave half a layer of room on each device
        if need * (1.0 + 0.5 * n / m.n_layers) + n > room:
            continue
        q = &j.quants[f.quant[i]]
        c.quant = f.quant[i]
        c.weights = f.sizes[i]
        c.total = need + beside
        c.required = c.total
        c.utilization = c.total / h.gpu_total
        read = bytes_of(c.weights) * j.read_share
        ms = 0
        for k in range(h.n_kinds):
            if own[k] > 0:
                r = &h.gpu[LLAMACPP][k]
                ms = ms + own[k] / room * (step_ms(r, &kinds_parts[k], read, q.speed_class, j.p) - j.p.fixed_ms)
        c.token_ms = ms + j.p.fixed_ms + 0.05 * (n - 1)
        if offer(&c, j, q, PERFECT, 0, best):
            return


cdef inline void tensor_parallel(const Job* j, const Forms* f, int kind, int least, int most, Candidate* best) noexcept nogil:
    """vLLM over `least`, twice as many, ... up to `most` equal devices: weights and cache divided, buffers repeated; the
    cache of MLA is not divided.
    """
    cdef const Machine* h = j.h
    cdef const Model* m = j.m
    cdef const Rate* r = &h.gpu[VLLM][kind]
    cdef const Quant* q
    cdef double cut, beside, available, attention = j.attention * r.attention_ms
    cdef StepParts parts, whole = step_parts_of(m, j, r, 1.0, j.p)
    cdef Candidate c = placed(TENSOR_PARALLEL, VLLM, kind, 1, 1.0, 0)
    cdef int i, n = least
    while n <= most and n <= h.count[kind]:
        if (m.tp_sizes >> n) & 1:
            cut = n if m.cache_parts >= n else m.cache_parts
            available = h.capacity[h.first[kind] + n - 1] * n
            beside = up(j.cache / cut) + j.compute + r.context
            parts = whole
            parts.cache = whole.cache / cut
            parts.work = whole.work - attention * (1.0 - 1.0 / cut)
            c.devices, c.available = n, available
            for i in range(f.n):
                c.total = (up(<double>f.sizes[i] / n) + beside) * n
                c.utilization = c.total / high(available, 1.0)
                if c.utilization > r.max_utilization:
                    continue
                q = &j.quants[f.quant[i]]
                c.quant = f.quant[i]
                c.weights = up(<double>f.sizes[i] / n) * n
                c.required = c.total
                c.token_ms = m.n_layers * r.tp_layer_ms + step_ms(
                    r, &parts, bytes_of(f.sizes[i]) * j.read_share / n, q.speed_class, j.p
                )
                if offer(&c, j, q, PERFECT, 0, best):
                    break
        n = n * 2
