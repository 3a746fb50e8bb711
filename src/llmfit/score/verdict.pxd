# What a row of the ranking says of one model: the four score components and the score.
from llmfit.estimate.arith cimport down, high, low
from llmfit.estimate.codes cimport *
from llmfit.estimate.estimate cimport Estimate
from llmfit.estimate.fit cimport slowness, speed_score
from llmfit.estimate.policy cimport Policy
from llmfit.score.score cimport Row, UseCaseWeights, class_factor, context_score, deductions, soft_floor

cdef struct Components:
    double quality, speed, fit, context     # points, 0..100

cdef struct Verdict:
    # What is kept of every row of a ranking.
    short score             # tenths of a point
    unsigned char level, use_case


cdef inline int tenths(double points) noexcept nogil:
    return <int>down(low(points, 1e8) * 10.0 + 0.5)


cdef inline double speed_deduction(const UseCaseWeights* w, double tps, const Policy* p) noexcept nogil:
    """Points taken off beyond slowness() where a use case needs more tokens/s than reading does."""
    if w.reasonable_tps <= p.reasonable_tps:
        return 0
    return p.slow_penalty * high(0, 1.0 - tps / w.reasonable_tps) - slowness(tps, p)


cdef inline Components components(double quality, const Estimate* e, const UseCaseWeights* w, const Policy* p) noexcept nogil:
    """The parts of a score; `quality` is the model's own at the use case, before any quantization."""
    return Components(
        high(quality - p.loss_weight * e.best.loss, 0.0), speed_score(e.tps, w.target_tps), e.fit,
        context_score(e.usable, w.wanted_context)
    )


cdef inline Verdict verdict(
    const Row* r, double quality, const Estimate* e, const UseCaseWeights* weights, int use_case, const Policy* p
) noexcept nogil:
    """The score of a row: weighted components, less what is too slow and what an expert passes over."""
    cdef const UseCaseWeights* w = &weights[use_case]
    cdef Components c = components(quality, e, w, p)
    cdef double score
    cdef Verdict v
    if e.best.fits:
        score = w.quality * c.quality + w.speed * c.speed + w.fit * c.fit + w.context * c.context
        score = score - e.minus - speed_deduction(w, e.tps, p) - deductions(r, e.best.runtime, p)
        score = soft_floor(score) * class_factor(r, use_case, e.tps, p)
    else:
        score = 0.1 * c.quality
    v.score, v.level, v.use_case = tenths(score), e.best.level, use_case
    return v
