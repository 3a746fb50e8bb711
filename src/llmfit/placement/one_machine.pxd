# How models lie on one machine, one after the other: each is estimated on what those before it have left.
from libc.string cimport memcpy
from llmfit.placement.choices cimport again, all_of, smallest
from llmfit.placement.remaining cimport behind
from llmfit.estimate.machine cimport MAX_DEVICES, Machine
from llmfit.placement.plan cimport FEW, Packing
from llmfit.placement.ways cimport Way, shrink


cdef inline Machine* on(Packing* p, int kind, const int* left) noexcept nogil:
    """A kind of machine with so much free."""
    shrink(&p.machines[kind], left, p.place)
    return &p.machines[kind]


cdef inline void take(Packing* p, int kind, int* left, const int* used) noexcept nogil:
    """A model takes so much of a machine of a kind."""
    behind(p.machines[kind].unified, p.machines[kind].n_devices, left, used)


cdef inline int chain(Packing* p, int kind, int* left, const int* who, int n, int first, int step, Way* ways) noexcept nogil:
    """1 if the rest of the models fit one after the other, each as small as can be; `left` is used up, `ways` filled."""
    cdef Way w
    cdef int i = first
    while 0 <= i < n:
        p.spent += 4
        if not smallest(&p.asked[p.items[who[i]].case], on(p, kind, left), left, p.place, &w):
            return 0
        if ways != NULL:
            ways[i] = w
        take(p, kind, left, w.used)
        i = i + step
    return 1


cdef inline int place_in_order(Packing* p, int node, const int* who, int n, int step, Way* ways) noexcept nogil:
    """The models one after the other (`step` -1: from the last), each in the best way that leaves room for the rest. The sum
    of scores; -1: they do not fit."""
    cdef int left[MAX_DEVICES + 1]
    cdef int rest[MAX_DEVICES + 1]
    cdef int kind = p.kind[node], size = (p.machines[kind].n_devices + 1) * sizeof(int)
    cdef int i = 0 if step > 0 else n - 1, k, m, sum = 0
    memcpy(left, &p.start[node * p.stride], size)
    while 0 <= i < n:
        m = all_of(&p.asked[p.items[who[i]].case], on(p, kind, left), p.place, p.room, p.found)
        p.spent += 8
        for k in range(m):
            memcpy(rest, left, size)
            take(p, kind, rest, p.found[k].used)
            memcpy(&ways[i], p.found[k], sizeof(Way))
            if i + step < 0 or i + step >= n:
                break
            if chain(p, kind, rest, who, n, i + step, step, NULL):
                break
        else:
            return -1
        # the chain works on the same machine, so what is found above is not looked at again
        take(p, kind, left, ways[i].used)
        sum = sum + ways[i].score
        i = i + step
    return sum


cdef inline int place_many(Packing* p, int node, const int* who, int n, Way* ways) noexcept nogil:
    """As place_in_order(), for many models: all as small as can be, then larger one after the other while there is room."""
    cdef int left[MAX_DEVICES + 1]
    cdef int room[MAX_DEVICES + 1]
    cdef int kind = p.kind[node], devices = p.machines[kind].n_devices, i, k, m, sum = 0
    cdef const int* start = &p.start[node * p.stride]
    cdef Way w
    memcpy(left, start, (devices + 1) * sizeof(int))
    if not chain(p, kind, left, who, n, 0, 1, ways):
        return -1
    for i in range(n):
        for k in range(devices + 1):
            room[k] = min(left[k] + ways[i].used[k], start[k])
        m = all_of(&p.asked[p.items[who[i]].case], on(p, kind, room), p.place, p.room, p.found)
        p.spent += 8
        if m and p.found[0].score > ways[i].score:
            memcpy(&ways[i], p.found[0], sizeof(Way))
            memcpy(left, room, (devices + 1) * sizeof(int))
            take(p, kind, left, ways[i].used)
    memcpy(left, start, (devices + 1) * sizeof(int))
    for i in range(n):
        p.spent += 1
        w = ways[i]
        if not again(&p.asked[p.items[who[i]].case], &w, on(p, kind, left), p.place, &ways[i]):
            break
        take(p, kind, left, ways[i].used)
        sum = sum + ways[i].score
    else:
        return sum
    memcpy(left, start, (devices + 1) * sizeof(int))
    chain(p, kind, left, who, n, 0, 1, ways)
    sum = 0
    for i in range(n):
        sum = sum + ways[i].score
    return sum


cdef inline int fill(Packing* p, int node, const int* who, int n, Way* ways, int* step) noexcept nogil:
    """The best sum of scores of these models on a machine, and their ways; -1: they do not fit."""
    cdef int best, second
    step[0] = 1
    if n == 0:
        return 0
    if n > FEW:
        return place_many(p, node, who, n, ways)
    best = place_in_order(p, node, who, n, 1, ways)
    if n > 1:
        second = place_in_order(p, node, who, n, -1, p.trial)
        if second > best:
            memcpy(ways, p.trial, n * sizeof(Way))
            step[0] = -1
            return second
    return best
