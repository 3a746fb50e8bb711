"""What a plan says over the wire. Keys and words of the existing llmfit's answer, and ours behind them."""

from __future__ import annotations

from llmfit.shapes import CatalogName, MemoryBreakdown, Struct


class Hardware(Struct, frozen=True):
    """Memory that a path takes, and the cores that its speed was computed for. GiB."""

    vram_gb: float | None
    ram_gb: float
    cpu_cores: int


class RunPath(Struct, frozen=True, kw_only=True):
    """One way to run the model, on a machine that has just what it takes. null: it cannot be said."""

    path: str  # gpu, cpu_offload, cpu_only
    feasible: bool
    minimum: Hardware | None  # it runs, at the target speed if there is one
    recommended: Hardware | None  # with a fit of good or better
    estimated_tps: float | None  # on the recommended hardware, at this machine's bandwidths
    fit_level: str  # on the recommended hardware: TooTight, Marginal, Good, Perfect
    notes: tuple[str, ...] = ()
    quantization: str | None = None
    run_mode: str | None = None
    bandwidth_gbps: float | None = None  # that the target speed takes of the memory that the weights lie in


class Current(Struct, frozen=True, kw_only=True):
    """The model on this machine."""

    fit_level: str
    run_mode: str  # Gpu, TensorParallel, MoeOffload, CpuOffload, CpuOnly
    estimated_tps: float
    estimated_tps_range: tuple[float, float]
    total_memory_gb: float
    memory_breakdown_gb: MemoryBreakdown
    notes: tuple[str, ...]


class UpgradeDelta(Struct, frozen=True, kw_only=True):
    """The least addition of one resource to this machine that reaches a fit level or the target speed."""

    resource: str  # vram_gb, ram_gb, gpu_bandwidth_gbps, ram_bandwidth_gbps
    add_gb: float | None = None
    add_cores: int | None = None
    add_gbps: float | None = None
    target_fit: str | None = None  # Marginal, Good, Perfect; null: the target speed
    path: str
    description: str


class KvAlternative(Struct, frozen=True, kw_only=True):
    """The model with another type of KV cache."""

    kv_quant: str
    kv_cache_gb: float
    memory_required_gb: float
    savings_fraction: float  # of the f16 cache
    supported: bool
    note: str | None


class Plan(Struct, frozen=True, kw_only=True):
    """What it takes to run a model."""

    model_name: str
    provider: str
    context: int
    quantization: str | None
    kv_quant: str
    target_tps: float | None
    concurrency: int
    disk_size_gb: float
    minimum: Hardware | None
    recommended: Hardware | None
    run_paths: tuple[RunPath, ...]
    current: Current
    upgrade_deltas: tuple[UpgradeDelta, ...]
    kv_alternatives: tuple[KvAlternative, ...]
    estimate_notice: str
    catalog: CatalogName
    generation: str
    warnings: tuple[str, ...] = ()


