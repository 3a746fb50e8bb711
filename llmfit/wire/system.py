"""The machine and the hardware known by name: /api/v1/system and /api/v1/hardware.

``*_gb`` are GiB (2^30 bytes), ``*_gbps`` GB/s (10^9).
"""

from __future__ import annotations

from llmfit.wire.common import CatalogName, Node, Struct


class Gpu(Struct, frozen=True):
    """One kind of GPU; memory of each device.

    name: As the accelerator table spells it, else as the driver does.
    vram_gb: Memory of each device, GiB.
    free_vram_gb: Free memory of the least free device of the kind, GiB.
    backend: CUDA, ROCm, Metal, Vulkan, SYCL, NPU (Ascend).
    count: How many devices of the kind there are.
    unified_memory: Whether its memory is a share of system RAM.
    memory_bandwidth_gbps: Of each device, GB/s; null where it is not known.
    memory_bandwidth_source: Where that comes from: driver, table, smbios (of memory that is RAM), request.
    pci_address: Where there is one device of the kind and its address is known.
    uuid: Likewise.
    """

    name: str
    vram_gb: float
    free_vram_gb: float
    backend: str
    count: int
    unified_memory: bool
    memory_bandwidth_gbps: float | None
    memory_bandwidth_source: str | None
    pci_address: str | None = None
    uuid: str | None = None


class System(Struct, frozen=True):
    """The machine that was scored; GPU figures are sums over the visible devices.

    total_ram_gb: RAM that this process may use, GiB; a container's limit counts.
    available_ram_gb: What of it is free, in steps of 0.25 GiB.
    cpu_cores: Physical cores where they can be told apart, within affinity and quota.
    cpu_name: What the CPU calls itself.
    has_gpu: Whether a GPU may be used.
    gpu_vram_gb: Memory of all visible GPUs, GiB; null without one.
    gpu_available_gb: What of it is free.
    gpu_name: The largest GPU.
    gpu_count: How many GPUs may be used.
    unified_memory: Whether GPU and CPU share one memory.
    backend: What computes: CUDA, Metal, ROCm, Vulkan, SYCL, NPU (Ascend), CPU (x86), CPU (ARM), CPU (POWER),
        CPU (RISC-V), CPU (LoongArch), CPU.
    gpus: The GPUs by kind.
    hidden_gpus: GPUs that were seen but are not used: hidden by CUDA_VISIBLE_DEVICES and the like, or integrated
        beside others.
    ram_bandwidth_gbps: What the CPU can be expected to read, GB/s; null where it is not known.
    ram_bandwidth_source: Where that comes from: table, request, measured, smbios.
    observed_at: When the machine was looked at, UTC.
    warnings: What could not be found out, and what was taken instead.
    """

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
    hidden_gpus: tuple[Gpu, ...]
    ram_bandwidth_gbps: float | None
    ram_bandwidth_source: str | None
    observed_at: str
    warnings: tuple[str, ...] = ()


class SystemAnswer(Struct, frozen=True):
    """The machine, and who answers.

    node: Who answers.
    system: The machine.
    """

    node: Node
    system: System


class KnownAccelerator(Struct, frozen=True):
    """One accelerator that the what-if `gpu` takes by name; the memory sizes that it is sold with.

    name: What `gpu` takes.
    vendor: Who makes it.
    memory_gb: Sizes, GiB.
    memory_bandwidth_gbps: GB/s; null where it is not known.
    unified_memory: Whether its memory is system RAM.
    """

    name: str
    vendor: str
    memory_gb: tuple[float, ...]
    memory_bandwidth_gbps: float | None
    unified_memory: bool


class KnownMachine(Struct, frozen=True):
    """One machine that the what-if `profile` takes by name.

    name: What `profile` takes.
    title: What it is, in words.
    kind: desktop, laptop, server, cloud and so on.
    year: When it came out.
    """

    name: str
    title: str
    kind: str
    year: int | None


class HardwareAnswer(Struct, frozen=True):
    """What the what-ifs `profile` and `gpu` know by name.

    catalog: Which facts the answer is made from.
    machines: Whole machines.
    accelerators: GPUs and other accelerators.
    """

    catalog: CatalogName
    machines: tuple[KnownMachine, ...]
    accelerators: tuple[KnownAccelerator, ...]
