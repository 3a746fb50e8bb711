"""What is known about a machine: plain facts, with units in their names, and where each came from.

A :class:`Machine` is immutable. Probes (:mod:`llmfit.hardware`) build one, the what-if parameters
turn one into another, and the estimator reads one. Unknown stays ``None``; nothing here is guessed.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

GIB = 1 << 30


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """One accelerator. Memory in bytes, bandwidth in GB/s (10^9), compute in TFLOPS (10^12, dense)."""

    name: str
    vendor: str  # nvidia, amd, intel, apple, huawei, qualcomm, ... or "unknown"
    backend: str  # id of a backend in codes.BACKENDS: cuda, rocm, metal, vulkan, sycl, ascend
    total_bytes: int
    free_bytes: int
    unified: bool = False  # its memory is (a share of) system RAM
    arch: str | None = None  # turing, ampere, ada, hopper, blackwell, rdna3, cdna3, ...
    compute_capability: float | None = None  # NVIDIA only: 8.9
    bandwidth_gbps: float | None = None
    bandwidth_source: str | None = None  # driver, table, request; smbios of what is RAM's; None where unknown
    memory_source: str | None = None  # driver, table (its nominal size), ram (a share of it), request
    seen_by: str | None = None  # the interface that listed it: nvml, nvidia-smi, drm, amd-smi, vulkaninfo, ...
    record: str | None = None  # id of its record in the accelerator table, where compute rates come from
    confidence: str | None = None  # of that record: A two sources agree, B one, C announced or disputed
    fp32_tflops: float | None = None  # shader rate
    fp16_tflops: float | None = None  # dense, matrix unit where there is one
    pci_address: str | None = None
    uuid: str | None = None
    visible: bool = True  # hidden by CUDA_VISIBLE_DEVICES and the like: reported, not used


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """One computer. RAM in bytes; ``devices`` in the driver's order."""

    cpu_name: str
    cpu_cores: int  # physical cores where they can be told apart, as limited by affinity and quota
    cpu_arch: str  # x86, arm, power, riscv, loongarch, other
    ram_total_bytes: int
    ram_available_bytes: int
    os: str = "linux"  # linux, macos, windows
    ram_bandwidth_gbps: float | None = None  # what the CPU can be expected to read, typical figure
    ram_bandwidth_max_gbps: float | None = None  # what the memory system supports at most
    ram_bandwidth_source: str | None = None  # table, request, measured, smbios
    cpu_fp32_tflops: float | None = None
    cpu_has_avx: bool | None = None  # x86 only; without it decode is several times slower
    devices: tuple[Device, ...] = ()
    observed_at: str = ""  # ISO 8601, UTC
    warnings: tuple[str, ...] = ()


def taken(machine: Machine, ram: int, vram: tuple[int, ...]) -> Machine:
    """The machine with less free memory: `ram` bytes and, in the order of ``devices``, those of `vram`.

    A device that shares system RAM takes what it holds from there, and has no more free than there is RAM.
    """
    parts = [*vram, *(0 for _ in machine.devices[len(vram) :])]
    shared = sum(part for part, device in zip(parts, machine.devices, strict=False) if device.unified)
    left = max(machine.ram_available_bytes - ram - shared, 0)
    devices = tuple(
        replace(
            device, free_bytes=min(max(device.free_bytes - part, 0), left if device.unified else device.free_bytes)
        )
        for device, part in zip(machine.devices, parts, strict=False)
    )
    return replace(machine, ram_available_bytes=left, devices=devices)
