# One row of an answer as JSON, in the order of wire.rows.Row; tests hold the two equal.
from llmfit.estimate.arith cimport down, high
from llmfit.rows.buffer cimport Buffer, Text, put, put_fixed, put_int, put_text
from llmfit.estimate.codes cimport *
from llmfit.estimate.detail cimport Detail, detail_of
from llmfit.estimate.estimate cimport Estimate, Settings
from llmfit.estimate.machine cimport Machine
from llmfit.estimate.model cimport Model
from llmfit.rows.notes cimport RowText, Wire, hundredths, put_notes, repository, thousandths, tps_hundredths, utilization_tenths
from llmfit.estimate.parts cimport Parts, parts_of
from llmfit.estimate.policy cimport Policy
from llmfit.estimate.quant cimport Quant
from llmfit.rows.run_command cimport put_run
from llmfit.rows.verify_command cimport put_verify
from llmfit.score.score cimport Row
from llmfit.score.verdict cimport Components, Verdict, tenths


cdef inline void put_devices(Buffer* b, const Estimate* e, const Detail* d, const Machine* h) noexcept nogil:
    """What each GPU holds, in the order of `gpus`; the parts add up to the memory required on GPUs."""
    cdef int i, first = h.first[e.best.kind]
    cdef double room = 0, before = 0, sum = 0, each, repeated
    cdef long long part
    if e.best.mode == GPU and e.best.devices > 1:
        each = (d.compute + d.overhead) / e.best.devices if e.best.fits else 0
        for i in range(h.n_devices):
            room = room + high(h.capacity[i] - each, 0)
    for i in range(h.n_devices):
        part = 0
        if e.best.mode == TENSOR_PARALLEL:
            if first <= i < first + e.best.devices:
                part = <long long>(e.best.required / e.best.devices)
        elif e.best.mode == GPU and e.best.devices > 1:
            repeated = each if h.capacity[i] > each else 0
            sum = sum + high(h.capacity[i] - each, 0)
            part = <long long>(down((e.best.weights + d.cache) * sum / high(room, 1)) - before + repeated)
            before = down((e.best.weights + d.cache) * sum / high(room, 1))
        elif e.best.mode != CPU_ONLY and i == first:
            part = <long long>e.best.required
        if i:
            put(b, b",", 1)
        put_fixed(b, part, 3)


cdef inline void put_download(Buffer* b, const Wire* w, const RowText* t, const Model* m, const Estimate* e) noexcept nogil:
    """The repository to pull and which of its files; null where none is known, the model cannot run or lies here."""
    cdef Text repo = repository(t, m, e)
    if not e.best.fits or repo.size == 0 or t.of_file:
        put(b, b"null", 4)
        return
    put(b, b'{"repo":"', 9)
    put_text(b, repo)
    if e.best.runtime == LLAMACPP:
        put(b, b'","files":"*', 12)
        put_text(b, w.quants[e.best.quant])
        put(b, b'*"}', 3)
    else:
        put(b, b'","files":null}', 15)


cdef inline void put_optional(Buffer* b, int known, long long value, int decimals) noexcept nogil:
    """The fixed-point number, or null where it is not known."""
    if known:
        put_fixed(b, value, decimals)
    else:
        put(b, b"null", 4)


cdef inline void put_source(Buffer* b, const Wire* w, int source) noexcept nogil:
    """Where a bandwidth is from, null for 0."""
    if source:
        put_text(b, w.bandwidth_sources[source])
    else:
        put(b, b"null", 4)


cdef inline void put_parts(Buffer* b, const Parts* t, int known, int in_ram) noexcept nogil:
    """The parts of a token's time: 10^6 bytes read, milliseconds, TFLOPS; null where the model cannot run."""
    put(b, b',"ddr_efficiency":', 18)
    put_optional(b, known and in_ram, thousandths(t.ram_efficiency), 3)
    put(b, b',"weights_read_mb":', 19)
    put_optional(b, known, tenths(t.weights * 1e-6), 1)
    put(b, b',"cache_read_mb":', 17)
    put_optional(b, known, tenths(t.cache * 1e-6), 1)
    put(b, b',"ram_read_mb":', 15)
    put_optional(b, known and in_ram, tenths(t.ram * 1e-6), 1)
    put(b, b',"fp32_tflops":', 15)
    put_optional(b, known, thousandths(t.tflops), 3)
    put(b, b',"read_ms":', 11)
    put_optional(b, known, thousandths(t.read), 3)
    put(b, b',"compute_ms":', 14)
    put_optional(b, known, thousandths(t.compute), 3)
    put(b, b',"layers_ms":', 13)
    put_optional(b, known, thousandths(t.layers), 3)
    put(b, b',"fixed_ms":', 12)
    put_optional(b, known, thousandths(t.fixed), 3)


cdef inline size_t row_room(const RowText* t, const Machine* h) noexcept nogil:
    """More bytes than the row can take: its constant part, 5 KiB of keys, figures and notes, a figure per device."""
    return (
        t.facts.size + t.notes.size + 8 * (t.id.size + t.gguf.size + t.mlx.size) + t.newer.size + 64 * <size_t>h.n_devices + 5120
    )


cdef inline void put_row(
    Buffer* b, const Wire* w, const RowText* t, const Row* r, const Model* m, const Estimate* e, const Verdict* v,
    const Components* points, const Machine* h, const Quant* q, const Settings* s, const Policy* p
) noexcept nogil:
    """The whole row, into a buffer with row_room() to spare."""
    cdef double tps = e.tps
    cdef Detail d = detail_of(h, m, e, q, p)
    cdef Parts t_ms = parts_of(h, m, e, q, d.disk, s, p)
    cdef double spread = d.spread
    cdef int on_gpu = e.best.mode != CPU_ONLY
    cdef double each = (d.compute + d.overhead) / e.best.devices if e.best.fits and e.best.devices else 0    # of a device
    put_text(b, t.facts)
    put(b, b',"usable_context":', 18)
    put_int(b, <long long>e.usable)
    put(b, b',"effective_context_length":', 28)
    put_int(b, e.context)
    put(b, b',"category":', 12)
    put_text(b, w.categories[v.use_case])
    put(b, b',"fit_level":', 13)
    put_text(b, w.levels[v.level])
    put(b, b',"fit_label":', 13)
    put_text(b, w.level_labels[v.level])
    put(b, b',"run_mode":', 12)
    put_text(b, w.modes[e.best.mode])
    put(b, b',"run_mode_label":', 18)
    put_text(b, w.mode_labels[e.best.mode])
    put(b, b',"score":', 9)
    put_fixed(b, v.score, 1)
    put(b, b',"score_components":{"quality":', 31)
    put_fixed(b, tenths(points.quality), 1)
    put(b, b',"speed":', 9)
    put_fixed(b, tenths(points.speed), 1)
    put(b, b',"fit":', 7)
    put_fixed(b, tenths(points.fit), 1)
    put(b, b',"context":', 11)
    put_fixed(b, tenths(points.context), 1)
    put(b, b'},"estimated_tps":', 18)
    put_fixed(b, tps_hundredths(e), 2)
    put(b, b',"estimated_tps_range":[', 24)
    put_fixed(b, hundredths(tps / (1.0 + spread)), 2)
    put(b, b',', 1)
    put_fixed(b, hundredths(tps * (1.0 + spread)), 2)
    put(b, b"]", 1)
    if s.n_seq > 1:
        put(b, b',"aggregate_tps":', 17)
        put_fixed(b, hundredths(tps * s.n_seq), 2)
    put(b, b',"prefill_tps":', 15)
    put_optional(b, d.prefill > 0, hundredths(d.prefill), 2)
    put(b, b',"ttft_ms":', 11)
    put_optional(b, d.prefill > 0, hundredths(1000.0 * p.prompt_tokens / d.prefill + e.best.token_ms) if d.prefill > 0 else 0, 2)
    put(b, b',"estimate_confidence":', 23)
    put_text(b, w.confidences[d.confidence])
    put(b, b',"estimate_confidence_label":', 29)
    put_text(b, w.confidence_labels[d.confidence])
    put(b, b',"estimate_basis":{"method":', 28)
    put_text(b, w.methods[d.method])
    put(b, b',"gpu_bandwidth_gbps":', 22)
    put_optional(b, on_gpu and h.gpu[e.best.runtime][e.best.kind].bandwidth_known, tenths(d.gpu_bandwidth), 1)
    put(b, b',"ddr_bandwidth_gbps":', 22)
    put_optional(b, e.best.mode >= MOE_OFFLOAD and h.cpu.bandwidth_known, tenths(h.cpu.bandwidth), 1)
    put(b, b',"gpu_bandwidth_source":', 24)
    put_source(b, w, h.gpu[e.best.runtime][e.best.kind].bandwidth_source if on_gpu else 0)
    put(b, b',"ddr_bandwidth_source":', 24)
    put_source(b, w, h.cpu.bandwidth_source if e.best.mode >= MOE_OFFLOAD else 0)
    put(b, b',"efficiency":', 14)
    put_optional(b, e.best.fits, thousandths(d.efficiency), 3)
    put(b, b',"assumed_context":', 19)
    put_int(b, e.context)
    put_parts(b, &t_ms, e.best.fits, e.best.mode >= MOE_OFFLOAD)
    put(b, b',"local_calibration":null},"measured_tps":null,"runtime":', 57)
    put_text(b, w.runtimes[e.best.runtime])
    put(b, b',"runtime_label":', 17)
    put_text(b, w.runtime_labels[e.best.runtime])
    put(b, b',"best_quant":"', 15)
    put_text(b, w.quants[e.best.quant])
    put(b, b'","download":', 13)
    put_download(b, w, t, m, e)
    put(b, b',"memory_required_gb":', 22)
    put_fixed(b, <long long>e.best.required, 3)
    put(b, b',"memory_available_gb":', 23)
    put_fixed(b, <long long>e.best.available, 3)
    put(b, b',"moe_offloaded_gb":', 20)
    put_optional(b, e.best.mode == MOE_OFFLOAD, <long long>(e.best.total - e.best.required), 3)
    put(b, b',"ram_offloaded_gb":', 20)
    put_optional(b, e.best.mode == CPU_OFFLOAD, <long long>(e.best.total - e.best.required), 3)
    put(b, b',"total_memory_gb":', 19)
    put_fixed(b, <long long>e.best.total, 3)
    put(b, b',"utilization_pct":', 19)
    put_fixed(b, utilization_tenths(e), 1)
    put(b, b',"disk_size_gb":', 16)
    put_fixed(b, <long long>d.disk, 3)
    put(b, b',"memory_breakdown_gb":{"weights":', 34)
    put_fixed(b, <long long>e.best.weights, 3)
    put(b, b',"kv_cache":', 12)
    put_fixed(b, <long long>d.cache, 3)
    put(b, b',"compute_buffer":', 18)
    put_fixed(b, <long long>d.compute, 3)
    put(b, b',"overhead":', 12)
    put_fixed(b, <long long>d.overhead, 3)
    put(b, b'},"per_device_gb":[', 19)
    put_devices(b, e, &d, h)
    put(b, b'],"notes":[', 11)
    put_notes(b, w, t, r, v.use_case, m, e, h, p)
    if t.installed:
        put(b, b'],"installed":true,"verify_command":', 36)
    else:
        put(b, b'],"installed":false,"verify_command":', 37)
    put_verify(b, w, t, m, e, h, s)
    put_run(b, w, t, r, m, e, h, q, s, p, d.cache, each)
    put(b, b'}', 1)
