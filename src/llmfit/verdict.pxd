# What a row of the ranking says of one model: the four score components and the score, in tenths of a point.
from llmfit.arith cimport down, high
from llmfit.codes cimport *
from llmfit.estimate cimport Estimate
from llmfit.fit cimport fit_score, slowness, speed_score, strained
from llmfit.policy cimport Policy
from llmfit.score cimport Row, UseCaseWeights, class_factor, context_score, demerits, soft_floor

cdef struct Verdict:
    int score, quality, speed, fit, context     # tenths of a point
    int use_case            # it was scored for
    int level


cdef inline int tenths(double points) noexcept nogil:
    return <int>down(points * 10.0 + 0.5)


cdef inline Verdict verdict(
    const Row* r, const Estimate* e, const UseCaseWeights* weights, int use_case, const Policy* p
) noexcept nogil:
    """The score of a row: weighted components, less what is too slow and what an expert passes over."""
    cdef Verdict v
    cdef const UseCaseWeights* w = &weights[use_case]
    cdef double tps = 1000.0 / e.best.token_ms if e.best.fits else 0.0
    cdef double quality = high(r.quality[use_case] - p.loss_weight * e.best.loss, 0.0)
    cdef double speed = speed_score(tps, w.target_tps)
    cdef double fit = fit_score(e.best.mode, e.best.utilization, e.best.loss, p) if e.best.fits else 0.0
    cdef double context = context_score(e.usable, w.wanted_context)
    cdef double score
    v.use_case = use_case
    v.level = e.best.level
    v.quality = tenths(quality)
    v.speed = tenths(speed)
    v.fit = tenths(fit)
    v.context = tenths(context)
    if e.best.fits:
        score = w.quality * quality + w.speed * speed + w.fit * fit + w.context * context
        if strained(e.best.mode, e.best.utilization, e.best.loss, p) or (v.level == MARGINAL and tps >= p.reasonable_tps):
            score = score - p.marginal_penalty
        score = soft_floor(score - slowness(tps, p) - demerits(r, e.best.runtime, p)) * class_factor(r, use_case, tps, p)
    else:
        score = 0.1 * quality
    v.score = tenths(score)
    return v
