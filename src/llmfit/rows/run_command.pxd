# The command that starts a row as it was estimated. Every figure that the row stands for is said to the runtime, so that
# no default of the runtime decides.
from llmfit.estimate.codes cimport *
from llmfit.estimate.arith cimport low
from llmfit.estimate.estimate cimport Estimate, Settings
from llmfit.estimate.machine cimport Machine
from llmfit.estimate.memory cimport bytes_of, pad256
from llmfit.estimate.model cimport Model
from llmfit.estimate.policy cimport Policy
from llmfit.estimate.quant cimport Quant
from llmfit.rows.buffer cimport Buffer, put, put_fixed, put_int, put_text
from llmfit.rows.commands cimport ALL_LAYERS, expert_layers_in_ram, is_used, layers_on_gpu, put_env
from llmfit.rows.notes cimport RowText, Wire, repository
from llmfit.rows.servers cimport serves
from llmfit.score.score cimport Row

cdef enum:
    BATCH = 2048            # logical batch of llama-server, tokens
    SEEN_OR_HEARD = 6       # bits of codes.CAPABILITIES: vision, audio


cdef inline void put_quoted(Buffer* b, const char* text, Py_ssize_t n) noexcept nogil:
    """A word of an argv list and the comma in front of it."""
    put(b, b',"', 2)
    put(b, text, n)
    put(b, b'"', 1)


cdef inline void put_split(Buffer* b, const Estimate* e, const Machine* h, double each) noexcept nogil:
    """The share of each device as llama.cpp's --tensor-split takes it: what is free beside the buffers, GiB."""
    cdef int i, some = 0
    put(b, b',"-ts","', 8)
    for i in range(h.n_devices):
        if is_used(e, h, each, i):
            if some:
                put(b, b",", 1)
            put_fixed(b, <long long>(h.capacity[i] - each), 3)
            some = 1
    put(b, b'"', 1)


cdef inline void put_llama_server(
    Buffer* b, const Wire* w, const RowText* t, const Row* r, const Model* m, const Estimate* e, const Machine* h, const Quant* q,
    const Settings* s, const Policy* p, double cache, double each
) noexcept nogil:
    """llama-server: an explicit number of slots, each with a whole context of its own, padded to 256 cells."""
    cdef long long tokens = <long long>pad256(e.context), batch = BATCH, ubatch = <long long>p.ubatch
    put(b, b'["llama-server"', 15)
    if t.of_file and m.format == F_GGUF:
        put_quoted(b, b"-m", 2)
        put(b, b',"', 2)
        put_text(b, t.gguf)
    else:
        put_quoted(b, b"-hf", 3)
        put(b, b',"', 2)
        put_text(b, t.gguf)
        put(b, b":", 1)
        put_text(b, w.quants[e.best.quant])
    put(b, b'","-c","', 8)
    put_int(b, <long long>s.n_seq * tokens)
    put(b, b'","-np","', 9)
    put_int(b, <long long>s.n_seq)
    if m.attention == ENCODER:              # it reads a text in one batch
        batch = ubatch = max(tokens, ubatch)
    put(b, b'","-b","', 8)
    put_int(b, batch)
    put(b, b'","-ub","', 9)
    put_int(b, ubatch)
    put(b, b'","-fa","on"', 12)
    if s.k_type != KV_F16:
        put(b, b',"-ctk","', 9)
        put_text(b, w.cache_types[s.k_type])
        put(b, b'"', 1)
    if s.v_type != KV_F16:
        put(b, b',"-ctv","', 9)
        put_text(b, w.cache_types[s.v_type])
        put(b, b'"', 1)
    if e.best.mode == CPU_ONLY:
        if h.n_devices:
            put(b, b',"-ngl","0"', 11)
    else:
        put(b, b',"-ngl","', 9)
        put_int(b, layers_on_gpu(m, q, bytes_of(e.best.weights), bytes_of(cache), e.best.on_gpu) if e.best.mode == CPU_OFFLOAD else ALL_LAYERS)
        put(b, b'"', 1)
        if e.best.mode == MOE_OFFLOAD:
            put(b, b',"--n-cpu-moe","', 16)
            put_int(b, expert_layers_in_ram(m, e.best.on_gpu))
            put(b, b'"', 1)
        elif e.best.mode == GPU and e.best.devices > 1:
            put_split(b, e, h, each)
    if r.role == RERANKER:
        put_quoted(b, b"--reranking", 11)
    elif r.role == EMBEDDER or m.attention == ENCODER:
        put_quoted(b, b"--embeddings", 12)
    elif r.capabilities & SEEN_OR_HEARD and not t.of_file:  # the row counts no projector
        put_quoted(b, b"--no-mmproj", 11)
    put(b, b',"--cache-ram","0"]', 19)


cdef inline void put_vllm(Buffer* b, const Wire* w, const RowText* t, const Row* r, const Estimate* e, const Machine* h, const Settings* s) noexcept nogil:
    """vllm serve: the whole context for each session, no more sessions, the share of each GPU that the row may fill."""
    cdef int i, first = h.first[e.best.kind]
    cdef double share = 1.0
    for i in range(first, first + e.best.devices):
        share = low(share, h.free_share[i])
    put(b, b'["vllm","serve","', 17)
    put_text(b, t.id)
    put(b, b'","--max-model-len","', 21)
    put_int(b, e.context)
    put(b, b'","--max-num-seqs","', 20)
    put_int(b, <long long>s.n_seq)
    put(b, b'","--tensor-parallel-size","', 28)
    put_int(b, e.best.devices)
    put(b, b'","--gpu-memory-utilization","', 30)
    put_fixed(b, <long long>(share * h.gpu[VLLM][e.best.kind].max_utilization * 1000.0 + 1e-6), 3)
    put(b, b'"', 1)
    if s.k_type != KV_F16:
        put(b, b',"--kv-cache-dtype","', 21)
        put_text(b, w.vllm_cache_types[s.k_type])
        put(b, b'"', 1)
    if r.role == EMBEDDER or r.role == RERANKER:
        put(b, b',"--runner","pooling"', 21)
    put(b, b"]", 1)


cdef inline void put_run(
    Buffer* b, const Wire* w, const RowText* t, const Row* r, const Model* m, const Estimate* e, const Machine* h, const Quant* q,
    const Settings* s, const Policy* p, double cache, double each
) noexcept nogil:
    """`run` and `run_env`: the command that starts the row as it was estimated; null where none would."""
    cdef int starts = e.best.fits and repository(t, m, e).size and serves(r, m, e.best.runtime)
    put(b, b',"run":', 7)
    if not starts:
        put(b, b"null", 4)
    elif e.best.runtime == LLAMACPP:
        put_llama_server(b, w, t, r, m, e, h, q, s, p, cache, each)
    elif e.best.runtime == VLLM:
        put_vllm(b, w, t, r, e, h, s)
    else:
        put(b, b'["mlx_lm.server","--model","', 28)
        put_text(b, repository(t, m, e))
        put(b, b'","--decode-concurrency","', 26)
        put_int(b, <long long>s.n_seq)
        put(b, b'","--prompt-concurrency","', 26)
        put_int(b, <long long>s.n_seq)
        put(b, b'"]', 2)
    put(b, b',"run_env":{', 12)
    if starts:
        put_env(b, w, e, h, each)
    put(b, b"}", 1)
