# Bytes of JSON, written without Python: literals, integers, fixed-point numbers as msgspec writes floats.
from libc.stdlib cimport realloc
from libc.string cimport memcpy

cdef extern from *:
    """
    static const char llmfit_pairs[] =
        "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
        "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
    """
    const char* PAIRS "llmfit_pairs"    # 00 to 99

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


cdef inline int digits_of(unsigned long long value) noexcept nogil:
    """How many decimal digits the number has."""
    cdef int digits = 1
    while value >= 10000:
        value = value // 10000
        digits = digits + 4
    return digits + (value >= 10) + (value >= 100) + (value >= 1000)


cdef inline void put_int(Buffer* b, long long value) noexcept nogil:
    """Two digits at a time: a division costs more than all else here."""
    cdef unsigned long long rest = value if value >= 0 else -<unsigned long long>value
    cdef char* at = b.data + b.size
    if value < 0:
        at[0] = 45
        at = at + 1
    at = at + digits_of(rest)
    b.size = at - b.data
    while rest >= 100:
        at = at - 2
        memcpy(at, PAIRS + 2 * (rest % 100), 2)
        rest = rest // 100
    if rest >= 10:
        memcpy(at - 2, PAIRS + 2 * rest, 2)
    else:
        at[-1] = <char>(48 + rest)


cdef inline void put_fixed(Buffer* b, long long value, int decimals) noexcept nogil:
    """`value` >= 0 / 10^decimals (1 to 3) the way msgspec writes a float: shortest, with at least one decimal."""
    cdef unsigned long long parts = value if decimals == 3 else value * 10 if decimals == 2 else value * 100
    cdef unsigned int fraction = parts % 1000
    cdef unsigned int rest = fraction % 100
    cdef char* at
    put_int(b, parts // 1000)
    at = b.data + b.size
    at[0] = 46
    at[1] = <char>(48 + fraction // 100)
    b.size = b.size + 2
    if rest:
        at[2] = PAIRS[2 * rest]
        b.size = b.size + 1
        if PAIRS[2 * rest + 1] != 48:
            at[3] = PAIRS[2 * rest + 1]
            b.size = b.size + 1
