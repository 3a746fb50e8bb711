"""The parameters as types, for editors and type checkers: written from the parameter table by
`python tests/project/test_docs.py`, and nothing at run time needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict


class Machines(TypedDict, total=False):
    """Facts of a machine."""

    profile: str | None
    """What if this were the machine of that name in `llmfit hardware list`? The others then change it."""
    gpu: str | None
    """What if the GPU were this one, or these: a name, `2x RTX 3090`, `RTX 4090 + RTX 3060`?"""
    gpu_count: int | None
    """What if there were so many of the GPU? 0 removes the GPUs."""
    vram_gb: float | None
    """What if all GPUs together had so many GiB? 0 removes the GPUs."""
    gpu_bandwidth_gbps: float | None
    """What if each GPU read so many GB/s?"""
    ram_gb: float | None
    """What if there were so many GiB of RAM, all of it free?"""
    cpu: str | None
    """What if the CPU were this one: its cores, RAM bandwidth and speed?"""
    cpu_cores: int | None
    """What if the CPU had so many cores?"""
    ram_bandwidth_gbps: float | None
    """What if the RAM read so many GB/s?"""
    unified_memory: bool | None
    """What if GPU and CPU shared one memory?"""
    backend: Literal["cuda", "rocm", "metal", "vulkan", "sycl", "cpu"] | None
    """What if this were the compute backend?"""


class Options(Machines, total=False):
    """What a ranking depends on."""

    limit: int | None
    """Maximum number of models to return; 0 returns the counts alone."""
    perfect: bool | None
    """Only models with a perfect fit; overrides min_fit."""
    min_fit: Literal["perfect", "good", "marginal", "too_tight"] | None
    """Lowest fit level to return."""
    include_too_tight: bool | None
    """Whether models that cannot run may be returned."""
    runtime: Literal["any", "mlx", "llamacpp", "vllm"] | None
    """Only models that this runtime can run on this machine, computed for it."""
    force_runtime: Literal["mlx", "llamacpp", "vllm"] | None
    """Compute every model for this runtime; those that it cannot run are too tight."""
    use_case: Literal["general", "coding", "reasoning", "chat", "multimodal", "embedding"] | None
    """Only models that serve this use case, scored for it."""
    provider: str | None
    """Part of the provider's name, in any case."""
    search: str | None
    """Part of the name, provider, parameter count, use case or category, in any case."""
    license: str | Sequence[str] | None
    """Only models under one of these licences."""
    capability: str | Sequence[str] | None
    """Only models that have all of these capabilities."""
    distinct: bool | None
    """One row for each base model: the best of it and of its copies."""
    min_tps: float | None
    """Least estimated tokens/s."""
    max_mem_gb: float | None
    """Most memory in GiB, all that the model occupies."""
    min_params_b: float | None
    """Fewest parameters, in billions."""
    max_params_b: float | None
    """Most parameters, in billions."""
    released_after: str | None
    """Only models released after this day, month or year; none without a date."""
    sort: Literal["score", "tps", "params", "mem", "ctx", "date", "use_case"] | None
    """Order: the best score, fastest, largest, least memory, longest context, newest, or by category."""
    order: Literal["asc", "desc"] | None
    """Direction of the sort; by default the useful one. What cannot run stays last."""
    offset: int | None
    """How many of the first models to leave out."""
    basis: Literal["free", "total"] | None
    """What fit is judged against on the real machine: the memory that is free, or all of it."""
    explain: bool | None
    """Add how each of the first 20 models came about, and what would change its fit level."""
    max_context: int | None
    """Context in tokens to compute memory and speed for; by default the server's --max-context, else 8192."""
    quant: str | None
    """Compute every model at this quantization alone."""
    kv_quant: str | None
    """Type of the KV cache, or two: of keys and of values. A runtime that lacks it is not taken."""
    concurrency: int | None
    """Sessions at once, each of the whole context: memory for all, tokens/s for each."""


class Comparisons(Machines, total=False):
    """What a comparison depends on."""

    force_runtime: Literal["mlx", "llamacpp", "vllm"] | None
    """Compute every model for this runtime; those that it cannot run are too tight."""
    use_case: Literal["general", "coding", "reasoning", "chat", "multimodal", "embedding"] | None
    """Only models that serve this use case, scored for it."""
    basis: Literal["free", "total"] | None
    """What fit is judged against on the real machine: the memory that is free, or all of it."""
    max_context: int | None
    """Context in tokens to compute memory and speed for; by default the server's --max-context, else 8192."""
    quant: str | None
    """Compute every model at this quantization alone."""
    kv_quant: str | None
    """Type of the KV cache, or two: of keys and of values. A runtime that lacks it is not taken."""
    concurrency: int | None
    """Sessions at once, each of the whole context: memory for all, tokens/s for each."""


class Plans(Machines, total=False):
    """What a plan depends on."""

    force_runtime: Literal["mlx", "llamacpp", "vllm"] | None
    """Compute every model for this runtime; those that it cannot run are too tight."""
    basis: Literal["free", "total"] | None
    """What fit is judged against on the real machine: the memory that is free, or all of it."""
    context: int | None
    """Context in tokens to plan for; by default the server's --max-context."""
    quant: str | None
    """Compute every model at this quantization alone."""
    kv_quant: str | None
    """Type of the KV cache, or two: of keys and of values. A runtime that lacks it is not taken."""
    target_tps: float | None
    """Tokens/s that each session is to get at least."""
    concurrency: int | None
    """Sessions at once, each of the whole context: memory for all, tokens/s for each."""
