"""The wire contract as data: the keys of every object with their types, the words, and the test machines.

Written from the contract, not from the program: nothing here may be imported from `llmfit`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

# What a value may be. `?` at the end: null is allowed.
ROW: dict[str, str] = {
    "name": "str",
    "provider": "str",
    "parameter_count": "str",
    "params_b": "num",
    "context_length": "int",
    "usable_context": "int",
    "effective_context_length": "int",
    "use_case": "str",
    "category": "str",
    "release_date": "str?",
    "is_moe": "bool",
    "fit_level": "str",
    "fit_label": "str",
    "run_mode": "str",
    "run_mode_label": "str",
    "score": "num",
    "score_components": "dict",
    "estimated_tps": "num",
    "prefill_tps": "num?",
    "ttft_ms": "num?",
    "estimate_confidence": "str",
    "estimate_confidence_label": "str",
    "estimate_basis": "dict",
    "measured_tps": "num?",
    "runtime": "str",
    "runtime_label": "str",
    "best_quant": "str?",
    "memory_required_gb": "num",
    "memory_available_gb": "num",
    "moe_offloaded_gb": "num?",
    "total_memory_gb": "num",
    "utilization_pct": "num",
    "disk_size_gb": "num",
    "notes": "[str]",
    "gguf_sources": "[dict]",
    "capabilities": "[str]",
    "capability_ids": "[str]",
    "license": "str?",
    "supports_tp": "[int]",
    "installed": "bool",
    "ollama_name": "str?",
    "verify_command": "str?",
    "run": "[str]?",
    "run_env": "dict",
    # beyond the keys that older clients know
    "download": "dict?",
    "memory_breakdown_gb": "dict",
    "ram_offloaded_gb": "num?",
    "per_device_gb": "[num]",
    "estimated_tps_range": "[num]",
    "base_model": "str?",
    "origin": "str",
}
PARTS: dict[str, dict[str, str]] = {
    "score_components": dict.fromkeys(("quality", "speed", "fit", "context"), "num"),
    "estimate_basis": {
        "method": "str?",
        "gpu_bandwidth_gbps": "num?",
        "ddr_bandwidth_gbps": "num?",
        "efficiency": "num?",
        "assumed_context": "int?",
        "local_calibration": "any?",
    },
    "memory_breakdown_gb": dict.fromkeys(("weights", "kv_cache", "compute_buffer", "overhead"), "num"),
}
SOURCE = {"repo": "str", "provider": "str"}

SYSTEM_KEYS: dict[str, str] = {
    "total_ram_gb": "num",
    "available_ram_gb": "num",
    "cpu_cores": "int",
    "cpu_name": "str",
    "has_gpu": "bool",
    "gpu_vram_gb": "num?",
    "gpu_available_gb": "num?",
    "gpu_name": "str?",
    "gpu_count": "int",
    "unified_memory": "bool",
    "backend": "str",
    "gpus": "[dict]",
    "hidden_gpus": "[dict]",
    "ram_bandwidth_source": "str?",
}
GPU_KEYS: dict[str, str] = {
    "name": "str",
    "vram_gb": "num?",
    "free_vram_gb": "num?",
    "backend": "str",
    "count": "int",
    "unified_memory": "bool",
    "memory_bandwidth_gbps": "num?",
    "memory_bandwidth_source": "str?",
}
ENVELOPE: dict[str, str] = {
    "node": "dict",
    "system": "dict",
    "total_models": "int",
    "returned_models": "int",
    "filters": "dict",
    "models": "[dict]",
    "catalog": "dict",
    "generation": "str",
    "warnings": "list",
}
FILTERS = [
    "limit", "perfect", "min_fit", "include_too_tight", "runtime", "force_runtime", "use_case", "provider",
    "search", "license", "sort", "max_context", "distinct", "gpu", "gpu_count", "vram_gb", "ram_gb",
    "gpu_bandwidth_gbps", "cpu_cores", "ram_bandwidth_gbps", "unified_memory", "backend", "top_only",
]  # fmt: skip

LEVELS = ("too_tight", "marginal", "good", "perfect")  # worst first
FIT_LABELS = {"perfect": "Perfect", "good": "Good", "marginal": "Marginal", "too_tight": "Too Tight"}
MODE_LABELS = {
    "gpu": "GPU",
    "tensor_parallel": "TP",
    "moe_offload": "MoE",
    "cpu_offload": "CPU+GPU",
    "cpu_only": "CPU",
}
RUNTIME_LABELS = {"llamacpp": "llama.cpp", "mlx": "MLX", "vllm": "vLLM"}
USE_CASES = {
    "general": "General",
    "coding": "Coding",
    "reasoning": "Reasoning",
    "chat": "Chat",
    "multimodal": "Multimodal",
    "embedding": "Embedding",
}
CONFIDENCES = ("measured", "high", "medium", "low")
METHODS = {
    "gpu": {"roofline", "backend_default", "measured"},
    "tensor_parallel": {"roofline", "backend_default", "measured"},
    "moe_offload": {"offload_roofline", "backend_default", "measured"},
    "cpu_offload": {"offload_roofline", "backend_default", "measured"},
    "cpu_only": {"cpu_roofline", "backend_default", "measured"},
}
CAPABILITIES = {"tool_use", "vision", "audio", "reasoning", "embedding"}
ORIGINS = {"official", "quantized", "community"}
BACKENDS = {"CUDA", "Metal", "ROCm", "Vulkan", "SYCL", "CPU (x86)", "CPU (ARM)", "NPU (Ascend)"}
VERIFY = {"llamacpp": "llama-bench", "vllm": "vllm", "mlx": "mlx_lm"}

RIG: dict[str, object] = {"gpu": "RTX 4090", "ram_gb": 64}  # has rows of every fit level
SMALL: dict[str, object] = {"gpu": "RTX 3060", "ram_gb": 16}
TINY: dict[str, object] = {"vram_gb": 0, "ram_gb": 8}
MACHINES: dict[str, dict[str, object]] = {
    "cpu-8": {"vram_gb": 0, "ram_gb": 8, "cpu_cores": 4, "ram_bandwidth_gbps": 40},
    "cpu-64": {"gpu_count": 0, "ram_gb": 64, "cpu_cores": 16},
    "cpu-512": {"vram_gb": 0, "ram_gb": 512, "cpu_cores": 64, "ram_bandwidth_gbps": 300},
    "rtx3060": SMALL,
    "rtx4060": {"gpu": "RTX 4060", "ram_gb": 32},
    "rtx4090": RIG,
    "rtx4090-32k": {**RIG, "max_context": 32768},
    "rtx4090x2": {"gpu": "RTX 4090", "gpu_count": 2, "ram_gb": 128},
    "rtx4090x3": {"gpu": "RTX 4090", "gpu_count": 3, "ram_gb": 64},
    "rtx3090x4": {"gpu": "RTX 3090", "gpu_count": 4, "ram_gb": 256},
    "a100": {"gpu": "A100", "ram_gb": 256},
    "h100x8": {"gpu": "H100", "gpu_count": 8, "ram_gb": 1024},
    "t4": {"gpu": "Tesla T4", "ram_gb": 16, "cpu_cores": 4},
    "gtx1080ti": {"gpu": "GTX 1080 Ti", "ram_gb": 32},
    "rx7900xtx": {"gpu": "RX 7900 XTX", "ram_gb": 32},
    "mi300x2": {"gpu": "MI300X", "gpu_count": 2, "ram_gb": 512},
    "arc-a770": {"gpu": "Arc A770", "ram_gb": 32},
    "m1-8": {"gpu": "Apple M1", "ram_gb": 8},
    "m3max-64": {"gpu": "Apple M3 Max", "ram_gb": 64},
    "m2ultra-192": {"gpu": "Apple M2 Ultra", "ram_gb": 192},
    "vram24-unknown": {"vram_gb": 24, "ram_gb": 32},
    "vram12-400": {"vram_gb": 12, "gpu_bandwidth_gbps": 400, "ram_gb": 16},
    "vulkan8": {"vram_gb": 8, "backend": "vulkan", "ram_gb": 16, "ram_bandwidth_gbps": 50},
}

Row = dict[str, Any]
Checked = Callable[[Callable[[Row], object]], None]

PART_GB = 0.0015  # what rounding may take from or add to one part of a sum
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
SIZE = re.compile(r"\d+(\.\d+)?[KMBT]")


def _is(value: Any, kind: str) -> bool:
    if kind == "str":
        return isinstance(value, str)
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "int":
        return type(value) is int
    if kind == "num":
        return type(value) is int or (type(value) is float and math.isfinite(value))
    if kind == "dict":
        return isinstance(value, dict)
    if kind == "list":
        return isinstance(value, list)
    if kind == "any":
        return value is not None
    if kind[0] == "[":
        return isinstance(value, list) and all(_is(v, kind[1:-1]) for v in value)
    raise LookupError(kind)


def type_faults(value: Mapping[str, Any], keys: Mapping[str, str], where: str = "") -> list[str]:
    """What is missing in an object or has the wrong type; further keys are welcome."""
    faults = []
    for key, kind in keys.items():
        if key not in value:
            faults.append(f"{where}{key} is missing")
        elif value[key] is None:
            if not kind.endswith("?"):
                faults.append(f"{where}{key} is null, wanted {kind}")
        elif not _is(value[key], kind.rstrip("?")):
            faults.append(f"{where}{key} is {value[key]!r}, wanted {kind}")
    return faults


def row_faults(row: Mapping[str, Any]) -> list[str]:
    """Every fault in the keys and types of a row."""
    faults = type_faults(row, ROW)
    for part, keys in PARTS.items():
        if isinstance(row.get(part), dict):
            faults += type_faults(row[part], keys, part + ".")
    for source in row.get("gguf_sources") or ():
        faults += type_faults(source, SOURCE, "gguf_sources[].")
    return faults


def rounded(value: float | None, digits: int) -> bool:
    return value is None or round(value, digits) == value


def report(asked: object, faults: Iterable[str]) -> str:
    """The first faults of many, with their number, for an assertion message."""
    lines = list(faults)
    return "\n".join([f"asked {asked}: {len(lines)} faults", *lines[:12]])


def names(page: Mapping[str, Any]) -> list[str]:
    return [row["name"] for row in page["models"]]


def level(row: Mapping[str, Any]) -> int:
    return LEVELS.index(row["fit_level"])


def haystack(row: Mapping[str, Any]) -> list[str]:
    """The texts that `search` looks in; `category` is the main one as long as no use case was asked."""
    return [row[k].lower() for k in ("name", "provider", "parameter_count", "use_case", "category")]


def near(left: float, right: float, parts: int) -> bool:
    """Equal as far as the rounding of so many parts lets one see."""
    return abs(left - right) <= PART_GB * parts


def pick(row: Row, *keys: str) -> str:
    return ", ".join(f"{key} {row[key]!r}" for key in keys)


def hold(asked: object, rows: list[Row], check: Callable[[Row], object]) -> None:
    """Every row passes: `check` gives what is wrong with one, or something false."""
    assert rows, f"asked {asked}: no rows"
    faults = [f"{row.get('name')}: {fault}" for row in rows if (fault := check(row))]
    assert not faults, report(asked, faults)
