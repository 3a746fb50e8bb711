# How good a model is for a use case, and how that, speed, fit and context make one score.
# Numbers: src/data/quality.csv, use_cases.csv, policy.csv.
from libc.math cimport exp, fmin, log2
from llmfit.codes cimport *
from llmfit.policy cimport Policy

cdef struct Quality:
    double c0, size, date, size2, date2, sparsity, size_date, reasoning, coder, vision, distill

cdef struct UseCaseWeights:
    double quality, speed, fit, context, target_tps, wanted_context

cdef struct Row:
    # One model of the catalog, as ranking and filters see it.
    double params_total
    double quality[N_USE_CASES]     # 0..100 at full precision, by use case
    int shape, use_case, serves, origin, role, tuning, date, context_length, provider, license, group, gguf, name_rank


cdef inline double ability(
    const Quality* c, double params, double year, double sparsity, int thinks, int coder, int vision, int distill
) noexcept nogil:
    """theta, mean 0 and deviation 1 over the models of a use case: size, date, sparsity and kind.

    c0 + c1 L + c2 T + c3 L^2/10 + c4 T^2/2 + c5 S + c6 T L/5 + flags; L = log2(billions), S = log2(total/active),
    T = year - 2024.5, held at 2.2. Fitted on published benchmark scores (src/data/quality.csv).
    """
    cdef double size = log2(params * 1e-9)
    cdef double date = fmin(year - 2024.5, 2.2)
    cdef double theta = c.c0 + c.size * size + c.date * date + c.size2 * size * size / 10 + c.date2 * date * date / 2
    theta = theta + c.sparsity * log2(sparsity) + c.size_date * date * size / 5
    theta = theta + c.reasoning * thinks + c.coder * coder + c.vision * vision + c.distill * distill
    return theta


cdef inline double quality_score(double theta) noexcept nogil:
    """Ability on 0..100: 100 / (1 + exp(-0.85 theta)). About 50 + 20 theta in the middle, and no cap that ties the top."""
    return 100.0 / (1.0 + exp(-0.85 * theta))


cdef inline double context_score(double usable, double wanted) noexcept nogil:
    """0..100 without a cap: 100 usable / (usable + wanted / 4); 80 where all that is wanted fits."""
    return 100.0 * usable / (usable + 0.25 * wanted)


cdef inline double soft_floor(double score) noexcept nogil:
    """Below 20 the score bends towards 0 instead of being cut there, so that the order is kept."""
    return score if score >= 20.0 else 20.0 * exp((score - 20.0) / 20.0)


cdef inline double demerits(const Row* r, int runtime, const Policy* p) noexcept nogil:
    """Points taken off for what an expert passes over: personal copies, off-task kinds, files that need a conversion."""
    cdef double points = 0
    if r.origin == COMMUNITY:
        points = points + p.community_penalty
    if r.tuning == BASE or (r.role != GENERATOR and r.role != EMBEDDER):
        points = points + p.off_task_penalty
    if runtime == LLAMACPP and not r.gguf:
        points = points + p.no_gguf_penalty
    return points
