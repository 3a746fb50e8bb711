# Which machine is best for a model: classes of equal machines by what they can give at most, then what they have left.
from libc.string cimport memset
from llmfit.placement.choices cimport all_of, best_score, smallest
from llmfit.placement.goal cimport worth
from llmfit.placement.one_machine cimport on
from llmfit.placement.plan cimport POINTS, Packing
from llmfit.placement.assigned cimport excluded, free_of, reset, worth_of
from llmfit.placement.ways cimport Asked, Way, usual

cdef enum:
    PATIENCE = 48           # machines looked at in vain behind the best so far


cdef inline void rank(Packing* p, int case) noexcept nogil:
    """`ranked`: the classes by what they can score at most with a case, the best first."""
    cdef const short* tops = &p.tops[case * p.n_classes]
    cdef int c, k, sum = 0, n
    if p.ranked_case == case + 1:
        return
    p.ranked_case = case + 1
    memset(p.points, 0, (POINTS + 1) * sizeof(int))
    for c in range(p.n_classes):
        p.points[POINTS - 1 - min(tops[c], POINTS - 2)] += 1
    for k in range(POINTS + 1):
        n = p.points[k]
        p.points[k] = sum
        sum = sum + n
    for c in range(p.n_classes):
        k = POINTS - 1 - min(tops[c], POINTS - 2)
        p.ranked[p.points[k]] = c
        p.points[k] += 1


cdef inline void prepare(Packing* p) noexcept nogil:
    """The best score of every case on every class of machine, and what a case takes at least."""
    cdef int c, s, i
    cdef Way w
    cdef double sum, most
    reset(p)
    for c in range(p.n_classes):
        s = p.member[p.class_start[c]]
        on(p, p.kind[s], &p.start[s * p.stride])
        for i in range(p.n_cases):
            p.tops[i * p.n_classes + c] = best_score(&p.asked[i], &p.machines[p.kind[s]])
    for i in range(p.n_cases):
        p.spent += p.n_classes * p.asked[i].n_rows
    for i in range(p.n_cases):
        rank(p, i)
        p.needs[i] = 1e30
        for c in range(min(p.n_classes, 4)):  # the best, and some others
            s = p.member[p.class_start[p.ranked[c * (p.n_classes - 1) // 4]]]
            if p.tops[i * p.n_classes + p.klass[s]] >= 0:
                on(p, p.kind[s], &p.start[s * p.stride])
                if smallest(&p.asked[i], &p.machines[p.kind[s]], &p.start[s * p.stride], p.place, &w):
                    p.needs[i] = min(p.needs[i], <double>w.total)


cdef inline double weight_possible(Packing* p) noexcept nogil:
    """Of what has room anywhere, were it alone."""
    cdef int i
    cdef double sum = 0
    for i in range(p.n_items):
        rank(p, p.items[i].case)
        sum = sum + (p.items[i].weight if p.tops[p.items[i].case * p.n_classes + p.ranked[0]] >= 0 else 0)
    return sum


cdef inline int best_of(Packing* p, const Asked* a, int s, Way* w) noexcept nogil:
    """The best of all ways on what is left of a machine."""
    cdef const int* left = &p.left[s * p.stride]
    p.spent += max(a.n_rows, 8)
    if not all_of(a, on(p, p.kind[s], left), p.place, p.room, p.found):
        return 0
    w[0] = p.found[0][0]
    return 1


cdef inline int best_node(Packing* p, int item, int here, long long least, Way* best, long long* gain) noexcept nogil:
    """Where an item brings most in what is left, more than `least`; -1: nowhere. Machines in use are looked at first
    where few are wanted, else those that are not."""
    cdef int case = p.items[item].case, k, r, c, i, s, fresh, first, end, got, vain, found = -1
    cdef long long more
    cdef const Asked* a = &p.asked[case]
    cdef Way w
    rank(p, case)
    gain[0] = least
    for k in range(2):
        fresh, vain = k == p.pack, 0
        for r in range(p.n_classes):
            c = p.ranked[r]
            if p.tops[case * p.n_classes + c] < 0 or vain > PATIENCE:
                break
            if worth(&p.goal, p.tops[case * p.n_classes + c], fresh) <= gain[0]:
                break
            first = p.class_start[c] + (p.touched[c] if fresh else 0)
            end = min(first + 1, p.class_start[c + 1]) if fresh else first + p.touched[c]
            for i in range(first, end):
                s = p.member[i]
                if s == here or p.needs[case] > free_of(p, s) or excluded(p, item, s, -1):
                    continue
                p.spent += 1
                got = usual(a, 0, on(p, p.kind[s], &p.left[s * p.stride]), p.place, &w) if a.n_rows == 1 else 0
                if got == 0:
                    got = best_of(p, a, s, &w)
                more = worth(&p.goal, p.score[s] + w.score, p.count[s] + 1) - worth_of(p, s) if got > 0 else least
                if more > gain[0]:
                    best[0], gain[0] = w, more
                    found, vain = s, 0
                elif found >= 0:
                    vain += 1
    return found
