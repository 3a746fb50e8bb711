# What a model occupies. Every part is counted in thousandths of a GiB, rounded up ("milli"), so that what is
# compared with a machine's memory is exactly what a row says.
from llmfit.estimate.arith cimport high, low, up
from llmfit.estimate.codes cimport *
from llmfit.estimate.gguf cimport gguf_bytes, gguf_table_bytes, metadata_bytes
from llmfit.estimate.model cimport Model
from llmfit.estimate.quant cimport Quant
from llmfit.estimate.tensors cimport Tensors, tensors_of

cdef enum:
    CSA_RATIO = 4           # tokens of a cell in a layer of compressed sparse attention (DeepSeek-V4)
    HCA_RATIO = 128         # in one of heavily compressed attention

cdef inline double milli_up(double bytes) noexcept nogil:
    """Bytes as thousandths of a GiB, rounded up."""
    return up(bytes / 1073741.824 - 1e-9)


cdef inline double bytes_of(double milli) noexcept nogil:
    """Thousandths of a GiB as bytes."""
    return milli * 1073741.824


cdef inline double expert_bytes(const Model* m, const Quant* q) noexcept nogil:
    """Bytes of the routed experts."""
    return m.expert_params * q.expert_bits / 8.0


cdef inline double by_bits(const Model* m, const Quant* q) noexcept nogil:
    """Bytes of the text weights by bits a weight: for formats other than GGUF, and where a shape is not known.

    body_bits x (P - V h (1 if tied else 2) - experts) / 8 + expert_bits x experts / 8 + V h (output + embedding) / 8;
    without a vocabulary nameonly_bits x P / 8.
    """
    cdef double body, ends
    if m.embedding_params <= 0 or m.embedding_params * (1 if m.tied else 2) > 0.9 * m.params:
        return m.params * high(q.nameonly_bits, q.expert_bits if m.is_moe else 0) / 8.0
    ends = m.embedding_params * q.output_bits
    body = m.params - m.embedding_params - m.expert_params
    if not m.tied:
        ends = ends + m.embedding_params * q.embedding_bits
        body = body - m.embedding_params
    return (high(body, 0) * q.body_bits + ends) / 8.0 + expert_bytes(m, q)


cdef inline double file_bytes(const Model* m, const Tensors* s, const Quant* q, int made) noexcept nogil:
    """Bytes of the text weights: tensor by tensor in a GGUF file of a known shape, else by bits a weight."""
    if q.mix == NULL or m.n_layers == 0 or m.embedding_params <= 0 or m.embedding_params * (1 if m.tied else 2) > 0.98 * m.params:
        return by_bits(m, q) + (metadata_bytes(m.vocab) if q.mix != NULL else 0)
    return gguf_bytes(m, s, q.mix, made) * q.mix_scale


cdef inline double table_bytes(const Model* m, const Tensors* s, const Quant* q, int made, int shared) noexcept nogil:
    """Bytes of the embedding tables of a GGUF file that lie in RAM where a GPU holds all layers: a token takes a row.

    `shared` 0: those that are on no GPU (an untied embedding, tables by layer); 1: a tied embedding, which is in both.
    """
    if q.mix == NULL or m.n_layers == 0 or m.embedding_params <= 0:
        return 0
    return gguf_table_bytes(m, s, q.mix, made, shared) * q.mix_scale


cdef inline double weights_bytes(const Model* m, const Quant* q) noexcept nogil:
    """Bytes of the text weights as a packager makes them today, with an importance matrix."""
    cdef Tensors s
    if q.mix != NULL:
        s = tensors_of(m)
    return file_bytes(m, &s, q, 1)


cdef inline double pad256(double cells) noexcept nogil:
    """Cache cells padded to llama.cpp's 256."""
    return up(cells / 256.0) * 256.0


cdef inline double window_cells(const Model* m, double context, double n_seq, double ubatch) noexcept nogil:
    """Cells that a window layer keeps of each sequence, of one cache for all of them: pad256(min(cells, window x n_seq + n_ubatch))."""
    return pad256(low(context * n_seq, m.window * n_seq + ubatch)) if m.window else pad256(context * n_seq)


cdef inline double compressed_elements(const Model* m, double context) noexcept nogil:
    """Cache elements of one sequence in compressed layers: pad256(context / 4) and pad256(context / 128) cells."""
    return pad256(up(context / CSA_RATIO)) * m.cache_csa + pad256(up(context / HCA_RATIO)) * m.cache_hca


cdef inline double kv_bytes(const Model* m, double context, double n_seq, double k_bytes, double v_bytes, double ubatch, int unified) noexcept nogil:
    """Bytes of the KV cache alone, its keys and values in types of their own (bytes an element).

    Growing layers keep pad256(context) cells of each sequence, window layers window_cells(), compressed ones
    compressed_elements(). `unified`: one cache for all sequences, which each may fill; compressed layers never share.
    """
    cdef double together = n_seq if unified else 1, apart = n_seq / together
    cdef double grown = pad256(context * together), windowed = window_cells(m, context, together, ubatch)
    cdef double bytes = grown * (m.cache_full * k_bytes + m.cache_full_v * (v_bytes - k_bytes))
    if m.cache_csa + m.cache_hca > 0:
        windowed = window_cells(m, context * together, 1, ubatch) * together
        bytes = bytes + compressed_elements(m, context * together) * together * k_bytes
    return apart * (bytes + windowed * (m.cache_window * k_bytes + m.cache_window_v * (v_bytes - k_bytes)))


cdef inline double cache_bytes(const Model* m, double context, double n_seq, double element_bytes, double ubatch) noexcept nogil:
    """Bytes of KV cache and recurrent state for `n_seq` sequences of `context` tokens, each in a share of its own."""
    cdef double elements = pad256(context) * m.cache_full + window_cells(m, context, 1, ubatch) * m.cache_window
    if m.cache_csa + m.cache_hca > 0:
        elements = elements + compressed_elements(m, context)
    return n_seq * (element_bytes * elements + m.state_bytes)


cdef inline double cache_read_bytes(const Model* m, double tokens, double element_bytes) noexcept nogil:
    """Bytes of cache and state that one token reads with `tokens` in the cache; window layers read their window at most."""
    cdef double windowed = low(tokens, m.window) if m.window else tokens
    cdef double grown = m.cache_full + m.cache_csa / CSA_RATIO + m.cache_hca / HCA_RATIO
    return (grown * tokens + m.cache_window * windowed) * element_bytes + m.state_bytes


cdef inline double compute_bytes(const Model* m, double ubatch) noexcept nogil:
    """Bytes of the compute buffer with flash attention: n_ubatch x 4 x (V + 2 h); a 256 k x 8 k model where unknown."""
    cdef double vocab = m.vocab if m.vocab else 262144
    cdef double hidden = m.hidden if m.hidden else 8192
    if m.attention == ENCODER:
        vocab = 0  # no logits
    return ubatch * 4.0 * (vocab + 2.0 * hidden)


cdef inline double resident_compute_bytes(const Model* m, double ubatch) noexcept nogil:
    """What of the buffer becomes resident in system RAM: n_ubatch x 4 x (2 h + 2 ff) and one row of logits.

    On a CPU the buffer is reserved for logits of every token of a batch, but only pages that are written count.
    """
    cdef double ff = m.intermediate if m.intermediate else 4.0 * (m.hidden if m.hidden else 8192)
    if m.is_moe and m.moe_intermediate:
        ff = high(<double>m.moe_intermediate * m.n_experts_active, m.shared_intermediate)
    return low(compute_bytes(m, ubatch), ubatch * 4.0 * (2.0 * (m.hidden if m.hidden else 8192) + 2.0 * ff) + 4.0 * m.vocab)


cdef inline double plain_compute_bytes(const Model* m, double ubatch, double context) noexcept nogil:
    """The same without flash attention: at least n_ubatch x 4 x (n_ctx (n_heads + masks) + 2 n_heads d + 2 h)."""
    cdef double masks = 2 if m.window else 1
    cdef double scores = context * (m.n_heads + masks) + 2.0 * m.n_heads * m.head_dim + 2.0 * m.hidden
    return high(compute_bytes(m, ubatch), ubatch * 4.0 * scores)


cdef inline double usable_tokens(const Model* m, double free_bytes, double n_seq, double element_bytes, double ubatch) noexcept nogil:
    """Tokens of each sequence whose cache fits into `free_bytes` (state not included), without regard to the native window."""
    cdef double each = free_bytes / n_seq - 256.0 * element_bytes * (m.cache_csa + m.cache_hca)
    cdef double full = element_bytes * (m.cache_full + m.cache_csa / CSA_RATIO + m.cache_hca / HCA_RATIO)
    cdef double both = full + m.cache_window * element_bytes
    cdef double cells
    if both <= 0:
        return 1e12
    cells = each / both
    if m.window and m.cache_window > 0 and cells > m.window + ubatch:
        cells = (each - m.cache_window * element_bytes * pad256(m.window + ubatch)) / full if full > 0 else 1e12
    return high(0, cells - 255)
