# One form of a model on what is left of a machine: where the ranking lays it, or elsewhere where it must reach more.
from llmfit.estimate.choose cimport place, try_runtime
from llmfit.estimate.codes cimport *
from llmfit.estimate.estimate cimport Estimate
from llmfit.estimate.fit cimport Candidate
from llmfit.estimate.job cimport Forms, Job
from llmfit.estimate.machine cimport Machine
from llmfit.placement.ways cimport Asked, Way, reached


cdef inline void offered(const Asked* a, int k, const Machine* h, const Job* j, const Candidate* c, const int* order, Way* best, int* found) noexcept nogil:
    """Keep a way that reaches what it must where it scores more than the best so far."""
    cdef Estimate e
    cdef Way w
    e.best = c[0]
    if reached(a, k, h, j, order, &e, &w) > 0 and (not found[0] or w.score > best.score):
        best[0], found[0] = w, 1


cdef inline int elsewhere(const Asked* a, int k, const Machine* h, const Job* j, const Forms* f, int runtime, int but, const int* order, Way* w) noexcept nogil:
    """1, and the way that scores most of a form in all places on GPUs, but in one mode; 0: none reaches what it must."""
    cdef Candidate c
    cdef int n, kind, found = 0
    for kind in range(h.n_kinds):
        if h.gpu[runtime][kind].runs:
            c = place(j, f, 0, runtime, GPU, kind, 1)
            offered(a, k, h, j, &c, order, w, &found)
            n = 2
            while runtime == VLLM and n <= h.count[kind]:
                c = place(j, f, 0, runtime, TENSOR_PARALLEL, kind, n)
                offered(a, k, h, j, &c, order, w, &found)
                n = n * 2
    if runtime != LLAMACPP:
        return found
    if h.n_devices > 1:
        c = place(j, f, 0, runtime, GPU, 0, h.n_devices)
        offered(a, k, h, j, &c, order, w, &found)
    if h.n_devices and not h.unified and h.gpu[LLAMACPP][h.largest_kind].runs:
        if j.m.is_moe and but != MOE_OFFLOAD:
            c = place(j, f, 0, runtime, MOE_OFFLOAD, h.largest_kind, 1)
            offered(a, k, h, j, &c, order, w, &found)
        if but != CPU_OFFLOAD:
            c = place(j, f, 0, runtime, CPU_OFFLOAD, h.largest_kind, 1)
            offered(a, k, h, j, &c, order, w, &found)
    return found


cdef inline int at_form(const Asked* a, int k, const Machine* h, const Job* j, const Forms* f, int i, int runtime, const int* order, Way* w) noexcept nogil:
    """The best way of one form alone; as usual().

    The ranking prefers RAM alone with headroom to a full GPU, or to layers on both. Where it is too slow so, those are
    tried, so that a machine does not run a model only when another one leaves it less. No place has a higher level.
    """
    cdef Estimate e
    cdef Forms one = f[0]
    cdef int got
    one.n, one.quant, one.sizes, one.step = 1, f.quant + i, f.sizes + i, f.step + i
    e.best.fits = 0
    try_runtime(j, &one, runtime, &e.best)
    got = reached(a, k, h, j, order, &e, w)
    if got == 0 and e.best.level >= a.min_level and e.best.mode >= MOE_OFFLOAD and h.n_devices:
        return elsewhere(a, k, h, j, &one, runtime, e.best.mode, order, w)
    return got
