# A plan is improved by moves while they help.
from libc.string cimport memcpy, memset
from llmfit.placement.goal cimport lowest
from llmfit.placement.plan cimport FEW, Packing
from llmfit.placement.assigned cimport add, gather, put, worth_of
from llmfit.placement.machines cimport best_node
from llmfit.placement.exchange cimport moved, replaced
from llmfit.placement.ways cimport Way

cdef enum:
    ROUNDS = 6
    ENOUGH = 40             # another round of moves only where one in so many items was moved


cdef inline int settle(Packing* p, int item) noexcept nogil:
    """1 if the item was moved; what is on the two machines is looked at again then."""
    cdef int k, n, here = p.node_of[item]
    if p.still[item] or p.spent > p.most:
        return 0
    p.still[item] = 1
    if here < 0:
        return replaced(p, item)
    if not moved(p, item):
        return 0
    for k in range(2):
        for n in range(gather(p, here if k else p.node_of[item], -1, -1, p.who)):
            if p.still[p.who[n]]:
                p.still[p.who[n]] = 0
                if p.n_waiting < p.n_items:
                    p.waiting[p.n_waiting] = p.who[n]
                    p.n_waiting += 1
    return 1


cdef inline int given_up(Packing* p, int node) noexcept nogil:
    """1 if all that is on a machine is elsewhere now, which is worth more."""
    cdef int old[FEW]
    cdef int i, k, s, n = p.count[node]
    cdef long long gain, sum = 0, least = worth_of(p, node)
    cdef Way w
    gather(p, node, -1, -1, old)
    for k in range(1, n):  # the largest first
        for i in range(k, 0, -1):
            if p.needs[p.items[old[i]].case] > p.needs[p.items[old[i - 1]].case]:
                old[i], old[i - 1] = old[i - 1], old[i]
    memcpy(p.before, p.block, p.block_size)
    for k in range(n):
        p.node_of[old[k]] = -1
    put(p, node, old, 0, p.placed, 1, 0)
    for k in range(n):
        s = best_node(p, old[k], node, lowest(), &w, &gain)
        if s < 0:
            break
        add(p, s, old[k], &w)
        sum = sum + gain
    else:
        if sum > least:
            return 1
    memcpy(p.block, p.before, p.block_size)
    return 0


cdef inline void improve(Packing* p) noexcept nogil:
    """Moves while they help, those first that stand worst against what they could have."""
    cdef int i, k, item, moves
    for k in range(ROUNDS):
        memset(p.still, 0, p.n_items)
        moves = 0
        for i in range(p.n_items):
            moves += settle(p, p.keys[i].item)
        while p.n_waiting:
            p.n_waiting -= 1
            moves += settle(p, p.waiting[p.n_waiting])
        for i in range(p.n_nodes if p.pack else 0):
            if 0 < p.count[i] <= FEW and p.spent <= p.most:
                moves += given_up(p, i)
        if moves * ENOUGH <= p.n_items:
            break
