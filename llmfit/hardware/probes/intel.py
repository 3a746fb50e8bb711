"""Intel GPUs on Linux: a pure reading of what the xe and i915 drivers publish, and of `xpu-smi` for the rest."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from llmfit.catalog.tables import Tables
from llmfit.hardware.names.lookup import Hints, Match, backend_of, resolve
from llmfit.hardware.names.unified import unified_share
from llmfit.hardware.probes import pci
from llmfit.hardware.probes.describe import MIB, Pool, describe, nominal_pool, share_of_ram
from llmfit.hardware.probes.memory import number, read_memory
from llmfit.hardware.probes.visibility import apply_visible
from llmfit.hardware.sources.source import Source
from llmfit.machine import Device

SMALL_BAR = 256 * MIB  # the window into a card's memory where the firmware does not open all of it


class Xpu(msgspec.Struct, frozen=True, kw_only=True):
    """One device of `xpu-smi discovery`: memory in bytes."""

    device_id: int = -1
    device_name: str = ""
    pci_bdf_address: str = ""
    uuid: str | None = None
    memory_physical_size_byte: float | str | None = None
    memory_free_size_byte: float | str | None = None


def probe(source: Source, tables: Tables) -> tuple[list[Device], list[str]]:
    """All Intel GPUs in card order, and one warning for each thing that is unknown."""
    warnings: list[str] = []
    found = (_read_device(source, gpu, tables, warnings) for gpu in pci.gpus(source) if gpu.vendor == "intel")
    devices = [device for device in found if device is not None]
    return apply_visible(source, "ZE_AFFINITY_MASK", devices, list(range(len(devices))), warnings), warnings


def _read_device(source: Source, gpu: pci.Gpu, tables: Tables, warnings: list[str]) -> Device | None:
    integrated = gpu.address.endswith("00:02.0")  # the slot of a GPU in the CPU's package
    name, vram = pci.name_of(gpu, source), _vram(source, gpu)
    window = 0 if vram or integrated else _window(source, gpu)  # a power of two: the card's memory may be less
    xpu = None if integrated or (name and vram) else xpu_smi(source).get(gpu.address)
    if xpu is not None:
        name = name if name or "[0x" in xpu.device_name else xpu.device_name
        vram = vram or _whole(xpu.memory_physical_size_byte)
    name = name or f"Intel GPU [8086:{gpu.device_id}]"
    match = resolve(name, tables, "intel", Hints(memory_mib=(vram or window) / MIB or None))
    pool = _pool(source, gpu, integrated, vram, xpu, match, window)
    if pool is None:
        warnings.append(f"Intel: the memory of {name} at {gpu.address} could not be read; it is not counted")
        return None
    if pool.source == "table":
        shown = f"; its window on the bus is {window / (MIB << 10):g} GiB" if window else ""
        warnings.append(f"Intel: the memory of {name} could not be read{shown}: its nominal size is assumed")
    if not pool.unified and pool.free == pool.total:
        warnings.append(f"Intel: the driver does not publish how much memory of {name} is free: all is assumed to be")
    return describe(
        name,
        "intel",
        match,
        pool,
        warnings,
        backend=(backend_of(match.row) if match.row else None) or ("vulkan" if integrated else "sycl"),
        pci_address=gpu.address,
        uuid=xpu.uuid if xpu else None,
        seen_by="xpu-smi" if xpu else "lspci" if gpu.folder is None else "drm",
    )


def _pool(
    source: Source, gpu: pci.Gpu, integrated: bool, vram: int | None, xpu: Xpu | None, match: Match, window: int
) -> Pool | None:
    if integrated:
        memory = read_memory(source)
        return share_of_ram(memory, unified_share("intel", memory.total_bytes))
    if not vram:
        return nominal_pool(match, window)
    free = _whole(xpu.memory_free_size_byte) if xpu else number(source.text(f"{gpu.card}/lmem_avail_bytes"))
    return Pool(total=vram, free=vram if free is None else free)


def _vram(source: Source, gpu: pci.Gpu) -> int | None:
    """Bytes of a card's own memory, where the driver publishes them: xe by tile, i915 by card."""
    if gpu.folder is None:
        return None
    tiles = [name for name in source.names(gpu.folder) if re.fullmatch(r"tile\d+", name)]
    sizes = [number(source.text(f"{gpu.folder}/{tile}/physical_vram_size_bytes")) or 0 for tile in tiles]
    size = sum(sizes) or number(source.text(f"{gpu.card}/lmem_total_bytes"))
    return size or None


def _window(source: Source, gpu: pci.Gpu) -> int:
    """Bytes of the card's memory that the bus shows, at least as many as it has; 0 where only a part is opened."""
    lines = (source.text(f"{gpu.folder}/resource") or "").splitlines() if gpu.folder else []
    window = re.match(r"0x([0-9a-f]+) 0x([0-9a-f]+) ", lines[2]) if len(lines) > 2 else None
    opened = int(window[2], 16) - int(window[1], 16) + 1 if window else 0
    return opened if opened > SMALL_BAR else 0


def xpu_smi(source: Source) -> dict[str, Xpu]:
    """What the tool says of each device, by PCI address; empty where it is missing or broken."""
    listed = _json(source, dict[str, Any], "xpu-smi", "discovery", "-j") or {}
    found = {}
    for entry in listed.get("device_list") or () if isinstance(listed.get("device_list"), list) else ():
        index = entry.get("device_id") if isinstance(entry, dict) else None
        xpu = _json(source, Xpu, "xpu-smi", "discovery", "-d", str(index), "-j") if isinstance(index, int) else None
        if xpu is not None and xpu.pci_bdf_address:
            found[xpu.pci_bdf_address.lower()] = xpu
    return found


def _json(source: Source, kind: Any, *argv: str) -> Any:
    output = source.command(*argv)
    if output is None or output.status != 0:
        return None
    try:
        return msgspec.json.decode(output.stdout, type=kind)
    except msgspec.DecodeError:
        return None


def _whole(value: float | str | None) -> int | None:
    return number(str(value or "").partition(".")[0])
