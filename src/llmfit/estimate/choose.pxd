# Which quantization, in which mode: every way that can win is tried, the best is kept.
from libc.string cimport memset
from llmfit.estimate.arith cimport high
from llmfit.estimate.codes cimport *
from llmfit.estimate.fit cimport Candidate
from llmfit.estimate.job cimport Forms, Job
from llmfit.estimate.machine cimport Machine
from llmfit.estimate.memory cimport milli_up, weights_bytes
from llmfit.estimate.model cimport Model
from llmfit.estimate.place_gpu cimport on_one_gpu, over_layers, tensor_parallel
from llmfit.estimate.place_ram cimport experts_in_ram, layers_in_ram, on_cpu
from llmfit.estimate.quant cimport MAX_LADDER, Quant

cdef struct Ladder:
    # The quantizations that an unquantized original may take, best first, by runtime.
    int size[N_RUNTIMES]
    int quant[N_RUNTIMES][MAX_LADDER]
    int mxfp4               # the one form of a model whose experts stay MXFP4
    const signed char* own_runtime  # by quantization: the runtime of a repository that holds it


cdef inline Forms forms_of(const Model* m, const int* weights, int runtime, const Ladder* ladder) noexcept nogil:
    """What `runtime` can take of a model. `weights`: of the own form, the GGUF ladder (or MXFP4 alone), the MLX ladder."""
    cdef Forms f
    f.n = 0
    f.step = 0
    if m.own_quant >= 0 and ladder.own_runtime[m.own_quant] == runtime:
        f.n, f.quant, f.sizes = 1, &m.own_quant, weights
    elif runtime == LLAMACPP and m.gguf:
        f.n, f.quant, f.sizes = ladder.size[LLAMACPP], ladder.quant[LLAMACPP], weights + 1
        if m.gguf == 2:
            f.n, f.quant = 1, &ladder.mxfp4
    elif runtime == MLX and m.mlx:
        f.n, f.quant, f.sizes = ladder.size[MLX], ladder.quant[MLX], weights + 1 + ladder.size[LLAMACPP]
    return f


cdef inline void keep_allowed(
    Forms* f, const Model* m, int runtime, const Quant* quants, const unsigned char* allowed, const int* extra_quant
) noexcept nogil:
    """Of the forms the one that may be taken. `allowed`: by quantization 1 where it may.

    `extra_quant[0]`: a GGUF label outside the ladder that is allowed, -1 for none; its weights are computed here.
    """
    while f.n and not allowed[f.quant[0]]:
        f.n, f.quant, f.sizes, f.step = f.n - 1, f.quant + 1, f.sizes + 1, f.step + 1
    f.n = min(f.n, 1)  # a label stands once in a list
    if f.n == 0 and extra_quant[0] >= 0 and runtime == LLAMACPP and m.gguf == 1:
        f.extra = <int>milli_up(weights_bytes(m, &quants[extra_quant[0]]))
        f.n, f.quant, f.sizes = 1, extra_quant, &f.extra


cdef inline Candidate place(const Job* j, const Forms* f, int i, int runtime, int mode, int kind, int devices) noexcept nogil:
    """Form `i` of a model in one place alone: does it fit, how fast is it. For what explains a choice."""
    cdef Candidate c
    cdef Forms one = f[0]
    one.n, one.quant, one.sizes, one.step = 1, f.quant + i, f.sizes + i, f.step + i
    memset(&c, 0, sizeof(Candidate))  # what is too big at a glance is not worked out
    if mode == GPU and devices == 1:
        on_one_gpu(j, &one, runtime, kind, &c)
    elif mode == GPU:
        over_layers(j, &one, &c)
    elif mode == TENSOR_PARALLEL:
        tensor_parallel(j, &one, kind, devices, devices, &c)
    elif mode == MOE_OFFLOAD:
        experts_in_ram(j, &one, &c)
    elif mode == CPU_OFFLOAD:
        layers_in_ram(j, &one, &c)
    else:
        on_cpu(j, &one, &c)
    return c


cdef inline int done(const Candidate* best, int level) noexcept nogil:
    """1 where a way was found that reaches the level."""
    return best.fits and best.level >= level


cdef inline void try_runtime(const Job* j, const Forms* f, int runtime, Candidate* best) noexcept nogil:
    """Every way to run the model under one runtime: GPUs first, system RAM only where they cannot do it perfectly.

    `best` becomes the best of what it was and of what is tried.
    """
    cdef const Machine* h = j.h
    cdef int k
    for k in range(h.n_kinds):
        if h.gpu[runtime][k].runs:
            on_one_gpu(j, f, runtime, k, best)
            if runtime == VLLM and h.count[k] > 1:
                tensor_parallel(j, f, k, 2, h.count[k], best)
    if runtime != LLAMACPP or done(best, PERFECT):
        return
    if h.n_devices > 1:
        over_layers(j, f, best)
    if h.n_devices and not h.unified and h.gpu[LLAMACPP][h.largest_kind].runs and not done(best, PERFECT):
        if j.m.is_moe:
            experts_in_ram(j, f, best)
        if not done(best, GOOD) or best.mode != MOE_OFFLOAD:
            layers_in_ram(j, f, best)
    if not done(best, GOOD):
        on_cpu(j, f, best)


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
