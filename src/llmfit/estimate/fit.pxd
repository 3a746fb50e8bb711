# How well a model fits: one Candidate for each form and way that is tried, its level, and which of two is better.
# All memory in thousandths of a GiB.
from llmfit.estimate.arith cimport high, low
from llmfit.estimate.codes cimport *
from llmfit.estimate.job cimport Job
from llmfit.estimate.policy cimport Policy
from llmfit.estimate.quant cimport Quant

cdef struct Candidate:
    double loss, total, utilization
    short quant
    unsigned char level, mode, runtime, kind, devices, fits
    double weights, required, available
    double on_gpu           # share of the bytes that lies on the GPUs
    double token_ms, utility


cdef inline Candidate placed(int mode, int runtime, int kind, int devices, double on_gpu, double available) noexcept nogil:
    """What all forms of a model have in common that lie in the same place."""
    cdef Candidate c
    c.fits = 1
    c.mode, c.runtime, c.kind, c.devices = mode, runtime, kind, devices
    c.on_gpu, c.available = on_gpu, available
    return c


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


cdef inline double utility(const Candidate* c, const Policy* p) noexcept nogil:
    """What is compared between ways to run the same model at the same level."""
    cdef double tps = 1000.0 / c.token_ms
    cdef double points = (
        0.2 * speed_score(tps, p.fast_enough_tps) + 0.1 * fit_score(c.mode, c.utilization, c.loss, p)
        - p.loss_weight * c.loss - slowness(tps, p)
    )
    return points - p.marginal_penalty if strained(c.mode, c.utilization, c.loss, p) else points


cdef inline int better(const Candidate* a, const Candidate* b) noexcept nogil:
    """1 if `a` beats `b`: a higher level first, then the higher utility. More memory can therefore never lower a level."""
    if not b.fits:
        return a.fits
    if not a.fits:
        return 0
    if a.level != b.level:
        return a.level > b.level
    return a.utility > b.utility


cdef inline int offer(Candidate* c, const Job* j, const Quant* q, int highest, double minus, Candidate* best) noexcept nogil:
    """Judge a candidate that fits, and keep it where it is better than the best so far. 1: no smaller form need be tried.

    `highest`: the highest level that it may have here; `minus`: points off its utility.
    """
    cdef const Policy* p = j.p
    c.loss = q.loss * j.loss_factor
    c.level = min(highest, fit_level(c.mode, c.utilization, 1000.0 / c.token_ms, c.loss, j.known, p))
    if not best.fits or c.level >= best.level:
        c.utility = utility(c, p) - minus
        if better(c, best):
            best[0] = c[0]
    return c.loss > p.heavy_loss or (c.utilization <= comfortable(c.mode, p) and 1000.0 >= c.token_ms * p.fast_enough_tps)
