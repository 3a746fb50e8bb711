# A model as it is loaded: the facts of its shape, and what follows from them for every estimate.
from libc.math cimport pow
from llmfit.estimate.arith cimport high
from llmfit.estimate.codes cimport *

cdef enum:  # layout: how its tensors are cut, bits; the order of pack.LAYOUT_FLAGS
    FUSED_QKV = 1
    NO_GATE = 2
    GATED_QUERY = 4
    SINGLE_BLOCKS = 8
    QK_NORM = 16
    EXPERTS_MXFP4 = 32
    ATTENTION_GATE = 64
    INTERLEAVED_EXPERTS = 128
    POSITIONS = 256
    FALCON = 512
    MANY_LAYERS = 1024

cdef struct Model:
    # What every estimate reads stands first, so that an analysis walks over half of the struct.
    int format, own_quant   # own_quant: the form its repository holds, an index of the quantizations; -1: GGUF of any
    int context             # native window, tokens; 0: not known
    int window              # sliding window, tokens
    int attention, kv_unknown, is_moe, n_layers, n_experts, n_experts_active
    int gguf                # forms for llama.cpp: 0 none, 1 the ladder, 2 the experts stay MXFP4
    int mlx                 # bit 0: may be converted to the MLX ladder; bit 1 + i: a copy of its step i is known
    double active           # parameters used per token (= params when dense)
    # derived once, by complete() and columns.load_model()
    double cache_full       # cache elements (K and V) a token, over all growing layers
    double cache_window     # cache elements a token, over all window layers
    double cache_csa, cache_hca # cache elements a cell of 4 and of 128 tokens, over all compressed layers
    double state_bytes      # recurrent state of one sequence
    double compute          # the compute buffer, thousandths of a GiB (estimate/memory.pxd)
    double cpu_compute      # what of it becomes resident in RAM where the CPU does all
    double attention_full, attention_window     # attention work of one token, FLOP per token in the cache
    double layer_factor     # a_layer of the decode formula (estimate/speed.pxd)
    double read_share       # of all weights, read for one token of one sequence (estimate/speed.pxd)
    double loss_factor      # how much more than an 8 B model it loses to a quantization (estimate/quant.pxd)
    double expert_params        # routed experts, all of them
    double active_expert_params # routed experts used per token
    unsigned long long tp_sizes # bit n set: tensor parallel over n devices works (n < 64)
    int cache_parts         # over how many devices tensor parallel can divide the cache
    # The rest is for loading and for rows that are written.
    int hidden, vocab, n_heads, n_kv_heads, head_dim, v_head_dim, full_kv_heads, full_head_dim
    int moe_intermediate, n_dense_layers
    int n_full, n_window    # layers with a cache of their own: growing; bounded by the window
    int kv_lora_rank, rope_head_dim
    int n_linear, linear_kind, ssm_inner, ssm_state, ssm_groups, ssm_conv
    int tied, gemma
    int intermediate, shared_intermediate, q_lora_rank, nope_dim, ssm_heads, per_layer_embedding, moe_latent, layout
    int indexer_layers, indexer_width       # layers that keep indexer keys; elements a token in each
    int csa_layers, hca_layers              # compressed layers: ratio 4, with an indexer; ratio 128
    int attention_layers, window_layers     # layers with attention weights: growing; windowed
    double file_bytes, disk_bytes   # weights of the own form as measured, and the files with them; 0: by rule
    double params           # parameters of the text decoder
    double cache_full_v, cache_window_v     # cache elements that are values, not keys
    double embedding_params     # vocab x hidden
    double prompt_params        # active parameters that work on every prompt token: no embedding, no output


cdef inline int known_shape(const Model* m) noexcept nogil:
    """1 where the cache follows from the model's own shape, 0 where only a bound is known (kv_unknown 2: heads alone)."""
    return not (m.kv_unknown or (m.attention == COMPRESSED_SPARSE and m.csa_layers + m.hca_layers == 0))


cdef inline double cache_elements(int heads, int key_dim, int value_dim) noexcept nogil:
    """Cache elements a token of one attention layer: n_kv x (d_k + d_v)."""
    return <double>heads * (key_dim + (value_dim if value_dim else key_dim))


cdef inline double compressor_bytes(const Model* m) noexcept nogil:
    """State of the compressors of one sequence, bytes: keys and scores of the tokens not yet compressed, 32-bit floats.

    8 rows of twice the key (and of twice the indexer key) in a layer of ratio 4, 128 rows of a key in one of ratio 128.
    """
    return 2 * 4.0 * (m.csa_layers * 8.0 * 2 * (m.head_dim + m.indexer_width) + m.hca_layers * 128.0 * m.head_dim)


cdef inline double cache_bound(double params) noexcept nogil:
    """An upper bound on cache elements a token of an unknown shape: 2^19 x (P / 7e9)^(2/3), twice a 7 B model's."""
    return 524288.0 * pow(params / 7e9, 2.0 / 3.0)


cdef inline double linear_state_bytes(const Model* m) noexcept nogil:
    """Recurrent state of one sequence, bytes, in 32-bit floats over all linear layers (llama.cpp's allocation).

    state x inner + (conv - 1) x (inner + 2 x groups x state); Mamba-1 convolves `inner` only; a short convolution
    keeps (conv - 1) x inner; lightning attention has no convolution; RWKV-7 keeps two token-shift vectors instead.
    """
    cdef double state = <double>m.ssm_state * m.ssm_inner
    cdef double conv = m.ssm_conv - 1 if m.ssm_conv > 1 else 0
    if m.linear_kind == SHORT_CONV:
        return 4.0 * m.n_linear * conv * m.ssm_inner
    if m.linear_kind == LIGHTNING:
        return 4.0 * m.n_linear * state
    if m.linear_kind == RWKV7:
        return 4.0 * m.n_linear * (state + 2.0 * m.hidden)
    if m.linear_kind == MAMBA1:
        return 4.0 * m.n_linear * (state + conv * m.ssm_inner)
    return 4.0 * m.n_linear * (state + conv * (m.ssm_inner + 2.0 * m.ssm_groups * m.ssm_state))


cdef inline double attention_work(const Model* m, int dim) noexcept nogil:
    """Attention of one token in one layer, FLOP for each token in the cache: 2 n_heads (d_k + d_v).

    Latent attention works on the joint latent: 2 n_heads (2 kv_lora_rank + rope_dim).
    """
    if m.attention == MLA or m.attention == HYBRID_LINEAR_MLA:
        return 2.0 * m.n_heads * (2.0 * m.kv_lora_rank + m.rope_head_dim)
    return 2.0 * m.n_heads * (dim + (m.v_head_dim if m.v_head_dim else dim))


cdef inline double expert_matrices(int layout) noexcept nogil:
    """Weight matrices of one expert: gate, up and down, or two where there is no gate."""
    return 2.0 if layout & NO_GATE else 3.0


cdef inline double moe_layers(const Model* m) noexcept nogil:
    """Layers that hold experts."""
    cdef int blocks = m.n_layers
    if m.layout & SINGLE_BLOCKS:
        blocks = blocks - m.attention_layers - m.window_layers - m.n_linear
    return blocks - m.n_dense_layers


cdef inline Model complete(Model m) noexcept nogil:
    """The model with all that follows from its facts filled in; see estimate/memory.pxd for what uses it."""
    cdef int full_heads = m.full_kv_heads if m.full_kv_heads else m.n_kv_heads
    cdef int full_dim = m.full_head_dim if m.full_head_dim else m.head_dim
    cdef int value_dim = m.v_head_dim
    m.cache_full, m.cache_window, m.cache_full_v, m.cache_window_v, m.cache_csa, m.cache_hca = 0, 0, 0, 0, 0, 0
    m.cache_parts = m.n_kv_heads if m.n_kv_heads else 1
    if m.attention == MLA or m.attention == HYBRID_LINEAR_MLA:
        m.cache_full = <double>m.n_full * (m.kv_lora_rank + m.rope_head_dim)
        m.cache_parts = 1
    elif m.attention == ENCODER or m.attention == ENCODER_DECODER or m.attention == SSM:
        m.cache_full = 0
    elif m.attention == COMPRESSED_SPARSE and m.csa_layers + m.hca_layers:  # keys alone
        m.cache_window = <double>m.n_window * m.n_kv_heads * m.head_dim
        m.cache_full = <double>m.n_full * m.n_kv_heads * m.head_dim
        m.cache_csa = <double>m.csa_layers * (m.n_kv_heads * m.head_dim + m.indexer_width)
        m.cache_hca = <double>m.hca_layers * m.n_kv_heads * m.head_dim
    elif m.kv_unknown == 1:
        m.cache_full = cache_bound(m.params)
        m.cache_full_v = 0.5 * m.cache_full
    else:
        m.cache_full = m.n_full * cache_elements(full_heads, full_dim, m.v_head_dim)
        m.cache_window = m.n_window * cache_elements(m.n_kv_heads, m.head_dim, m.v_head_dim)
        m.cache_full_v = <double>m.n_full * full_heads * (value_dim if value_dim else full_dim)
        m.cache_window_v = <double>m.n_window * m.n_kv_heads * (value_dim if value_dim else m.head_dim)
    if not m.kv_unknown:
        m.cache_full = m.cache_full + <double>m.indexer_layers * m.indexer_width
    m.attention_full = attention_work(&m, full_dim) * m.attention_layers
    m.attention_window = attention_work(&m, m.head_dim) * m.window_layers
    m.state_bytes = (linear_state_bytes(&m) if m.linear_kind else 0.0) + compressor_bytes(&m)
    m.embedding_params = <double>m.vocab * m.hidden
    m.prompt_params = high(m.active - m.embedding_params * (1 if m.tied else 2), 0.3 * m.active)
    m.expert_params = 0
    m.active_expert_params = 0
    if m.is_moe and m.n_experts and m.moe_intermediate and m.hidden:
        m.expert_params = expert_matrices(m.layout) * moe_layers(&m) * m.n_experts * (
            m.moe_latent if m.moe_latent else m.hidden
        ) * m.moe_intermediate
        if m.expert_params > 0.99 * m.params:  # facts that disagree: keep a share for the rest
            m.expert_params = 0.95 * m.params
        m.active_expert_params = m.expert_params * m.n_experts_active / m.n_experts
        if m.active_expert_params > 0.95 * m.active:
            m.active_expert_params = 0.95 * m.active
    return m
