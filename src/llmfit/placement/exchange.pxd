# Moves of one item: to another machine, in exchange for another one, or into the place of one that scored less.
from llmfit.placement.goal cimport TENTH, worth
from llmfit.placement.one_machine cimport fill
from llmfit.placement.plan cimport CLOSER, Packing, top
from llmfit.placement.assigned cimport excluded, gather, put, worth_of
from llmfit.placement.machines cimport best_node, rank
from llmfit.placement.ways cimport Way


cdef inline int swapped(Packing* p, int item, int here, int there, int loss) noexcept nogil:
    """1 if the item and one of another machine score more when they change places, and have done so."""
    cdef int each = p.head[there], n, m, a, b, step, step_too
    while each >= 0:
        if top(p, each, here) >= 0 and p.items[each].case != p.items[item].case:
            if not excluded(p, item, there, each) and not excluded(p, each, here, item):
                m = gather(p, there, each, item, p.who)
                a = fill(p, there, p.who, m, p.placed, &step)
                if a + top(p, each, here) > p.score[there] + loss:
                    n = gather(p, here, item, each, p.other)
                    b = fill(p, here, p.other, n, p.laid_too, &step_too)
                    if a >= 0 and b >= 0 and a + b > p.score[here] + p.score[there]:
                        put(p, here, p.other, n, p.laid_too, step_too, b)
                        put(p, there, p.who, m, p.placed, step, a)
                        return 1
        each = p.next_[each]
    return 0


cdef inline int moved(Packing* p, int item) noexcept nogil:
    """1 if the item brings more elsewhere, and is there now."""
    cdef int here = p.node_of[item], case = p.items[item].case, n, m, s, t, r, c, i, score, less, step, step_too, tried = 0
    cdef long long loss, gain
    cdef Way w
    n = gather(p, here, item, -1, p.other)
    less = fill(p, here, p.other, n, p.laid_too, &step_too)
    if less < 0:
        return 0
    loss = worth_of(p, here) - worth(&p.goal, less, n)
    rank(p, case)
    if p.tops[case * p.n_classes + p.ranked[0]] * <long long>TENTH <= loss:
        return 0
    s = best_node(p, item, here, loss, &w, &gain)
    if s >= 0:
        m = gather(p, s, -1, item, p.who)
        score = fill(p, s, p.who, m, p.placed, &step)
        if score >= 0 and worth(&p.goal, score, m) - worth_of(p, s) > loss:
            put(p, here, p.other, n, p.laid_too, step_too, less)
            put(p, s, p.who, m, p.placed, step, score)
            return 1
    for r in range(p.n_classes):
        c = p.ranked[r]
        if p.tops[case * p.n_classes + c] * <long long>TENTH <= loss or tried >= CLOSER:
            return 0
        for i in range(p.class_start[c], p.class_start[c] + p.touched[c]):
            t = p.member[i]
            if t == here or t == s or tried >= CLOSER or excluded(p, item, t, -1):
                continue
            tried += 1
            m = gather(p, t, -1, item, p.who)
            score = fill(p, t, p.who, m, p.placed, &step)
            if score >= 0 and worth(&p.goal, score, m) - worth_of(p, t) > loss:
                n = gather(p, here, item, -1, p.other)  # swapped() has used the arrays
                less = fill(p, here, p.other, n, p.laid_too, &step_too)
                put(p, here, p.other, n, p.laid_too, step_too, less)
                put(p, t, p.who, m, p.placed, step, score)
                return 1
            if swapped(p, item, here, t, p.score[here] - less):
                return 1
    return 0


cdef inline int replaced(Packing* p, int item) noexcept nogil:
    """1 if the item, which has no place, took that of one that is worth as much and scored less."""
    cdef int case = p.items[item].case, r, c, i, s, n, out, score, step, top, tried = 0
    rank(p, case)
    for r in range(p.n_classes):
        c = p.ranked[r]
        top = p.tops[case * p.n_classes + c]
        if top < 0:
            return 0
        for i in range(p.class_start[c], p.class_start[c] + p.touched[c]):
            s = p.member[i]
            out = p.head[s]
            while out >= 0:
                if (
                    p.items[out].weight == p.items[item].weight and p.items[out].case != case
                    and p.way[out].score < top and not excluded(p, item, s, out)
                ):
                    tried += 1
                    n = gather(p, s, out, item, p.who)
                    score = fill(p, s, p.who, n, p.placed, &step)
                    if score > p.score[s]:
                        p.node_of[out] = -1
                        put(p, s, p.who, n, p.placed, step, score)
                        return 1
                    if tried >= 4 * CLOSER:
                        return 0
                out = p.next_[out]
    return 0
