# What a plan is worth, beside the weight that it places: scores less what its machines cost. Summed machine by machine.

cdef enum:
    TENTH = 1 << 24         # what a tenth of a score counts; more than all that only decides between equal scores

cdef struct Goal:
    long long machine       # that a machine in use costs
    int even                # 1: of equal scores those with as many models on each machine as on the others


cdef inline Goal goal_of(bint pack, int cost) noexcept nogil:
    """`cost`: tenths of score that a machine in use costs where few are wanted; of equal plans that with fewer then."""
    return Goal(cost * <long long>TENTH + 1, 0) if pack else Goal(0, 1)


cdef inline long long worth(const Goal* g, long long score, long long n) noexcept nogil:
    """What the `n` models of a machine count, whose scores have this sum."""
    return score * TENTH - (g.machine if n else 0) - g.even * (n * (n - 1) // 2)


cdef inline long long lowest() noexcept nogil:
    """Less than any plan is worth."""
    return -(<long long>1 << 60)
