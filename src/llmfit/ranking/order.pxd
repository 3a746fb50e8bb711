# In which order. Every sort is one 64-bit key and a tie-break of score (highest first), then name; smallest first.
from libc.stdlib cimport qsort
from llmfit.estimate.codes cimport *
from llmfit.estimate.estimate cimport Estimate
from llmfit.score.score cimport Row
from llmfit.score.verdict cimport Verdict

cdef struct Place:
    unsigned long long key
    unsigned int tie
    int row


cdef inline unsigned long long sort_key(
    int sort, int turned, const Row* r, const Verdict* v, const Estimate* e, unsigned long long tps,
    unsigned long long utilization, const unsigned char* label_order
) noexcept nogil:
    """Smallest first, on the figures that are sent: `tps` in hundredths, `utilization` in tenths of a percent.

    The top bit puts rows that cannot run last whatever the sort; unknown dates come after known ones. `turned` is the
    other direction: only the figure turns round, not what comes last, nor how ties are broken.
    """
    cdef unsigned long long key = 0
    cdef unsigned long long top = 1
    cdef unsigned long long ceiling = (top << 62) - 1
    if sort == BY_SCORE:
        key = ceiling - v.score
    elif sort == BY_TPS:
        key = ceiling - tps
    elif sort == BY_PARAMS:
        key = ceiling - <unsigned long long>r.params_total
    elif sort == BY_MEM:
        key = utilization
    elif sort == BY_CTX:
        key = ceiling - ((<unsigned long long>r.context_length << 31) | <unsigned long long>e.usable)
    elif sort == BY_DATE:
        key = ceiling - r.date
    elif sort == BY_USE_CASE:
        key = label_order[v.use_case]
    if turned:
        key = ceiling - key
    if sort == BY_DATE and r.date == 0:
        key = ceiling
    if v.level == TOO_TIGHT:
        key = key | (top << 63)
    return key


cdef inline unsigned int tie_break(const Row* r, const Verdict* v) noexcept nogil:
    """Score first (highest), then name."""
    return (<unsigned int>(2000 - v.score) << 20) | <unsigned int>r.name_rank


cdef inline int before(const Place* a, const Place* b) noexcept nogil:
    return a.key < b.key or (a.key == b.key and a.tie < b.tie)


cdef inline int compare(const void* a, const void* b) noexcept nogil:
    return -1 if before(<const Place*>a, <const Place*>b) else 1


cdef inline void sift_down(Place* heap, int n, int at) noexcept nogil:
    """Restore the heap (last place on top) below `at`."""
    cdef int child
    cdef Place moved = heap[at]
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        if child + 1 < n and before(&heap[child], &heap[child + 1]):
            child = child + 1
        if not before(&moved, &heap[child]):
            break
        heap[at] = heap[child]
        at = child
    heap[at] = moved


cdef inline int keep_first(Place* heap, int n, int limit, Place p) noexcept nogil:
    """Keep the `limit` first places seen so far, the last of them on top. Returns how many are kept."""
    cdef int at = n, parent
    if n == limit:
        if limit and before(&p, &heap[0]):
            heap[0] = p
            sift_down(heap, n, 0)
        return n
    while at:
        parent = (at - 1) // 2
        if before(&p, &heap[parent]):
            break
        heap[at] = heap[parent]
        at = parent
    heap[at] = p
    return n + 1
