# What a model leaves of a machine's memory. Thousandths of a GiB, one number for each device and RAM last.


cdef inline void behind(int unified, int n_devices, int* left, const int* used) noexcept nogil:
    """`left` behind a model that takes `used`. Devices that share RAM take from it, and have no more than there is."""
    cdef int k
    for k in range(n_devices + 1):
        left[k] = left[k] - used[k]
    if unified:
        for k in range(n_devices):
            left[n_devices] = left[n_devices] - used[k]
        for k in range(n_devices):
            left[k] = min(left[k], left[n_devices])
    for k in range(n_devices + 1):
        left[k] = max(left[k], 0)
