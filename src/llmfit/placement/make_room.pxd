# Room for items that have no place: others become smaller, go elsewhere, or give way.
from libc.string cimport memcpy, memset
from llmfit.placement.goal cimport lowest, worth
from llmfit.placement.one_machine cimport chain, fill
from llmfit.estimate.machine cimport MAX_DEVICES
from llmfit.placement.plan cimport CLOSER, FEW, Packing, top
from llmfit.placement.greedy cimport refill
from llmfit.placement.assigned cimport add, excluded, gather, put, worth_of
from llmfit.placement.machines cimport best_node, rank
from llmfit.placement.ways cimport Way


cdef inline int squeeze(Packing* p, int item) noexcept nogil:
    """1 if machines were found that make room for an item by smaller forms, and it went to the best of them."""
    cdef int case = p.items[item].case, r, c, i, s, n, score, step, tried = 0, best = -1
    cdef long long gain, best_gain = lowest()
    cdef int rest[MAX_DEVICES + 1]
    rank(p, case)
    for r in range(p.n_classes):
        c = p.ranked[r]
        if p.tops[case * p.n_classes + c] < 0 or tried >= CLOSER or p.spent > p.most:
            break
        for i in range(p.class_start[c], min(p.class_start[c] + p.touched[c] + 1, p.class_start[c + 1])):
            s = p.member[i]
            if excluded(p, item, s, -1):
                continue
            n = gather(p, s, -1, item, p.who)
            memcpy(rest, &p.start[s * p.stride], p.stride * sizeof(int))
            if not chain(p, p.kind[s], rest, p.who, n, 0, 1, NULL):
                continue
            score = fill(p, s, p.who, n, p.placed, &step)
            gain = worth(&p.goal, score, n) - worth_of(p, s)
            if score >= 0 and gain > best_gain:
                best, best_gain = s, gain
            tried += 1
    if best < 0:
        return 0
    n = gather(p, best, -1, item, p.who)
    score = fill(p, best, p.who, n, p.placed, &step)
    put(p, best, p.who, n, p.placed, step, score)
    return 1


cdef inline int has_room(Packing* p, int node, int without, int item) noexcept nogil:
    """How many models are on a machine with the item in place of another one (-1: none), if they have room; `who` is
    filled then. 0: they do not."""
    cdef int rest[MAX_DEVICES + 1]
    cdef int n
    p.spent += 1
    if top(p, item, node) < 0 or excluded(p, item, node, without):
        return 0
    n = gather(p, node, without, item, p.who)
    memcpy(rest, &p.start[node * p.stride], p.stride * sizeof(int))
    return n if chain(p, p.kind[node], rest, p.who, n, 0, 1, NULL) else 0


cdef inline int settled(Packing* p, int node, int without, int item) noexcept nogil:
    """1 if the item is on the machine now, in place of another one (-1: none), which is nowhere then."""
    cdef int n = has_room(p, node, without, item), score, step
    if n == 0:
        return 0
    score = fill(p, node, p.who, n, p.placed, &step)
    if score < 0:
        return 0
    if without >= 0:
        p.node_of[without] = -1
    put(p, node, p.who, n, p.placed, step, score)
    return 1


cdef inline int elsewhere(Packing* p, int item, int here) noexcept nogil:
    """1 if the item, which is nowhere, is on another machine now, where it had room, if need be by smaller forms."""
    cdef int s
    cdef long long gain
    cdef Way w
    s = best_node(p, item, here, lowest(), &w, &gain)
    if s >= 0:
        add(p, s, item, &w)
        return 1
    for s in range(p.n_nodes):
        if s != here and p.count[s] and settled(p, s, -1, item):
            return 1
    return 0


cdef inline int gives_way(const Packing* p, int out, int item) noexcept nogil:
    """1 if the other one is worth less, or as much and is larger, so that there is more room without it."""
    if p.items[out].weight != p.items[item].weight:
        return p.items[out].weight < p.items[item].weight
    return p.needs[p.items[out].case] > p.needs[p.items[item].case]


cdef inline int drive_out(Packing* p, int item, int but, int depth) noexcept nogil:
    """1 if an item took the place of another one, which has room elsewhere (`depth`: where it drives out a third) or is to
    give way."""
    cdef int old[FEW]
    cdef Way ways[FEW]
    cdef int s, out, n, k, after, score
    for s in range(p.n_nodes):
        if s == but or not 0 < p.count[s] <= FEW:
            continue
        out = p.head[s]
        while out >= 0:
            if p.spent > p.most:
                return 0
            after = p.next_[out]
            if p.items[out].case == p.items[item].case or p.items[out].weight > p.items[item].weight:
                out = after
                continue
            n, score = gather(p, s, -1, -1, old), p.score[s]
            for k in range(n):
                ways[k] = p.way[old[k]]
            if settled(p, s, out, item):
                if elsewhere(p, out, s) or (depth and drive_out(p, out, s, depth - 1)) or gives_way(p, out, item):
                    return 1
                p.node_of[item] = -1
                put(p, s, old, n, ways, 1, score)
            out = after
    return 0


cdef inline void complete(Packing* p) noexcept nogil:
    """Room for what has none, by making others smaller or moving them; then the best ways of all."""
    cdef int i, item, case, again_ = 1
    while again_:
        again_ = 0
        memset(p.full, 0, p.n_cases)
        for i in range(p.n_items):
            item = p.keys[i].item
            case = p.items[item].case
            if p.node_of[item] < 0 and not p.full[case] and p.spent <= p.most:
                if squeeze(p, item) or drive_out(p, item, -1, p.deep):
                    again_ = 1
                elif not p.items[item].apart:
                    p.full[case] = 1
    refill(p)
