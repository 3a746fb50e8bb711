# What a row says of an estimate beyond what ranking needs: prompt speed, range, confidence, the basis of the figures.
# Computed when a row is written, not for every model of an analysis.
from llmfit.estimate.codes cimport *
from llmfit.estimate.estimate cimport Estimate
from llmfit.estimate.evidence cimport bandwidth_is_known, confidence_by_spread, rate_of, spread_of
from llmfit.estimate.fit cimport Candidate
from llmfit.estimate.machine cimport Machine, Rate
from llmfit.estimate.memory cimport bytes_of, milli_up, weights_bytes
from llmfit.estimate.model cimport Model, known_shape
from llmfit.estimate.policy cimport Policy
from llmfit.estimate.quant cimport Quant
from llmfit.estimate.speed cimport prefill_tps

cdef struct Detail:
    double prefill          # tokens/s; 0: not known
    double efficiency, gpu_bandwidth
    double spread           # 80 % of measurements lie within a factor 1 + spread of the speed
    double disk             # the files to download, thousandths of a GiB
    double cache, compute, overhead     # thousandths of a GiB; with best.weights the parts of best.total
    int confidence, method


cdef inline double prompt_tps(const Machine* h, const Model* m, const Candidate* c, const Policy* p) noexcept nogil:
    """Prompt tokens a second where the candidate lies; work divided between GPU and CPU adds up its times; 0: unknown."""
    cdef double weights = bytes_of(c.weights)
    cdef double cpu = prefill_tps(m, weights, p.prompt_tokens, 0, &h.cpu, p)
    cdef double gpu
    if c.mode == CPU_ONLY:
        return cpu
    gpu = prefill_tps(m, weights, p.prompt_tokens, 0, &h.gpu[c.runtime][c.kind], p)
    if c.mode == TENSOR_PARALLEL:
        return gpu * c.devices * 0.8
    if c.mode == GPU or gpu <= 0:
        return gpu
    if cpu <= 0:
        return 0
    return 1.0 / (c.on_gpu / gpu + (1.0 - c.on_gpu) / cpu)


cdef inline int method_of(const Rate* r, int mode) noexcept nogil:
    """The method behind the speed; a default of the backend where the bandwidth is not known."""
    if not r.bandwidth_known:
        return BACKEND_DEFAULT
    if mode == CPU_ONLY:
        return CPU_ROOFLINE
    return OFFLOAD_ROOFLINE if mode >= MOE_OFFLOAD else ROOFLINE


cdef inline Detail detail_of(const Machine* h, const Model* m, const Estimate* e, const Quant* q, const Policy* p) noexcept nogil:
    """All that a row adds to its estimate."""
    cdef Detail d
    cdef const Candidate* c = &e.best
    cdef const Rate* r = rate_of(h, c)
    cdef int copies = c.devices if c.devices > 1 and c.fits else 1
    d.compute = m.cpu_compute if c.mode == CPU_ONLY else m.compute * copies
    d.overhead = r.context * copies
    d.cache = c.total - c.weights - d.compute - d.overhead
    if m.disk_bytes > 0 and c.quant == m.own_quant:
        d.disk = milli_up(m.disk_bytes)
    else:  # divided among devices, weights are rounded by device
        d.disk = milli_up(weights_bytes(m, q)) if c.mode == TENSOR_PARALLEL else c.weights
    d.prefill = prompt_tps(h, m, c, p) if c.fits else 0
    d.gpu_bandwidth = r.bandwidth if c.devices else 0
    d.efficiency = r.eta[q.speed_class][m.is_moe]
    d.spread = spread_of(h, m, c, p)
    d.confidence = confidence_by_spread(d.spread, known_shape(m) and bandwidth_is_known(h, c), p)
    d.method = method_of(r, c.mode)
    return d
