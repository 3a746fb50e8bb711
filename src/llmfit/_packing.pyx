"""Many models on many machines: built greedily in several ways, then improved by moves. No loop holds the GIL.

Wanted is the greatest weight placed, then the greatest worth (placement/goal.pxd): scores less what machines in use cost. Every model
is estimated on what those before it on its machine have left. Work is bounded by a count of estimates, not by a
clock, so that the same question has the same answer.
"""

from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from llmfit._cases cimport Case
from llmfit._catalog cimport Host
from llmfit.placement.goal cimport Goal, goal_of, lowest, worth
from llmfit.estimate.machine cimport MAX_DEVICES, Machine
from llmfit.placement.improve cimport improve
from llmfit.placement.plan cimport POINTS, Item, Key, Packing
from llmfit.placement.greedy cimport by_points, by_room, sort
from llmfit.placement.make_room cimport complete
from llmfit.placement.assigned cimport weight_placed, worth_placed
from llmfit.placement.machines cimport prepare, weight_possible
from llmfit.placement.ways cimport MOST_WAYS, Asked, Way

cdef enum:
    STARTS = 30             # plans that are made
    STARTS_SHARE = 8        # and the part of all estimates up to which more than three are
    MOST_HELD = 40          # arrays


def plan_worth(bint pack, int cost, score, n):
    """What a machine with `n` models counts in a plan, in units of which a tenth of a score has 2^24: the sum of their
    scores (tenths); packed, less `cost` (tenths) if it is in use; spread, less a trifle for each two that share it.

    >>> one = plan_worth(True, 100, 800, 1)
    >>> plan_worth(True, 100, 1600, 2) - 2 * one == 100 * 2**24 + 1, plan_worth(True, 100, 0, 0)
    (True, 0)
    >>> plan_worth(False, 100, 1600, 2), plan_worth(False, 100, 1600, 3)
    (26843545599, 26843545597)
    """
    cdef Goal g = goal_of(pack, cost)
    return worth(&g, score, n)


cdef class Packer:
    """`nodes`: (kind, what is free as in Case.ways); `items`: (case, demand, weight, apart). `most`: estimates beyond those of
    every case on every class of machines."""

    cdef list cases, hosts      # their pointers are used
    cdef Packing p
    cdef void* held[MOST_HELD]
    cdef int n_held

    def __cinit__(self, list cases, list hosts, list nodes, list items, bint pack, int cost, long long most):
        self.cases, self.hosts = cases, hosts
        self.p.pack, self.p.most, self.p.goal = pack, most, goal_of(pack, cost)
        self.p.n_cases, self.p.n_nodes, self.p.n_items, self.p.n_kinds = len(cases), len(nodes), len(items), len(hosts)
        self.ask(cases, hosts, items)
        self.group(nodes)
        self.make_room()
        self.make_plan()

    def __dealloc__(self):
        cdef int i
        for i in range(self.n_held):
            free(self.held[i])

    cdef void* some(self, Py_ssize_t n, size_t size) except NULL:
        """An array of zeros that is given back with the packer."""
        cdef void* found = calloc(n + 1, size) if self.n_held < MOST_HELD else NULL
        if found == NULL:
            raise MemoryError
        self.held[self.n_held] = found
        self.n_held += 1
        return found

    cdef int ask(self, list cases, list hosts, list items) except -1:
        """Cases, kinds of machines and items as the loops see them."""
        cdef Packing* p = &self.p
        cdef int i
        cdef Case case
        cdef Host host
        p.asked = <Asked*>self.some(p.n_cases, sizeof(Asked))
        p.machines = <Machine*>self.some(p.n_kinds, sizeof(Machine))
        p.items = <Item*>self.some(p.n_items, sizeof(Item))
        for i in range(p.n_cases):
            case = cases[i]
            p.asked[i] = case.asked
        p.stride = 1
        for i in range(p.n_kinds):
            host = hosts[i]
            p.machines[i] = host.machine
            p.stride = max(p.stride, host.machine.n_devices + 1)
        for i, (number, demand, weight, apart) in enumerate(items):
            if not 0 <= number < p.n_cases:
                raise IndexError(number)
            p.items[i] = Item(number, demand, apart, weight)
        return 0

    cdef int group(self, list nodes) except -1:
        """Machines, and which are equal."""
        cdef Packing* p = &self.p
        cdef int i, k
        cdef dict classes = {}
        p.kind = <int*>self.some(p.n_nodes, sizeof(int))
        p.klass = <int*>self.some(p.n_nodes, sizeof(int))
        p.start = <int*>self.some(p.n_nodes * p.stride, sizeof(int))
        for i, (kind, left) in enumerate(nodes):
            p.kind[i] = kind
            p.klass[i] = classes.setdefault((kind, left), len(classes))
            if len(left) != p.machines[p.kind[i]].n_devices + 1:
                raise ValueError("one number for each device, and one for RAM")
            for k in range(len(left)):
                p.start[i * p.stride + k] = left[k]
        p.n_classes = len(classes)
        p.class_start = <int*>self.some(p.n_classes + 1, sizeof(int))
        for i in range(p.n_nodes):
            p.class_start[p.klass[i] + 1] += 1
        for i in range(p.n_classes):
            p.class_start[i + 1] += p.class_start[i]
        return 0

    cdef int make_room(self) except -1:
        """What the loops work in."""
        cdef Packing* p = &self.p
        cdef int n = p.n_items
        p.tops = <short*>self.some(p.n_cases * p.n_classes, sizeof(short))
        p.needs = <double*>self.some(p.n_cases, sizeof(double))
        p.keys = <Key*>self.some(n, sizeof(Key))
        p.ranked = <int*>self.some(p.n_classes, sizeof(int))
        p.points = <int*>self.some(POINTS + 1, sizeof(int))
        p.full = <unsigned char*>self.some(p.n_cases, 1)
        p.still = <unsigned char*>self.some(n, 1)
        p.waiting = <int*>self.some(n, sizeof(int))
        p.place = <int*>self.some(MAX_DEVICES, sizeof(int))
        p.who = <int*>self.some(n + 1, sizeof(int))
        p.other = <int*>self.some(n + 1, sizeof(int))
        p.placed = <Way*>self.some(n + 1, sizeof(Way))
        p.laid_too = <Way*>self.some(n + 1, sizeof(Way))
        p.trial = <Way*>self.some(n + 1, sizeof(Way))
        p.room = <Way*>self.some(MOST_WAYS, sizeof(Way))
        p.found = <Way**>self.some(MOST_WAYS, sizeof(Way*))
        return 0

    cdef int make_plan(self) except -1:
        """The block of what changes while items are placed."""
        cdef Packing* p = &self.p
        cdef int n = p.n_items
        p.block_size = n * sizeof(Way) + sizeof(int) * (2 * n + 5 * p.n_nodes + p.n_nodes * p.stride + p.n_classes)
        p.block = <char*>self.some(p.block_size, 1)
        p.kept = <char*>self.some(p.block_size, 1)
        p.before = <char*>self.some(p.block_size, 1)
        p.way = <Way*>p.block
        p.node_of = <int*>&p.way[n]
        p.next_ = &p.node_of[n]
        p.head = &p.next_[n]
        p.count = &p.head[p.n_nodes]
        p.score = &p.count[p.n_nodes]
        p.at = &p.score[p.n_nodes]
        p.member = &p.at[p.n_nodes]
        p.left = &p.member[p.n_nodes]
        p.touched = &p.left[p.n_nodes * p.stride]
        return 0

    def solve(self):
        """Place them."""
        cdef double most, weight, best = -1
        cdef long long points, best_points = lowest(), limit = self.p.most
        cdef int k = 0, small
        cdef Packing* p = &self.p
        with nogil:
            prepare(p)
            limit = p.most = p.spent + limit
            most = weight_possible(p)
            while True:
                small = p.spent < limit // STARTS_SHARE
                p.shake, p.deep = k > 2, small
                sort(p, k % 3 == 2)
                if k % 3 == 0:
                    by_points(p)
                else:
                    by_room(p)
                p.most = p.spent + (limit - p.spent) // 6
                complete(p)
                weight = weight_placed(p)
                if small and weight >= best:
                    improve(p)
                    complete(p)
                    weight = weight_placed(p)
                points = worth_placed(p)
                if weight > best or (weight == best and points > best_points):
                    best, best_points = weight, points
                    memcpy(p.kept, p.block, p.block_size)
                k += 1
                if k >= (STARTS if small else 3) or (not small and weight >= most):
                    break
            memcpy(p.block, p.kept, p.block_size)
            sort(p, 0)
            p.most = limit
            improve(p)

    def placed(self):
        """By node: its items, in the order in which they take its memory, each with its way as in Case.ways."""
        cdef int s, item, k
        cdef const Packing* p = &self.p
        cdef const Way* w
        found = []
        for s in range(p.n_nodes):
            here = []
            item = p.head[s]
            while item >= 0:
                w = &p.way[item]
                used = tuple([w.used[k] for k in range(p.machines[p.kind[s]].n_devices + 1)])
                here.append((item, (w.score, used, w.row, w.quant, w.runtime, w.mode, w.level, w.tps, w.total)))
                item = p.next_[item]
            found.append(here)
        return found
