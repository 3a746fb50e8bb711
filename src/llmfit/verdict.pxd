# What a row of the ranking says of one model: the four score components and the score, in tenths of a point.
from llmfit.arith cimport down, high
from llmfit.codes cimport *
from llmfit.estimate cimport Estimate
from llmfit.fit cimport slowness, speed_score
from llmfit.policy cimport Policy
from llmfit.score cimport Row, UseCaseWeights, class_factor, context_score, demerits, soft_floor

cdef struct Verdict:
    int score, quality, speed, fit, context     # tenths of a point
    int use_case            # it was scored for
    int level


cdef inline int tenths(double points) noexcept nogil:
    return <int>down(points * 10.0 + 0.5)


cdef inline double hurry(const UseCaseWeights* w, double tps, const Policy* p) noexcept nogil:
    """Points taken off beyond slowness() where a use case needs more tokens/s than reading does."""
    if w.reasonable_tps <= p.reasonable_tps:
        return 0
    return p.slow_penalty * high(0, 1.0 - tps / w.reasonable_tps) - slowness(tps, p)


cdef inline Verdict verdict(
    const Row* r, const Estimate* e, const UseCaseWeights* weights, int use_case, const Policy* p
) noexcept nogil:
    """The score of a row: weighted components, less what is too slow and what an expert passes over."""
    cdef Verdict v
    cdef const UseCaseWeights* w = &weights[use_case]
    cdef double quality = high(r.quality[use_case] - p.loss_weight * e.best.loss, 0.0)
    cdef double speed = speed_score(e.tps, w.target_tps)
    cdef double context = context_score(e.usable, w.wanted_context)
    cdef double score
    v.use_case = use_case
    v.level = e.best.level
    v.quality = tenths(quality)
    v.speed = tenths(speed)
    v.fit = tenths(e.fit)
    v.context = tenths(context)
    if e.best.fits:
        score = w.quality * quality + w.speed * speed + w.fit * e.fit + w.context * context
        score = soft_floor(score - e.minus - hurry(w, e.tps, p) - demerits(r, e.best.runtime, p)) * class_factor(r, use_case, e.tps, p)
    else:
        score = 0.1 * quality
    v.score = tenths(score)
    return v
