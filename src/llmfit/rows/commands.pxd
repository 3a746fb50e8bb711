# What commands are made of: words, which devices a runtime may see, how many layers lie on them. Texts of the catalog are
# JSON without quotes already; ids hold nothing that a shell would read, names of files may.
from llmfit.estimate.arith cimport down, high, low, up
from llmfit.estimate.codes cimport *
from llmfit.estimate.estimate cimport Estimate
from llmfit.estimate.machine cimport Machine
from llmfit.estimate.model cimport Model
from llmfit.estimate.quant cimport Quant
from llmfit.rows.buffer cimport Buffer, Text, put, put_int, put_text
from llmfit.rows.notes cimport RowText, Wire

cdef enum:
    ALL_LAYERS = 999        # more than any model has


cdef inline int expert_layers_in_ram(const Model* m, double on_gpu) noexcept nogil:
    """llama.cpp's --n-cpu-moe: the first layers, whose experts lie in RAM; dense ones in front count too.

    dense + up((1 - share of the experts on the GPU) x layers with experts).
    """
    return m.n_dense_layers + <int>up((1.0 - on_gpu) * (m.n_layers - m.n_dense_layers) - 1e-9)


cdef inline int layers_on_gpu(const Model* m, const Quant* q, double weights, double cache, double on_gpu) noexcept nogil:
    """llama.cpp's --n-gpu-layers: whole layers with their cache that fit into a share of weights and cache, bytes.

    The output matrix is the first of them to move; an untied input embedding never does.
    """
    cdef double output = m.embedding_params * q.output_bits / 8.0
    cdef double beside = output if m.tied else output + m.embedding_params * q.embedding_bits / 8.0
    cdef double layer = high(weights + cache - beside, 1.0) / m.n_layers
    return 1 + <int>low(m.n_layers, down(high((weights + cache) * on_gpu - output, 0.0) / layer))


cdef inline void put_shell(Buffer* b, Text t) noexcept nogil:
    """JSON text as one word of a shell: as it is where every character is plain, else in single quotes."""
    cdef Py_ssize_t i
    cdef char c
    for i in range(t.size):
        c = t.data[i] | 32
        if not (97 <= c <= 122 or 43 <= t.data[i] <= 58 or t.data[i] == c"_" or t.data[i] == c"@" or t.data[i] == c"%" or t.data[i] == c"="):
            break
    else:
        if t.size:
            put_text(b, t)
            return
    put(b, b"'", 1)
    for i in range(t.size):
        if t.data[i] == c"'":
            put(b, b"'\\\"'\\\"'", 7)
        else:
            put(b, t.data + i, 1)
    put(b, b"'", 1)


cdef inline void put_own_name(Buffer* b, const RowText* t) noexcept nogil:
    """The id without its owner: what a converted copy is called."""
    cdef Py_ssize_t i, start = 0
    for i in range(t.id.size):
        if t.id.data[i] == 47:
            start = i + 1
    put(b, t.id.data + start, t.id.size - start)


cdef inline int is_used(const Estimate* e, const Machine* h, double each, int i) noexcept nogil:
    """1 where the row lies on device `i`; `each`: what buffers take of every device."""
    cdef int first = h.first[e.best.kind]
    if e.best.mode == GPU and e.best.devices > 1:
        return h.capacity[i] > each
    return e.best.mode != CPU_ONLY and first <= i < first + e.best.devices


cdef inline void put_env(Buffer* b, const Wire* w, const Estimate* e, const Machine* h, double each) noexcept nogil:
    """Which devices the runtime may see, where it would see others too, in the order of `gpus`; else nothing."""
    cdef int i, n = 0, number = -1, ordered = 1, backend = h.backend[h.first[e.best.kind]]
    if e.best.mode == CPU_ONLY or w.visible[backend].size == 0:
        return
    for i in range(h.n_devices):
        if is_used(e, h, each, i):
            if h.backend[i] != backend:     # no variable hides devices of several vendors
                return
            ordered = ordered and h.number[i] > number
            number = h.number[i]
            n = n + 1
    if n == h.of_backend[backend] and ordered:
        return
    put_text(b, w.visible[backend])
    number = 0
    for i in range(h.n_devices):
        if is_used(e, h, each, i):
            if number:
                put(b, b",", 1)
            put_int(b, h.number[i])
            number = 1
    put(b, b'"', 1)
