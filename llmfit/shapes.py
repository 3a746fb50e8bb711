"""What goes over the wire, and nothing else: the msgspec structs of every answer.

``*_gb`` are GiB (2^30 bytes), ``*_gbps`` GB/s (10^9). The row's bytes are written by ``src/llmfit/rows.pxd``;
:class:`Row` is their schema, and a test holds the two equal.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Struct = msgspec.Struct


class Node(Struct, frozen=True):
    """The machine's name on its network and its operating system."""

    name: str
    os: Literal["linux", "macos", "windows"]


class Health(Struct, frozen=True):
    status: str
    node: Node


class Change(Struct, frozen=True):
    """What /api/v1/events tells: answers of another generation may differ from those of this one."""

    generation: str
    observed_at: str


class Gpu(Struct, frozen=True):
    """One kind of GPU; memory of each device."""

    name: str
    vram_gb: float
    free_vram_gb: float
    backend: str
    count: int
    unified_memory: bool
    memory_bandwidth_gbps: float | None
    memory_bandwidth_source: str | None  # driver, table, request
    pci_address: str | None = None
    uuid: str | None = None


class System(Struct, frozen=True):
    """The machine that was scored; GPU figures are sums over the visible devices."""

    total_ram_gb: float
    available_ram_gb: float
    cpu_cores: int
    cpu_name: str
    has_gpu: bool
    gpu_vram_gb: float | None
    gpu_available_gb: float | None
    gpu_name: str | None
    gpu_count: int
    unified_memory: bool
    backend: str
    gpus: tuple[Gpu, ...]
    hidden_gpus: tuple[Gpu, ...]  # seen, but not used: CUDA_VISIBLE_DEVICES and the like, integrated beside discrete
    ram_bandwidth_gbps: float | None
    ram_bandwidth_source: str | None  # table, request, measured, smbios
    observed_at: str
    warnings: tuple[str, ...] = ()


class SystemAnswer(Struct, frozen=True):
    node: Node
    system: System


class GgufSource(Struct, frozen=True):
    repo: str
    provider: str


class Copy(Struct, frozen=True):
    """A known packager's copy of an original: what to pull for that runtime and quantization."""

    repo: str
    runtime: str  # of codes.RUNTIMES
    quant: str


class Download(Struct, frozen=True):
    """What to pull for the chosen runtime and quantization; `files`: a pattern in any case, null for all of them."""

    repo: str
    files: str | None


class RowFacts(Struct, frozen=True, kw_only=True):
    """The part of a row that depends on the model alone; encoded when the catalog is packed."""

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
    quality: float
    speed: float
    fit: float
    context: float


class EstimateBasis(Struct, frozen=True):
    """Where the speed comes from; with the row's other figures enough to recompute it."""

    method: Literal["roofline", "offload_roofline", "cpu_roofline", "backend_default", "measured"]
    gpu_bandwidth_gbps: float | None
    ddr_bandwidth_gbps: float | None
    efficiency: float | None
    assumed_context: int
    local_calibration: float | None


class MemoryBreakdown(Struct, frozen=True):
    weights: float
    kv_cache: float
    compute_buffer: float
    overhead: float


class Row(RowFacts, frozen=True, kw_only=True):
    """One model on one machine."""

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


class CatalogName(Struct, frozen=True):
    version: str
    digest: str


class Envelope(Struct, frozen=True, kw_only=True):
    """Every list answer. ``models`` comes last: its rows are already encoded and go in behind the rest."""

    node: Node
    system: System
    total_models: int
    returned_models: int
    filters: dict[str, object]
    catalog: CatalogName
    generation: str
    warnings: tuple[str, ...]
    models: tuple[Row, ...] = ()


class Failure(Struct, frozen=True):
    """Every answer that is not 2xx or 304."""

    error: str
