# One model on one machine: the chosen way with all that a row says of it.
from llmfit.estimate.arith cimport high, low
from llmfit.estimate.codes cimport *
from llmfit.estimate.choose cimport Ladder, forms_of, impossible, keep_allowed, try_runtime
from llmfit.estimate.evidence cimport rate_of
from llmfit.estimate.fit cimport Candidate, fit_score, slowness, strained
from llmfit.estimate.job cimport Forms, Job
from llmfit.estimate.machine cimport Machine, Rate
from llmfit.estimate.memory cimport bytes_of, cache_bytes, cache_read_bytes, expert_bytes, milli_up, usable_tokens, weights_bytes
from llmfit.estimate.model cimport Model, known_shape
from llmfit.estimate.policy cimport Policy
from llmfit.estimate.quant cimport Quant
from llmfit.estimate.speed cimport attention_gflop, expert_share, read_share

cdef struct Settings:
    double context          # tokens; 0: the policy's default
    double n_seq            # sessions at once
    double k_bytes, v_bytes # of a cache element: of keys, of values
    int k_type, v_type      # codes.CACHE_TYPES
    int runtime             # only this one; -1: any
    int runtimes            # bit r set: runtime r may be taken: it is the one asked for, and has these types of cache
    const unsigned char* quants     # by quantization: 1 where it is allowed; NULL: all are
    int extra_quant         # a GGUF label outside the ladder among them; -1: none

cdef struct Estimate:
    # What ranking needs of one model on one machine; what only a row says is in estimate/detail.pxd.
    double tps              # tokens/s of a session; 0: it cannot run
    double fit              # fit component, 0..100
    double minus            # points off the score: too slow, barely fits
    double usable           # tokens
    Candidate best
    int context, blocker


cdef inline double room_for_cache(const Machine* h, const Model* m, const Job* j, const Candidate* c, double experts, const Policy* p) noexcept nogil:
    """Memory that the cache may grow to where the candidate lies, thousandths of a GiB."""
    cdef const Rate* r = rate_of(h, c)
    cdef double fixed = c.weights + j.compute + r.context
    if c.mode == CPU_ONLY:
        return h.ram - fixed + j.compute - j.cpu_compute
    if c.mode == TENSOR_PARALLEL:
        return (c.available / c.devices * r.max_utilization - c.weights / c.devices - j.compute - r.context) * min(<int>c.devices, m.cache_parts)
    if c.mode == MOE_OFFLOAD:
        return h.largest * p.comfortable_utilization - (fixed - experts) - high(0.0, experts - h.ram)
    if c.mode == CPU_OFFLOAD:
        return h.largest * p.comfortable_utilization + h.ram - fixed
    if c.devices > 1:
        return (h.gpu_total - c.devices * (j.compute + r.context + 1)) / (1.0 + 0.5 * c.devices / high(m.n_layers, 1.0)) - c.weights
    return c.available * r.max_utilization - fixed


cdef inline double element_bytes(const Model* m, const Settings* s) noexcept nogil:
    """Bytes of a cache element, the mean over the keys and values of a model."""
    cdef double elements = m.cache_full + m.cache_window
    if s.k_bytes == s.v_bytes or elements <= 0:
        return s.k_bytes
    return s.k_bytes + (s.v_bytes - s.k_bytes) * (m.cache_full_v + m.cache_window_v) / elements


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


cdef inline double effective_context(const Model* m, const Settings* s, const Policy* p) noexcept nogil:
    """Tokens of context that an estimate is made for: what is asked, or the default, within the model's window."""
    cdef double context = s.context if s.context > 0 else p.default_context
    return m.context if m.context and m.context < context else context


cdef inline Job job_of(const Machine* h, const Model* m, const Quant* quants, const Settings* s, double context, const Policy* p) noexcept nogil:
    """What does not depend on where the model lies, nor on its quantization."""
    cdef Job j
    cdef double bytes = element_bytes(m, s)
    j.h, j.m, j.quants, j.p = h, m, quants, p
    j.cache = milli_up(cache_bytes(m, context, s.n_seq, bytes, p.ubatch))
    j.compute = m.compute
    j.cpu_compute = m.cpu_compute
    j.n_seq = s.n_seq
    j.cache_read = s.n_seq * cache_read_bytes(m, 0.5 * context, bytes)
    j.read_share = m.read_share if s.n_seq == 1 else read_share(m, s.n_seq, p)
    j.expert_share = expert_share(m, s.n_seq)
    j.factor = m.layer_factor
    j.attention = s.n_seq * attention_gflop(m, 0.5 * context)
    j.loss_factor = m.loss_factor
    j.known = known_shape(m)
    return j


cdef inline void describe(const Machine* h, const Model* m, const Job* j, const Quant* q, double context, const Settings* s, const Policy* p, Estimate* e) noexcept nogil:
    """Fill in what follows from the chosen candidate: its context, what it brings into a score."""
    cdef const Candidate* c = &e.best
    cdef double experts = low(milli_up(expert_bytes(m, q)), c.weights - 1) if c.mode == MOE_OFFLOAD else 0
    cdef double room = room_for_cache(h, m, j, c, experts, p)
    cdef double window = m.context if m.context else context
    cdef double usable = usable_tokens(m, bytes_of(room) - m.state_bytes * s.n_seq, s.n_seq, element_bytes(m, s), p.ubatch)
    e.context = <int>context
    e.usable = low(window, high(usable, context)) if c.fits else low(window, high(usable, 0))
    e.blocker = NO_REASON if c.fits else TOO_BIG
    weigh(e, p)


cdef inline void explain(
    const Machine* h, const Model* m, const Job* j, const int* weights, const Quant* quants, const Ladder* ladder, double context,
    const Settings* s, const Policy* p, Estimate* e
) noexcept nogil:
    """The estimate of a model that cannot run: of the forms that run here the smallest, else the smallest of all."""
    cdef Forms f
    cdef int runtime, runs, quant = -1, found_runs = 0, found = LLAMACPP, allowed = h.runtimes[m.format]
    cdef int other_cache = 0            # a runtime that would do has no such cache
    cdef int wrong = s.quants != NULL   # no runtime has the model in an allowed quantization
    cdef double size = 0
    for runtime in range(N_RUNTIMES):
        if s.runtime >= 0 and s.runtime != runtime:
            continue
        f = forms_of(m, weights, runtime, ladder)
        if s.quants != NULL:
            keep_allowed(&f, m, runtime, quants, s.quants, &s.extra_quant)
        wrong = wrong and f.n == 0
        runs = (allowed & s.runtimes) >> runtime & 1
        other_cache = other_cache or (f.n and (allowed & ~s.runtimes) >> runtime & 1)
        if f.n and (quant < 0 or runs > found_runs or (runs == found_runs and f.sizes[f.n - 1] < size)):
            quant, size, found, found_runs = f.quant[f.n - 1], f.sizes[f.n - 1], runtime, runs
    if quant < 0:  # the requested runtime has no form of this model
        quant = m.own_quant if m.own_quant >= 0 else ladder.quant[LLAMACPP][ladder.size[LLAMACPP] - 1]
        size = weights[0] if m.own_quant >= 0 else weights[ladder.size[LLAMACPP]]
        found = s.runtime if s.runtime >= 0 else LLAMACPP
        allowed = 0
    e.best = impossible(h, j, size, quant, found)
    describe(h, m, j, &quants[quant], context, s, p, e)
    if not (allowed & s.runtimes) >> found & 1 and other_cache:
        e.blocker = WRONG_CACHE
    elif not (allowed >> found) & 1:
        e.blocker = h.blocker[m.format] if h.blocker[m.format] != NO_REASON else NOT_FOR_RUNTIME
    if wrong:
        e.blocker = WRONG_QUANT


cdef inline void estimate(
    const Machine* h, const Model* m, const int* weights, const Quant* quants, const Ladder* ladder, const Settings* s,
    const Policy* p, Estimate* e
) noexcept nogil:
    """The best way to run `m` on `h`, or why there is none. `weights`: thousandths of a GiB, laid out as estimate/choose.pxd says."""
    cdef double context = effective_context(m, s, p)
    cdef Job j = job_of(h, m, quants, s, context, p)
    cdef Forms f
    cdef int runtime, allowed = h.runtimes[m.format] & s.runtimes
    e.best.fits = 0
    for runtime in range(N_RUNTIMES):
        if (allowed >> runtime) & 1:
            f = forms_of(m, weights, runtime, ladder)
            if s.quants != NULL:
                keep_allowed(&f, m, runtime, quants, s.quants, &s.extra_quant)
            if f.n:
                try_runtime(&j, &f, runtime, &e.best)
    if e.best.fits:
        describe(h, m, &j, &quants[e.best.quant], context, s, p, e)
    else:
        explain(h, m, &j, weights, quants, ladder, context, s, p, e)
