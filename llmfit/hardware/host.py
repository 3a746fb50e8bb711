"""A Machine as the kernel wants it: one rate for every runtime on every kind of device, and which formats run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from llmfit import codes
from llmfit._catalog import Host
from llmfit.errors import LlmfitError
from llmfit.machine import Device, Machine

if TYPE_CHECKING:
    from llmfit.catalog import records
    from llmfit.catalog.catalog import Catalog

MAX_DEVICES, MAX_KINDS = 64, 8  # of estimate/machine.pxd
ASSUMED_CPU_TFLOPS_PER_CORE = 0.05  # AVX2 at 3 GHz; used only where the CPU is not in the table
ASSUMED_GPU_TFLOPS = 20.0  # the reference point of the per-layer time
# Least compute capability at which vLLM runs a format on NVIDIA GPUs, and whether it does on AMD's ROCm.
VLLM_NEEDS = {
    "bf16": (7.0, True), "fp8": (8.0, True), "mxfp8": (8.0, False), "nvfp4": (8.0, False), "mxfp4": (8.0, True),
    "awq": (7.5, True), "gptq": (7.0, True), "autoround": (7.5, True), "int": (7.5, True), "bnb": (7.0, False),
}  # fmt: skip
BLOCKED_BY = {
    "mlx": "needs_apple", "exl2": "needs_exllama", "exl3": "needs_exllama", "onnx": "needs_onnx",
    "nvfp4": "needs_nvidia", "mxfp8": "needs_nvidia", "bnb": "needs_nvidia",
}  # fmt: skip


class Rate(msgspec.Struct, frozen=True):
    """One kind of processor under one runtime; see estimate/machine.pxd."""

    eta: float
    bandwidth_gbps: float
    bandwidth_source: str  # of codes.BANDWIDTH_SOURCES; "": not known, the bandwidth is assumed
    per_layer_us: float
    tflops: float
    context_mib: float
    max_utilization: float
    tp_layer_us: float
    spread: float
    prefill_tflops: float  # share x shader peak; 0: not known


def used_devices(machine: Machine) -> list[Device]:
    """The devices that models may use, kinds together, the largest kind first, the freest of a kind first.

    A GPU that shares system RAM is left out beside one with memory of its own.
    """
    devices = [device for device in machine.devices if device.visible]
    if any(not device.unified for device in devices):
        devices = [device for device in devices if not device.unified]
    return sorted(devices, key=lambda d: (-d.total_bytes, d.name, -d.free_bytes))


def is_unified(devices: Sequence[Device]) -> bool:
    """Whether there are devices and all share system RAM."""
    return bool(devices) and all(device.unified for device in devices)


def device_class(device: Device) -> str:
    """The row of engines.csv that describes it."""
    if device.vendor == "nvidia" or device.backend == "cuda":
        return "nvidia_unified" if device.unified else "nvidia"
    if device.backend == "metal":
        return "apple"
    if device.vendor == "amd" or device.backend == "rocm":
        kind = "amd_unified" if device.unified else "amd"
        return f"{kind}_{'rocm' if device.backend == 'rocm' else 'vulkan'}"
    return "intel" if device.vendor == "intel" or device.backend == "sycl" else "other"


def runs_vllm(device: Device) -> bool:
    if device.backend == "cuda":
        return device.compute_capability is None or device.compute_capability >= 7.0
    return device.backend == "rocm" and not device.unified


def runtimes_of(device: Device) -> tuple[str, ...]:
    """Which runtimes work on a device at all."""
    if device.backend == "metal":
        return ("llamacpp", "mlx")
    return ("llamacpp", "vllm") if runs_vllm(device) else ("llamacpp",)


def formats_of(devices: list[Device]) -> tuple[bytes, bytes]:
    """By format: the runtimes that can execute it here as bits, and why none can."""
    apple = any("mlx" in runtimes_of(device) for device in devices)
    able = frozenset((device.backend, device.compute_capability) for device in devices if runs_vllm(device))
    return _formats_of(apple, able)


@lru_cache(maxsize=64)
def _formats_of(apple: bool, able: frozenset[tuple[str, float | None]]) -> tuple[bytes, bytes]:
    """`able`: backend and compute capability of the devices that run vLLM."""
    runtimes, blockers = bytearray(len(codes.FORMATS)), bytearray(len(codes.FORMATS))
    for index, form in enumerate(codes.FORMATS):
        bits = 1 << codes.RUNTIMES.index("llamacpp")  # which forms llama.cpp has of a model, the model says
        if apple and form in ("bf16", "mlx"):
            bits |= 1 << codes.RUNTIMES.index("mlx")
        least, amd = VLLM_NEEDS.get(form, (99.0, False))
        if any((capability or 99.0) >= least if backend == "cuda" else amd for backend, capability in able):
            bits |= 1 << codes.RUNTIMES.index("vllm")
        runtimes[index] = bits
        blockers[index] = codes.BLOCKERS.index(BLOCKED_BY.get(form, "needs_vllm_gpu" if form in VLLM_NEEDS else ""))
    blockers[codes.FORMATS.index("bf16")] = 0
    return bytes(runtimes), bytes(blockers)


def tflops_of(machine: Machine) -> float:
    """Shader rate of the first device, or of the CPU, as the decode formula takes it."""
    if machine.devices:
        return machine.devices[0].fp32_tflops or ASSUMED_GPU_TFLOPS
    return machine.cpu_fp32_tflops or ASSUMED_CPU_TFLOPS_PER_CORE * machine.cpu_cores


def rate_of(device: Device, engine: records.Engine) -> Rate:
    bandwidth = device.bandwidth_gbps
    return Rate(
        eta=engine.eta,
        bandwidth_gbps=bandwidth or engine.assumed_bandwidth_gbps,
        bandwidth_source="" if bandwidth is None else device.bandwidth_source or "table",
        per_layer_us=engine.per_layer_us,
        tflops=device.fp32_tflops or ASSUMED_GPU_TFLOPS,
        context_mib=engine.context_mib,
        max_utilization=engine.max_utilization,
        tp_layer_us=engine.tp_layer_us,
        spread=engine.spread,
        prefill_tflops=(device.fp32_tflops or 0.0) * engine.compute_share,
    )


def cpu_rate(machine: Machine, engine: records.Engine) -> Rate:
    tflops = machine.cpu_fp32_tflops or ASSUMED_CPU_TFLOPS_PER_CORE * machine.cpu_cores
    return Rate(
        eta=engine.eta,
        bandwidth_gbps=machine.ram_bandwidth_gbps or engine.assumed_bandwidth_gbps,
        bandwidth_source="" if machine.ram_bandwidth_gbps is None else machine.ram_bandwidth_source or "table",
        per_layer_us=engine.per_layer_us,
        tflops=tflops,
        context_mib=engine.context_mib,
        max_utilization=engine.max_utilization,
        tp_layer_us=engine.tp_layer_us,
        spread=engine.spread,
        prefill_tflops=(machine.cpu_fp32_tflops or 0.0) * engine.compute_share,
    )


def engine_of(catalog: Catalog, runtime: str, form: str, variant: str | None) -> records.Engine:
    """The row of engines.csv: the variant's own where there is one."""
    return catalog.engines.get((runtime, f"{form}_{variant}")) or catalog.engines[runtime, form]


def measured_variant(machine: Machine) -> str | None:
    """A measured bandwidth is what can be read, not what the memory is specified for: another efficiency."""
    return "measured" if machine.ram_bandwidth_source == "measured" else None


def host_of(machine: Machine, catalog: Catalog, variant: str | None = None) -> Host:
    """The kernel's view of a machine. LlmfitError for more devices than it has room for.

    `variant`: a build of a runtime that has figures of its own in engines.csv.
    """
    devices = used_devices(machine)
    kinds: dict[tuple[object, ...], int] = {}
    rates: list[tuple[Rate | None, ...]] = []
    placed = []
    counted = [[device for device in machine.devices if device.backend == backend] for backend in codes.BACKENDS]
    numbers = [list(enumerate(each)) for each in counted]
    for device in devices:
        key = (device.name, device.total_bytes, device.bandwidth_gbps, device.backend)
        if key not in kinds:
            kinds[key] = len(kinds)
            works, form = runtimes_of(device), device_class(device)
            rates.append(
                tuple(
                    rate_of(device, engine_of(catalog, runtime, form, variant))
                    if runtime in works and (runtime, form) in catalog.engines
                    else None
                    for runtime in codes.RUNTIMES
                )
            )
        share = min(device.free_bytes / device.total_bytes, 1.0) if device.total_bytes else 0.0
        backend = codes.BACKENDS.index(device.backend)
        at = next(at for at, (_, one) in enumerate(numbers[backend]) if one is device)  # equal ones in their order
        placed.append((kinds[key], float(device.free_bytes), share, backend, numbers[backend].pop(at)[0]))
    if len(devices) > MAX_DEVICES or len(kinds) > MAX_KINDS:
        raise LlmfitError(f"this machine has more than {MAX_DEVICES} GPUs or {MAX_KINDS} kinds of them")
    runtimes, blockers = formats_of(devices)
    return Host(
        catalog.core,
        rates,
        placed,
        cpu_rate(machine, engine_of(catalog, "llamacpp", "cpu", variant or measured_variant(machine))),
        float(machine.ram_available_bytes),
        is_unified(devices),
        runtimes,
        blockers,
        [sum(device.unified == is_unified(devices) for device in each) for each in counted],
    )
