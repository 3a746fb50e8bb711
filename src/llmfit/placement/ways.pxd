# Ways to run some rows on what is left of a machine, for placement. No rule of its own: estimates and scores are those
# that rank the catalog. Memory in thousandths of a GiB.
from libc.math cimport ceil
from llmfit.estimate.arith cimport down, high
from llmfit.estimate.choose cimport forms_of, keep_allowed, try_runtime
from llmfit.estimate.codes cimport *
from llmfit.ranking.columns cimport WEIGHTS, Columns
from llmfit.estimate.estimate cimport Estimate, Settings, describe
from llmfit.estimate.evidence cimport rate_of
from llmfit.estimate.job cimport Forms, Job
from llmfit.estimate.machine cimport MAX_DEVICES, Machine
from llmfit.estimate.model cimport Model
from llmfit.rows.notes cimport tps_hundredths
from llmfit.score.verdict cimport Verdict, verdict

cdef enum:
    MOST_WAYS = 64          # of one case on one machine

cdef struct Asked:
    # Rows of which one is to run, and what it must reach.
    const Columns* c
    const int* rows
    const Job* jobs         # by row; the machine is filled in
    const double* contexts  # by row, tokens
    int n_rows, use_case, min_level
    Settings settings
    long long min_tps       # hundredths
    double max_memory

cdef struct Way:
    int score, row, quant, runtime, mode, level
    long long tps, total
    int used[MAX_DEVICES + 1]   # by device of the machine, RAM last


cdef inline void shrink(Machine* h, const int* left, int* place) noexcept nogil:
    """The machine with this much free on each device, RAM last. place[i]: which device now stands at i."""
    cdef int i, j, k, moved, n = h.n_devices
    for i in range(n):
        place[i] = i
    h.gpu_total, h.largest, h.largest_kind = 0, 0, 0
    for k in range(h.n_kinds):
        for i in range(h.first[k] + 1, h.first[k] + h.count[k]):  # the freest of a kind first
            moved, j = place[i], i
            while j > h.first[k] and left[place[j - 1]] < left[moved]:
                place[j] = place[j - 1]
                j = j - 1
            place[j] = moved
    for i in range(n):
        h.capacity[i] = left[place[i]]
        h.gpu_total = h.gpu_total + h.capacity[i]
        if h.capacity[i] > h.largest:
            h.largest = h.capacity[i]
            h.largest_kind = h.kind[i]
    h.ram = left[n]


cdef inline void add_up(const Machine* h, const Model* m, const Estimate* e, const int* place, int* used) noexcept nogil:
    """What the chosen way takes of each device of the unshrunk machine, RAM last."""
    cdef int i, first = h.first[e.best.kind], n = h.n_devices
    cdef double room = 0, sum = 0, before = 0, now, each, divided
    for i in range(n + 1):
        used[i] = 0
    if e.best.mode == GPU and e.best.devices > 1:
        each = m.compute + rate_of(h, &e.best).context
        divided = e.best.total - each * e.best.devices
        for i in range(n):
            room = room + high(h.capacity[i] - each, 0)
        for i in range(n):
            sum = sum + high(h.capacity[i] - each, 0)
            now = down(divided * sum / high(room, 1))
            used[place[i]] = <int>ceil(now - before + (each if h.capacity[i] > each else 0))
            before = now
    elif e.best.mode == TENSOR_PARALLEL:
        for i in range(first, first + e.best.devices):
            used[place[i]] = <int>(e.best.required / e.best.devices)
    elif e.best.mode == CPU_ONLY:
        used[n] = <int>e.best.total
    else:
        used[place[first]] = <int>e.best.required
        used[n] = <int>(e.best.total - e.best.required)


cdef inline int forms_here(const Asked* a, const Machine* h, int shape, int runtime, Forms* f) noexcept nogil:
    """How many forms of a model a runtime can take on the machine."""
    cdef const Columns* c = a.c
    cdef const Model* m = &c.models[shape]
    if not (h.runtimes[m.format] & a.settings.runtimes) >> runtime & 1:
        return 0
    f[0] = forms_of(m, &c.weights[shape * WEIGHTS], runtime, &c.ladder)
    if a.settings.quants != NULL:
        keep_allowed(f, m, runtime, c.quants, a.settings.quants, &a.settings.extra_quant)
    return f.n


cdef inline int reached(const Asked* a, int k, const Machine* h, const Job* j, const int* place, Estimate* e, Way* w) noexcept nogil:
    """1 if what was chosen reaches what it must; `w` is filled then, `used` where there is a `place`. -1: nothing fits."""
    cdef const Columns* c = a.c
    cdef int row = a.rows[k], scored = a.use_case if a.use_case >= 0 else c.rows[row].use_case
    cdef Verdict v
    if not e.best.fits:
        return -1
    if e.best.level < a.min_level or e.best.total > a.max_memory:
        return 0
    describe(h, j.m, j, &c.quants[e.best.quant], a.contexts[k], &a.settings, &c.policy, e)
    w.tps = tps_hundredths(e)
    if w.tps < a.min_tps:
        return 0
    v = verdict(&c.rows[row], c.quality[scored * c.n_rows + row], e, c.use_cases, scored, &c.policy)
    w.score, w.row, w.quant, w.runtime, w.mode, w.level = v.score, row, e.best.quant, e.best.runtime, e.best.mode, v.level
    w.total = <long long>e.best.total
    if place != NULL:
        add_up(h, j.m, e, place, w.used)
    return 1


cdef inline int usual(const Asked* a, int k, const Machine* h, const int* place, Way* w) noexcept nogil:
    """1, and the way that the ranking shows of row `k` of a case; 0 where that does not reach what it must; -1: nothing fits."""
    cdef Job j = a.jobs[k]
    cdef Estimate e
    cdef Forms f
    cdef int runtime, shape = a.c.rows[a.rows[k]].shape
    j.h = h
    e.best.fits = 0
    for runtime in range(N_RUNTIMES):
        if forms_here(a, h, shape, runtime, &f):
            try_runtime(&j, &f, runtime, &e.best)
    return reached(a, k, h, &j, place, &e, w)
