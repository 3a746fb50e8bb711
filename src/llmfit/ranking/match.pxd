# Keep a row or not.
from libc.string cimport memchr, memcmp
from llmfit.estimate.codes cimport *
from llmfit.estimate.estimate cimport Estimate
from llmfit.score.score cimport Row
from llmfit.score.verdict cimport Verdict

cdef struct Match:
    int min_level
    int level_alone             # 1: nothing but the level is asked for
    int use_case                # rows that serve it; -1: all
    int drop_foreign            # 1: without the rows that the asked runtime cannot execute here
    int first                   # this row comes first; -1: none
    int exempt                  # 1: and is kept whatever its level
    int only                    # this row alone; -1: all
    int capabilities            # all of these bits; 0: any
    const unsigned char* providers  # by provider: 1 keep; NULL: all
    const unsigned char* licenses   # by license: 1 keep; NULL: all
    const unsigned char* found      # by row: the number of searches it has to satisfy; NULL: all
    int searches
    long long min_tps           # hundredths
    double max_memory           # total, thousandths of a GiB
    double min_params, max_params
    int released_after          # yyyymmdd; rows without a date fail; -1: all


cdef inline int contains(const char* text, size_t length, const char* needle, size_t n) noexcept nogil:
    """1 if `needle` (n > 0 bytes) occurs in `text`."""
    cdef const char* at = text
    cdef const char* end = text + length
    while <size_t>(end - at) >= n:
        at = <const char*>memchr(at, needle[0], end - at - n + 1)
        if at == NULL:
            return 0
        if memcmp(at, needle, n) == 0:
            return 1
        at = at + 1
    return 0


cdef inline int matches(const Match* w, int index, const Row* r, const Verdict* v, const Estimate* e, long long tps) noexcept nogil:
    """1 if the row passes every filter. `tps`: its tokens/s in hundredths, if min_tps asks for any."""
    if w.only >= 0 and w.only != index:
        return 0
    if v.level < w.min_level and not (w.exempt and index == w.first):
        return 0
    if w.use_case >= 0 and not (r.serves >> w.use_case) & 1:
        return 0
    if r.capabilities & w.capabilities != w.capabilities:
        return 0
    if w.drop_foreign and e.blocker > TOO_BIG:
        return 0
    if w.providers != NULL and not w.providers[r.provider]:
        return 0
    if w.licenses != NULL and (r.license < 0 or not w.licenses[r.license]):
        return 0
    if r.params_total < w.min_params or r.params_total > w.max_params or r.date <= w.released_after:
        return 0
    if e.best.total > w.max_memory or tps < w.min_tps:
        return 0
    if w.found != NULL and w.found[index] != w.searches:
        return 0
    return 1
