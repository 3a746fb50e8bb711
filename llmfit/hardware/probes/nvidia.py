"""NVIDIA GPUs: a pure reading of an NVML snapshot, or of what `nvidia-smi` prints where NVML is unusable."""

from __future__ import annotations

import re

from msgspec.structs import replace

from llmfit.catalog.tables import Tables
from llmfit.hardware.names.lookup import Hints, Match, resolve
from llmfit.hardware.names.unified import OTHERS
from llmfit.hardware.probes import pci
from llmfit.hardware.probes.describe import MIB, Pool, checked_free, describe, nominal_pool, share_of_ram
from llmfit.hardware.probes.memory import Memory, read_memory
from llmfit.hardware.probes.mig import mig_devices
from llmfit.hardware.probes.nvidia_smi import read_smi
from llmfit.hardware.probes.sharing import apply_limits
from llmfit.hardware.probes.visibility import apply_visible
from llmfit.hardware.sources.nvml import TIMEOUT, NvmlDevice, NvmlSnapshot
from llmfit.hardware.sources.source import Source
from llmfit.machine import Device

ARCH_OF_MAJOR = {5: "maxwell", 6: "pascal", 7: "volta", 8: "ampere", 9: "hopper"}
ARCH_OF_BOTH = {(7, 5): "turing", (8, 9): "ada"}
REASONS = {
    TIMEOUT: "the driver did not answer within 2 s",
    "NVML_ERROR_LIBRARY_NOT_FOUND": "libnvidia-ml is not found (a container needs the NVIDIA runtime)",
    "NVML_ERROR_DRIVER_NOT_LOADED": "the kernel driver is not loaded",
    "NVML_ERROR_LIB_RM_VERSION_MISMATCH": "driver and library are of different versions (updated: reboot)",
    "NVML_ERROR_NO_PERMISSION": "this user may not ask the driver",
    "BINDING_NOT_INSTALLED": "the Python package nvidia-ml-py is not installed",
}


def probe(source: Source, tables: Tables) -> tuple[list[Device], list[str]]:
    """All NVIDIA GPUs in PCI order, and one warning for each thing that could not be read."""
    board = source.text("/proc/device-tree/model") or ""
    if not has_driver(source) and "jetson" not in board.lower():
        return [], []
    warnings: list[str] = []
    snapshot, seen, usable = source.nvml(), "nvml", True
    if snapshot.error:
        snapshot, seen, usable = _without_nvml(source, snapshot.error, resolve(board, tables, "nvidia"), warnings)
    memory = read_memory(source)
    apart = source.platform().os == "windows" or bool(source.names("/usr/lib/wsl/lib"))  # carve-outs are not in RAM
    devices: list[Device] = []
    parents: list[int] = []
    for index, device in enumerate(snapshot.devices):
        found = _read_device(device, board, memory, tables, warnings if usable else [], apart)
        devices += [replace(one, seen_by=seen, visible=usable) for one in found]
        parents += [index] * len(found)
    devices = apply_limits(source, devices, warnings)
    by_index = re.search(r"(?:^|,)\s*\d", source.env("CUDA_VISIBLE_DEVICES") or "") is not None
    differ = len({device.name for device in devices}) > 1  # CUDA's own order puts the fastest first
    if by_index and differ and source.env("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
        warnings.append("CUDA_VISIBLE_DEVICES: indices are read in PCI order; UUIDs would be unambiguous")
    if source.names("/usr/lib/wsl/lib") and any(device.total_bytes > memory.total_bytes for device in devices):
        warnings.append("WSL has less RAM than the GPU has memory: large models may not load (see .wslconfig)")
    return apply_visible(source, "CUDA_VISIBLE_DEVICES", devices, parents, warnings), warnings


def has_driver(source: Source) -> bool:
    """Whether a driver can exist here: else NVML is not even loaded."""
    if source.platform().os == "windows" or source.names("/proc/driver/nvidia"):
        return True
    if any(re.fullmatch(r"nvidia(?:\d+|ctl)", name) for name in source.names("/dev")):
        return True
    return any(name.startswith(("libnvidia-ml", "nvidia-smi")) for name in source.names("/usr/lib/wsl/lib"))


def _without_nvml(
    source: Source, error: str, board: Match, warnings: list[str]
) -> tuple[NvmlSnapshot, str, bool]:
    """What else lists GPUs, its name, and whether they can be used.

    `nvidia-smi`, unless it would hang as NVML did; the board, if the GPU is part of one; last the kernel's own list,
    or that of the PCI bus: what stands there alone is reported, but no program can use it.
    """
    reason = REASONS.get(error, f"NVML failed: {error}")
    chosen = source.env("NVIDIA_VISIBLE_DEVICES")  # of the container runtime
    if chosen in ("", "void", "none"):
        reason = f"NVIDIA_VISIBLE_DEVICES={chosen} keeps GPUs out of this container"
    snapshot = NvmlSnapshot(error=error) if error == TIMEOUT else read_smi(source)
    if snapshot.devices:
        warnings.append(f"NVIDIA: {reason}; read through nvidia-smi instead")
        return snapshot, "nvidia-smi", True
    if board.row is not None and board.row.unified:
        warnings.append(f"NVIDIA: {reason}; the GPU is known by the board's name alone")
        return NvmlSnapshot(devices=(NvmlDevice(name=board.row.name),)), "device-tree", True
    listed, seen = _listed(source), "proc"
    if not listed:
        found = [gpu for gpu in pci.gpus(source) if gpu.vendor == "nvidia"]
        named = ((pci.name_of(gpu, source) or f"NVIDIA GPU [10de:{gpu.device_id}]", gpu.address) for gpu in found)
        listed, seen = tuple(NvmlDevice(name=name, pci=address) for name, address in named), "pci"
    usable = error == "BINDING_NOT_INSTALLED" and seen == "proc"
    if listed or source.platform().os != "windows" or error not in REASONS:  # there, no library just means no GPU
        names = ", ".join(device.name or "" for device in listed)
        outcome = "what is known of it is its name" if usable else "no NVIDIA GPU is used"
        warnings.append(f"NVIDIA: {reason}; {outcome}" + (f" ({names})" if names else ""))
    return NvmlSnapshot(devices=listed), seen, usable


def _listed(source: Source) -> tuple[NvmlDevice, ...]:
    """The GPUs that the kernel driver lists: visible even where the library is not."""
    folder = "/proc/driver/nvidia/gpus"
    found = []
    for entry in source.names(folder):
        text = source.text(f"{folder}/{entry}/information") or ""
        facts = dict(re.findall(r"^(Model|GPU UUID):[ \t]*(.*?)\s*$", text, re.MULTILINE))
        if facts.get("Model"):
            uuid = facts.get("GPU UUID", "")
            found.append(NvmlDevice(name=facts["Model"], pci=entry, uuid=None if "?" in uuid else uuid or None))
    return tuple(found)


def _read_device(
    device: NvmlDevice, board: str, memory: Memory, tables: Tables, warnings: list[str], apart: bool
) -> list[Device]:
    name = device.name
    if not name:
        reason = next(iter(device.errors.values()), "no name")
        warnings.append(f"NVIDIA: a GPU could not be read and is not counted: {reason}")
        return []
    match = _match(device, name, board, memory, tables)
    pool = _pool(device, match, memory, warnings, apart)
    if pool is None:
        return []
    capability, row = device.compute_capability, match.row
    clock, bus = device.mem_clock_mhz, device.bus_bits
    doubled = 2 * clock * bus / 8 / 1000 if clock and bus and not pool.unified else None  # double data rate
    known = describe(
        name,
        "nvidia",
        match,
        pool,
        warnings,
        driver_gbps=doubled,
        backend="cuda",
        arch=row.arch if row else _arch(capability),
        compute_capability=_number(capability) or (row.compute_capability if row else None),
        pci_address=_pci(device.pci),
        uuid=device.uuid,
    )
    if _is_vgpu(name):
        warnings.append(f"NVIDIA: {name} is a share of a card (vGPU): its speed is the card's, shared in time")
    elif row and row.memory_gb and not pool.unified and pool.total < 0.88 * min(row.memory_gb) * 1024 * MIB:
        sold = " or ".join(f"{gib:g}" for gib in row.memory_gb)
        warnings.append(
            f"NVIDIA: {name} is sold with {sold} GB, and {pool.total / MIB / 1024:.1f} GiB are told: a share of it"
        )
    return mig_devices(device, known, warnings) if device.mig_mode else [known]


def _match(device: NvmlDevice, name: str, board: str, memory: Memory, tables: Tables) -> Match:
    mib = device.memory_total / MIB if device.memory_total else None
    if _is_vgpu(name) or device.mig_mode:
        mib = None  # the profile's size, not the card's
    hints = Hints(memory_mib=mib, bus_bits=device.bus_bits, mem_clock_mhz=device.mem_clock_mhz)
    match = resolve(name, tables, "nvidia", hints)
    if any(row.unified for row in match.candidates):  # a Jetson's driver names the chip, its board the product
        host = Hints(memory_mib=memory.host_total_bytes / MIB)
        named = resolve(board, tables, "nvidia", host)
        match = named if named.row and named.row.unified else resolve(name, tables, "nvidia", host)
    return match


def _pool(device: NvmlDevice, match: Match, memory: Memory, warnings: list[str], apart: bool) -> Pool | None:
    """Its memory; None drops the device, with a warning."""
    size = device.memory_total
    if match.row is not None and match.row.unified and not (apart and size):
        return share_of_ram(memory, 1.0)
    free = checked_free(size, device.memory_free, f"NVIDIA: {device.name}", warnings) if size else 0
    if match.row is not None and match.row.unified and size:
        total = max(size, int(OTHERS * (size + memory.total_bytes)))
        carved = f"{size / MIB / 1024:.1f} GiB are carved out of RAM for it"
        warnings.append(f"NVIDIA: {device.name}: {carved}; three quarters of both are taken for what it may use")
        return Pool(total=total, free=min(total, free + memory.available_bytes), source="ram", unified=True)
    if size:
        return Pool(total=size, free=free)
    error = device.errors.get("memory", "the driver was not asked")
    nominal = nominal_pool(match)
    if nominal and ("permission" in error.lower() or not device.errors):
        warnings.append(f"NVIDIA: the memory of {device.name} may not be read; its nominal size is assumed free")
        return nominal
    warnings.append(f"NVIDIA: the memory of {device.name} could not be read ({error}); it is not counted")
    return None


def _is_vgpu(name: str) -> bool:
    return re.search(r"-\d+[abcq]$", name.lower()) is not None


def _arch(capability: tuple[int, int] | None) -> str | None:
    if capability is None:
        return None
    major = ARCH_OF_MAJOR.get(capability[0], "blackwell" if 10 <= capability[0] <= 12 else None)
    return ARCH_OF_BOTH.get(capability, major)


def _number(capability: tuple[int, int] | None) -> float | None:
    return float(f"{capability[0]}.{capability[1]}") if capability else None


def _pci(address: str | None) -> str | None:
    """`00000000:01:00.0` as the kernel writes it: `0000:01:00.0`."""
    return address[-12:].lower() if address else None
