"""Ways to run a model on a machine of which a part is taken: what placement tries, in microseconds.

Here is no rule of its own: estimates and scores are those that rank the catalog.
"""

from libc.math cimport ceil
from libc.stdlib cimport calloc, free, malloc, qsort
from libc.string cimport memcpy

from llmfit._catalog cimport Catalog, Host, settings_of
from llmfit.placement.choices cimport all_of, worth_it
from llmfit.ranking.columns cimport WEIGHTS, Columns
from llmfit.estimate.estimate cimport effective_context, job_of
from llmfit.estimate.job cimport Job
from llmfit.estimate.machine cimport MAX_DEVICES, Machine
from llmfit.estimate.model cimport Model
from llmfit.placement.ways cimport MOST_WAYS, Way, shrink, usual

cdef enum:
    MOST_ROWS_KEPT = 24     # of many rows


cdef struct Brief:
    # One row that runs, before the few that matter are looked at closely.
    int at, score
    long long total


cdef int by_memory(const void* a, const void* b) noexcept nogil:
    """Least memory first, the better of two as large first."""
    cdef const Brief* x = <const Brief*>a
    cdef const Brief* y = <const Brief*>b
    if x.total != y.total:
        return -1 if x.total < y.total else 1
    return y.score - x.score


cdef class Case:
    """Some rows of the catalog, of which one is to run, and what it must reach.

    `context` to `quants` are as in Estimates, `use_case` as in Ranking; `min_level` an index of codes.FIT_LEVELS,
    `min_tps` tokens/s of a session, `max_mem_gb` GiB in all.
    """

    def __cinit__(
        self, Catalog catalog, list rows, double context=0, double n_seq=1, tuple cache_types=(), int runtime=-1,
        bytes quants=None, int use_case=-1, int min_level=1, double min_tps=0, double max_mem_gb=1e300
    ):
        cdef int i, n = len(rows)
        cdef const Columns* c = &catalog.columns
        cdef const Model* m
        self.catalog = catalog
        self.quants = quants
        self.rows = <int*>calloc(n + 1, sizeof(int))
        self.jobs = <Job*>calloc(n + 1, sizeof(Job))
        self.contexts = <double*>calloc(n + 1, sizeof(double))
        if self.rows == NULL or self.jobs == NULL or self.contexts == NULL:
            raise MemoryError
        self.asked.c, self.asked.rows, self.asked.jobs, self.asked.contexts = c, self.rows, self.jobs, self.contexts
        self.asked.n_rows = n
        self.asked.settings = settings_of(catalog, context, n_seq, cache_types, runtime, quants)
        self.asked.use_case = use_case
        self.asked.min_level = min_level
        self.asked.min_tps = <long long>ceil(min_tps * 100.0 - 1e-6)
        self.asked.max_memory = max_mem_gb * 1000.0
        for i in range(n):
            self.rows[i] = rows[i]
            if not 0 <= self.rows[i] < c.n_rows:
                raise IndexError(rows[i])
            m = &c.models[c.rows[self.rows[i]].shape]
            self.contexts[i] = effective_context(m, &self.asked.settings, &c.policy)
            self.jobs[i] = job_of(NULL, m, c.quants, &self.asked.settings, self.contexts[i], &c.policy)

    def __dealloc__(self):
        free(self.rows)
        free(self.jobs)
        free(self.contexts)

    def ways(self, Host host, tuple left):
        """The ways that run on a host with so much free on each device, RAM last (thousandths of a GiB), best first.

        Of each: score (tenths), what it takes (as `left`), row, quantization, runtime, mode, level, tokens/s
        (hundredths), memory in all. One row is tried at each quantization; of several rows those stay that are better
        than all that take less memory. A way that takes no less than a better one of any memory is left out.
        """
        cdef Machine h
        cdef int free_[MAX_DEVICES + 1]
        cdef int place[MAX_DEVICES + 1]
        cdef int i, k, n, size = host.machine.n_devices + 1
        cdef Way room[MOST_WAYS]
        cdef Way* found[MOST_WAYS]
        if len(left) != size:
            raise ValueError("one number for each device, and one for RAM")
        for i in range(size):
            free_[i] = left[i]
        memcpy(&h, &host.machine, sizeof(Machine))
        shrink(&h, free_, place)
        if self.asked.n_rows > 1:
            n = 0
            for k in self.some(&h):
                n += usual(&self.asked, k, &h, place, &room[n]) > 0
            n = worth_it(room, n, size, found)
        else:
            with nogil:
                n = all_of(&self.asked, &h, place, room, found) if self.asked.n_rows else 0
        return [way_of(found[i], size) for i in range(n)]

    cdef list some(self, const Machine* h):
        """Of many rows that run those that are better than all that take less; if too many, evenly chosen ones."""
        cdef Brief* all = <Brief*>malloc((self.asked.n_rows + 1) * sizeof(Brief))
        cdef Way w
        cdef int i, n = 0, kept = 0, best = -1
        if all == NULL:
            raise MemoryError
        try:
            with nogil:
                for i in range(self.asked.n_rows):
                    if usual(&self.asked, i, h, NULL, &w) > 0:
                        all[n] = Brief(i, w.score, w.total)
                        n += 1
                qsort(all, n, sizeof(Brief), by_memory)
                for i in range(n):
                    if all[i].score > best:
                        best = all[i].score
                        all[kept] = all[i]
                        kept += 1
            if kept <= MOST_ROWS_KEPT:
                return [all[i].at for i in range(kept)]
            return [all[i * (kept - 1) // (MOST_ROWS_KEPT - 1)].at for i in range(MOST_ROWS_KEPT)]
        finally:
            free(all)


cdef tuple way_of(const Way* w, int size):
    """A way as Python reads it."""
    cdef int k
    used = tuple([w.used[k] for k in range(size)])
    return (w.score, used, w.row, w.quant, w.runtime, w.mode, w.level, w.tps, w.total)
