# Who is on which machine of the plan, in which order, and what is left there.
from libc.string cimport memcpy, memset
from llmfit.placement.goal cimport worth
from llmfit.placement.one_machine cimport take
from llmfit.placement.plan cimport Packing
from llmfit.placement.ways cimport Way


cdef inline int gather(const Packing* p, int node, int without, int with_, int* who) noexcept nogil:
    """The items of a machine without one and with one more (-1: none)."""
    cdef int n = 0, item = p.head[node]
    while item >= 0:
        if item != without:
            who[n] = item
            n = n + 1
        item = p.next_[item]
    if with_ >= 0:
        who[n] = with_
        n = n + 1
    return n


cdef inline void counted(Packing* p, int node, int n) noexcept nogil:
    """Keep the number of models of a machine, and its class in order."""
    cdef int c = p.klass[node], old, mine = p.at[node], first
    if (p.count[node] == 0) != (n == 0):
        if n == 0:
            p.touched[c] -= 1
        first = p.class_start[c] + p.touched[c]
        old = p.member[first]
        p.member[first], p.member[mine] = node, old
        p.at[node], p.at[old] = first, mine
        if n:
            p.touched[c] += 1
    p.count[node] = n


cdef inline void put(Packing* p, int node, const int* who, int n, const Way* ways, int step, int score) noexcept nogil:
    """A machine has these models now, which lie there in these ways."""
    cdef int i = n - 1 if step > 0 else 0, next_ = -1
    cdef int* left = &p.left[node * p.stride]
    while 0 <= i < n:
        p.next_[who[i]] = next_
        next_ = who[i]
        p.node_of[next_] = node
        p.way[next_] = ways[i]
        i = i - step
    p.head[node] = next_
    counted(p, node, n)
    p.score[node] = score
    memcpy(left, &p.start[node * p.stride], p.stride * sizeof(int))
    while next_ >= 0:
        take(p, p.kind[node], left, p.way[next_].used)
        next_ = p.next_[next_]


cdef inline void add(Packing* p, int node, int item, const Way* w) noexcept nogil:
    """One more model on a machine, behind the others."""
    cdef int last = p.head[node]
    p.way[item] = w[0]
    p.node_of[item] = node
    p.next_[item] = -1
    if last < 0:
        p.head[node] = item
    else:
        while p.next_[last] >= 0:
            last = p.next_[last]
        p.next_[last] = item
    p.score[node] += w.score
    counted(p, node, p.count[node] + 1)
    take(p, p.kind[node], &p.left[node * p.stride], w.used)


cdef inline void reset(Packing* p) noexcept nogil:
    cdef int i, c
    memset(p.block, 0, p.block_size)
    memcpy(p.left, p.start, p.n_nodes * p.stride * sizeof(int))
    for i in range(p.n_items):
        p.node_of[i] = -1
    for i in range(p.n_nodes):
        p.head[i] = -1
        c = p.klass[i]
        p.at[i] = p.class_start[c] + p.touched[c]
        p.member[p.at[i]] = i
        p.touched[c] += 1
    memset(p.touched, 0, p.n_classes * sizeof(int))
    memset(p.full, 0, p.n_cases)


cdef inline int excluded(const Packing* p, int item, int node, int but) noexcept nogil:
    """1 if the item may not go beside what is on the machine (`but`: beside that it may)."""
    cdef int each
    if p.items[item].apart:
        each = p.head[node]
        while each >= 0:
            if p.items[each].demand == p.items[item].demand and each != but:
                return 1
            each = p.next_[each]
    return 0


cdef inline double free_of(const Packing* p, int node) noexcept nogil:
    cdef int k
    cdef double sum = 0
    for k in range(p.machines[p.kind[node]].n_devices + 1):
        sum = sum + p.left[node * p.stride + k]
    return sum


cdef inline long long worth_of(const Packing* p, int node) noexcept nogil:
    return worth(&p.goal, p.score[node], p.count[node])


cdef inline double weight_placed(const Packing* p) noexcept nogil:
    cdef int i
    cdef double sum = 0
    for i in range(p.n_items):
        sum = sum + (p.items[i].weight if p.node_of[i] >= 0 else 0)
    return sum


cdef inline long long worth_placed(const Packing* p) noexcept nogil:
    cdef int i
    cdef long long sum = 0
    for i in range(p.n_nodes):
        sum = sum + worth_of(p, i)
    return sum
