"""Memory read as fast as it comes, without the GIL: the inner loops of llmfit/hardware/sources/bandwidth.py."""

from libc.stdint cimport uint64_t

cdef enum:
    LINE = 64               # bytes that a step of the loop reads


def touch(unsigned char[::1] memory, Py_ssize_t start, Py_ssize_t stop):
    """Write to every page of `memory[start:stop]`: until then it is backed by one page of zeros."""
    cdef unsigned char* at = _place(memory, start, stop)
    cdef Py_ssize_t i
    with nogil:
        for i in range(0, stop - start, 4096):  # the smallest page there is
            at[i] = 1


def read(unsigned char[::1] memory, Py_ssize_t start, Py_ssize_t stop):
    """The sum of the 64-bit words of `memory[start:stop]` modulo 2^64: every byte is read once. Multiples of 64 alone."""
    cdef const uint64_t* at = <const uint64_t*>_place(memory, start, stop)
    cdef Py_ssize_t i, n = (stop - start) // 8
    cdef uint64_t a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0
    with nogil:
        for i in range(0, n, 8):
            a += at[i]
            b += at[i + 1]
            c += at[i + 2]
            d += at[i + 3]
            e += at[i + 4]
            f += at[i + 5]
            g += at[i + 6]
            h += at[i + 7]
    return a + b + c + d + e + f + g + h


cdef unsigned char* _place(unsigned char[::1] memory, Py_ssize_t start, Py_ssize_t stop) except NULL:
    if not 0 <= start < stop <= memory.shape[0] or start % LINE or stop % LINE:
        raise ValueError(f"{start}:{stop} is no part of {memory.shape[0]} bytes in steps of {LINE}")
    return &memory[start]
