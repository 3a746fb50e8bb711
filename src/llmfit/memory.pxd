# What a model occupies. Every part is counted in thousandths of a GiB, rounded up ("milli"), so that what is
# compared with a machine's memory is exactly what a row says.
from libc.math cimport ceil, fmax, fmin
from llmfit.codes cimport *
from llmfit.model cimport Model
from llmfit.quant cimport Quant

cdef inline double milli_up(double bytes) noexcept nogil:
    """Bytes as thousandths of a GiB, rounded up."""
    return ceil(bytes / 1073741.824 - 1e-9)


cdef inline double bytes_of(double milli) noexcept nogil:
    """Thousandths of a GiB as bytes."""
    return milli * 1073741.824


cdef inline double expert_bytes(const Model* m, const Quant* q) noexcept nogil:
    """Bytes of the routed experts."""
    return m.expert_params * q.expert_bits / 8.0


cdef inline double weights_bytes(const Model* m, const Quant* q) noexcept nogil:
    """Bytes of the text weights as loaded: body, experts, output and embedding at their own bits, and metadata.

    body_bits x (P - V h (1 if tied else 2) - experts) / 8 + expert_bits x experts / 8 + V h (output + embedding) / 8;
    metadata 39.2 B a vocabulary entry above 60 k entries, 23.3 B below (GGUF). Without a vocabulary: nameonly_bits x P / 8.
    """
    cdef double body, ends
    cdef double metadata = 0
    if m.embedding_params <= 0 or m.embedding_params * (1 if m.tied else 2) > 0.9 * m.params:
        return m.params * fmax(q.nameonly_bits, q.expert_bits if m.is_moe else 0) / 8.0
    ends = m.embedding_params * q.output_bits
    body = m.params - m.embedding_params - m.expert_params
    if not m.tied:
        ends = ends + m.embedding_params * q.embedding_bits
        body = body - m.embedding_params
    if q.runtime == LLAMACPP:
        metadata = m.vocab * (39.2 if m.vocab > 60000 else 23.3)
    return (fmax(body, 0) * q.body_bits + ends) / 8.0 + expert_bytes(m, q) + metadata


cdef inline double pad256(double cells) noexcept nogil:
    """Cache cells padded to llama.cpp's 256."""
    return ceil(cells / 256.0) * 256.0


cdef inline double window_cells(const Model* m, double context, double n_seq, double ubatch) noexcept nogil:
    """Cells that a sliding-window layer keeps: pad256(min(cells, window x n_seq + n_ubatch))."""
    return pad256(fmin(context * n_seq, m.window * n_seq + ubatch)) if m.window else pad256(context * n_seq)


cdef inline double cache_bytes(const Model* m, double context, double n_seq, double element_bytes, double ubatch) noexcept nogil:
    """Bytes of KV cache and recurrent state for `n_seq` sequences of `context` tokens each.

    Growing layers keep pad256(context x n_seq) cells, window layers window_cells(); the state is per sequence.
    """
    return (
        m.cache_full * pad256(context * n_seq) + m.cache_window * window_cells(m, context, n_seq, ubatch)
    ) * element_bytes + m.state_bytes * n_seq


cdef inline double cache_read_bytes(const Model* m, double tokens, double element_bytes) noexcept nogil:
    """Bytes of cache and state that one token reads with `tokens` in the cache; window layers read their window at most."""
    cdef double windowed = fmin(tokens, m.window) if m.window else tokens
    return (m.cache_full * tokens + m.cache_window * windowed) * element_bytes + m.state_bytes


cdef inline double compute_bytes(const Model* m, double ubatch) noexcept nogil:
    """Bytes of the compute buffer with flash attention: n_ubatch x 4 x (V + 2 h); a 256 k x 8 k model where unknown."""
    cdef double vocab = m.vocab if m.vocab else 262144
    cdef double hidden = m.hidden if m.hidden else 8192
    if m.attention == ENCODER:
        vocab = 0  # no logits
    return ubatch * 4.0 * (vocab + 2.0 * hidden)


cdef inline double usable_tokens(const Model* m, double free_bytes, double n_seq, double element_bytes, double ubatch) noexcept nogil:
    """Tokens of context whose cache fits into `free_bytes` (state not included), without regard to the native window."""
    cdef double both = (m.cache_full + m.cache_window) * element_bytes
    cdef double full = m.cache_full * element_bytes
    cdef double window = m.cache_window * element_bytes * pad256(m.window * n_seq + ubatch)
    cdef double cells
    if both <= 0:
        return 1e12
    cells = free_bytes / both
    if m.window and m.cache_window > 0 and cells > m.window * n_seq + ubatch:
        cells = (free_bytes - window) / full if full > 0 else 1e12
    return fmax(0, (cells - 255) / n_seq)
