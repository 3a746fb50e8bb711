# What a case can choose on what is left of a machine: all that is worth it, the best by the ranking, the smallest.
from libc.stdlib cimport qsort
from llmfit.estimate.codes cimport *
from llmfit.placement.forms cimport at_form
from llmfit.estimate.job cimport Forms, Job
from llmfit.estimate.machine cimport MAX_DEVICES, Machine
from llmfit.placement.ways cimport MOST_WAYS, Asked, Way, forms_here, usual


cdef inline int by_score(const void* a, const void* b) noexcept nogil:
    """Best score first, least memory first of equal ones."""
    cdef const Way* x = (<Way* const*>a)[0]
    cdef const Way* y = (<Way* const*>b)[0]
    if x.score != y.score:
        return y.score - x.score
    if x.total != y.total:
        return -1 if x.total < y.total else 1
    return x.quant - y.quant


cdef inline int dominated(Way** better, int n, const Way* w, int size) noexcept nogil:
    """1 if one of the better ways takes no more of anything."""
    cdef int i, k
    for i in range(n):
        for k in range(size):
            if better[i].used[k] > w.used[k]:
                break
        else:
            return 1
    return 0


cdef inline int worth_it(Way* room, int n, int size, Way** found) noexcept nogil:
    """Of `n` ways those that no better one of less memory makes idle, best first. How many."""
    cdef int i, kept = 0
    for i in range(n):
        found[i] = &room[i]
    qsort(found, n, sizeof(Way*), by_score)
    for i in range(n):
        if not dominated(found, kept, found[i], size):
            found[kept] = found[i]
            kept += 1
    return kept


cdef inline int all_of(const Asked* a, const Machine* h, const int* place, Way* room, Way** found) noexcept nogil:
    """The ways that run, best score first; one row is tried at each form. `room`, `found`: for MOST_WAYS. How many."""
    cdef Job j
    cdef Forms f
    cdef int i, k, runtime, n = 0
    if a.n_rows > 1:
        for k in range(min(a.n_rows, <int>MOST_WAYS)):
            n += usual(a, k, h, place, &room[n]) > 0
        return worth_it(room, n, h.n_devices + 1, found)
    i = usual(a, 0, h, place, &room[0])
    if i < 0:
        return 0
    n = i
    j = a.jobs[0]
    j.h = h
    for runtime in range(N_RUNTIMES):
        for i in range(forms_here(a, h, a.c.rows[a.rows[0]].shape, runtime, &f)):
            if n < MOST_WAYS:
                n += at_form(a, 0, h, &j, &f, i, runtime, place, &room[n]) > 0
    return worth_it(room, n, h.n_devices + 1, found)


cdef inline int smallest(const Asked* a, const Machine* h, const int* left, const int* place, Way* w) noexcept nogil:
    """1, and the way that takes the smallest part of what is left; of several rows that of the first that runs."""
    cdef Job j
    cdef Forms f
    cdef Way one
    cdef double vram = 1, share, least = 1e30, taken
    cdef int i, k, n, end, runtime, got
    if a.n_rows > 1:
        for k in range(a.n_rows):
            if usual(a, k, h, place, w) > 0:
                return 1
        return 0
    for k in range(h.n_devices):
        vram = vram + left[k]
    j = a.jobs[0]
    j.h = h
    for runtime in range(N_RUNTIMES):
        n = forms_here(a, h, a.c.rows[a.rows[0]].shape, runtime, &f)
        for end in range(2):  # the smallest form, and the largest, which may lie in memory of which there is more
            got = 0
            for i in range(n):
                if end and f.sizes[i] > vram + left[h.n_devices]:
                    continue
                got = at_form(a, 0, h, &j, &f, i if end else n - 1 - i, runtime, place, &one)
                if got > 0 or (got < 0 and not end):
                    break
            if got <= 0:
                break
            taken = 0
            for k in range(h.n_devices):
                taken = taken + one.used[k]
            share = taken / vram + one.used[h.n_devices] / <double>max(left[h.n_devices], 1)
            if share < least:
                least = share
                w[0] = one
            if n == 1:
                break
    return least < 1e30


cdef inline int again(const Asked* a, const Way* old, const Machine* h, const int* place, Way* w) noexcept nogil:
    """1, and the same form of the same model on what is left now; 0 where it has no room."""
    cdef Job j
    cdef Forms f
    cdef int i, k
    for k in range(a.n_rows):
        if a.rows[k] == old.row:
            j = a.jobs[k]
            j.h = h
            for i in range(forms_here(a, h, a.c.rows[old.row].shape, old.runtime, &f)):
                if f.quant[i] == old.quant:
                    return at_form(a, k, h, &j, &f, i, old.runtime, place, w) > 0
    return 0


cdef inline int best_score(const Asked* a, const Machine* h) noexcept nogil:
    """The score of the best row as the ranking shows it; of one that must be smaller to reach what it must, that; -1: none."""
    cdef Job j
    cdef Forms f
    cdef Way w
    cdef int i, k, runtime, got, best = -1
    for k in range(a.n_rows):
        got = usual(a, k, h, NULL, &w)
        if got > 0:
            best = max(best, w.score)
        if got == 0 and a.n_rows == 1:
            j = a.jobs[0]
            j.h = h
            for runtime in range(N_RUNTIMES):
                for i in range(forms_here(a, h, a.c.rows[a.rows[0]].shape, runtime, &f)):
                    got = at_form(a, 0, h, &j, &f, i, runtime, NULL, &w)
                    if got > 0:
                        best = max(best, w.score)
                        break
    return best
