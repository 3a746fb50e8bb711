"""What a plan says over the wire. Keys and words of the existing llmfit's answer, and ours behind them."""

from __future__ import annotations

import msgspec

from llmfit.wire.common import CatalogName, Struct
from llmfit.wire.rows import MemoryBreakdown


class Hardware(Struct, frozen=True):
    """Memory that a path takes, and the cores that its speed was computed for. GiB.

    vram_gb: GPU memory in all, GiB; null without a GPU.
    ram_gb: Free RAM, GiB.
    cpu_cores: The cores that speeds were computed for.
    """

    vram_gb: float | None
    ram_gb: float
    cpu_cores: int


class RunPath(Struct, frozen=True, kw_only=True):
    """One way to run the model, on a machine that has just what it takes. null: it cannot be said.

    path: gpu, cpu_offload or cpu_only.
    feasible: Whether any memory makes it run, at the target speed if there is one.
    minimum: The least memory with which it runs, at the target speed if there is one; null where it does not.
    recommended: The least memory that gives the best fit of this path.
    estimated_tps: With what is recommended, at this machine's bandwidths; null where they are not known.
    fit_level: With what is recommended: TooTight, Marginal, Good, Perfect.
    notes: What stands in the way.
    quantization: The quantization planned for.
    run_mode: As in rows.
    bandwidth_gbps: What the target speed takes of the memory, GB/s, where this machine's does not do.
    """

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
    """The model on this machine.

    fit_level: TooTight, Marginal, Good, Perfect.
    run_mode: Gpu, TensorParallel, MoeOffload, CpuOffload, CpuOnly.
    estimated_tps: Tokens/s of one session.
    estimated_tps_range: What 80 % of measurements lie in.
    total_memory_gb: All that it occupies, GiB.
    memory_breakdown_gb: What the memory is for.
    notes: As in rows.
    """

    fit_level: str
    run_mode: str  # Gpu, TensorParallel, MoeOffload, CpuOffload, CpuOnly
    estimated_tps: float
    estimated_tps_range: tuple[float, float]
    total_memory_gb: float
    memory_breakdown_gb: MemoryBreakdown
    notes: tuple[str, ...]


class UpgradeDelta(Struct, frozen=True, kw_only=True):
    """The least addition of one resource to this machine that reaches a fit level or the target speed.

    resource: vram_gb, ram_gb, gpu_bandwidth_gbps or ram_bandwidth_gbps.
    add_gb: GiB to add.
    add_cores: Cores to add.
    add_gbps: GB/s to add.
    target_fit: The fit level that it reaches; null: the target speed.
    path: The way that the model then runs.
    description: The same in words.
    """

    resource: str  # vram_gb, ram_gb, gpu_bandwidth_gbps, ram_bandwidth_gbps
    add_gb: float | None = None
    add_cores: int | None = None
    add_gbps: float | None = None
    target_fit: str | None = None  # Marginal, Good, Perfect; null: the target speed
    path: str
    description: str


class KvAlternative(Struct, frozen=True, kw_only=True):
    """The model with another type of KV cache.

    kv_quant: Type of the KV cache.
    kv_cache_gb: The cache, GiB.
    memory_required_gb: All that the model then occupies, GiB.
    savings_fraction: Of the f16 cache, 0 to 1.
    supported: Whether the runtime has it.
    note: How to ask the runtime for it.
    """

    kv_quant: str
    kv_cache_gb: float
    memory_required_gb: float
    savings_fraction: float  # of the f16 cache
    supported: bool
    note: str | None


class Plan(Struct, frozen=True, kw_only=True):
    """What it takes to run a model.

    model_name: The id of the model.
    provider: Who made it.
    context: Tokens planned for.
    quantization: The quantization planned for.
    kv_quant: Type of the KV cache.
    target_tps: Tokens/s asked for.
    concurrency: Sessions at once.
    disk_size_gb: The files to download, GiB.
    minimum: Of the first way that is feasible.
    recommended: Of the first way that is feasible.
    run_paths: The ways to run it.
    current: The model on this machine.
    upgrade_deltas: The least to add to this machine for each better fit, and for the target speed.
    kv_alternatives: The model under other types of cache.
    estimate_notice: How sure all this is.
    catalog: Which facts the answer is made from.
    generation: As in lists.
    warnings: What was ignored.
    explanation: With `explain`: all that is needed to ask again (wire.posted.Posted).
    """

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
    explanation: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
