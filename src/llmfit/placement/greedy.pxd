# Plans from nothing: items in an order, each where it scores most, or as small as can be where it just has room.
from libc.stdlib cimport qsort
from llmfit.placement.choices cimport smallest
from llmfit.placement.goal cimport lowest
from llmfit.placement.one_machine cimport fill, on
from llmfit.placement.plan cimport Key, Packing
from llmfit.placement.assigned cimport add, excluded, free_of, gather, put, reset
from llmfit.placement.machines cimport best_node
from llmfit.placement.ways cimport Way


cdef inline int by_size(const void* a, const void* b) noexcept nogil:
    """The weightiest first, then the largest; or the smallest for their weight first."""
    cdef const Key* x = <const Key*>a
    cdef const Key* y = <const Key*>b
    cdef double p = x.weight, q = y.weight
    if x.smallest:
        p, q = -x.size / x.weight, -y.size / y.weight
    if p != q:
        return 1 if p < q else -1
    if x.size != y.size and not x.smallest:
        return 1 if x.size < y.size else -1
    return x.item - y.item


cdef inline void sort(Packing* p, int smallest_first) noexcept nogil:
    cdef int i
    for i in range(p.n_items):
        p.keys[i] = Key(p.items[i].weight, p.needs[p.items[i].case], i, smallest_first)
        if p.shake:  # another order, the same each time
            p.random = p.random * 6364136223846793005ULL + 1442695040888963407ULL
            p.keys[i].size = p.keys[i].size * (0.5 + <double>(p.random >> 33) / 2147483648.0)
    qsort(p.keys, p.n_items, sizeof(Key), by_size)


cdef inline void by_points(Packing* p) noexcept nogil:
    """Each item where it scores most."""
    cdef int i, s, item
    cdef long long gain
    cdef Way w
    reset(p)
    for i in range(p.n_items):
        item = p.keys[i].item
        if p.full[p.items[item].case]:
            continue
        s = best_node(p, item, -1, lowest(), &w, &gain)
        if s >= 0:
            add(p, s, item, &w)
        elif not p.items[item].apart:
            p.full[p.items[item].case] = 1


cdef inline void by_room(Packing* p) noexcept nogil:
    """Each item, as small as can be, to the fullest machine that holds it."""
    cdef int i, c, k, s, item, case, found
    cdef double free_, least
    cdef Way w, best
    reset(p)
    for i in range(p.n_items):
        item = p.keys[i].item
        case, found, least = p.items[item].case, -1, 1e30
        if p.full[case]:
            continue
        for c in range(p.n_classes):
            if p.tops[case * p.n_classes + c] < 0:
                continue
            for k in range(p.class_start[c], min(p.class_start[c] + p.touched[c] + 1, p.class_start[c + 1])):
                s = p.member[k]
                free_ = free_of(p, s) + (0 if p.count[s] else 1e15)  # those in use first
                if free_ >= least or free_ < p.needs[case] or excluded(p, item, s, -1):
                    continue
                p.spent += 4
                on(p, p.kind[s], &p.left[s * p.stride])
                if smallest(&p.asked[case], &p.machines[p.kind[s]], &p.left[s * p.stride], p.place, &w):
                    least, found, best = free_, s, w
        if found >= 0:
            add(p, found, item, &best)
        elif not p.items[item].apart:
            p.full[case] = 1


cdef inline void refill(Packing* p) noexcept nogil:
    """The best ways of what is on each machine; they fit, as they did in those that they have."""
    cdef int s, n, step, score
    for s in range(p.n_nodes):
        n = gather(p, s, -1, -1, p.who)
        if n:
            score = fill(p, s, p.who, n, p.placed, &step)
            if score > p.score[s]:
                put(p, s, p.who, n, p.placed, step, score)
