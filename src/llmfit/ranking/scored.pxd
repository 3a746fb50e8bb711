# A ranking as the loops see it: which rows pass, where they stand, which of a base model's stands for it.
from llmfit.estimate.codes cimport *
from llmfit.ranking.columns cimport Columns, mlx_copy, piece
from llmfit.estimate.estimate cimport Estimate
from llmfit.estimate.machine cimport Machine
from llmfit.ranking.match cimport Match, matches
from llmfit.rows.notes cimport RowText, tps_hundredths, utilization_tenths
from llmfit.ranking.order cimport Place, before, sort_key, tie_break
from llmfit.rows.rows cimport row_room
from llmfit.score.score cimport Row
from llmfit.score.sketch cimport Member
from llmfit.score.verdict cimport Verdict

cdef struct Scored:
    # A finished ranking, as the loops see it.
    const Columns* c
    const Machine* h
    const Estimate* by_shape
    const Verdict* verdicts
    const unsigned char* fits


cdef inline int passes(const Scored* s, const Match* w, int i) noexcept nogil:
    """1 where row `i` passes every filter."""
    if w.level_alone:
        return s.verdicts[i].level >= w.min_level
    cdef const Row* r = &s.c.rows[i]
    cdef const Estimate* e = &s.by_shape[r.shape]
    return matches(w, i, r, &s.verdicts[i], e, tps_hundredths(e) if w.min_tps > 0 else 0)


cdef inline Place place_of(const Scored* s, int i, int sort, int turned) noexcept nogil:
    """Where row `i` stands in an order."""
    cdef const Row* r = &s.c.rows[i]
    cdef const Estimate* e = &s.by_shape[r.shape]
    cdef Place p
    p.key = sort_key(
        sort, turned, r, &s.verdicts[i], e, tps_hundredths(e) if sort == BY_TPS else 0,
        utilization_tenths(e) if sort == BY_MEM else 0, s.c.label_order
    )
    p.tie = tie_break(r, &s.verdicts[i])
    p.row = i
    return p


cdef inline int may_pass(const Scored* s, const Match* w, const Member* m, const Estimate* blank) noexcept nogil:
    """1 where a row fits and passes every filter; none of them reads its estimate (`blank`)."""
    cdef Verdict v
    if not s.fits[m.shape]:
        return 0
    if w.level_alone:
        return 1
    v.level = MARGINAL
    return matches(w, m.row, &s.c.rows[m.row], &v, blank, 0)


cdef inline int stands_for(const Scored* s, const Match* w, int i, int held) noexcept nogil:
    """1 where row `i` stands for its base model rather than row `held` (-1: none).

    An original or a packager's copy before a community one; then the highest score; then the name.
    """
    cdef const Row* rows = s.c.rows
    cdef Place a, b
    if held < 0 or i == w.first:
        return 1
    if held == w.first:
        return 0
    if (rows[i].origin == COMMUNITY) != (rows[held].origin == COMMUNITY):
        return rows[held].origin == COMMUNITY
    a = place_of(s, i, BY_SCORE, 0)
    b = place_of(s, held, BY_SCORE, 0)
    return before(&a, &b)


cdef inline void representatives(const Scored* s, const Match* w, int* best) noexcept nogil:
    """By base model: the row that stands for it among those that pass, -1 where none does."""
    cdef const Row* rows = s.c.rows
    cdef int i, g
    for g in range(s.c.n_groups):
        best[g] = -1
    for i in range(s.c.n_rows):
        if not passes(s, w, i):
            continue
        g = rows[i].group
        if stands_for(s, w, i, best[g]):
            best[g] = i


cdef inline RowText row_text(const Columns* c, int i) noexcept nogil:
    """The texts of a row; of its MLX copies all, one behind the other."""
    cdef RowText t
    t.facts = piece(&c.facts, i)
    t.id = piece(&c.ids, i)
    t.gguf = piece(&c.gguf, i)
    t.mlx = piece(&c.mlx, i)
    t.newer = t.id
    if c.rows[i].newer >= 0:
        t.newer = piece(&c.ids, c.rows[i].newer)
    t.notes = piece(&c.notes, i)
    t.of_file = c.of_file or (t.gguf.size > 0 and t.gguf.data[0] == c".")  # a path: no id begins so
    t.installed = c.rows[i].installed
    return t


cdef inline size_t row_room_of(const Scored* s, int i) noexcept nogil:
    """More bytes than row `i` can take as JSON."""
    cdef RowText t = row_text(s.c, i)
    return row_room(&t, s.h)
