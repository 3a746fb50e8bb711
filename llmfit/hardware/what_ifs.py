"""Hardware what-ifs: the parameters of a request that turn the machine into another one."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from llmfit.catalog.tables import Accelerator, Profile, Tables
from llmfit.errors import BadParam
from llmfit.hardware.names.lookup import backend_of, is_apu, nominal_mib
from llmfit.hardware.names.typed import Part, parts_of
from llmfit.hardware.names.unified import metal_doubt, unified_share
from llmfit.hardware.probes.mig import mig_devices
from llmfit.hardware.probes.one_memory import settle_bandwidth
from llmfit.hardware.probes.ram_speed import RamSpeed
from llmfit.hardware.profiles import bare_machine, find_profile, with_cpu
from llmfit.hardware.sources.nvml import NvmlDevice, NvmlMig
from llmfit.machine import GIB, Device, Machine

MIB = 1 << 20
MADE_UP = "User-specified GPU"
VENDOR_BACKENDS = {
    "nvidia": ("cuda", "vulkan"),
    "amd": ("rocm", "vulkan"),
    "intel": ("sycl", "vulkan"),
    "apple": ("metal",),
    "qualcomm": ("vulkan",),
    "huawei": (),
}  # a vendor that is not listed runs whatever the request says
VENDOR_OF_BACKEND = {"cuda": "nvidia", "rocm": "amd", "metal": "apple", "sycl": "intel"}
RANGES = (  # parameter, more than, at most
    ("gpu_count", -1, 128),
    ("vram_gb", -1e-9, 1_000_000),
    ("gpu_bandwidth_gbps", 0, 1_000_000),
    ("ram_gb", 0, 1_000_000),
    ("cpu_cores", 0, 100_000),
    ("ram_bandwidth_gbps", 0, 1_000_000),
)


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """The what-if parameters of one request; None where one is absent. Sizes in GiB, bandwidth in GB/s."""

    profile: str | None = None
    gpu: str | None = None
    gpu_count: int | None = None
    vram_gb: float | None = None  # over all GPUs together
    gpu_bandwidth_gbps: float | None = None  # of each GPU
    ram_gb: float | None = None
    cpu: str | None = None  # a name that the CPU table knows
    cpu_cores: int | None = None
    ram_bandwidth_gbps: float | None = None
    unified_memory: bool | None = None
    backend: str | None = None  # cuda, rocm, metal, vulkan, sycl, cpu


def apply_whatif(machine: Machine, whatif: WhatIf, tables: Tables) -> Machine:
    """``machine`` with what the request says instead; the same object where it says nothing."""
    if whatif == WhatIf():
        return machine
    _check_ranges(whatif)
    if whatif.profile is not None:
        profile = find_profile(whatif.profile, tables)
        machine = profile_machine(profile, tables, machine.observed_at)
        return apply_whatif(machine, replace(whatif, profile=None), tables)
    warnings: list[str] = []
    if whatif.cpu is not None:
        machine = with_cpu(machine, whatif.cpu, whatif.cpu_cores, tables)
    named = parts_of(whatif.gpu, whatif.ram_gb, tables, warnings) if whatif.gpu is not None else []
    _check_removal(whatif)
    ram = _ram(machine, whatif, named)
    devices = _devices(machine, whatif, named, ram or machine.ram_total_bytes)
    gbps, origin = whatif.ram_bandwidth_gbps, "request"
    if gbps is None and whatif.cpu is not None:
        gbps, origin = machine.ram_bandwidth_gbps, "table"
    if gbps is not None:  # a GPU that shares RAM is no faster
        ram_speed = RamSpeed(gbps=gbps, max_gbps=gbps, source=origin)
        devices, _ = settle_bandwidth(devices, ram_speed, False, tables, warnings)
    if whatif.gpu_bandwidth_gbps is not None:
        _need(devices, "gpu_bandwidth_gbps")
        value = whatif.gpu_bandwidth_gbps
        devices = [replace(device, bandwidth_gbps=value, bandwidth_source="request") for device in devices]
    for device in devices:
        if device.vendor == "apple" and device.unified and device.seen_by == "request":
            warnings += [text for text in [metal_doubt(ram or machine.ram_total_bytes)] if text]
        if device.bandwidth_gbps is None:
            warnings.append(f"the memory bandwidth of {device.name} is unknown; give gpu_bandwidth_gbps")
    machine = replace(machine, devices=tuple(devices), warnings=tuple(dict.fromkeys((*machine.warnings, *warnings))))
    return _host(machine, whatif, named, ram)


def profile_machine(profile: Profile, tables: Tables, observed_at: str = "") -> Machine:
    """The whole machine of a profile: what it has in common with a what-if is one, with the same errors."""
    keys = {field.name for field in msgspec.structs.fields(WhatIf)} - {"cpu", "cpu_cores"}
    own = {key: getattr(profile, key) for key in keys if hasattr(profile, key)}
    return apply_whatif(bare_machine(profile, tables, observed_at), WhatIf(**own), tables)


def _check_ranges(whatif: WhatIf) -> None:
    for name, least, most in RANGES:
        value = getattr(whatif, name)
        if value is not None and not least < value <= most:  # a NaN is in no range
            kind = "positive" if least == 0 else "non-negative"
            raise BadParam(f"invalid {name} value: use a {kind} number up to {most}")
    if whatif.backend not in (None, "cuda", "rocm", "metal", "vulkan", "sycl", "cpu"):
        raise BadParam("invalid backend value: use cuda|rocm|metal|vulkan|sycl|cpu")


def _check_removal(whatif: WhatIf) -> None:
    """What takes the GPUs away must not stand beside what asks for one."""
    asks = [name for name in ("gpu", "gpu_bandwidth_gbps") if getattr(whatif, name) is not None]
    asks += [name for name in ("gpu_count", "vram_gb") if getattr(whatif, name)]
    asks += ["unified_memory=true"] if whatif.unified_memory else []
    backend = f"backend={whatif.backend}"
    if whatif.backend == "cpu" and asks:
        raise BadParam(f"invalid backend value: cpu uses no GPU; leave out {' and '.join(asks)}")
    asks += [backend] if whatif.backend not in (None, "cpu") else []
    for name in ("gpu_count", "vram_gb"):
        if getattr(whatif, name) == 0 and asks:
            raise BadParam(f"invalid {name} value: 0 removes the GPUs; leave out {' and '.join(asks)}")


def _ram(machine: Machine, whatif: WhatIf, named: list[Part]) -> int | None:
    """RAM in bytes that the request sets, all of it free; None leaves it as it is."""
    if whatif.ram_gb is not None:
        return int(whatif.ram_gb * GIB)
    if named and named[0].row.unified:
        return machine.ram_total_bytes if named[0].memory_gb is None else int(named[0].memory_gb * GIB)
    return None


def _devices(machine: Machine, whatif: WhatIf, named: list[Part], ram: int) -> list[Device]:
    count = whatif.gpu_count
    if whatif.backend == "cpu" or count == 0 or whatif.vram_gb == 0:
        return []
    if named:
        if count is not None and (len(named) > 1 or named[0].count > 1):
            raise BadParam("invalid gpu_count value: gpu says how many already; leave out gpu_count")
        devices = [_named(part, ram) for part in named for _ in range(count or part.count)]
    else:
        devices = _detected(machine, whatif, ram)
    if whatif.backend is not None:
        devices = _with_backend(devices, whatif.backend)
    if whatif.unified_memory is not None:
        _need(devices, "unified_memory", whatif.unified_memory)
        devices = [_as_unified(device, whatif.unified_memory, ram) for device in devices]
    shared = [device.name for device in devices if device.unified]
    if len(shared) > 1 and (count is not None or whatif.unified_memory):
        name = "unified_memory" if count is None else "gpu_count"
        raise BadParam(f"invalid {name} value: unified memory is one pool; use it with a single GPU ({shared[0]})")
    return _with_vram(devices, whatif.vram_gb, ram)


def _detected(machine: Machine, whatif: WhatIf, ram: int) -> list[Device]:
    """The machine's own visible GPUs, multiplied and with their pool in ``ram``; or one made up."""
    count = whatif.gpu_count
    devices = [device for device in machine.devices if device.visible]
    if not devices:
        if whatif.vram_gb:
            size = int(whatif.vram_gb * GIB)
            backend = whatif.backend or "cuda"
            vendor = VENDOR_OF_BACKEND.get(backend, "unknown")
            made_up = Device(
                name=MADE_UP, vendor=vendor, backend=backend, total_bytes=size, free_bytes=size, seen_by="request"
            )
            return [made_up] * (count or 1)
        if count:
            raise BadParam("invalid gpu_count value: this machine has no GPU to multiply; give gpu or vram_gb")
        return list(machine.devices)
    if whatif.ram_gb is not None:
        devices = [_in_ram(device, ram, machine.ram_total_bytes) for device in devices]
    if count is not None:
        if len({device.name for device in devices}) > 1:
            raise BadParam("invalid gpu_count value: this machine has GPUs of several kinds; name one with gpu")
        one = devices[0]
        devices = [replace(one, free_bytes=one.total_bytes, pci_address=None, uuid=None)] * count
    return devices


def _named(part: Part, ram: int) -> Device:
    """A device of the table, or the part of one that a MIG profile names."""
    device = _from_row(part.row, part.memory_gb, ram)
    if part.mig is None:
        return device
    one = NvmlDevice(mig=(NvmlMig(name=f"{device.name} MIG {part.mig.text}"),))
    return mig_devices(one, device, [])[0]


def _from_row(row: Accelerator, memory_gb: float | None, ram: int) -> Device:
    """A device of the table, all free: its reported size, or its share of ``ram``."""
    size = int(ram * unified_share(row.vendor, ram)) if row.unified else 0
    if not row.unified:
        size = int((nominal_mib(row, memory_gb) or 0) * MIB)
    return Device(
        name=row.name,
        vendor=row.vendor,
        backend=backend_of(row) or "vulkan",
        total_bytes=size,
        free_bytes=size,
        unified=row.unified,
        arch=row.arch,
        compute_capability=row.compute_capability,
        bandwidth_gbps=row.memory_bandwidth_gbps,
        bandwidth_source="table" if row.memory_bandwidth_gbps else None,
        fp32_tflops=row.fp32_tflops,
        fp16_tflops=row.fp16_tflops,
        memory_source="ram" if row.unified else "table",
        seen_by="request",
        record=row.id,
        confidence=row.confidence,
    )


def _in_ram(device: Device, ram: int, ram_before: int) -> Device:
    """A unified device's pool in another amount of RAM; an AMD one keeps the share that was detected."""
    if not device.unified:
        return device
    share = unified_share(device.vendor, ram)
    if device.vendor == "amd" and 0 < device.total_bytes <= ram_before:
        share = device.total_bytes / ram_before
    size = int(ram * share)
    return replace(device, total_bytes=size, free_bytes=size)


def _with_backend(devices: list[Device], backend: str) -> list[Device]:
    """The devices that ``backend`` can drive, driven by it."""
    able = [device for device in devices if backend in VENDOR_BACKENDS.get(device.vendor, (backend,))]
    if not able:
        allowed = sorted({name for device in devices for name in VENDOR_BACKENDS.get(device.vendor, ())})
        drives = f"no GPU here runs {backend}" if devices else "this machine has no GPU; give gpu or vram_gb"
        raise BadParam(f"invalid backend value: {drives}; use {'|'.join([*allowed, 'cpu'])}")
    return [replace(device, backend=backend) for device in able]


def _as_unified(device: Device, unified: bool, ram: int) -> Device:
    if device.unified == unified:
        return device
    if not unified:
        return replace(device, unified=False)
    size = int(ram * unified_share(device.vendor, ram))
    return replace(device, unified=True, total_bytes=size, free_bytes=size)


def _with_vram(devices: list[Device], vram_gb: float | None, ram: int) -> list[Device]:
    """``vram_gb`` over all devices, each with the part that it has of the whole; all free."""
    if vram_gb is None or not devices:
        return devices
    size = int(vram_gb * GIB)
    most = max(ram, *(device.total_bytes for device in devices))  # a carve-out may exceed the RAM left
    if any(device.unified for device in devices) and size > most:
        allowed = f"use at most {most / GIB:g}, or raise ram_gb"
        raise BadParam(f"invalid vram_gb value: unified memory is a part of RAM; {allowed}")
    whole = sum(device.total_bytes for device in devices)
    sizes = [size * device.total_bytes // whole if whole else size // len(devices) for device in devices]
    return [
        replace(device, total_bytes=part, free_bytes=part, memory_source="request", pci_address=None, uuid=None)
        for device, part in zip(devices, sizes, strict=True)
    ]


def _host(machine: Machine, whatif: WhatIf, named: list[Part], ram: int | None) -> Machine:
    """RAM, its bandwidth and the CPU."""
    changes: dict[str, Any] = {}
    if ram is not None:
        changes |= {"ram_total_bytes": ram, "ram_available_bytes": ram}
    bandwidth, origin = whatif.ram_bandwidth_gbps, "request"
    apart = whatif.cpu is not None and named and named[0].row.vendor in ("amd", "intel")  # RAM is what that CPU takes
    if bandwidth is None and named and is_apu(named[0].row) and not apart:  # the RAM is the chip's
        bandwidth, origin = named[0].row.memory_bandwidth_gbps, "table"
    if bandwidth is not None:
        changes |= {
            "ram_bandwidth_gbps": bandwidth,
            "ram_bandwidth_max_gbps": bandwidth,
            "ram_bandwidth_source": origin,
        }
    if whatif.cpu_cores is not None and whatif.cpu is None:
        changes["cpu_cores"] = whatif.cpu_cores
        if machine.cpu_fp32_tflops is not None:
            scaled = machine.cpu_fp32_tflops * whatif.cpu_cores / machine.cpu_cores
            changes["cpu_fp32_tflops"] = round(scaled, 4)
    return replace(machine, **changes)


def _need(devices: list[Device], name: str, wanted: object = True) -> None:
    if wanted and not devices:
        raise BadParam(f"invalid {name} value: there is no GPU; give gpu or vram_gb as well")
