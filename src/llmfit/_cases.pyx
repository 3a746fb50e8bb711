"""Ways to run a model on a machine of which a part is taken: what placement tries, in microseconds.

Here is no rule of its own: estimates and scores are those that rank the catalog.
"""

from libc.math cimport ceil
from libc.stdlib cimport calloc, free, malloc, qsort
from libc.string cimport memcpy

from llmfit._catalog cimport Catalog, Host, settings_of
from llmfit.arith cimport down, high
from llmfit.choose cimport forms_of
from llmfit.codes cimport *
from llmfit.columns cimport WEIGHTS, Columns
from llmfit.estimate cimport Estimate, Settings, estimate
from llmfit.evidence cimport rate_of
from llmfit.job cimport Forms
from llmfit.machine cimport MAX_DEVICES, Machine
from llmfit.model cimport Model
from llmfit.notes cimport tps_hundredths
from llmfit.verdict cimport Verdict, verdict

cdef enum:
    MOST_WAYS = 24          # of many rows those that stay
    MOST_TRIED = 64         # of one case on one machine


cdef struct Brief:
    # One row that runs, before the few that matter are looked at closely.
    int row, score
    double total


cdef struct Way:
    int score, row, quant, runtime, mode, level
    long long tps, total
    long long used[MAX_DEVICES + 1]


cdef int by_score(const void* a, const void* b) noexcept nogil:
    """Best score first, least memory first of equal ones."""
    cdef const Way* x = (<Way* const*>a)[0]
    cdef const Way* y = (<Way* const*>b)[0]
    if x.score != y.score:
        return y.score - x.score
    if x.total != y.total:
        return -1 if x.total < y.total else 1
    return x.quant - y.quant


cdef int dominated(Way** better, int n, const Way* w, int size) noexcept nogil:
    """1 if one of the better ways takes no more of anything."""
    cdef int i, k
    for i in range(n):
        for k in range(size):
            if better[i].used[k] > w.used[k]:
                break
        else:
            return 1
    return 0


cdef int by_memory(const void* a, const void* b) noexcept nogil:
    """Least memory first, the better of two as large first."""
    cdef const Brief* x = <const Brief*>a
    cdef const Brief* y = <const Brief*>b
    if x.total != y.total:
        return -1 if x.total < y.total else 1
    return y.score - x.score


cdef void shrink(Machine* h, const double* left, int* place) noexcept nogil:
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


cdef void add_up(const Machine* h, const Model* m, const Estimate* e, const int* place, long long* used) noexcept nogil:
    """What the chosen way takes of each device of the unshrunk machine, RAM last, thousandths of a GiB."""
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
            used[place[i]] = <long long>ceil(now - before + (each if h.capacity[i] > each else 0))
            before = now
    elif e.best.mode == TENSOR_PARALLEL:
        for i in range(first, first + e.best.devices):
            used[place[i]] = <long long>(e.best.required / e.best.devices)
    elif e.best.mode == CPU_ONLY:
        used[n] = <long long>e.best.total
    else:
        used[place[first]] = <long long>e.best.required
        used[n] = <long long>(e.best.total - e.best.required)


cdef class Case:
    """Some rows of the catalog, of which one is to run, and what it must reach.

    `context` to `quants` are as in Estimates, `use_case` as in Ranking; `min_level` an index of codes.FIT_LEVELS,
    `min_tps` tokens/s of a session, `max_mem_gb` GiB in all.
    """

    cdef readonly Catalog catalog
    cdef Settings settings
    cdef bytes quants
    cdef int* rows
    cdef int n_rows, use_case, min_level
    cdef long long min_tps
    cdef double max_memory
    cdef unsigned char* mask

    def __cinit__(
        self, Catalog catalog, list rows, double context=0, double n_seq=1, double element_bytes=2.0, int runtime=-1,
        bytes quants=None, int use_case=-1, int min_level=1, double min_tps=0, double max_mem_gb=1e300
    ):
        cdef int i
        self.catalog = catalog
        self.quants = quants
        self.settings = settings_of(catalog, context, n_seq, element_bytes, runtime, quants)
        self.use_case = use_case
        self.min_level = min_level
        self.min_tps = <long long>ceil(min_tps * 100.0 - 1e-6)
        self.max_memory = max_mem_gb * 1000.0
        self.n_rows = len(rows)
        self.rows = <int*>calloc(self.n_rows + 1, sizeof(int))
        self.mask = <unsigned char*>calloc(catalog.n_quants + 1, 1)
        if self.rows == NULL or self.mask == NULL:
            raise MemoryError
        for i in range(self.n_rows):
            self.rows[i] = rows[i]
            if not 0 <= self.rows[i] < catalog.columns.n_rows:
                raise IndexError(rows[i])

    def __dealloc__(self):
        free(self.rows)
        free(self.mask)

    cdef int tried(self, const Machine* h, int row, int quant, Estimate* e, Verdict* v) noexcept nogil:
        """1 if the row runs, at this quantization alone (-1: at any), and reaches what it must."""
        cdef const Columns* c = &self.catalog.columns
        cdef int scored, shape = c.rows[row].shape
        cdef Settings s = self.settings
        if quant >= 0:
            self.mask[quant] = 1
            s.quants = self.mask
            s.extra_quant = -1
        estimate(h, &c.models[shape], &c.weights[shape * WEIGHTS], c.quants, &c.ladder, &s, &c.policy, e)
        if quant >= 0:
            self.mask[quant] = 0
        if not e.best.fits or e.best.level < self.min_level or e.best.total > self.max_memory:
            return 0
        if tps_hundredths(e) < self.min_tps:
            return 0
        scored = self.use_case if self.use_case >= 0 else c.rows[row].use_case
        v[0] = verdict(&c.rows[row], c.quality[scored * c.n_rows + row], e, c.use_cases, scored, &c.policy)
        return 1

    cdef int way(self, const Machine* h, int row, int quant, const int* place, Way* w) noexcept nogil:
        """One way to run, 1 if it does."""
        cdef Estimate e
        cdef Verdict v
        if not self.tried(h, row, quant, &e, &v):
            return 0
        add_up(h, &self.catalog.columns.models[self.catalog.columns.rows[row].shape], &e, place, w.used)
        w.score, w.row, w.quant, w.runtime, w.mode, w.level = v.score, row, e.best.quant, e.best.runtime, e.best.mode, v.level
        w.tps, w.total = tps_hundredths(&e), <long long>e.best.total
        return 1

    def ways(self, Host host, tuple left):
        """The ways that run on a host with so much free on each device, RAM last (thousandths of a GiB), best first.

        Of each: score (tenths), what it takes (as `left`), row, quantization, runtime, mode, level, tokens/s
        (hundredths), memory in all. One row is tried at each quantization; of several rows those stay that are better
        than all that take less memory. A way that takes no less than a better one of any memory is left out.
        """
        cdef Machine h
        cdef double free_[MAX_DEVICES + 1]
        cdef int place[MAX_DEVICES + 1]
        cdef int i, k, runtime, row, shape, size = host.machine.n_devices + 1, n = 0, kept = 0
        cdef Forms f
        cdef const Columns* c = &self.catalog.columns
        cdef Way room[MOST_TRIED]
        cdef Way* found[MOST_TRIED]
        cdef Way* w
        if len(left) != host.machine.n_devices + 1:
            raise ValueError("one number for each device, and one for RAM")
        for i in range(host.machine.n_devices + 1):
            free_[i] = left[i]
        memcpy(&h, &host.machine, sizeof(Machine))
        shrink(&h, free_, place)
        if self.n_rows == 1:
            row = self.rows[0]
            shape = c.rows[row].shape
            with nogil:
                n += self.way(&h, row, -1, place, &room[n])
                for runtime in range(N_RUNTIMES):
                    if self.settings.quants != NULL or (self.settings.runtime >= 0 and self.settings.runtime != runtime):
                        continue
                    f = forms_of(&c.models[shape], &c.weights[shape * WEIGHTS], runtime, &c.ladder)
                    for i in range(f.n):
                        if n < MOST_TRIED:
                            n += self.way(&h, row, f.quant[i], place, &room[n])
        else:
            for row in self.some(&h):
                n += self.way(&h, row, -1, place, &room[n])
        with nogil:
            for i in range(n):
                found[i] = &room[i]
            qsort(found, n, sizeof(Way*), by_score)
            for i in range(n):
                if not dominated(found, kept, found[i], size):
                    found[kept] = found[i]
                    kept += 1
        ways = []
        for i in range(kept):
            w = found[i]
            ways.append((
                w.score, tuple([w.used[k] for k in range(size)]), w.row, w.quant, w.runtime, w.mode, w.level, w.tps, w.total,
            ))
        return ways

    cdef list some(self, const Machine* h):
        """Of many rows that run those that are better than all that take less; if too many, evenly chosen ones."""
        cdef Brief* all = <Brief*>malloc((self.n_rows + 1) * sizeof(Brief))
        cdef Estimate e
        cdef Verdict v
        cdef int i, n = 0, kept = 0, best = -1
        if all == NULL:
            raise MemoryError
        try:
            with nogil:
                for i in range(self.n_rows):
                    if self.tried(h, self.rows[i], -1, &e, &v):
                        all[n] = Brief(self.rows[i], v.score, e.best.total)
                        n += 1
                qsort(all, n, sizeof(Brief), by_memory)
                for i in range(n):
                    if all[i].score > best:
                        best = all[i].score
                        all[kept] = all[i]
                        kept += 1
            if kept <= MOST_WAYS:
                return [all[i].row for i in range(kept)]
            return [all[i * (kept - 1) // (MOST_WAYS - 1)].row for i in range(MOST_WAYS)]
        finally:
            free(all)
