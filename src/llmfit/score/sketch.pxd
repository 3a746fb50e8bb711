# The most that a model can be on a machine, without trying its forms: what cannot be among the first needs no estimate.
# A sketch keeps what that takes of a model in one cache line; all memory in thousandths of a GiB.
from libc.string cimport memset
from llmfit.estimate.arith cimport high, low
from llmfit.estimate.choose cimport Ladder, forms_of
from llmfit.estimate.codes cimport *
from llmfit.estimate.estimate cimport Settings
from llmfit.estimate.fit cimport fit_score
from llmfit.estimate.job cimport Forms
from llmfit.estimate.machine cimport Machine, Rate
from llmfit.estimate.memory cimport bytes_of, pad256
from llmfit.estimate.model cimport Model
from llmfit.estimate.policy cimport Policy
from llmfit.estimate.quant cimport MAX_SPEED_CLASSES
from llmfit.score.score cimport Row, UseCaseWeights, class_factor, context_score, soft_floor

cdef enum:
    MOST_TENTHS = 1000      # of a score

cdef struct Sketch:
    # Of a shape.
    float cache_full, cache_window, state   # as in Model
    float compute, cpu_compute
    float last[N_RUNTIMES]  # weights of the last form that a runtime can take; 0: none
    float smallest          # weights of the smallest form of any
    float read              # GB read for a token of the smallest form
    float active            # billions of parameters used per token
    float layers            # each as much as its kind takes
    int window, context
    unsigned char format, is_moe, compressed

cdef struct Member:
    # Of a base model.
    int row, shape

cdef struct RowSketch:
    # Of a row, at one use case.
    int row, shape, group
    float base, factor      # see base_points(); of what is not made for this
    short most              # no machine gives it a higher score, tenths of a point
    unsigned char use_case

cdef struct Fastest:
    # The least that any processor of a machine takes, under any runtime.
    double gb_ms[2]         # ms a GB of weights read, by [dense, MoE]; of devices together where they divide the weights
    double flop_ms, layer_ms


cdef inline Sketch sketch_of(const Model* m, const int* weights, const Ladder* ladder) noexcept nogil:
    """What hope() needs of a model."""
    cdef Sketch s
    cdef Forms f
    cdef int runtime, i
    memset(&s, 0, sizeof(Sketch))
    s.cache_full, s.cache_window, s.state, s.compute, s.cpu_compute = m.cache_full, m.cache_window, m.state_bytes, m.compute, m.cpu_compute
    for runtime in range(N_RUNTIMES):
        f = forms_of(m, weights, runtime, ladder)
        for i in range(f.n):
            s.last[runtime] = f.sizes[i]
            s.smallest = low(s.smallest, f.sizes[i]) if s.smallest > 0 else f.sizes[i]
    s.read = bytes_of(s.smallest) * m.read_share * 1e-9
    s.active, s.layers = m.active * 1e-9, m.n_layers * m.layer_factor
    s.window, s.context, s.format, s.is_moe = m.window, m.context, m.format, m.is_moe
    s.compressed = m.cache_csa + m.cache_hca > 0
    return s


cdef inline void raise_fastest(Fastest* f, const Rate* r, int devices) noexcept nogil:
    """Take in one more processor; `devices`: over how many of it the weights may be divided."""
    cdef int moe, k
    for moe in range(2):
        for k in range(MAX_SPEED_CLASSES):
            if r.byte_ms[moe][k] > 0:
                f.gb_ms[moe] = low(f.gb_ms[moe], r.byte_ms[moe][k] * 1e9 / devices)
    f.flop_ms = low(f.flop_ms, r.flop_ms)
    f.layer_ms = low(f.layer_ms, r.layer_ms)


cdef inline Fastest fastest_of(const Machine* h) noexcept nogil:
    """What is fastest on the machine, each by itself."""
    cdef Fastest f
    cdef int runtime, k
    f.gb_ms[0], f.gb_ms[1], f.flop_ms, f.layer_ms = 1e300, 1e300, 1e300, 1e300
    raise_fastest(&f, &h.cpu, 1)
    for runtime in range(N_RUNTIMES):
        for k in range(h.n_kinds):
            if h.gpu[runtime][k].runs:
                raise_fastest(&f, &h.gpu[runtime][k], h.count[k] if runtime == VLLM else 1)
    return f


cdef inline double most_tps(const Fastest* f, const Sketch* m, double n_seq, const Policy* p) noexcept nogil:
    """No session gets more tokens/s, wherever the model lies.

    A step takes at least max(W / BW, 2 P_active / TF) + L c a + t0 ms: the smallest form, each at the machine's
    fastest, without the cache.
    """
    return 1000.0 / (high(m.read * f.gb_ms[m.is_moe], n_seq * m.active * f.flop_ms) + m.layers * f.layer_ms + p.fixed_ms)


cdef inline int fits_somewhere(const Machine* h, const Sketch* m, const Settings* s, const Policy* p) noexcept nogil:
    """1: a form fits wholly on one GPU or in RAM; 0: none fits, however it is divided; -1: an estimate must tell.

    What is closer to a limit than a sketch is exact is left to the estimate. `s.quants` is not regarded.
    """
    cdef int allowed = h.runtimes[m.format] & s.runtimes, runtime, k
    cdef double ram = high(h.ram, 1.0), tokens = s.context if s.context > 0 else p.default_context
    cdef double context = low(m.context, tokens) if m.context else tokens
    # each session's cache lies apart; a type for keys and one for values make the cache lie between two bounds
    cdef double cells = pad256(context) * m.cache_full + pad256(low(context, m.window + p.ubatch) if m.window else context) * m.cache_window
    cdef double state = m.state * s.n_seq / 1073741.824, each = cells * s.n_seq / 1073741.824
    cdef double least = each * low(s.k_bytes, s.v_bytes) + state, cache = each * high(s.k_bytes, s.v_bytes) + state
    cdef double slack = 2.0 + 1e-6 * (m.smallest + cache), beside
    cdef int divisible = 0, unsure = m.compressed   # compressed layers are counted by an estimate alone
    if m.smallest + least - slack > h.gpu_total + ram:
        return 0
    for runtime in range(N_RUNTIMES):
        if m.last[runtime] <= 0 or not (allowed >> runtime) & 1:
            continue
        beside = m.last[runtime] + cache + slack
        divisible = divisible or (runtime == LLAMACPP and h.n_devices)
        if runtime == LLAMACPP and not m.compressed and beside + m.cpu_compute + h.cpu.context <= ram:
            return 1
        for k in range(h.n_kinds):
            if h.gpu[runtime][k].runs and not m.compressed and (
                beside + m.compute + h.gpu[runtime][k].context <= h.capacity[h.first[k]] * h.gpu[runtime][k].max_utilization
            ):
                return 1
            unsure = unsure or m.smallest + least - slack <= h.capacity[h.first[k]]
            divisible = divisible or (runtime == VLLM and h.count[k] > 1)
        unsure = unsure or (runtime == LLAMACPP and m.smallest + least + m.cpu_compute + h.cpu.context - slack <= ram)
    return -1 if divisible or unsure else 0


cdef inline double base_points(const Row* r, double quality, const UseCaseWeights* w, int context, const Policy* p) noexcept nogil:
    """What a row has of quality and context at most, and a full score for its fit."""
    cdef double points = w.quality * quality + w.fit * fit_score(GPU, 0, 0, p)
    points = points + w.context * (context_score(context, w.wanted_context) if context else 100.0)
    return points - p.copy_penalty if r.origin == QUANTIZED else points


cdef inline double most_points(double base, double factor, double tps, const UseCaseWeights* w, const Policy* p) noexcept nogil:
    """No row scores more: its base points and speed, less what is too slow, times what is not made for this.

    Every step grows with tps, so that a bound on tps is one on the score.
    """
    cdef double points = base + w.speed * 100.0 * tps / (tps + w.target_tps)
    cdef double reasonable = high(p.reasonable_tps, w.reasonable_tps)
    if tps < reasonable:
        points = points - p.slow_penalty * (1.0 - tps / reasonable)
    points = soft_floor(points) * factor
    return points * p.slow_factor if tps < p.slow_tps else points


cdef inline int most_tenths(const RowSketch* r, double unfit, double tps, const UseCaseWeights* w, const Policy* p) noexcept nogil:
    """A bound on the score of a row, tenths of a point; `unfit`: points of its fit that no model has on this machine."""
    return <int>low(10.0 * most_points(r.base - w.fit * unfit, r.factor, tps, w, p) + 0.51, MOST_TENTHS)


cdef inline RowSketch row_sketch_of(const Row* r, int i, double quality, const UseCaseWeights* w, int use_case, int context, const Policy* p) noexcept nogil:
    """What most_points() needs of row `i` for a use case; `context`: its model's window, tokens."""
    cdef RowSketch s
    s.row, s.shape, s.group, s.use_case = i, r.shape, r.group, use_case
    s.base, s.factor = base_points(r, quality, w, context, p), class_factor(r, use_case, 1e9, p)
    s.most = most_tenths(&s, 0, 1e9, w, p)
    return s
