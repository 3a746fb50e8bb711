# Bytes of JSON, written without Python: literals, integers, fixed-point numbers as msgspec writes floats.
from libc.stdlib cimport realloc
from libc.string cimport memcpy

cdef struct Text:
    const char* data
    Py_ssize_t size

cdef struct Buffer:
    char* data
    size_t size, room
    int failed              # 1: out of memory; all later writes are dropped


cdef inline int reserve(Buffer* b, size_t n) noexcept nogil:
    """Make room for `n` more bytes; 0 where there is none to be had (`failed` is set)."""
    cdef char* grown
    cdef size_t room
    if b.size + n <= b.room:
        return 1
    room = b.room + b.room // 2
    if room < b.size + n:
        room = b.size + n
    grown = <char*>realloc(b.data, room)
    if grown == NULL:
        b.failed = 1
        return 0
    b.data = grown
    b.room = room
    return 1


cdef inline void put(Buffer* b, const char* data, size_t n) noexcept nogil:
    """Append bytes that there is room for: one reserve() for a whole row, then no checks."""
    memcpy(b.data + b.size, data, n)
    b.size = b.size + n


cdef inline void put_text(Buffer* b, Text t) noexcept nogil:
    put(b, t.data, t.size)


cdef inline void put_int(Buffer* b, long long value) noexcept nogil:
    cdef char digits[24]
    cdef int at = 24
    cdef unsigned long long rest = value if value >= 0 else -value
    while True:
        at = at - 1
        digits[at] = <char>(48 + rest % 10)
        rest = rest // 10
        if rest == 0:
            break
    if value < 0:
        at = at - 1
        digits[at] = 45
    put(b, digits + at, 24 - at)


cdef inline void put_fixed(Buffer* b, long long value, int decimals) noexcept nogil:
    """`value` / 10^decimals the way msgspec writes a float: shortest, with at least one decimal."""
    cdef char fraction[8]
    cdef long long whole = value
    cdef int i, last = 1
    for i in range(decimals):
        fraction[decimals - 1 - i] = <char>(48 + whole % 10)
        whole = whole // 10
    put_int(b, whole)
    put(b, b".", 1)
    for i in range(1, decimals):
        if fraction[i] != 48:
            last = i + 1
    put(b, fraction, last)
