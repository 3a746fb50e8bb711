# The wanted members of an object that is JSON already. The object is ours: no blanks, and well-formed.
from libc.string cimport memchr, memcmp
from llmfit.buffer cimport Buffer, Text, put

cdef enum:
    LONGEST = 1 << 20       # bytes of a string


cdef inline const char* behind_text(const char* at) noexcept nogil:
    """Behind the string whose opening quote stands at `at`."""
    cdef const char* before
    while True:
        at = <const char*>memchr(at + 1, 34, LONGEST)
        before = at - 1
        while before[0] == 92:
            before = before - 1
        if (at - before) & 1:               # an even number of backslashes stands before this quote
            return at + 1


cdef inline const char* behind_value(const char* at) noexcept nogil:
    """The comma or bracket behind the value that starts at `at`."""
    cdef int depth = 0
    if at[0] == 34:
        return behind_text(at)
    if at[0] | 32 != 123:                   # neither [ nor {
        while at[0] != 44 and at[0] != 125:
            at = at + 1
        return at
    while True:
        if at[0] == 34:
            at = behind_text(at)
            continue
        if at[0] | 32 == 123:
            depth = depth + 1
        elif at[0] | 32 == 125:             # ] or }
            depth = depth - 1
            if depth == 0:
                return at + 1
        at = at + 1


cdef inline void put_members(Buffer* b, const char* row, const Text* wanted, int n) noexcept nogil:
    """The object `row` with the `n` wanted keys alone, which come in its own order; a key that it lacks is left out.

    The buffer has room for the whole row.
    """
    cdef const char* at = row
    cdef const char* key
    cdef const char* end
    cdef int k, after = 0, put_any = 0
    put(b, b"{", 1)
    while after < n and at[0] != 125 and at[1] != 125:
        key = at + 2
        end = behind_text(key - 1)
        for k in range(after, n):
            if wanted[k].size == end - 1 - key and memcmp(wanted[k].data, key, wanted[k].size) == 0:
                break
        else:
            k = -1
        end = behind_value(end + 1)
        if k >= 0:
            if put_any:
                put(b, b",", 1)
            put(b, key - 1, end - key + 1)
            put_any = 1
            after = k + 1
        at = end
    put(b, b"}", 1)
