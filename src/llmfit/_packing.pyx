"""Many models on many machines: built greedily in several ways, then improved by moves. No loop holds the GIL.

Wanted is the greatest weight placed, then the greatest worth (goal.pxd): scores less what machines in use cost. Every model
is estimated on what those before it on its machine have left. Work is bounded by a count of estimates, not by a
clock, so that the same question has the same answer.
"""

from libc.stdlib cimport calloc, free, qsort
from libc.string cimport memcpy, memset

from llmfit._cases cimport Case
from llmfit._catalog cimport Host
from llmfit.choices cimport again, all_of, best_score, smallest
from llmfit.goal cimport TENTH, Goal, goal_of, worth
from llmfit.machine cimport MAX_DEVICES, Machine
from llmfit.ways cimport MOST_WAYS, Asked, Way, shrink, usual

cdef enum:
    POINTS = 1 << 11        # scores are tenths below this
    FEW = 8                 # models on a machine up to which both orders and every way are tried
    CLOSER = 4              # full machines that a move is tried on where they must make room
    PATIENCE = 48           # machines looked at in vain behind the best so far
    ROUNDS = 6
    STARTS = 30             # plans that are made
    STARTS_SHARE = 8        # and the part of all estimates up to which more than three are
    ENOUGH = 40             # another round of moves only where one in so many items was moved

cdef long long LEAST = -(1LL << 60)

cdef enum Order:
    LARGE_FIRST, SMALL_FIRST

cdef struct Item:
    int case, demand, apart
    double weight

cdef struct Key:
    double weight, size
    int item, smallest


cdef int by_size(const void* a, const void* b) noexcept nogil:
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


cdef void* some(Py_ssize_t n, size_t size) except NULL:
    cdef void* found = calloc(n + 1, size)
    if found == NULL:
        raise MemoryError
    return found


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
    """`sites`: (kind, what is free as in Case.ways); `items`: (case, demand, weight, apart). `spent`: estimates, of which
    `most` beyond those of every case on every class of machines."""

    cdef list cases, hosts
    cdef readonly int n_cases, n_sites, n_items, n_classes
    cdef int n_kinds, pack, stride
    cdef Goal goal
    cdef Asked* asked           # by case
    cdef Machine* machines      # by kind, with what is free at the moment
    cdef int* place             # of the machine looked at: see shrink()
    cdef int* kind              # by site
    cdef int* klass             # by site: those of equal kind and free memory are one class
    cdef int* start             # by site and device: free at first
    cdef short* tops            # by case and class: the best score that there can be; -1: none
    cdef double* needs          # by case: what it takes at least
    cdef Item* items
    cdef Key* keys
    cdef int* ranked            # classes by the top of one case
    cdef int* points            # for counting them
    cdef unsigned char* full    # by case: no machine has room for it
    cdef int ranked_case
    cdef int* class_start       # in `member`
    cdef unsigned char* still   # by item: looked at in vain since its machine changed
    cdef int* waiting           # items to be looked at again
    cdef int n_waiting
    cdef int* who               # items of a machine under trial
    cdef int* other
    cdef Way* trial
    cdef Way* laid
    cdef Way* laid_too
    cdef Way* room
    cdef Way** found
    cdef readonly long long spent
    cdef long long most
    cdef unsigned long long random
    cdef int shake, deep
    # What changes while items are placed, in one block, so that it can be kept and taken back.
    cdef char* block
    cdef char* kept
    cdef char* before
    cdef size_t block_size
    cdef int* site_of           # by item; -1: nowhere
    cdef int* next_             # by item: the one behind it on its machine
    cdef int* head
    cdef int* count
    cdef int* score             # by site: the sum
    cdef int* left              # by site and device
    cdef int* member            # sites by class, those in use first
    cdef int* at                # by site: where in `member`
    cdef int* touched           # by class: how many are in use
    cdef Way* way               # by item

    def __cinit__(self, list cases, list hosts, list sites, list items, bint pack, int cost, long long most):
        cdef int i, k, n = 0
        cdef Case case
        cdef Host host
        self.cases, self.hosts, self.pack, self.most = cases, hosts, pack, most
        self.goal = goal_of(pack, cost)
        self.n_cases, self.n_sites, self.n_items, self.n_kinds = len(cases), len(sites), len(items), len(hosts)
        self.asked = <Asked*>some(self.n_cases, sizeof(Asked))
        self.machines = <Machine*>some(self.n_kinds, sizeof(Machine))
        for i in range(self.n_cases):
            case = cases[i]
            self.asked[i] = case.asked
        self.stride = 1
        for i in range(self.n_kinds):
            host = hosts[i]
            self.machines[i] = host.machine
            self.stride = max(self.stride, host.machine.n_devices + 1)
        self.kind = <int*>some(self.n_sites, sizeof(int))
        self.klass = <int*>some(self.n_sites, sizeof(int))
        self.start = <int*>some(self.n_sites * self.stride, sizeof(int))
        classes = {}
        for i, (kind, left) in enumerate(sites):
            self.kind[i] = kind
            self.klass[i] = classes.setdefault((kind, left), len(classes))
            if len(left) != self.machines[self.kind[i]].n_devices + 1:
                raise ValueError("one number for each device, and one for RAM")
            for k in range(len(left)):
                self.start[i * self.stride + k] = left[k]
        self.n_classes = len(classes)
        self.items = <Item*>some(self.n_items, sizeof(Item))
        for i, (number, demand, weight, apart) in enumerate(items):
            if not 0 <= number < self.n_cases:
                raise IndexError(number)
            self.items[i] = Item(number, demand, apart, weight)
        n = self.n_items
        self.tops = <short*>some(self.n_cases * self.n_classes, sizeof(short))
        self.needs = <double*>some(self.n_cases, sizeof(double))
        self.keys = <Key*>some(n, sizeof(Key))
        self.ranked = <int*>some(self.n_classes, sizeof(int))
        self.full = <unsigned char*>some(self.n_cases, 1)
        self.points = <int*>some(POINTS + 1, sizeof(int))
        self.class_start = <int*>some(self.n_classes + 1, sizeof(int))
        self.place = <int*>some(MAX_DEVICES, sizeof(int))
        self.still = <unsigned char*>some(n, 1)
        self.waiting = <int*>some(n, sizeof(int))
        self.who = <int*>some(n + 1, sizeof(int))
        self.other = <int*>some(n + 1, sizeof(int))
        self.trial = <Way*>some(n + 1, sizeof(Way))
        self.laid = <Way*>some(n + 1, sizeof(Way))
        self.laid_too = <Way*>some(n + 1, sizeof(Way))
        self.room = <Way*>some(MOST_WAYS, sizeof(Way))
        self.found = <Way**>some(MOST_WAYS, sizeof(Way*))
        self.block_size = (
            n * sizeof(Way) + sizeof(int) * (2 * n + 5 * self.n_sites + self.n_sites * self.stride + self.n_classes)
        )
        self.block = <char*>some(self.block_size, 1)
        self.kept = <char*>some(self.block_size, 1)
        self.before = <char*>some(self.block_size, 1)
        self.way = <Way*>self.block
        self.site_of = <int*>&self.way[n]
        self.next_ = &self.site_of[n]
        self.head = &self.next_[n]
        self.count = &self.head[self.n_sites]
        self.score = &self.count[self.n_sites]
        self.at = &self.score[self.n_sites]
        self.member = &self.at[self.n_sites]
        self.left = &self.member[self.n_sites]
        self.touched = &self.left[self.n_sites * self.stride]
        for i in range(self.n_sites):
            self.class_start[self.klass[i] + 1] += 1
        for i in range(self.n_classes):
            self.class_start[i + 1] += self.class_start[i]

    def __dealloc__(self):
        free(self.asked); free(self.machines); free(self.kind); free(self.klass); free(self.start); free(self.items)
        free(self.tops); free(self.needs); free(self.keys); free(self.ranked); free(self.points); free(self.class_start)
        free(self.place); free(self.who); free(self.other); free(self.trial); free(self.laid); free(self.laid_too)
        free(self.room); free(self.found); free(self.full); free(self.still); free(self.waiting); free(self.block); free(self.kept)
        free(self.before)

    # One machine

    cdef Machine* on(self, int kind, const int* left) noexcept nogil:
        """A kind of machine with so much free."""
        shrink(&self.machines[kind], left, self.place)
        return &self.machines[kind]

    cdef void minus(self, int kind, int* left, const int* used) noexcept nogil:
        """What is left behind a model. A device that shares RAM takes from it, and has no more than there is."""
        cdef const Machine* h = &self.machines[kind]
        cdef int k, n = h.n_devices
        for k in range(n + 1):
            left[k] = left[k] - used[k]
        if h.unified:
            for k in range(n):
                left[n] = left[n] - used[k]
            for k in range(n):
                left[k] = min(left[k], left[n])
        for k in range(n + 1):
            left[k] = max(left[k], 0)

    cdef int chain(self, int kind, int* left, const int* who, int n, int first, int step, Way* ways) noexcept nogil:
        """1 if the rest of the models fit one after the other, each as small as can be; `left` is used up, `ways` filled."""
        cdef Way w
        cdef int i = first
        while 0 <= i < n:
            self.spent += 4
            if not smallest(&self.asked[self.items[who[i]].case], self.on(kind, left), left, self.place, &w):
                return 0
            if ways != NULL:
                ways[i] = w
            self.minus(kind, left, w.used)
            i = i + step
        return 1

    cdef int lay(self, int site, const int* who, int n, int step, Way* ways) noexcept nogil:
        """The models one after the other (`step` -1: from the last), each in the best way that leaves room for the rest. The sum
        of scores; -1: they do not fit."""
        cdef int left[MAX_DEVICES + 1]
        cdef int rest[MAX_DEVICES + 1]
        cdef int kind = self.kind[site], size = (self.machines[kind].n_devices + 1) * sizeof(int)
        cdef int i = 0 if step > 0 else n - 1, k, m, sum = 0
        memcpy(left, &self.start[site * self.stride], size)
        while 0 <= i < n:
            m = all_of(&self.asked[self.items[who[i]].case], self.on(kind, left), self.place, self.room, self.found)
            self.spent += 8
            for k in range(m):
                memcpy(rest, left, size)
                self.minus(kind, rest, self.found[k].used)
                memcpy(&ways[i], self.found[k], sizeof(Way))
                if i + step < 0 or i + step >= n:
                    break
                if self.chain(kind, rest, who, n, i + step, step, NULL):
                    break
            else:
                return -1
            # the chain works on the same machine, so what is found above is not looked at again
            self.minus(kind, left, ways[i].used)
            sum = sum + ways[i].score
            i = i + step
        return sum

    cdef int lay_many(self, int site, const int* who, int n, Way* ways) noexcept nogil:
        """As lay(), for many models: all as small as can be, then larger one after the other while there is room."""
        cdef int left[MAX_DEVICES + 1]
        cdef int room[MAX_DEVICES + 1]
        cdef int kind = self.kind[site], devices = self.machines[kind].n_devices, i, k, m, sum = 0
        cdef const int* start = &self.start[site * self.stride]
        cdef Way w
        memcpy(left, start, (devices + 1) * sizeof(int))
        if not self.chain(kind, left, who, n, 0, 1, ways):
            return -1
        for i in range(n):
            for k in range(devices + 1):
                room[k] = min(left[k] + ways[i].used[k], start[k])
            m = all_of(&self.asked[self.items[who[i]].case], self.on(kind, room), self.place, self.room, self.found)
            self.spent += 8
            if m and self.found[0].score > ways[i].score:
                memcpy(&ways[i], self.found[0], sizeof(Way))
                memcpy(left, room, (devices + 1) * sizeof(int))
                self.minus(kind, left, ways[i].used)
        memcpy(left, start, (devices + 1) * sizeof(int))
        for i in range(n):
            self.spent += 1
            w = ways[i]
            if not again(&self.asked[self.items[who[i]].case], &w, self.on(kind, left), self.place, &ways[i]):
                break
            self.minus(kind, left, ways[i].used)
            sum = sum + ways[i].score
        else:
            return sum
        memcpy(left, start, (devices + 1) * sizeof(int))
        self.chain(kind, left, who, n, 0, 1, ways)
        sum = 0
        for i in range(n):
            sum = sum + ways[i].score
        return sum

    cdef int fill(self, int site, const int* who, int n, Way* ways, int* step) noexcept nogil:
        """The best sum of scores of these models on a machine, and their ways; -1: they do not fit."""
        cdef int best, second
        step[0] = 1
        if n == 0:
            return 0
        if n > FEW:
            return self.lay_many(site, who, n, ways)
        best = self.lay(site, who, n, 1, ways)
        if n > 1:
            second = self.lay(site, who, n, -1, self.trial)
            if second > best:
                memcpy(ways, self.trial, n * sizeof(Way))
                step[0] = -1
                return second
        return best

    # Who is where

    cdef int gather(self, int site, int without, int with_, int* who) noexcept nogil:
        """The items of a machine without one and with one more (-1: none)."""
        cdef int n = 0, item = self.head[site]
        while item >= 0:
            if item != without:
                who[n] = item
                n = n + 1
            item = self.next_[item]
        if with_ >= 0:
            who[n] = with_
            n = n + 1
        return n

    cdef void reset(self) noexcept nogil:
        cdef int i, c
        memset(self.block, 0, self.block_size)
        memcpy(self.left, self.start, self.n_sites * self.stride * sizeof(int))
        for i in range(self.n_items):
            self.site_of[i] = -1
        for i in range(self.n_sites):
            self.head[i] = -1
            c = self.klass[i]
            self.at[i] = self.class_start[c] + self.touched[c]
            self.member[self.at[i]] = i
            self.touched[c] += 1
        memset(self.touched, 0, self.n_classes * sizeof(int))
        memset(self.full, 0, self.n_cases)

    cdef void counted(self, int site, int n) noexcept nogil:
        """Keep the number of models of a machine, and its class in order."""
        cdef int c = self.klass[site], old, mine = self.at[site], first
        if (self.count[site] == 0) != (n == 0):
            if n == 0:
                self.touched[c] -= 1
            first = self.class_start[c] + self.touched[c]
            old = self.member[first]
            self.member[first], self.member[mine] = site, old
            self.at[site], self.at[old] = first, mine
            if n:
                self.touched[c] += 1
        self.count[site] = n

    cdef void put(self, int site, const int* who, int n, const Way* ways, int step, int score) noexcept nogil:
        """A machine has these models now, which lie there in these ways."""
        cdef int i = n - 1 if step > 0 else 0, next_ = -1
        cdef int* left = &self.left[site * self.stride]
        while 0 <= i < n:
            self.next_[who[i]] = next_
            next_ = who[i]
            self.site_of[next_] = site
            self.way[next_] = ways[i]
            i = i - step
        self.head[site] = next_
        self.counted(site, n)
        self.score[site] = score
        memcpy(left, &self.start[site * self.stride], self.stride * sizeof(int))
        while next_ >= 0:
            self.minus(self.kind[site], left, self.way[next_].used)
            next_ = self.next_[next_]

    cdef void add(self, int site, int item, const Way* w) noexcept nogil:
        """One more model on a machine, behind the others."""
        cdef int last = self.head[site]
        self.way[item] = w[0]
        self.site_of[item] = site
        self.next_[item] = -1
        if last < 0:
            self.head[site] = item
        else:
            while self.next_[last] >= 0:
                last = self.next_[last]
            self.next_[last] = item
        self.score[site] += w.score
        self.counted(site, self.count[site] + 1)
        self.minus(self.kind[site], &self.left[site * self.stride], w.used)

    cdef int barred(self, int item, int site, int but) noexcept nogil:
        """1 if the item may not go beside what is on the machine (`but`: beside that it may)."""
        cdef int each
        if self.items[item].apart:
            each = self.head[site]
            while each >= 0:
                if self.items[each].demand == self.items[item].demand and each != but:
                    return 1
                each = self.next_[each]
        return 0

    cdef double free_of(self, int site) noexcept nogil:
        cdef int k
        cdef double sum = 0
        for k in range(self.machines[self.kind[site]].n_devices + 1):
            sum = sum + self.left[site * self.stride + k]
        return sum

    # Choices

    cdef void prepare(self) noexcept nogil:
        """The best score of every case on every class of machine, and what a case takes at least."""
        cdef int c, s, i
        cdef Way w
        cdef double sum, most
        self.reset()
        for c in range(self.n_classes):
            s = self.member[self.class_start[c]]
            self.on(self.kind[s], &self.start[s * self.stride])
            for i in range(self.n_cases):
                self.tops[i * self.n_classes + c] = best_score(&self.asked[i], &self.machines[self.kind[s]])
        for i in range(self.n_cases):
            self.spent += self.n_classes * self.asked[i].n_rows
        for i in range(self.n_cases):
            self.rank(i)
            self.needs[i] = 1e30
            for c in range(min(self.n_classes, 4)):  # the best, and some others
                s = self.member[self.class_start[self.ranked[c * (self.n_classes - 1) // 4]]]
                if self.tops[i * self.n_classes + self.klass[s]] >= 0:
                    self.on(self.kind[s], &self.start[s * self.stride])
                    if smallest(&self.asked[i], &self.machines[self.kind[s]], &self.start[s * self.stride], self.place, &w):
                        self.needs[i] = min(self.needs[i], <double>w.total)

    cdef void rank(self, int case) noexcept nogil:
        """`ranked`: the classes by what they can score at most with a case, the best first."""
        cdef const short* tops = &self.tops[case * self.n_classes]
        cdef int c, k, sum = 0, n
        if self.ranked_case == case + 1:
            return
        self.ranked_case = case + 1
        memset(self.points, 0, (POINTS + 1) * sizeof(int))
        for c in range(self.n_classes):
            self.points[POINTS - 1 - min(tops[c], POINTS - 2)] += 1
        for k in range(POINTS + 1):
            n = self.points[k]
            self.points[k] = sum
            sum = sum + n
        for c in range(self.n_classes):
            k = POINTS - 1 - min(tops[c], POINTS - 2)
            self.ranked[self.points[k]] = c
            self.points[k] += 1

    cdef int best_site(self, int item, int here, long long least, Way* best, long long* gain) noexcept nogil:
        """Where an item brings most in what is left, more than `least`; -1: nowhere. Machines in use are looked at first
        where few are wanted, else those that are not."""
        cdef int case = self.items[item].case, k, r, c, i, s, fresh, first, end, got, vain, found = -1
        cdef long long more
        cdef const Asked* a = &self.asked[case]
        cdef Way w
        self.rank(case)
        gain[0] = least
        for k in range(2):
            fresh, vain = k == self.pack, 0
            for r in range(self.n_classes):
                c = self.ranked[r]
                if self.tops[case * self.n_classes + c] < 0 or vain > PATIENCE:
                    break
                if worth(&self.goal, self.tops[case * self.n_classes + c], fresh) <= gain[0]:
                    break
                first = self.class_start[c] + (self.touched[c] if fresh else 0)
                end = min(first + 1, self.class_start[c + 1]) if fresh else first + self.touched[c]
                for i in range(first, end):
                    s = self.member[i]
                    if s == here or self.needs[case] > self.free_of(s) or self.barred(item, s, -1):
                        continue
                    self.spent += 1
                    got = usual(a, 0, self.on(self.kind[s], &self.left[s * self.stride]), self.place, &w) if a.n_rows == 1 else 0
                    if got == 0:
                        got = self.best_of(a, s, &w)
                    more = worth(&self.goal, self.score[s] + w.score, self.count[s] + 1) - self.worth_of(s) if got > 0 else least
                    if more > gain[0]:
                        best[0], gain[0] = w, more
                        found, vain = s, 0
                    elif found >= 0:
                        vain += 1
        return found

    cdef long long worth_of(self, int site) noexcept nogil:
        return worth(&self.goal, self.score[site], self.count[site])

    cdef int best_of(self, const Asked* a, int s, Way* w) noexcept nogil:
        """The best of all ways on what is left of a machine."""
        cdef const int* left = &self.left[s * self.stride]
        self.spent += max(a.n_rows, 8)
        if not all_of(a, self.on(self.kind[s], left), self.place, self.room, self.found):
            return 0
        w[0] = self.found[0][0]
        return 1

    # Plans

    cdef void sort(self, int smallest_first) noexcept nogil:
        cdef int i
        for i in range(self.n_items):
            self.keys[i] = Key(self.items[i].weight, self.needs[self.items[i].case], i, smallest_first)
            if self.shake:  # another order, the same each time
                self.random = self.random * 6364136223846793005ULL + 1442695040888963407ULL
                self.keys[i].size = self.keys[i].size * (0.5 + <double>(self.random >> 33) / 2147483648.0)
        qsort(self.keys, self.n_items, sizeof(Key), by_size)

    cdef void by_points(self) noexcept nogil:
        """Each item where it scores most."""
        cdef int i, s, item
        cdef long long gain
        cdef Way w
        self.reset()
        for i in range(self.n_items):
            item = self.keys[i].item
            if self.full[self.items[item].case]:
                continue
            s = self.best_site(item, -1, LEAST, &w, &gain)
            if s >= 0:
                self.add(s, item, &w)
            elif not self.items[item].apart:
                self.full[self.items[item].case] = 1

    cdef void by_room(self) noexcept nogil:
        """Each item, as small as can be, to the fullest machine that holds it."""
        cdef int i, c, k, s, item, case, found
        cdef double free_, least
        cdef Way w, best
        self.reset()
        for i in range(self.n_items):
            item = self.keys[i].item
            case, found, least = self.items[item].case, -1, 1e30
            if self.full[case]:
                continue
            for c in range(self.n_classes):
                if self.tops[case * self.n_classes + c] < 0:
                    continue
                for k in range(self.class_start[c], min(self.class_start[c] + self.touched[c] + 1, self.class_start[c + 1])):
                    s = self.member[k]
                    free_ = self.free_of(s) + (0 if self.count[s] else 1e15)  # those in use first
                    if free_ >= least or free_ < self.needs[case] or self.barred(item, s, -1):
                        continue
                    self.spent += 4
                    self.on(self.kind[s], &self.left[s * self.stride])
                    if smallest(&self.asked[case], &self.machines[self.kind[s]], &self.left[s * self.stride], self.place, &w):
                        least, found, best = free_, s, w
            if found >= 0:
                self.add(found, item, &best)
            elif not self.items[item].apart:
                self.full[case] = 1

    cdef void refill(self) noexcept nogil:
        """The best ways of what is on each machine; they fit, as they did in those that they have."""
        cdef int s, n, step, score
        for s in range(self.n_sites):
            n = self.gather(s, -1, -1, self.who)
            if n:
                score = self.fill(s, self.who, n, self.laid, &step)
                if score > self.score[s]:
                    self.put(s, self.who, n, self.laid, step, score)

    cdef int squeeze(self, int item) noexcept nogil:
        """1 if machines were found that make room for an item by smaller forms, and it went to the best of them."""
        cdef int case = self.items[item].case, r, c, i, s, n, score, step, tried = 0, best = -1
        cdef long long gain, best_gain = LEAST
        cdef int rest[MAX_DEVICES + 1]
        self.rank(case)
        for r in range(self.n_classes):
            c = self.ranked[r]
            if self.tops[case * self.n_classes + c] < 0 or tried >= CLOSER or self.spent > self.most:
                break
            for i in range(self.class_start[c], min(self.class_start[c] + self.touched[c] + 1, self.class_start[c + 1])):
                s = self.member[i]
                if self.barred(item, s, -1):
                    continue
                n = self.gather(s, -1, item, self.who)
                memcpy(rest, &self.start[s * self.stride], self.stride * sizeof(int))
                if not self.chain(self.kind[s], rest, self.who, n, 0, 1, NULL):
                    continue
                score = self.fill(s, self.who, n, self.laid, &step)
                gain = worth(&self.goal, score, n) - self.worth_of(s)
                if score >= 0 and gain > best_gain:
                    best, best_gain = s, gain
                tried += 1
        if best < 0:
            return 0
        n = self.gather(best, -1, item, self.who)
        score = self.fill(best, self.who, n, self.laid, &step)
        self.put(best, self.who, n, self.laid, step, score)
        return 1

    cdef int has_room(self, int site, int without, int item) noexcept nogil:
        """How many models are on a machine with the item in place of another one (-1: none), if they have room; `who` is
        filled then. 0: they do not."""
        cdef int rest[MAX_DEVICES + 1]
        cdef int n
        self.spent += 1
        if self.tops[self.items[item].case * self.n_classes + self.klass[site]] < 0 or self.barred(item, site, without):
            return 0
        n = self.gather(site, without, item, self.who)
        memcpy(rest, &self.start[site * self.stride], self.stride * sizeof(int))
        return n if self.chain(self.kind[site], rest, self.who, n, 0, 1, NULL) else 0

    cdef int settled(self, int site, int without, int item) noexcept nogil:
        """1 if the item is on the machine now, in place of another one (-1: none), which is nowhere then."""
        cdef int n = self.has_room(site, without, item), score, step
        if n == 0:
            return 0
        score = self.fill(site, self.who, n, self.laid, &step)
        if score < 0:
            return 0
        if without >= 0:
            self.site_of[without] = -1
        self.put(site, self.who, n, self.laid, step, score)
        return 1

    cdef int elsewhere(self, int item, int here) noexcept nogil:
        """1 if the item, which is nowhere, is on another machine now, where it had room, if need be by smaller forms."""
        cdef int s
        cdef long long gain
        cdef Way w
        s = self.best_site(item, here, LEAST, &w, &gain)
        if s >= 0:
            self.add(s, item, &w)
            return 1
        for s in range(self.n_sites):
            if s != here and self.count[s] and self.settled(s, -1, item):
                return 1
        return 0

    cdef int drive_out(self, int item, int but, int depth) noexcept nogil:
        """1 if an item took the place of another one, which has room elsewhere (`depth`: where it drives out a third) or is to
        give way."""
        cdef int old[FEW]
        cdef Way ways[FEW]
        cdef int s, out, n, k, after, score
        for s in range(self.n_sites):
            if s == but or not 0 < self.count[s] <= FEW:
                continue
            out = self.head[s]
            while out >= 0:
                if self.spent > self.most:
                    return 0
                after = self.next_[out]
                if self.items[out].case == self.items[item].case or self.items[out].weight > self.items[item].weight:
                    out = after
                    continue
                n, score = self.gather(s, -1, -1, old), self.score[s]
                for k in range(n):
                    ways[k] = self.way[old[k]]
                if self.settled(s, out, item):
                    if self.elsewhere(out, s) or (depth and self.drive_out(out, s, depth - 1)) or self.gives_way(out, item):
                        return 1
                    self.site_of[item] = -1
                    self.put(s, old, n, ways, 1, score)
                out = after
        return 0

    cdef int gives_way(self, int out, int item) noexcept nogil:
        """1 if the other one is worth less, or as much and is larger, so that there is more room without it."""
        if self.items[out].weight != self.items[item].weight:
            return self.items[out].weight < self.items[item].weight
        return self.needs[self.items[out].case] > self.needs[self.items[item].case]

    cdef double weight_placed(self) noexcept nogil:
        cdef int i
        cdef double sum = 0
        for i in range(self.n_items):
            sum = sum + (self.items[i].weight if self.site_of[i] >= 0 else 0)
        return sum

    cdef double weight_possible(self) noexcept nogil:
        """Of what has room anywhere, were it alone."""
        cdef int i
        cdef double sum = 0
        for i in range(self.n_items):
            self.rank(self.items[i].case)
            sum = sum + (self.items[i].weight if self.tops[self.items[i].case * self.n_classes + self.ranked[0]] >= 0 else 0)
        return sum

    cdef long long worth_placed(self) noexcept nogil:
        cdef int i
        cdef long long sum = 0
        for i in range(self.n_sites):
            sum = sum + self.worth_of(i)
        return sum

    cdef void complete(self) noexcept nogil:
        """Room for what has none, by making others smaller or moving them; then the best ways of all."""
        cdef int i, item, case, again_ = 1
        while again_:
            again_ = 0
            memset(self.full, 0, self.n_cases)
            for i in range(self.n_items):
                item = self.keys[i].item
                case = self.items[item].case
                if self.site_of[item] < 0 and not self.full[case] and self.spent <= self.most:
                    if self.squeeze(item) or self.drive_out(item, -1, self.deep):
                        again_ = 1
                    elif not self.items[item].apart:
                        self.full[case] = 1
        self.refill()

    cdef int moved(self, int item) noexcept nogil:
        """1 if the item brings more elsewhere, and is there now."""
        cdef int here = self.site_of[item], case = self.items[item].case, n, m, s, t, r, c, i, score, less, step, step_too, tried = 0
        cdef long long loss, gain
        cdef Way w
        n = self.gather(here, item, -1, self.other)
        less = self.fill(here, self.other, n, self.laid_too, &step_too)
        if less < 0:
            return 0
        loss = self.worth_of(here) - worth(&self.goal, less, n)
        self.rank(case)
        if self.tops[case * self.n_classes + self.ranked[0]] * <long long>TENTH <= loss:
            return 0
        s = self.best_site(item, here, loss, &w, &gain)
        if s >= 0:
            m = self.gather(s, -1, item, self.who)
            score = self.fill(s, self.who, m, self.laid, &step)
            if score >= 0 and worth(&self.goal, score, m) - self.worth_of(s) > loss:
                self.put(here, self.other, n, self.laid_too, step_too, less)
                self.put(s, self.who, m, self.laid, step, score)
                return 1
        for r in range(self.n_classes):
            c = self.ranked[r]
            if self.tops[case * self.n_classes + c] * <long long>TENTH <= loss or tried >= CLOSER:
                return 0
            for i in range(self.class_start[c], self.class_start[c] + self.touched[c]):
                t = self.member[i]
                if t == here or t == s or tried >= CLOSER or self.barred(item, t, -1):
                    continue
                tried += 1
                m = self.gather(t, -1, item, self.who)
                score = self.fill(t, self.who, m, self.laid, &step)
                if score >= 0 and worth(&self.goal, score, m) - self.worth_of(t) > loss:
                    n = self.gather(here, item, -1, self.other)  # swapped() has used the arrays
                    less = self.fill(here, self.other, n, self.laid_too, &step_too)
                    self.put(here, self.other, n, self.laid_too, step_too, less)
                    self.put(t, self.who, m, self.laid, step, score)
                    return 1
                if self.swapped(item, here, t, self.score[here] - less):
                    return 1
        return 0

    cdef int swapped(self, int item, int here, int there, int loss) noexcept nogil:
        """1 if the item and one of another machine score more when they change places, and have done so."""
        cdef int each = self.head[there], n, m, a, b, step, step_too
        while each >= 0:
            if self.tops[self.items[each].case * self.n_classes + self.klass[here]] >= 0 and self.items[each].case != self.items[item].case:
                if not self.barred(item, there, each) and not self.barred(each, here, item):
                    m = self.gather(there, each, item, self.who)
                    a = self.fill(there, self.who, m, self.laid, &step)
                    if a + self.tops[self.items[each].case * self.n_classes + self.klass[here]] > self.score[there] + loss:
                        n = self.gather(here, item, each, self.other)
                        b = self.fill(here, self.other, n, self.laid_too, &step_too)
                        if a >= 0 and b >= 0 and a + b > self.score[here] + self.score[there]:
                            self.put(here, self.other, n, self.laid_too, step_too, b)
                            self.put(there, self.who, m, self.laid, step, a)
                            return 1
            each = self.next_[each]
        return 0

    cdef int replaced(self, int item) noexcept nogil:
        """1 if the item, which has no place, took that of one that is worth as much and scored less."""
        cdef int case = self.items[item].case, r, c, i, s, n, out, score, step, top, tried = 0
        self.rank(case)
        for r in range(self.n_classes):
            c = self.ranked[r]
            top = self.tops[case * self.n_classes + c]
            if top < 0:
                return 0
            for i in range(self.class_start[c], self.class_start[c] + self.touched[c]):
                s = self.member[i]
                out = self.head[s]
                while out >= 0:
                    if (
                        self.items[out].weight == self.items[item].weight and self.items[out].case != case
                        and self.way[out].score < top and not self.barred(item, s, out)
                    ):
                        tried += 1
                        n = self.gather(s, out, item, self.who)
                        score = self.fill(s, self.who, n, self.laid, &step)
                        if score > self.score[s]:
                            self.site_of[out] = -1
                            self.put(s, self.who, n, self.laid, step, score)
                            return 1
                        if tried >= 4 * CLOSER:
                            return 0
                    out = self.next_[out]
        return 0

    cdef int given_up(self, int site) noexcept nogil:
        """1 if all that is on a machine is elsewhere now, which is worth more."""
        cdef int old[FEW]
        cdef int i, k, s, n = self.count[site]
        cdef long long gain, sum = 0, least = self.worth_of(site)
        cdef Way w
        self.gather(site, -1, -1, old)
        for k in range(1, n):  # the largest first
            for i in range(k, 0, -1):
                if self.needs[self.items[old[i]].case] > self.needs[self.items[old[i - 1]].case]:
                    old[i], old[i - 1] = old[i - 1], old[i]
        memcpy(self.before, self.block, self.block_size)
        for k in range(n):
            self.site_of[old[k]] = -1
        self.put(site, old, 0, self.laid, 1, 0)
        for k in range(n):
            s = self.best_site(old[k], site, LEAST, &w, &gain)
            if s < 0:
                break
            self.add(s, old[k], &w)
            sum = sum + gain
        else:
            if sum > least:
                return 1
        memcpy(self.block, self.before, self.block_size)
        return 0

    cdef void improve(self) noexcept nogil:
        """Moves while they help, those first that stand worst against what they could have."""
        cdef int i, k, item, moves
        for k in range(ROUNDS):
            memset(self.still, 0, self.n_items)
            moves = 0
            for i in range(self.n_items):
                moves += self.settle(self.keys[i].item)
            while self.n_waiting:
                self.n_waiting -= 1
                moves += self.settle(self.waiting[self.n_waiting])
            for i in range(self.n_sites if self.pack else 0):
                if 0 < self.count[i] <= FEW and self.spent <= self.most:
                    moves += self.given_up(i)
            if moves * ENOUGH <= self.n_items:
                break

    cdef int settle(self, int item) noexcept nogil:
        """1 if the item was moved; what is on the two machines is looked at again then."""
        cdef int k, n, here = self.site_of[item]
        if self.still[item] or self.spent > self.most:
            return 0
        self.still[item] = 1
        if here < 0:
            return self.replaced(item)
        if not self.moved(item):
            return 0
        for k in range(2):
            for n in range(self.gather(here if k else self.site_of[item], -1, -1, self.who)):
                if self.still[self.who[n]]:
                    self.still[self.who[n]] = 0
                    if self.n_waiting < self.n_items:
                        self.waiting[self.n_waiting] = self.who[n]
                        self.n_waiting += 1
        return 1

    def solve(self):
        """Place them."""
        cdef double most, weight, best = -1
        cdef long long points, best_points = LEAST, limit = self.most
        cdef int k = 0, small
        with nogil:
            self.prepare()
            limit = self.most = self.spent + limit
            most = self.weight_possible()
            while True:
                small = self.spent < limit // STARTS_SHARE
                self.shake, self.deep = k > 2, small
                self.sort(k % 3 == 2)
                if k % 3 == 0:
                    self.by_points()
                else:
                    self.by_room()
                self.most = self.spent + (limit - self.spent) // 6
                self.complete()
                weight = self.weight_placed()
                if small and weight >= best:
                    self.improve()
                    self.complete()
                    weight = self.weight_placed()
                points = self.worth_placed()
                if weight > best or (weight == best and points > best_points):
                    best, best_points = weight, points
                    memcpy(self.kept, self.block, self.block_size)
                k += 1
                if k >= (STARTS if small else 3) or (not small and weight >= most):
                    break
            memcpy(self.block, self.kept, self.block_size)
            self.sort(0)
            self.most = limit
            self.improve()

    def placed(self):
        """By site: its items, in the order in which they take its memory, each with its way as in Case.ways."""
        cdef int s, item, k
        cdef const Way* w
        found = []
        for s in range(self.n_sites):
            here = []
            item = self.head[s]
            while item >= 0:
                w = &self.way[item]
                used = tuple([w.used[k] for k in range(self.machines[self.kind[s]].n_devices + 1)])
                here.append((item, (w.score, used, w.row, w.quant, w.runtime, w.mode, w.level, w.tps, w.total)))
                item = self.next_[item]
            found.append(here)
        return found
