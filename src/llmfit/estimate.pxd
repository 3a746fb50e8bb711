# One model on one machine: the chosen way with all that a row says of it.
from llmfit.arith cimport high, low
from llmfit.codes cimport *
from llmfit.choose cimport Ladder, choices, first_weight, impossible, try_runtime
from llmfit.evidence cimport rate_of
from llmfit.fit cimport Candidate, Job, fit_score, slowness, strained
from llmfit.machine cimport Machine, Rate
from llmfit.memory cimport (
    bytes_of, cache_bytes, cache_read_bytes, compute_bytes, expert_bytes, milli_up, resident_compute_bytes, usable_tokens, weights_bytes
)
from llmfit.model cimport Model, known_shape
from llmfit.policy cimport Policy
from llmfit.quant cimport Quant
from llmfit.speed cimport attention_gflop, expert_share, read_share

cdef struct Settings:
    double context          # tokens; 0: the policy's default
    double n_seq            # sessions at once
    double element_bytes    # of a cache element
    int runtime             # only this one; -1: any
    const unsigned char* quants     # by quantization: 1 where it is allowed; NULL: all are
    int extra_quant         # a GGUF label outside the ladder among them; -1: none

cdef struct Estimate:
    # What ranking needs of one model on one machine; what only a row says is in detail.pxd.
    Candidate best
    double cache, compute, overhead     # thousandths of a GiB; with best.weights the parts of best.total
    double offloaded
    double usable           # tokens
    double tps              # tokens/s of a session; 0: it cannot run
    double fit              # fit component, 0..100
    double minus            # points off the score: too slow, barely fits
    int context, blocker


cdef inline double room_for_cache(const Machine* h, const Model* m, const Job* j, const Candidate* c, double experts, const Policy* p) noexcept nogil:
    """Memory that the cache may grow to where the candidate lies, thousandths of a GiB."""
    cdef const Rate* r = rate_of(h, c)
    cdef double fixed = c.weights + j.compute + r.context
    cdef int heads = 1 if (m.attention == MLA or m.attention == HYBRID_LINEAR_MLA) else max(m.n_kv_heads, 1)
    if c.mode == CPU_ONLY:
        return h.ram - fixed + j.compute - j.cpu_compute
    if c.mode == TENSOR_PARALLEL:
        return (c.available / c.devices * r.max_utilization - c.weights / c.devices - j.compute - r.context) * min(c.devices, heads)
    if c.mode == MOE_OFFLOAD:
        return h.largest * p.comfortable_utilization - (fixed - experts) - high(0.0, experts - h.ram)
    if c.mode == CPU_OFFLOAD:
        return h.largest * p.comfortable_utilization + h.ram - fixed
    if c.devices > 1:
        return (h.gpu_total - c.devices * (j.compute + r.context + 1)) / (1.0 + 0.5 * c.devices / high(m.n_layers, 1.0)) - c.weights
    return c.available * r.max_utilization - fixed


cdef inline void weigh(Estimate* e, const Policy* p) noexcept nogil:
    """What every row of this shape brings into its score: speed, fit, and points off for what is too slow or barely fits."""
    cdef const Candidate* c = &e.best
    e.tps, e.fit, e.minus = 0, 0, 0
    if c.fits:
        e.tps = 1000.0 / c.token_ms
        e.fit = fit_score(c.mode, c.utilization, c.loss, p)
        e.minus = slowness(e.tps, p)
        if strained(c.mode, c.utilization, c.loss, p) or (c.level == MARGINAL and e.tps >= p.reasonable_tps):
            e.minus = e.minus + p.marginal_penalty


cdef inline void describe(
    const Machine* h, const Model* m, const Job* j, const Quant* q, double context, const Settings* s, const Policy* p, Estimate* e
) noexcept nogil:
    """Fill in what follows from the chosen candidate: the parts of its memory, its context, what it brings into a score."""
    cdef const Candidate* c = &e.best
    cdef const Rate* r = rate_of(h, c)
    cdef int copies = c.devices if c.devices > 1 and c.fits else 1
    cdef double experts = low(milli_up(expert_bytes(m, q)), c.weights - 1) if c.mode == MOE_OFFLOAD else 0
    cdef double room = room_for_cache(h, m, j, c, experts, p)
    cdef double window = m.context if m.context else context
    cdef double usable = usable_tokens(m, bytes_of(room) - m.state_bytes * s.n_seq, s.n_seq, s.element_bytes, p.ubatch)
    e.compute = j.cpu_compute if c.mode == CPU_ONLY else j.compute * copies
    e.overhead = r.context * copies
    e.cache = c.total - c.weights - e.compute - e.overhead
    e.offloaded = c.total - c.required
    e.context = <int>context
    e.usable = low(window, high(usable, context)) if c.fits else low(window, high(usable, 0))
    e.blocker = NO_REASON if c.fits else TOO_BIG
    weigh(e, p)


cdef inline double effective_context(const Model* m, const Settings* s, const Policy* p) noexcept nogil:
    """The context a row is computed at, tokens: what is asked for, at most the model's window."""
    cdef double context = s.context if s.context > 0 else p.default_context
    return m.context if m.context and m.context < context else context


cdef inline Job job_of(const Model* m, double context, const Settings* s, const Policy* p) noexcept nogil:
    """What one model at one context needs whatever the quantization."""
    cdef Job j
    j.cache = milli_up(cache_bytes(m, context, s.n_seq, s.element_bytes, p.ubatch))
    j.compute = milli_up(compute_bytes(m, p.ubatch))
    j.cpu_compute = milli_up(resident_compute_bytes(m, p.ubatch))
    j.n_seq = s.n_seq
    j.cache_read = s.n_seq * cache_read_bytes(m, 0.5 * context, s.element_bytes)
    j.read_share = m.read_share if s.n_seq == 1 else read_share(m, s.n_seq, p)
    j.expert_share = expert_share(m, s.n_seq)
    j.factor = m.layer_factor
    j.attention = s.n_seq * attention_gflop(m, 0.5 * context)
    j.loss_factor = m.loss_factor
    j.known = known_shape(m)
    return j


cdef inline void estimate(
    const Machine* h, const Model* m, const double* weights, const Quant* quants, const Ladder* ladder, const Settings* s,
    const Policy* p, Estimate* e
) noexcept nogil:
    """The best way to run `m` on `h`, or why there is none. `weights`: thousandths of a GiB, laid out as _core says."""
    cdef double context = effective_context(m, s, p)
    cdef Job j = job_of(m, context, s, p)
    cdef Candidate* best = &e.best
    cdef int runtime, n, runs, smallest = -1, smallest_runtime = LLAMACPP, smallest_runs = 0, allowed = h.runtimes[m.format]
    cdef const int* quant
    cdef const double* sizes
    cdef double smallest_weights = 0, extra
    cdef int wrong = s.quants != NULL   # no runtime has the model in an allowed quantization
    best.fits = 0
    for runtime in range(N_RUNTIMES):
        if s.runtime >= 0 and s.runtime != runtime:
            continue
        quant = choices(m, runtime, ladder, &n)
        sizes = weights + first_weight(m, runtime, ladder)
        if s.quants != NULL:
            while n and not s.quants[quant[0]]:
                quant, sizes, n = quant + 1, sizes + 1, n - 1
            n = min(n, 1)  # a label stands once in a list
            if n == 0 and s.extra_quant >= 0 and runtime == LLAMACPP and m.gguf == 1:
                extra = milli_up(weights_bytes(m, &quants[s.extra_quant]))
                quant, sizes, n = &s.extra_quant, &extra, 1
            wrong = wrong and n == 0
        runs = (allowed >> runtime) & 1
        # of the forms that run here the smallest, else the smallest of all: a row that is too big says what it would take
        if n and (smallest < 0 or runs > smallest_runs or (runs == smallest_runs and sizes[n - 1] < smallest_weights)):
            smallest = quant[n - 1]
            smallest_weights = sizes[n - 1]
            smallest_runtime = runtime
            smallest_runs = runs
        if n == 0 or not runs:
            continue
        try_runtime(h, m, &j, sizes, quants, quant, n, runtime, p, best)
    if best.fits:
        describe(h, m, &j, &quants[best.quant], context, s, p, e)
        return
    if smallest < 0:  # the requested runtime has no form of this model
        smallest = m.own_quant if m.own_quant >= 0 else ladder.quant[LLAMACPP][ladder.size[LLAMACPP] - 1]
        smallest_weights = weights[0] if m.own_quant >= 0 else weights[ladder.size[LLAMACPP]]
        smallest_runtime = s.runtime if s.runtime >= 0 else LLAMACPP
        allowed = 0
    best[0] = impossible(h, &j, smallest_weights, smallest, smallest_runtime)
    describe(h, m, &j, &quants[smallest], context, s, p, e)
    if not (allowed >> smallest_runtime) & 1:
        e.blocker = h.blocker[m.format] if h.blocker[m.format] != NO_REASON else NOT_FOR_RUNTIME
    if wrong:
        e.blocker = WRONG_QUANT
