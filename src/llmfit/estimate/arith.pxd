# The least and most of two numbers and whole numbers of positive ones, as one or two instructions each: libm's fmin, fmax,
# ceil and floor are calls on x86-64 (they treat NaN, which no rule yields) and took a third of the kernel's time.


cdef inline double high(double a, double b) noexcept nogil:
    return a if a > b else b


cdef inline double low(double a, double b) noexcept nogil:
    return a if a < b else b


cdef inline double down(double x) noexcept nogil:
    """The whole number below, for 0 <= x < 2^62."""
    return <double><long long>x


cdef inline double up(double x) noexcept nogil:
    """The whole number above, for 0 <= x < 2^62."""
    cdef double whole = <double><long long>x
    return whole + 1.0 if x > whole else whole
