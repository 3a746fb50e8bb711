# How well a model fits: one Candidate for each way that is tried, its level, and which of two is better.
# All memory in thousandths of a GiB.
from libc.math cimport sqrt
from llmfit.arith cimport high, low
from llmfit.codes cimport *
from llmfit.machine cimport Rate
from llmfit.model cimport Model
from llmfit.policy cimport Policy
from llmfit.speed cimport read_ms, roofline_ms

cdef struct Job:
    # One model at one context, before a quantization is chosen.
    double cache, compute   # parts that do not depend on the quantization
    double cpu_compute      # the compute buffer as resident in RAM, where the CPU does all
    double n_seq            # sessions that a step serves
    double cache_read       # bytes of cache read for one step, the contexts half full
    double read_share       # share of all weights read for one step
    double expert_share     # share of the routed experts among them
    double factor           # a_layer
    double attention        # GFLOP of attention for one step, the contexts half full
    double loss_factor      # size_factor(params)
    int known               # the cache follows from the model's own shape

cdef struct Candidate:
    double weights, total, required, available, utilization
    double on_gpu           # share of the bytes that lies on the GPUs
    double token_ms, loss, utility
    int level, mode, runtime, quant, kind, devices, fits


cdef inline double comfortable(int mode, const Policy* p) noexcept nogil:
    """The share of a pool up to which a model has headroom: less of system RAM, which other programs need too."""
    return p.comfortable_ram if mode >= MOE_OFFLOAD else p.comfortable_utilization


cdef inline double crowded(int mode, const Policy* p) noexcept nogil:
    """The share of a pool above which a model barely fits. System RAM is shared with other programs."""
    return p.good_ram if mode >= MOE_OFFLOAD else p.good_utilization


cdef inline int strained(int mode, double utilization, double loss, const Policy* p) noexcept nogil:
    """1 where a model barely fits, or only with heavy quantization."""
    return loss > p.heavy_loss or utilization > crowded(mode, p)


cdef inline int fit_level(int mode, double utilization, double tps, double loss, int known, const Policy* p) noexcept nogil:
    """perfect, good or marginal of a model that fits; the constants and their reasons are in policy.csv.

    perfect: wholly on GPUs with headroom, no visible loss, at a reasonable speed, shape known; good: comfortable and
    at a reasonable speed in any mode; marginal: barely, with heavy quantization, or slowly.
    """
    if tps < p.reasonable_tps or strained(mode, utilization, loss, p):
        return MARGINAL
    if mode <= TENSOR_PARALLEL and utilization <= p.comfortable_utilization and loss <= p.visible_loss and known:
        return PERFECT
    return GOOD


cdef inline double speed_score(double tps, double target) noexcept nogil:
    """0..100 without a cap: 100 tps / (tps + target); half the points at the target speed."""
    return 100.0 * tps / (tps + target)


cdef inline double slowness(double tps, const Policy* p) noexcept nogil:
    """Points taken off below a reasonable speed: slow_penalty x (1 - tps / reasonable_tps)."""
    return p.slow_penalty * high(0.0, 1.0 - tps / p.reasonable_tps)


cdef inline double fit_score(int mode, double utilization, double loss, const Policy* p) noexcept nogil:
    """0..100: 100 with headroom on GPUs; less where memory is nearly full, or another pool must help."""
    cdef double s = 100.0
    cdef double headroom = comfortable(mode, p)
    if mode == CPU_ONLY or mode == MOE_OFFLOAD:
        s = 80.0
    elif mode == CPU_OFFLOAD:
        s = 65.0
    if utilization > headroom:
        s = s - 300.0 * (utilization - headroom)
    if loss > p.visible_loss:
        s = s - 4.0 * low(loss - p.visible_loss, 10.0)
    return high(s, 0.0)


cdef inline void judge(Candidate* c, const Job* j, double bits_loss, const Policy* p) noexcept nogil:
    """Fill in the level and the utility of a candidate that fits: what is compared between ways to run the same model."""
    cdef double tps = 1000.0 / c.token_ms
    c.loss = bits_loss * j.loss_factor
    c.fits = 1
    c.level = fit_level(c.mode, c.utilization, tps, c.loss, j.known, p)
    c.utility = (
        0.2 * speed_score(tps, p.fast_enough_tps) + 0.1 * fit_score(c.mode, c.utilization, c.loss, p)
        - p.loss_weight * c.loss - slowness(tps, p)
    )
    if strained(c.mode, c.utilization, c.loss, p):
        c.utility = c.utility - p.marginal_penalty


cdef inline int better(const Candidate* a, const Candidate* b) noexcept nogil:
    """1 if `a` beats `b`: a higher level first, then the higher utility. More memory can therefore never lower a level."""
    if not b.fits:
        return a.fits
    if not a.fits:
        return 0
    if a.level != b.level:
        return a.level > b.level
    return a.utility > b.utility


cdef inline double decode_ms(const Model* m, const Job* j, const Rate* r, double weights_read, double cache_share, int speed_class, const Policy* p) noexcept nogil:
    """Milliseconds a step (a token of every session) on one processor that reads all: weights, cache, a fixed time a layer, compute.

    W / (eta BW) + KV / (k eta BW) + k_c 2 P_active / TF + k_a A / TF + L c a (TF/20)^x + t0, and never less than
    W / (0.95 BW); on a CPU reading and computing overlap: sqrt(reading^2 + computing^2). The constants: policy.csv and
    engines.csv; docs/accuracy.md works three examples.
    """
    cdef double t = read_ms(weights_read + j.cache_read * cache_share / p.cache_efficiency, r, speed_class, m.is_moe)
    cdef double work = j.n_seq * m.active * 1e-9 * r.flop_ms + j.attention * cache_share * r.attention_ms
    t = sqrt(t * t + work * work) if r.overlaps else t + work
    t = t + m.n_layers * r.layer_ms * j.factor + p.fixed_ms
    return high(t, roofline_ms(weights_read, r))
