"""The row of a model. Its bytes are written by ``src/llmfit/rows/rows.pxd``; :class:`Row` is their schema, and a test
holds the two equal.

``*_gb`` are GiB (2^30 bytes), ``*_gbps`` GB/s (10^9).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from llmfit.wire.common import Struct


class GgufSource(Struct, frozen=True):
    """Where GGUF files of a model are.

    repo: A repository of GGUF files of the model.
    provider: Whose it is.
    """

    repo: str
    provider: str


class Copy(Struct, frozen=True):
    """A known packager's copy of an original: what to pull for that runtime and quantization.

    repo: A known packager's repository of the model.
    runtime: The runtime that it is for.
    quant: Its quantization.
    """

    repo: str
    runtime: str  # of codes.RUNTIMES
    quant: str


class Download(Struct, frozen=True):
    """What to pull for the chosen runtime and quantization; `files`: a pattern in any case, null for all of them.

    repo: The repository to pull.
    files: A pattern of the files to pull; null for all.
    """

    repo: str
    files: str | None


class RowFacts(Struct, frozen=True, kw_only=True):
    """The part of a row that depends on the model alone; encoded when the catalog is packed.

    name: The id of its repository on Hugging Face.
    provider: Who made it.
    parameter_count: The size that its name states where that agrees with the count, else the count.
    params_b: All parameters, in billions.
    context_length: The native context window, tokens.
    use_case: What it is made for, in a phrase.
    release_date: When it came out; null where that is not known.
    is_moe: Whether it is a mixture of experts.
    gguf_sources: Where its GGUF files are.
    copies: Known packagers' copies of it.
    capabilities: What it can do: tool_use, vision, audio, reasoning, embedding.
    capability_ids: The same.
    license: The licence that its repository names.
    supports_tp: Numbers of GPUs, two and more, that tensor parallelism can divide it over.
    ollama_name: What ollama calls it.
    base_model: What it was made from.
    origin: official, quantized (a known packager's copy) or community.
    """

    name: str
    provider: str
    parameter_count: str
    params_b: float
    context_length: int
    use_case: str
    release_date: str | None
    is_moe: bool
    gguf_sources: tuple[GgufSource, ...]
    copies: tuple[Copy, ...]
    capabilities: tuple[str, ...]
    capability_ids: tuple[str, ...]
    license: str | None
    supports_tp: tuple[int, ...]
    ollama_name: str | None
    base_model: str | None
    origin: Literal["official", "quantized", "community"]


class ScoreComponents(Struct, frozen=True):
    """What a score is made of.

    quality: How good its answers are for the use case, 0 to 100.
    speed: How fast it is for the use case, 0 to 100.
    fit: How well it fits the memory, 0 to 100.
    context: How much context it has room for, 0 to 100.
    """

    quality: float
    speed: float
    fit: float
    context: float


class EstimateBasis(Struct, frozen=True):
    """Where the speed comes from: tokens/s = 1000 / (read_ms + compute_ms + layers_ms + fixed_ms).

    read_ms = (weights_read_mb + cache_read_mb / cache_efficiency - ram_read_mb) / (efficiency x gpu_bandwidth_gbps)
    + ram_read_mb / (ddr_efficiency x ddr_bandwidth_gbps), each where there is such a memory.
    docs/accuracy.md works three rows by hand.

    method: roofline (GPU), offload_roofline, cpu_roofline, backend_default (bandwidth not known) or measured.
    gpu_bandwidth_gbps: GB/s of the GPU that was taken; null without one.
    ddr_bandwidth_gbps: GB/s of the RAM that was taken; null where it is not read.
    gpu_bandwidth_source: table, driver or request.
    ddr_bandwidth_source: table, smbios, measured or request.
    efficiency: The share of the bandwidth that the runtime reaches, 0 to 1.
    assumed_context: The context that the row was computed at, tokens.
    ddr_efficiency: The share of the RAM's bandwidth that the CPU reaches.
    weights_read_mb: 10^6 bytes of weights read for one token.
    cache_read_mb: 10^6 bytes of cache read for one token.
    ram_read_mb: Of weights_read_mb + cache_read_mb / cache_efficiency what RAM supplies.
    fp32_tflops: Of the (first) processor.
    read_ms: Milliseconds a token for reading.
    compute_ms: What computing adds: a CPU computes while it reads.
    layers_ms: What each layer costs besides.
    fixed_ms: What each token costs besides.
    local_calibration: A factor from measurements on this machine; null for none.
    """

    method: Literal["roofline", "offload_roofline", "cpu_roofline", "backend_default", "measured"]
    gpu_bandwidth_gbps: float | None
    ddr_bandwidth_gbps: float | None
    gpu_bandwidth_source: str | None
    ddr_bandwidth_source: str | None
    efficiency: float | None
    assumed_context: int
    ddr_efficiency: float | None
    weights_read_mb: float | None
    cache_read_mb: float | None
    ram_read_mb: float | None
    fp32_tflops: float | None
    read_ms: float | None
    compute_ms: float | None
    layers_ms: float | None
    fixed_ms: float | None
    local_calibration: float | None


class MemoryBreakdown(Struct, frozen=True):
    """What memory is for.

    weights: The weights, GiB.
    kv_cache: The KV cache and recurrent state of all sessions, GiB.
    compute_buffer: What the runtime computes in, GiB.
    overhead: What the runtime and the driver take, GiB.
    """

    weights: float
    kv_cache: float
    compute_buffer: float
    overhead: float


class Row(RowFacts, frozen=True, kw_only=True):
    """One model on one machine.

    usable_context: How much of the window fits beside the weights, tokens.
    effective_context_length: The context that the row was computed at, tokens: `max_context`, else the server's
        --max-context, else 8192, and never more than the window.
    category: The use case that it was scored for.
    fit_level: perfect: wholly in GPU memory with headroom and without visible loss, at a reasonable speed; good:
        comfortable in any mode; marginal: barely, heavily quantized or slow; too_tight: it cannot run, a note says why.
    fit_label: The same as a label.
    run_mode: Where it lies: gpu, tensor_parallel, moe_offload (experts in RAM), cpu_offload (layers in RAM),
        cpu_only.
    run_mode_label: The same as a label.
    score: 0 to 100: the components weighed for the use case, less what counts against the row (docs/ranking.md).
    score_components: What the score is made of.
    estimated_tps: Decode speed of one session, tokens/s, at half the context; 0 if it cannot run.
    estimated_tps_range: What 80 % of measurements lie in.
    aggregate_tps: Of all sessions, where `concurrency` asks for several.
    prefill_tps: Prompt speed for 512 tokens, tokens/s; null where the compute peak is not known.
    ttft_ms: Time to the first token of a prompt of 512 tokens.
    estimate_confidence: How sure the speed is: measured, high, medium, low.
    estimate_confidence_label: The same as a label.
    estimate_basis: What the speed was computed from (docs/accuracy.md).
    measured_tps: A speed measured on this machine; null for none.
    runtime: What runs it: llamacpp, mlx, vllm.
    runtime_label: The same as a label.
    best_quant: The quantization that the row is for, as llama.cpp spells it.
    download: What to pull for that runtime and quantization; null where nothing is known: the weights must be
        converted first.
    memory_required_gb: What is charged to the primary pool, GiB: GPU memory, or RAM where it runs on the CPU alone;
        with moe_offloaded_gb or ram_offloaded_gb it is the total.
    memory_available_gb: That pool, GiB.
    moe_offloaded_gb: Experts in RAM, GiB; null in other modes than moe_offload.
    ram_offloaded_gb: Layers in RAM, GiB; null in other modes than cpu_offload.
    total_memory_gb: All that the model occupies, GiB: the sum of memory_breakdown_gb.
    utilization_pct: Required of available in the tightest pool, per cent.
    disk_size_gb: The files to download, GiB.
    memory_breakdown_gb: What the memory is for.
    per_device_gb: What each GPU holds, GiB, in the order of `gpus`.
    notes: In stable phrases, what limits it and why it stands where it does: memory, speed, heavy quantization, a
        conversion, no published scores, a narrow task, a base checkpoint, a newer generation.
    installed: Whether it lies in a local runtime's store.
    verify_command: One line that measures what the row estimates; null where there is none.
    run: The command that starts it as the row was estimated, word by word; null where no ready files are known, the
        runtime has no server for it or it cannot run, a note says why.
    run_env: Environment variables that the command needs: which of several GPUs.
    """

    usable_context: int
    effective_context_length: int
    category: str
    fit_level: Literal["perfect", "good", "marginal", "too_tight"]
    fit_label: str
    run_mode: Literal["gpu", "tensor_parallel", "moe_offload", "cpu_offload", "cpu_only"]
    run_mode_label: str
    score: float
    score_components: ScoreComponents
    estimated_tps: float
    estimated_tps_range: tuple[float, float]
    aggregate_tps: float | msgspec.UnsetType = msgspec.UNSET  # of all sessions, where `concurrency` asks for several
    prefill_tps: float | None
    ttft_ms: float | None
    estimate_confidence: Literal["measured", "high", "medium", "low"]
    estimate_confidence_label: str
    estimate_basis: EstimateBasis
    measured_tps: float | None
    runtime: Literal["llamacpp", "mlx", "vllm"]
    runtime_label: str
    best_quant: str | None
    download: Download | None
    memory_required_gb: float
    memory_available_gb: float
    moe_offloaded_gb: float | None
    ram_offloaded_gb: float | None
    total_memory_gb: float
    utilization_pct: float
    disk_size_gb: float
    memory_breakdown_gb: MemoryBreakdown
    per_device_gb: tuple[float, ...]
    notes: tuple[str, ...]
    installed: bool
    verify_command: str | None
    run: tuple[str, ...] | None
    run_env: dict[str, str]
