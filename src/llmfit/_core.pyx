"""Estimates of a whole catalog on one machine, and their ranking: loops without the GIL over the rules.

Objects are filled when they are made and then only read, except that lazy Estimates are made under a lock when a
Ranking needs them, and that a Ranking judges and encodes a row the first time that it is asked for: use one Ranking from
one thread at a time.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.math cimport ceil
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from libc.string cimport memset

from _thread import allocate_lock as _allocate_lock

from llmfit._catalog cimport Catalog, Host, settings_of
from llmfit.rows.short_row cimport Part, brief_room, put_brief
from llmfit.rows.buffer cimport Buffer, Text, put, put_text, reserve
from llmfit.estimate.codes cimport *
from llmfit.ranking.columns cimport WEIGHTS, Columns, mlx_copy, piece
from llmfit.rows.fields cimport put_members
from llmfit.estimate.estimate cimport Estimate, Settings, estimate
from llmfit.estimate.fit cimport fit_score
from llmfit.estimate.machine cimport Machine
from llmfit.ranking.match cimport Match
from llmfit.rows.notes cimport RowText
from llmfit.ranking.order cimport Place, compare, keep_first
from llmfit.rows.rows cimport put_row
from llmfit.score.score cimport Row
from llmfit.ranking.scored cimport Scored, may_pass, passes, place_of, representatives, row_room_of, row_text, stands_for
from llmfit.score.sketch cimport Fastest, RowSketch, fastest_of, fits_somewhere, most_tenths, most_tps
from llmfit.score.verdict cimport Components, Verdict, components, verdict


cdef extern from *:
    """
    #ifdef __GLIBC__
    #include <malloc.h>
    static void llmfit_keep_freed(void) {
        mallopt(M_MMAP_THRESHOLD, 4 << 20);
        mallopt(M_TRIM_THRESHOLD, 32 << 20);
        mallopt(M_ARENA_MAX, 1);
    }
    static void llmfit_give_back(void) { malloc_trim(1 << 20); }
    #else
    static void llmfit_keep_freed(void) {}
    static void llmfit_give_back(void) {}
    #endif
    #ifdef __linux__
    #include <stdint.h>
    #include <sys/mman.h>
    static void llmfit_in_large_pages(char* data, size_t size) {
        uintptr_t first = ((uintptr_t)data + 4095) & ~(uintptr_t)4095, end = ((uintptr_t)data + size) & ~(uintptr_t)4095;
        if (size >= 4 << 20) madvise((void*)first, end - first, MADV_HUGEPAGE);
    }
    #else
    static void llmfit_in_large_pages(char* data, size_t size) {}
    #endif
    """
    void llmfit_keep_freed()
    void llmfit_give_back() nogil
    void llmfit_in_large_pages(char* data, size_t size) nogil


cdef extern from "Python.h":
    PyObject* new_bytes "PyBytes_FromStringAndSize"(const char* text, Py_ssize_t size) except NULL
    char* bytes_data "PyBytes_AsString"(PyObject* text) except NULL
    int _PyBytes_Resize(PyObject** text, Py_ssize_t size) except -1     # frees it where that fails


def keep_freed_memory():
    """For a server: the memory of an analysis serves the next one, instead of being fetched anew page by page. Long
    lists (4 MB and more) lie apart and go back to the system: among the rest they would leave holes, ever more of them.
    One heap serves all threads, which take turns anyway. Called before any thread begins.
    """
    llmfit_keep_freed()


def give_back_freed_memory():
    """For a server, now and then: holes in the heap go back to the system, which else grow where answers come and go."""
    with nogil:
        llmfit_give_back()


cdef struct Work:
    # One machine's share of fill_all().
    const Columns* c
    const Machine* h
    const Settings* s
    Estimate* by_shape
    const int* rows
    int n


cdef enum:
    TYPICAL_ROW = 2100      # bytes; room for a page is made at once
    FEW = 256               # rows that are written to be cut
    MOST_KEPT = 1 << 20     # bytes of pages that a ranking copies rows from: 500 rows


cdef void fill_from(const Columns* c, const Machine* h, const Settings* s, Estimate* by_shape, int first, int end) noexcept nogil:
    """The shapes from `first` on. The one call of estimate(), so that it is inlined."""
    cdef int i
    for i in range(first, end):
        estimate(h, &c.models[i], &c.weights[i * WEIGHTS], c.quants, &c.ladder, s, &c.policy, &by_shape[i])


cdef void fill(const Columns* c, const Machine* h, const Settings* s, Estimate* by_shape, const int* rows, int n) noexcept nogil:
    """The whole catalog on one machine, or the shapes of `n` rows."""
    cdef int k, shape
    if rows == NULL:
        fill_from(c, h, s, by_shape, 0, c.n_shapes)
        return
    for k in range(n):
        shape = c.rows[rows[k]].shape
        fill_from(c, h, s, by_shape, shape, shape + 1)


cdef void judge(const Columns* c, const Estimate* by_shape, int use_case, Verdict* verdicts, int first, int end) noexcept nogil:
    """The verdicts of the rows from `first` on."""
    cdef const Row* r
    cdef int i, scored
    for i in range(first, end):
        r = &c.rows[i]
        scored = use_case if use_case >= 0 else r.use_case
        verdicts[i] = verdict(r, c.quality[scored * c.n_rows + i], &by_shape[r.shape], c.use_cases, scored, &c.policy)


cdef class Estimates:
    """One Estimate for each distinct shape of the catalog on one host.

    `context` tokens (0: the policy's default), `n_seq` sessions at once, `cache_types` of keys and values as indices of codes.CACHE_TYPES (none: F16),
    `runtime` an index of codes.RUNTIMES or -1 for any; `quants`: one byte a quantization of the catalog, 1 where it is
    allowed (Catalog.quants_called), None for all. Speeds are a session's; `n_seq` times that is the machine's. With
    `later` they are made by fill_all(). `rows`: only the shapes of these rows; a Ranking can write them alone then.
    With `lazy` a shape is estimated when a Ranking needs more of it than a bound (score/sketch.pxd).
    """

    cdef readonly Catalog catalog
    cdef readonly Host host
    cdef Settings settings
    cdef bytes quants
    cdef Estimate* by_shape
    cdef int* rows                  # NULL: all
    cdef int n_rows
    cdef unsigned char* has         # by row, where not all are there
    cdef unsigned char* known       # by shape: it is estimated; NULL: all are
    cdef unsigned char* fits        # by shape, where not all are estimated
    cdef Fastest fastest
    cdef object lock                # held while shapes are estimated

    def __cinit__(
        self, Catalog catalog, Host host, double context=0, double n_seq=1, tuple cache_types=(), int runtime=-1,
        bytes quants=None, bint later=False, rows=None, bint lazy=False,
    ):
        cdef const Columns* c = &catalog.columns
        cdef int k
        self.catalog = catalog
        self.host = host
        self.quants = quants
        self.lock = _allocate_lock()
        self.settings = settings_of(catalog, context, n_seq, cache_types, runtime, quants)
        self.by_shape = <Estimate*>malloc((c.n_shapes + 1) * sizeof(Estimate))
        if self.by_shape == NULL:
            raise MemoryError
        llmfit_in_large_pages(<char*>self.by_shape, (c.n_shapes + 1) * sizeof(Estimate))
        if rows is not None:
            self.n_rows = len(rows)
            self.rows = <int*>malloc((self.n_rows + 1) * sizeof(int))
            self.has = <unsigned char*>calloc(c.n_rows + 1, 1)
            if self.rows == NULL or self.has == NULL:
                raise MemoryError
            for k in range(self.n_rows):
                self.rows[k] = rows[k]
                if not 0 <= self.rows[k] < c.n_rows:
                    raise IndexError(self.rows[k])
                self.has[self.rows[k]] = 1
        if lazy and quants is None:
            self.known = <unsigned char*>calloc(c.n_shapes + 1, 1)
            self.fits = <unsigned char*>malloc(c.n_shapes + 1)
            if self.known == NULL or self.fits == NULL:
                raise MemoryError
            with nogil:
                self.sketch()
        elif later:  # until fill_all() they are those of no model
            memset(self.by_shape, 0, (c.n_shapes + 1) * sizeof(Estimate))
        else:
            with nogil:
                fill(&catalog.columns, &host.machine, &self.settings, self.by_shape, self.rows, self.n_rows)

    def __dealloc__(self):
        free(self.by_shape)
        free(self.rows)
        free(self.has)
        free(self.known)
        free(self.fits)

    @property
    def n_known(self):
        """How many shapes are estimated."""
        cdef int i, n = 0
        for i in range(self.catalog.columns.n_shapes):
            n += self.known == NULL or self.known[i]
        return n

    cdef void sketch(self) noexcept nogil:
        """Which shapes fit; an estimate of those that it takes one for to tell."""
        cdef const Columns* c = &self.catalog.columns
        cdef const Machine* h = &self.host.machine
        cdef int i, fits
        self.fastest = fastest_of(h)
        for i in range(c.n_shapes):
            fits = fits_somewhere(h, &c.sketches[i], &self.settings, &c.policy)
            if fits < 0:
                self.fill(i)
                fits = self.by_shape[i].best.fits
            self.fits[i] = fits

    cdef void fill(self, int shape) noexcept nogil:
        if not self.known[shape]:
            fill_from(&self.catalog.columns, &self.host.machine, &self.settings, self.by_shape, shape, shape + 1)
            self.known[shape] = 1


def fill_all(list estimates):
    """Fill many Estimates (made with `later`) in one call without the GIL: what a fleet planner needs."""
    cdef int i, n = len(estimates)
    cdef Estimates each
    cdef Work* work = <Work*>malloc((n + 1) * sizeof(Work))
    if work == NULL:
        raise MemoryError
    try:
        for i in range(n):
            each = estimates[i]
            work[i] = Work(
                &each.catalog.columns, &each.host.machine, &each.settings, each.by_shape, each.rows, each.n_rows
            )
        with nogil:
            for i in range(n):
                fill(work[i].c, work[i].h, work[i].s, work[i].by_shape, work[i].rows, work[i].n)
    finally:
        free(work)


cdef bytes cut(const Text* rows, int n, bytes head, bytes tail, bytes comma, tuple keys):
    """The page of these rows, of each the members `keys`."""
    cdef Buffer b
    cdef int k, n_keys = len(keys)
    cdef const char* between = comma
    cdef const char* last = tail
    cdef Py_ssize_t tail_size = len(tail)
    cdef Text* wanted = <Text*>malloc((n_keys + 1) * sizeof(Text))
    memset(&b, 0, sizeof(Buffer))
    if wanted == NULL or not reserve(&b, len(head) + tail_size):
        free(wanted)
        raise MemoryError
    try:
        for k in range(n_keys):
            wanted[k].data = keys[k]
            wanted[k].size = len(keys[k])
        put(&b, head, len(head))
        with nogil:
            for k in range(n):
                if not reserve(&b, rows[k].size + 2 + tail_size):
                    break
                if k:
                    put(&b, between, 1)
                put_members(&b, rows[k].data, rows[k].size, wanted, n_keys)
            put(&b, last, tail_size)
        if b.failed:
            raise MemoryError
        return PyBytes_FromStringAndSize(b.data, b.size)
    finally:
        free(wanted)
        free(b.data)


cdef class Ranking:
    """One Verdict for each row: the estimates scored for a use case (-1: each row for its main one)."""

    cdef readonly Estimates estimates
    cdef readonly int use_case
    cdef Verdict* verdicts
    cdef Scored scored
    cdef readonly size_t kept_bytes # of the pages that rows are copied from
    cdef list pages
    cdef Text* texts                # rows that are written, in those pages
    cdef int n_texts
    cdef int* text_of               # by row: which of the texts, from 1; 0: not written yet
    cdef unsigned char* settled     # by row: it has a verdict; NULL: all have
    cdef const RowSketch* order     # the catalog's

    def __cinit__(self, Estimates estimates, int use_case=-1):
        cdef const Columns* c = &estimates.catalog.columns
        cdef const int* rows = estimates.rows
        cdef int k
        self.estimates = estimates
        self.use_case = use_case
        self.pages = []
        self.verdicts = <Verdict*>malloc((c.n_rows + 1) * sizeof(Verdict))
        if self.verdicts == NULL:
            raise MemoryError
        if estimates.known != NULL:
            self.settled = <unsigned char*>calloc(c.n_rows + 1, 1)
            if self.settled == NULL:
                raise MemoryError
        with nogil:
            if rows == NULL and self.settled == NULL:
                judge(c, estimates.by_shape, use_case, self.verdicts, 0, c.n_rows)
            for k in range(estimates.n_rows):
                judge(c, estimates.by_shape, use_case, self.verdicts, rows[k], rows[k] + 1)
        self.scored = Scored(c, &estimates.host.machine, estimates.by_shape, self.verdicts, estimates.fits)

    def __dealloc__(self):
        free(self.verdicts)
        free(self.texts)
        free(self.text_of)
        free(self.settled)

    cdef void settle(self, int i) noexcept nogil:
        """Estimate row `i` and judge it, unless that was done."""
        if self.settled != NULL and not self.settled[i]:
            self.estimates.fill(self.scored.c.rows[i].shape)
            judge(self.scored.c, self.scored.by_shape, self.use_case, self.verdicts, i, i + 1)
            self.settled[i] = 1

    cdef void settle_all(self) noexcept nogil:
        cdef int i
        for i in range(self.scored.c.n_shapes):
            self.estimates.fill(i)
        judge(self.scored.c, self.scored.by_shape, self.use_case, self.verdicts, 0, self.scored.c.n_rows)
        free(self.settled)
        self.settled = NULL

    cdef int lead(self, const Match* w, bint distinct, unsigned char* done, Place* places, int most, int* kept) noexcept nogil:
        """The first `most` rows by score, in order, as places, and how many there are (`kept`); returns how many rows pass.

        Rows are gone through by the most that they can score anywhere, and settled (with `distinct` with all of their
        base model) where they can still be among the first here. `done`: by base model, zero.
        """
        cdef const Columns* c = self.scored.c
        cdef const RowSketch* r
        cdef Estimate blank
        cdef double unfit = 0 if self.scored.h.n_devices else fit_score(GPU, 0, 0, &c.policy) - fit_score(CPU_ONLY, 0, 0, &c.policy)
        cdef int total = 0, start = 0, at, k, held, least = -1
        cdef double tps
        memset(&blank, 0, sizeof(Estimate))
        for at in range(c.n_groups):
            for k in range(start, c.group_ends[at]):
                if may_pass(&self.scored, w, &c.members[k], &blank):
                    total += 1
                    if distinct:
                        break
            start = c.group_ends[at]
        kept[0] = 0
        for at in range(c.n_rows if most else 0):
            r = &self.order[at]
            if r.most < least:
                break
            if (distinct and done[r.group]) or not self.scored.fits[r.shape]:
                continue
            tps = most_tps(&self.estimates.fastest, &c.sketches[r.shape], self.estimates.settings.n_seq, &c.policy)
            if most_tenths(r, unfit, tps, &c.use_cases[r.use_case], &c.policy) < least:
                continue
            held = -1
            for k in range(c.group_ends[r.group - 1] if r.group else 0, c.group_ends[r.group]):
                if (distinct or c.members[k].row == r.row) and may_pass(&self.scored, w, &c.members[k], &blank):
                    self.settle(c.members[k].row)
                    if stands_for(&self.scored, w, c.members[k].row, held):
                        held = c.members[k].row
            done[r.group] = 1
            if held >= 0:
                kept[0] = keep_first(places, kept[0], most, place_of(&self.scored, held, BY_SCORE, 0))
                if kept[0] == most:
                    least = self.verdicts[places[0].row].score
        qsort(places, kept[0], sizeof(Place), compare)
        return total

    def select(
        self, int min_level=0, bint drop_foreign=False, int first=-1, bint exempt=False, int only=-1, bytes providers=None,
        bytes licenses=None, bytes found=None, int searches=0, double min_tps=0, double max_mem_gb=1e300,
        double min_params=0, double max_params=1e300, int released_after=-1, int sort=0, bint turned=False,
        int offset=0, limit=None, bint distinct=False, int capabilities=0,
    ):
        """(how many rows pass, `limit` of them from `offset` on as row indices in order).

        `first` is a row that comes first if it passes, `exempt` lets it pass whatever its level. Masks: ranking/match.pxd.
        """
        cdef const Columns* c = self.scored.c
        cdef Match w
        cdef int n = c.n_rows, i, k, kept = 0, total = 0
        cdef int most = n if limit is None else max(0, min(<object>n, offset + limit if limit else 0))
        cdef bint heap = most < n // 8, lazily
        if self.estimates.rows != NULL:
            raise ValueError("a few rows cannot be selected from")
        cdef Place* places = <Place*>malloc((n + 1) * sizeof(Place))
        cdef int* best = NULL
        cdef unsigned char* done = NULL
        cdef Place p
        w.min_level = min_level
        w.use_case = self.use_case
        w.drop_foreign = drop_foreign
        w.first = first
        w.exempt = exempt
        w.only = only
        w.capabilities = capabilities
        w.providers = <const unsigned char*>(<char*>providers) if providers is not None else NULL
        w.licenses = <const unsigned char*>(<char*>licenses) if licenses is not None else NULL
        w.found = <const unsigned char*>(<char*>found) if found is not None else NULL
        w.searches = searches
        w.min_tps = <long long>ceil(min_tps * 100.0 - 1e-6)
        w.max_memory = max_mem_gb * 1000.0
        w.min_params = min_params
        w.max_params = max_params
        w.released_after = released_after
        w.level_alone = (
            drop_foreign + capabilities + searches == 0 and first < 0 and only < 0 and self.use_case < 0
            and providers is None and licenses is None and min_tps <= 0 and min_params <= 0 and released_after < 0
            and max_mem_gb >= 1e300 and max_params >= 1e300
        )
        lazily = self.settled != NULL and heap and sort == BY_SCORE and not turned and min_level == MARGINAL and not (
            drop_foreign or first >= 0 or min_tps > 0 or max_mem_gb < 1e300
        )
        if lazily:
            self.order = self.estimates.catalog.order(self.use_case)
            done = <unsigned char*>calloc(c.n_groups + 1, 1)
        elif distinct:
            best = <int*>malloc((c.n_groups + 1) * sizeof(int))
        if places == NULL or (lazily and done == NULL) or (distinct and not lazily and best == NULL):
            free(places)
            free(best)
            free(done)
            raise MemoryError
        if lazily:
            with self.estimates.lock, nogil:
                total = self.lead(&w, distinct, done, places, most, &kept)
        elif self.settled != NULL:
            with self.estimates.lock, nogil:
                self.settle_all()
        with nogil:
            if distinct and not lazily:
                representatives(&self.scored, &w, best)
            for k in range(0 if lazily else c.n_groups if distinct else n):
                i = best[k] if distinct else k
                if i < 0 or not (distinct or passes(&self.scored, &w, i)):
                    continue
                total += 1
                p = place_of(&self.scored, i, sort, turned)
                if i == first:
                    p.key = 0
                    p.tie = 0
                if heap:
                    kept = keep_first(places, kept, most, p)
                else:
                    places[kept] = p
                    kept += 1
            if not lazily:
                qsort(places, kept, sizeof(Place), compare)
        try:
            return total, [places[i].row for i in range(min(offset, kept), min(kept, most))]
        finally:
            free(places)
            free(best)
            free(done)

    def encode(self, list indices, bytes head=b"[", bytes tail=b"]", bytes comma=b",", tuple keys=None):
        """`head`, the rows as JSON with `comma` (one byte) between, `tail`; with `keys` (bytes, in the order of
        wire.rows.Row) these members alone. A row is encoded the first time that it is asked for.
        """
        cdef int n = len(indices), at, few
        cdef int* wanted = <int*>malloc((n + 1) * sizeof(int))
        cdef Text* rows = <Text*>malloc((n + 1) * sizeof(Text))
        try:
            if wanted == NULL or rows == NULL:
                raise MemoryError
            self.checked(wanted, indices)
            if keys is None:
                return self.page(wanted, rows, n, head, tail, comma)
            parts = []
            for at in range(0, n, FEW):  # few whole rows at a time: 25 MB of them would be fetched from the system
                few = min(FEW, n - at)
                held = self.page(&wanted[at], rows, few, b"", b"", comma)
                parts.append(cut(rows, few, b"", b"", comma, keys))
            return b"".join([head, comma.join(parts), tail])
        finally:
            free(wanted)
            free(rows)

    def size(self, list indices):
        """How many bytes the rows take as JSON, without what is between them: each is written to one place and dropped."""
        cdef int n = len(indices), k
        cdef size_t total = 0
        cdef Buffer b
        cdef int* wanted = <int*>malloc((n + 1) * sizeof(int))
        memset(&b, 0, sizeof(Buffer))
        try:
            if wanted == NULL:
                raise MemoryError
            self.checked(wanted, indices)
            with self.estimates.lock, nogil:
                for k in range(n):
                    b.size = 0
                    if not reserve(&b, row_room_of(&self.scored, wanted[k])):
                        break
                    self.write_row(&b, wanted[k])
                    total += b.size
            if b.failed:
                raise MemoryError
            return total
        finally:
            free(wanted)
            free(b.data)

    cdef bytes page(self, const int* wanted, Text* rows, int n, bytes head, bytes tail, bytes comma):
        """The rows with what is around and between them, and where each lies in the answer (`rows`).

        Rows that were written before are copied. The page is kept for later ones where most of it is new and it is short.
        """
        cdef const char* between = comma
        cdef const char* last = tail
        cdef Py_ssize_t tail_size = len(tail)
        cdef Buffer b
        cdef int k = 0, fresh = 0
        cdef PyObject* text
        cdef const char* start
        if self.text_of == NULL:
            self.text_of = <int*>calloc(self.scored.c.n_rows + 1, sizeof(int))
            if self.text_of == NULL:
                raise MemoryError
        memset(&b, 0, sizeof(Buffer))
        b.room = len(head) + tail_size + (n + 8) * <size_t>TYPICAL_ROW
        text = new_bytes(NULL, b.room)
        b.data = bytes_data(text)
        llmfit_in_large_pages(b.data, b.room)
        put(&b, head, len(head))
        while True:
            with self.estimates.lock, nogil:
                while k < n and self.add_row(&b, wanted[k], &rows[k], between if k else NULL, tail_size, &fresh):
                    k += 1
            if k == n:
                break
            b.room += b.room // 2 + row_room_of(&self.scored, wanted[k]) + 1
            _PyBytes_Resize(&text, b.room)
            b.data = bytes_data(text)
        put(&b, last, tail_size)
        _PyBytes_Resize(&text, b.size)
        start = bytes_data(text)
        page = <bytes>text
        Py_DECREF(page)  # it had one reference already
        for k in range(n):  # they held distances until now: the page has moved
            rows[k].data = start + <size_t>rows[k].data
        if 2 * fresh > n and self.kept_bytes + b.size <= <size_t>MOST_KEPT:
            self.keep(page, wanted, rows, n)
        return page

    cdef int add_row(self, Buffer* b, int i, Text* text, const char* between, Py_ssize_t tail_size, int* fresh) noexcept nogil:
        """Row `i` behind the buffer's end, `text` its distance from the beginning; 0 where there is no room for it."""
        cdef const Text* written = NULL
        cdef size_t need = tail_size + 1
        if self.text_of[i]:
            written = &self.texts[self.text_of[i] - 1]
            need += written.size
        else:
            need += row_room_of(&self.scored, i)
        if b.size + need > b.room:
            return 0
        if between != NULL:
            put(b, between, 1)
        text.data = <const char*>b.size
        if written != NULL:
            put_text(b, written[0])
        else:
            self.write_row(b, i)
            fresh[0] += 1
        text.size = b.size - <size_t>text.data
        return 1

    cdef int keep(self, bytes page, const int* wanted, const Text* rows, int n) except -1:
        """From now on copy these rows from the page."""
        cdef Text* grown = <Text*>realloc(self.texts, (self.n_texts + n) * sizeof(Text))
        cdef int k
        if grown == NULL:
            raise MemoryError
        self.texts = grown
        for k in range(n):
            if not self.text_of[wanted[k]]:
                self.texts[self.n_texts] = rows[k]
                self.n_texts += 1
                self.text_of[wanted[k]] = self.n_texts
        self.pages.append(page)
        self.kept_bytes += len(page)
        return 0

    def write(self, list indices, tuple parts, bytes tail):
        """The rows in brief, one after the other: of each its parts, (literal text, which of codes.BRIEF follows it),
        then `tail`. Keeps nothing.
        """
        cdef int n = len(indices), n_parts = len(parts), k
        cdef size_t literal = len(tail)
        cdef Text last
        cdef bytes held
        cdef Buffer b
        cdef int* wanted = <int*>malloc((n + 1) * sizeof(int))
        cdef Part* wish = <Part*>malloc((n_parts + 1) * sizeof(Part))
        memset(&b, 0, sizeof(Buffer))
        try:
            if wanted == NULL or wish == NULL:
                raise MemoryError
            self.checked(wanted, indices)
            for k, (text, what) in enumerate(parts):
                held = text  # the tuple keeps it
                wish[k].before.data = held
                wish[k].before.size = len(held)
                wish[k].what = what
                literal += wish[k].before.size
            last.data, last.size = tail, len(tail)
            with self.estimates.lock, nogil:
                for k in range(n):
                    if not self.brief(&b, wanted[k], wish, n_parts, literal):
                        break
                    put(&b, last.data, last.size)
            if b.failed:
                raise MemoryError
            return PyBytes_FromStringAndSize(b.data, b.size)
        finally:
            free(wanted)
            free(wish)
            free(b.data)

    cdef int brief(self, Buffer* b, int i, const Part* parts, int n, size_t literal) noexcept nogil:
        cdef const Columns* c = self.scored.c
        cdef Text id = piece(&c.ids, i)
        self.settle(i)
        if not reserve(b, literal + brief_room(id, n)):
            return 0
        put_brief(b, &c.wire, id, &self.scored.by_shape[c.rows[i].shape], &self.verdicts[i], parts, n)
        return 1

    cdef int checked(self, int* wanted, list indices) except -1:
        """The row indices as integers; IndexError for one that is not there."""
        cdef int k
        for k in range(len(indices)):
            wanted[k] = indices[k]
            if not 0 <= wanted[k] < self.scored.c.n_rows:
                raise IndexError(wanted[k])
            if self.estimates.has != NULL and not self.estimates.has[wanted[k]]:
                raise IndexError(wanted[k])
        return 0

    cdef void write_row(self, Buffer* b, int i) noexcept nogil:
        """Row `i` as JSON; the buffer has row_room_of() it."""
        cdef const Columns* c = self.scored.c
        cdef const Row* r = &c.rows[i]
        cdef const Estimate* e = &self.scored.by_shape[r.shape]
        self.settle(i)
        cdef int use_case = self.verdicts[i].use_case
        cdef Components s = components(c.quality[use_case * c.n_rows + i], e, &c.use_cases[use_case], &c.policy)
        cdef RowText t = row_text(c, i)
        t.mlx = mlx_copy(c, i, e.best.quant)
        put_row(
            b, &c.wire, &t, r, &c.models[r.shape], e, &self.verdicts[i], &s, self.scored.h, &c.quants[e.best.quant],
            &self.estimates.settings, &c.policy
        )
