# How good a model is for a use case, and how that, speed, fit and context make one score.
# Numbers: src/data/quality.csv, use_cases.csv, policy.csv.
from libc.math cimport exp, log2
from llmfit.estimate.arith cimport high, low
from llmfit.estimate.codes cimport *
from llmfit.estimate.policy cimport Policy

cdef struct Quality:
    double c0, size, date, size2, date2, sparsity, size_date, reasoning, coder, vision, distill

cdef struct UseCaseWeights:
    double quality, speed, fit, context, target_tps, wanted_context, reasonable_tps

cdef struct Row:
    # One model of the catalog, as ranking and filters see it: 64 bytes. Its quality: ranking/columns.pxd.
    int shape, group, name_rank, date, context_length, provider, license
    int older               # row of the older generation of equal size; -1: none
    int newer               # row of the newest generation of equal size; -1: none is newer
    float proof             # 0..1: how well its quality is proven (llmfit/catalog/evidence.py)
    double params_total
    unsigned short capabilities # bit c: it has codes.CAPABILITIES[c]
    unsigned char use_case, serves, origin, role, tuning, gguf
    unsigned char special   # made for one narrow task or field
    unsigned char installed # found in a local runtime's store
    unsigned char scored    # bit u: it (or its base) has published scores that tell of use case u


cdef inline double ability(
    const Quality* c, double params, double year, double sparsity, int thinks, int coder, int vision, int distill
) noexcept nogil:
    """theta, mean 0 and deviation 1 over the models of a use case: size, date, sparsity and kind.

    c0 + c1 L + c2 T + c3 L^2/10 + c4 T^2/2 + c5 S + c6 T L/5 + flags; L = log2(billions), S = log2(total/active),
    T = year - 2024.5, held at 2.2. Fitted on published benchmark scores (src/data/quality.csv).
    """
    cdef double size = log2(params * 1e-9)
    cdef double date = low(year - 2024.5, 2.2)
    cdef double theta = c.c0 + c.size * size + c.date * date + c.size2 * size * size / 10 + c.date2 * date * date / 2
    theta = theta + c.sparsity * log2(sparsity) + c.size_date * date * size / 5
    theta = theta + c.reasoning * thinks + c.coder * coder + c.vision * vision + c.distill * distill
    return theta


cdef inline double pooled(double predicted, double own, double weight, double prediction_weight) noexcept nogil:
    """theta of the prediction and of a model's own scores, by their weights: (n own + k predicted) / (n + k)."""
    return (weight * own + prediction_weight * predicted) / (weight + prediction_weight)


cdef inline double quality_score(double theta) noexcept nogil:
    """Ability on 0..100: 100 / (1 + exp(-0.85 theta)). About 50 + 20 theta in the middle, and no cap that ties the top."""
    return 100.0 / (1.0 + exp(-0.85 * theta))


cdef inline double keep_order(double newer, double older, const Policy* p) noexcept nogil:
    """Quality of a newer generation, which stands before the older one of equal size and kind."""
    return high(newer, low(older + p.generation_step, 99.9))


cdef inline double context_score(double usable, double wanted) noexcept nogil:
    """0..100 without a cap: 100 usable / (usable + wanted / 4); 80 where all that is wanted fits."""
    return 100.0 * usable / (usable + 0.25 * wanted)


cdef inline double soft_floor(double score) noexcept nogil:
    """Below 20 the score bends towards 0 (400 / (40 - score)) instead of being cut there, so that the order is kept."""
    return score if score >= 20.0 else 400.0 / (40.0 - score)


cdef inline int on_task(const Row* r, int use_case) noexcept nogil:
    """1 where an expert would name the model for this use case at all: no base checkpoint, guard, reranker, narrow tool."""
    if use_case == EMBEDDING:
        return r.role == EMBEDDER
    return r.role == GENERATOR and r.tuning != BASE and not r.special


cdef inline double class_factor(const Row* r, int use_case, double tps, const Policy* p) noexcept nogil:
    """What a score is multiplied by: the rules that come before any weighting.

    Less than 1 for a personal copy, for what is off the task and for what is too slow to use: such a row stands below
    every row of its quality class that breaks no rule, and keeps its order among its like.
    """
    cdef double factor = 1.0
    if r.origin == COMMUNITY:
        factor = factor * p.community_factor
    if not on_task(r, use_case):
        factor = factor * p.off_task_factor
    if tps < p.slow_tps:
        factor = factor * p.slow_factor
    return factor


cdef inline double deductions(const Row* r, int runtime, const Policy* p) noexcept nogil:
    """Points taken off for the trouble of getting the files: a conversion, a copy where the original would do."""
    cdef double points = 0
    if runtime == LLAMACPP and not r.gguf:
        points = points + p.no_gguf_penalty
    if r.origin == QUANTIZED:
        points = points + p.copy_penalty
    return points
