# The wanted members of an object that is JSON already, without blanks. One that is no JSON (its constant part is a
# catalog's own text) gives nonsense, but nothing beside it is read.
from libc.string cimport memchr, memcmp
from llmfit.rows.buffer cimport Buffer, Text, put


cdef inline const char* behind_text(const char* at, const char* stop) noexcept nogil:
    """Behind the string whose opening quote stands at `at`; `stop` where it does not end before."""
    cdef const char* first = at
    cdef const char* before
    while at + 1 < stop:
        at = <const char*>memchr(at + 1, 34, stop - at - 1)
        if at == NULL:
            break
        before = at - 1
        while before > first and before[0] == 92:
            before = before - 1
        if (at - before) & 1:               # an even number of backslashes stands before this quote
            return at + 1
    return stop


cdef inline const char* behind_value(const char* at, const char* stop) noexcept nogil:
    """The comma or bracket behind the value that starts at `at`, before `stop`."""
    cdef int depth = 0
    if at >= stop:
        return stop
    if at[0] == 34:
        return behind_text(at, stop)
    if at[0] | 32 != 123:                   # neither [ nor {
        while at < stop and at[0] != 44 and at[0] != 125:
            at = at + 1
        return at
    while at < stop:
        if at[0] == 34:
            at = behind_text(at, stop)
            continue
        if at[0] | 32 == 123:
            depth = depth + 1
        elif at[0] | 32 == 125:             # ] or }
            depth = depth - 1
            if depth == 0:
                return at + 1
        at = at + 1
    return stop


cdef inline void put_members(Buffer* b, const char* row, Py_ssize_t size, const Text* wanted, int n) noexcept nogil:
    """The object `row` of `size` bytes with the `n` wanted keys alone, which come in its own order; a key that it lacks
    is left out.

    The buffer has room for the whole row and one byte.
    """
    cdef const char* at = row
    cdef const char* stop = row + size
    cdef const char* key
    cdef const char* end
    cdef int k, after = 0, put_any = 0
    put(b, b"{", 1)
    while after < n and at + 2 < stop and at[0] != 125 and at[1] != 125:
        key = at + 2
        end = behind_text(key - 1, stop)
        for k in range(after, n):
            if wanted[k].size == end - 1 - key and memcmp(wanted[k].data, key, wanted[k].size) == 0:
                break
        else:
            k = -1
        end = behind_value(end + 1, stop)
        if k >= 0:
            if put_any:
                put(b, b",", 1)
            put(b, key - 1, end - key + 1)
            put_any = 1
            after = k + 1
        at = end
    put(b, b"}", 1)
