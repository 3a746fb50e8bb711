# Compute buffers as llama.cpp reserves them with flash attention, on a device and on the host beside it. Bytes.
from llmfit.estimate.arith cimport high
from llmfit.estimate.memory cimport pad256, window_cells
from llmfit.estimate.model cimport NO_GATE, Model

cdef inline double batch_floats(const Model* m) noexcept nogil:
    """32-bit floats that llama.cpp holds at once for a token of a batch, logits aside: 4 h and the widest of its steps.

    3 ff (gate, up, product; ff alone without a gate); of experts 3 F with F = used x width, and used x h more where
    that does not fit into the place of gate and up; latent attention: n_heads (2 rank + 2 rope + key).
    """
    cdef double ff = m.intermediate if m.layout & NO_GATE else 3.0 * m.intermediate
    cdef double wide = <double>m.n_experts_active * m.moe_intermediate, experts
    if m.is_moe and wide > 0:
        experts = wide if m.layout & NO_GATE else 3.0 * wide
        if m.n_experts_active * <double>m.hidden > 2.0 * wide:
            experts = experts + m.n_experts_active * <double>m.hidden
        ff = high(experts, ff if m.n_dense_layers else 0)
    if m.kv_lora_rank:
        ff = high(ff, m.n_heads * (2.0 * m.kv_lora_rank + 2.0 * m.rope_head_dim + m.head_dim))
    return 4.0 * m.hidden + ff


cdef inline double mask_bytes(const Model* m, double context, double ubatch) noexcept nogil:
    """Attention masks of a batch in 16 bits: n_ubatch x 2 for each cell, of growing and of window layers."""
    cdef double cells = pad256(context)
    if m.window and m.n_window:
        cells = cells + window_cells(m, context, 1, ubatch)
    return ubatch * 2.0 * cells


cdef inline double device_compute_bytes(const Model* m, double context, double ubatch, double outputs) noexcept nogil:
    """Compute buffer on a device as llama.cpp reserves it (flash attention, logits for `outputs` tokens of a batch)."""
    cdef double logits = outputs * m.vocab + ubatch * 4.0 * m.hidden
    return 4.0 * high(ubatch * batch_floats(m), logits) + mask_bytes(m, context, ubatch)


cdef inline double host_compute_bytes(const Model* m, double context, double ubatch) noexcept nogil:
    """The same on the host beside a device: masks, and 4 h and the per-layer embeddings for each token of a batch."""
    return ubatch * 4.0 * (4.0 * m.hidden + <double>m.n_layers * m.per_layer_embedding) + mask_bytes(m, context, ubatch)
