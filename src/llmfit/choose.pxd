# Which quantization, in which mode: every way that can win is tried, the best is kept.
from llmfit.arith cimport high
from llmfit.codes cimport *
from llmfit.fit cimport Candidate, Job, better, comfortable
from llmfit.machine cimport Machine
from llmfit.model cimport Model
from llmfit.place_gpu cimport on_one_gpu, over_layers, tensor_parallel
from llmfit.place_ram cimport experts_in_ram, layers_in_ram, on_cpu
from llmfit.policy cimport Policy
from llmfit.quant cimport MAX_LADDER, Quant

cdef struct Ladder:
    # The quantizations that an unquantized original may take, best first, by runtime.
    int size[N_RUNTIMES]
    int quant[N_RUNTIMES][MAX_LADDER]
    int mxfp4               # the one form of a model whose experts stay MXFP4
    const signed char* own_runtime  # by quantization: the runtime of a repository that holds it


cdef inline const int* choices(const Model* m, int runtime, const Ladder* ladder, int* n) noexcept nogil:
    """The quantizations of a model under one runtime, best first; their number in n[0]."""
    n[0] = 0
    if m.own_quant >= 0 and ladder.own_runtime[m.own_quant] == runtime:
        n[0] = 1
        return &m.own_quant
    if runtime == LLAMACPP and m.gguf == 2:
        n[0] = 1
        return &ladder.mxfp4
    if (runtime == LLAMACPP and m.gguf) or (runtime == MLX and m.mlx):
        n[0] = ladder.size[runtime]
    return &ladder.quant[runtime][0]


cdef inline int first_weight(const Model* m, int runtime, const Ladder* ladder) noexcept nogil:
    """Where in a model's weights those of a runtime's choices begin: own, GGUF ladder (or MXFP4 alone), MLX ladder."""
    if m.own_quant >= 0 and ladder.own_runtime[m.own_quant] == runtime:
        return 0
    return 1 if runtime == LLAMACPP else 1 + ladder.size[LLAMACPP]


cdef inline void place(
    const Machine* h, const Model* m, const Job* j, double weights, const Quant* quants, int q, int step, int runtime,
    int mode, int kind, int devices, const Policy* p, Candidate* c
) noexcept nogil:
    """One quantization in one mode: does it fit, how fast is it. `step`: its place in the runtime's choices."""
    c.fits = 0
    if mode == GPU and devices == 1:
        on_one_gpu(h, m, j, weights, &quants[q], q, runtime, kind, p, c)
    elif mode == GPU:
        over_layers(h, m, j, weights, &quants[q], q, p, c)
    elif mode == TENSOR_PARALLEL:
        tensor_parallel(h, m, j, weights, &quants[q], q, kind, devices, p, c)
    elif mode == MOE_OFFLOAD:
        experts_in_ram(h, m, j, weights, &quants[q], q, p, c)
    elif mode == CPU_OFFLOAD:
        layers_in_ram(h, m, j, weights, &quants[q], q, p, c)
    else:
        on_cpu(h, m, j, weights, &quants[q], q, p, c)
    if c.fits and runtime == MLX and m.own_quant != q and not (m.mlx >> (step + 1)) & 1:
        c.utility = c.utility - p.no_gguf_penalty  # it must be converted first


cdef inline void try_all(
    const Machine* h, const Model* m, const Job* j, const double* weights, const Quant* quants, const int* ladder, int n, int runtime,
    int mode, int kind, int devices, const Policy* p, Candidate* best
) noexcept nogil:
    """Try one mode over a ladder, from the first quantization that fits down to the first that is fast enough.

    `best` becomes the best of what it was and of what is tried.
    """
    cdef Candidate c
    cdef int i
    for i in range(n):
        place(h, m, j, weights[i], quants, ladder[i], i, runtime, mode, kind, devices, p, &c)
        if not c.fits:
            continue
        if better(&c, best):
            best[0] = c
        if c.utilization <= comfortable(mode, p) and 1000.0 >= c.token_ms * p.fast_enough_tps:
            break
        if c.loss > p.heavy_loss:
            break


cdef inline void try_runtime(
    const Machine* h, const Model* m, const Job* j, const double* weights, const Quant* quants, const int* ladder, int n, int runtime,
    const Policy* p, Candidate* best
) noexcept nogil:
    """Every way to run the model under one runtime: GPUs first, system RAM only where they cannot do it perfectly."""
    cdef int k, d
    for k in range(h.n_kinds):
        if h.gpu[runtime][k].runs:
            try_all(h, m, j, weights, quants, ladder, n, runtime, GPU, k, 1, p, best)
            if runtime == VLLM:
                d = 2
                while d <= h.count[k]:
                    try_all(h, m, j, weights, quants, ladder, n, runtime, TENSOR_PARALLEL, k, d, p, best)
                    d = d * 2
    if runtime != LLAMACPP or (best.fits and best.level == PERFECT):
        return
    if h.n_devices > 1:
        try_all(h, m, j, weights, quants, ladder, n, runtime, GPU, 0, h.n_devices, p, best)
    if h.n_devices and not h.unified and h.gpu[LLAMACPP][h.largest_kind].runs and not (best.fits and best.level == PERFECT):
        if m.is_moe:
            try_all(h, m, j, weights, quants, ladder, n, runtime, MOE_OFFLOAD, 0, 1, p, best)
        if not best.fits or best.mode != MOE_OFFLOAD or best.level < GOOD:
            try_all(h, m, j, weights, quants, ladder, n, runtime, CPU_OFFLOAD, 0, 1, p, best)
    if not best.fits or best.level < GOOD:
        try_all(h, m, j, weights, quants, ladder, n, runtime, CPU_ONLY, 0, 0, p, best)


cdef inline Candidate impossible(const Machine* h, const Job* j, double weights, int quant, int runtime) noexcept nogil:
    """What a row says of a model that cannot run: its smallest form against the machine's largest pool."""
    cdef Candidate c
    cdef double context = h.gpu[runtime][h.largest_kind].context if h.n_devices else h.cpu.context
    c.fits = 0
    c.level = TOO_TIGHT
    c.weights = weights
    c.total = weights + j.cache + (j.compute if h.n_devices else j.cpu_compute) + context
    c.required = c.total
    c.available = h.gpu_total if h.n_devices else h.ram
    c.utilization = c.total / high(c.available, 1.0)
    c.mode = GPU if h.n_devices else CPU_ONLY
    c.runtime = runtime
    c.quant = quant
    c.kind = h.largest_kind
    c.devices = h.n_devices
    c.on_gpu = 1.0 if h.n_devices else 0.0
    c.token_ms = 0
    c.loss = 0
    c.utility = 0
    return c
