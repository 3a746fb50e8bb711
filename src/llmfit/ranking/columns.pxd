# The catalog as columns in memory: what every loop walks over. Owned by _catalog.Catalog.
from libc.string cimport memset
from llmfit.rows.buffer cimport Text
from llmfit.estimate.choose cimport Ladder
from llmfit.estimate.codes cimport *
from llmfit.estimate.gguf cimport MAX_TYPES, BlockType, Mix
from llmfit.estimate.memory cimport compute_bytes, milli_up, resident_compute_bytes
from llmfit.estimate.model cimport Model, complete
from llmfit.rows.notes cimport Wire
from llmfit.estimate.policy cimport Policy
from llmfit.estimate.quant cimport Quant, size_factor
from llmfit.score.score cimport Quality, Row, UseCaseWeights, ability, pooled
from llmfit.score.sketch cimport Member, RowSketch, Sketch
from llmfit.estimate.speed cimport layer_factor, read_share

cdef enum:
    WEIGHTS = 16            # sizes kept of each shape: own form, GGUF ladder (or MXFP4 alone), MLX ladder

cdef struct Strings:
    const char* data
    const unsigned int* ends

cdef struct Columns:
    int n_rows, n_shapes, n_groups
    Model* models           # by shape
    int* weights            # WEIGHTS by shape, thousandths of a GiB
    Row* rows
    Sketch* sketches        # by shape
    Member* members         # the rows of one base model after those of another
    int* group_ends         # by base model, where its rows end among them
    RowSketch* orders[N_USE_CASES + 1]  # rows by the most that they can score, for their main use case and each; NULL: not made yet
    double* quality         # by use case and row, 0..100 at full precision
    Quant* quants
    Mix* mixes              # by GGUF label
    BlockType types[MAX_TYPES]
    Ladder ladder
    Policy policy
    UseCaseWeights use_cases[N_USE_CASES]
    Wire wire
    unsigned char label_order[N_USE_CASES]  # alphabetical place of each category label
    Strings facts, search, ids, gguf, notes
    Strings mlx             # a copy's repository for each step of the MLX ladder, a NUL behind each
    int of_file             # the one model is that of a file


cdef inline Text piece(const Strings* s, int i) noexcept nogil:
    """Piece `i` of a run of strings."""
    cdef Text t
    cdef unsigned int start = s.ends[i - 1] if i else 0
    t.data = s.data + start
    t.size = s.ends[i] - start
    return t


cdef inline Text mlx_copy(const Columns* c, int row, int quant) noexcept nogil:
    """The known MLX copy of an original at a quantization; empty: none."""
    cdef Text t = piece(&c.mlx, row)
    cdef int step = 0
    cdef Py_ssize_t i, start = 0
    for i in range(t.size):
        if step == c.ladder.size[MLX]:
            break
        if t.data[i] == 0:
            if c.ladder.quant[MLX][step] == quant:
                t.data, t.size = t.data + start, i - start
                return t
            step = step + 1
            start = i + 1
    t.size = 0
    return t


cdef inline Model load_model(const double* f, int n, int i, const Policy* p) noexcept nogil:
    """Shape `i` of the packed matrix (pack.SHAPE_COLUMNS), completed."""
    cdef Model m
    memset(&m, 0, sizeof(Model))
    m.params = f[i]
    m.active = f[n + i]
    m.n_layers = <int>f[2 * n + i]
    m.hidden = <int>f[3 * n + i]
    m.vocab = <int>f[4 * n + i]
    m.n_heads = <int>f[5 * n + i]
    m.n_kv_heads = <int>f[6 * n + i]
    m.head_dim = <int>f[7 * n + i]
    m.v_head_dim = <int>f[8 * n + i]
    m.full_kv_heads = <int>f[9 * n + i]
    m.full_head_dim = <int>f[10 * n + i]
    m.moe_intermediate = <int>f[11 * n + i]
    m.n_experts = <int>f[12 * n + i]
    m.n_experts_active = <int>f[13 * n + i]
    m.n_dense_layers = <int>f[14 * n + i]
    m.window = <int>f[15 * n + i]
    m.n_full = <int>f[16 * n + i]
    m.n_window = <int>f[17 * n + i]
    m.kv_lora_rank = <int>f[18 * n + i]
    m.rope_head_dim = <int>f[19 * n + i]
    m.n_linear = <int>f[20 * n + i]
    m.linear_kind = <int>f[21 * n + i]
    m.ssm_inner = <int>f[22 * n + i]
    m.ssm_state = <int>f[23 * n + i]
    m.ssm_groups = <int>f[24 * n + i]
    m.ssm_conv = <int>f[25 * n + i]
    m.context = <int>f[26 * n + i]
    m.attention = <int>f[27 * n + i]
    m.format = <int>f[28 * n + i]
    m.tied, m.is_moe = <int>f[29 * n + i], <int>f[30 * n + i]
    m.gemma = <int>f[31 * n + i]
    m.kv_unknown = <int>f[32 * n + i]
    m.own_quant = <int>f[33 * n + i]
    m.gguf = <int>f[34 * n + i]
    m.mlx = <int>f[35 * n + i]
    m.intermediate = <int>f[36 * n + i]
    m.shared_intermediate = <int>f[37 * n + i]
    m.q_lora_rank = <int>f[38 * n + i]
    m.nope_dim = <int>f[39 * n + i]
    m.ssm_heads = <int>f[40 * n + i]
    m.per_layer_embedding = <int>f[41 * n + i]
    m.moe_latent = <int>f[42 * n + i]
    m.layout = <int>f[43 * n + i]
    m.attention_layers = <int>f[44 * n + i]
    m.window_layers = <int>f[45 * n + i]
    m.tp_sizes = <unsigned long long>f[46 * n + i]
    m.file_bytes = f[47 * n + i]
    m.disk_bytes = f[48 * n + i]
    m.indexer_layers, m.indexer_width, m.csa_layers = <int>f[49 * n + i], <int>f[50 * n + i], <int>f[51 * n + i]
    m.hca_layers = <int>f[52 * n + i]
    m = complete(m)
    m.layer_factor = layer_factor(&m, p)
    m.read_share = read_share(&m, 1.0, p)
    m.loss_factor = size_factor(m.params)
    m.compute = milli_up(compute_bytes(&m, p.ubatch))
    m.cpu_compute = milli_up(resident_compute_bytes(&m, p.ubatch))
    return m


cdef inline void load_row(Row* r, const double* f, int n, int i) noexcept nogil:
    """Row `i` of the packed matrix (pack_rows.ROW_COLUMNS), but for its quality."""
    cdef int u
    r.shape = <int>f[i]
    r.use_case = <int>f[n + i]
    r.serves = <int>f[2 * n + i]
    r.origin = <int>f[3 * n + i]
    r.role = <int>f[4 * n + i]
    r.tuning = <int>f[5 * n + i]
    r.params_total = f[6 * n + i]
    r.date = <int>f[7 * n + i]
    r.provider = <int>f[15 * n + i]
    r.license = <int>f[16 * n + i]
    r.group = <int>f[17 * n + i]
    r.gguf = <int>f[18 * n + i]
    r.name_rank = <int>f[19 * n + i]
    r.context_length = <int>f[20 * n + i]
    r.special = <int>f[21 * n + i]
    r.proof = f[22 * n + i]
    r.older = <int>f[23 * n + i]
    r.newer = <int>f[42 * n + i]
    r.capabilities = <int>f[43 * n + i]
    r.scored = 0
    for u in range(N_USE_CASES):
        r.scored = r.scored | ((1 if f[(36 + u) * n + i] > 0 else 0) << u)


cdef inline double pooled_ability(const Quality* c, const double* f, int n, int i, int use_case, const Policy* p) noexcept nogil:
    """theta of row `i` at one use case: predicted and pooled with its scores, less for a fine-tune and for want of proof."""
    cdef double theta = ability(
        c, f[6 * n + i], f[8 * n + i], f[9 * n + i], <int>f[10 * n + i], <int>f[11 * n + i], <int>f[12 * n + i],
        <int>f[13 * n + i]
    )
    theta = pooled(theta + f[(24 + use_case) * n + i], f[(30 + use_case) * n + i], f[(36 + use_case) * n + i], p.prediction_weight)
    return theta + p.finetune_theta * f[14 * n + i] - p.unproven_theta * (1.0 - f[22 * n + i]) - p.special_theta * f[21 * n + i]
