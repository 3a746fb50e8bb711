"""AMD GPUs on Linux: a pure reading of the kernel's DRM and KFD files; no tool and no privilege is needed.

AMD's own tools (:mod:`llmfit.hardware.probes.amd_tools`) are asked only where these files say too little.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace

from llmfit.catalog.tables import Accelerator, Tables
from llmfit.hardware.names.lookup import Hints, Match, backend_of, is_apu, resolve, resolve_chip
from llmfit.hardware.probes import pci
from llmfit.hardware.probes.amd_tools import Reported, read_tools
from llmfit.hardware.probes.describe import MIB, Pool, checked_free, describe
from llmfit.hardware.probes.memory import number, read_memory
from llmfit.hardware.probes.visibility import apply_visible
from llmfit.hardware.sources.source import Source
from llmfit.machine import Device

KFD = "/sys/class/kfd/kfd/topology/nodes"
IDS = "/usr/share/libdrm/amdgpu.ids"
# Transfers for each cycle of KFD's memory clock. Other memory of APUs: not verified, so the table decides.
TRANSFERS = {"GDDR6": 16, "GDDR5": 4, "HBM2": 2, "HBM2e": 2, "HBM3": 4, "HBM3e": 4}
RENUMBERED = ("HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL")
NAMELESS = ("", "n/a", "amd radeon graphics", "amd radeon(tm) graphics")  # names that many products share


def probe(source: Source, tables: Tables) -> tuple[list[Device], list[str]]:
    """All AMD GPUs, in card order, and one warning for each thing that is unknown."""
    warnings: list[str] = []
    gpus = [gpu for gpu in pci.gpus(source) if gpu.vendor == "amd"]
    nodes = kfd_nodes(source)
    devices: list[Device] = []
    for gpu in gpus:
        devices += _read_card(source, gpu, nodes, tables, warnings)
    if not gpus and "kfd" in source.names("/dev"):  # a container that hides /sys
        for reported in read_tools(source):
            device = _read_reported(reported, tables, warnings)
            devices += [device] if device else []
    devices = apply_visible(source, "ROCR_VISIBLE_DEVICES", devices, list(range(len(devices))), warnings)
    second = next((name for name in RENUMBERED if source.env(name) is not None), None)
    if second and source.env("ROCR_VISIBLE_DEVICES") is not None:
        warnings.append(f"{second} counts the devices that ROCR_VISIBLE_DEVICES leaves: set one of them only")
    if second:
        devices = apply_visible(source, second, devices, list(range(len(devices))), warnings)
    return devices, warnings


def _read_card(
    source: Source, gpu: pci.Gpu, nodes: dict[str, list[dict[str, str]]], tables: Tables, warnings: list[str]
) -> list[Device]:
    """The card, or its partitions, which KFD lists at one address."""
    vram = number(source.text(f"{gpu.folder}/mem_info_vram_total"))
    parts = nodes.get(gpu.address[:-2], [])
    node = parts[0] if parts else {}
    isa = gfx_name(node.get("gfx_target_version", ""))
    name, match = _identify(source, gpu, isa, vram, tables)
    tool = None
    if vram is None or (match.row is None and len(match.candidates) != 1):
        tool = next((entry for entry in read_tools(source) if entry.address == gpu.address), None)
    if tool is not None:
        vram = vram or tool.vram_bytes
        isa = isa or tool.isa
        if match.row is None:
            name, match = _identify(source, gpu, isa, vram, tables, tool.name)
    if vram is None:
        warnings.append(f"AMD: the memory of the GPU at {gpu.address} could not be read; it is not counted")
        return []
    called = f"AMD: {name} at {gpu.address}"
    like = match.row or next((row for row in tables.accelerators if isa and row.isa == isa), None)
    count = max(1, len(parts))
    device = describe(
        name,
        "amd",
        match,
        _pool(source, gpu.folder, vram, tool, like if like and is_apu(like) else None, called, warnings),
        warnings,
        driver_gbps=_driver_bandwidth(node, match.row, count),
        backend=(backend_of(like) if like else None) or "vulkan",
        arch=like.arch if like else None,
        pci_address=gpu.address,
        uuid=_uuid(node.get("unique_id", "")),
        seen_by="drm",
    )
    if count == 1:
        return [device]
    warnings.append(f"AMD: {name} is split into {count} partitions, which share its memory and speed")
    return [_part(device, part, count) for part in parts]


def _part(card: Device, node: dict[str, str], count: int) -> Device:
    facts: dict[str, Any] = {
        field: None if getattr(card, field) is None else round(getattr(card, field) / count, 2)
        for field in ("bandwidth_gbps", "fp32_tflops", "fp16_tflops")
    }
    own = number(node.get("size_in_bytes")) if node.get("heap_type") in ("1", "2") else None
    even = card.total_bytes // count
    total = own if own and even // 2 <= own <= card.total_bytes else even  # banks may differ by what is reserved
    free = min(total, card.free_bytes // count)
    return replace(card, total_bytes=total, free_bytes=free, uuid=_uuid(node.get("unique_id", "")), **facts)


def _read_reported(reported: Reported, tables: Tables, warnings: list[str]) -> Device | None:
    """A card that only a tool lists."""
    known = pci.NAMES.get(f"1002:{reported.device_id}", "")
    name = reported.name if reported.name.lower() not in NAMELESS else known or f"AMD GPU [1002:{reported.device_id}]"
    size = reported.vram_bytes
    if not size:
        warnings.append(f"AMD: the memory of {name} could not be read; it is not counted")
        return None
    match = _match([name], tables, reported.isa, size)
    row = match.row
    pool = Pool(total=size, free=size - min(reported.used_bytes or 0, size), unified=bool(row and row.unified))
    backend = (backend_of(row) if row else None) or "vulkan"
    return describe(
        name, "amd", match, pool, warnings, backend=backend, pci_address=reported.address, seen_by=reported.tool
    )


def _identify(
    source: Source, gpu: pci.Gpu, isa: str | None, vram: int | None, tables: Tables, told: str = ""
) -> tuple[str, Match]:
    """The name that the kernel, libdrm's list, a tool or pci.ids prints, with the product it belongs to."""
    key = f"{gpu.device_id},\\s*{gpu.revision or '-'},\\s*(.+)"
    listed = re.search(f"^{key}$", source.text(IDS) or "", re.MULTILINE | re.IGNORECASE)
    printed = source.text(f"{gpu.folder}/product_name") or ""
    names = [printed.strip(), listed[1].strip() if listed else "", told, pci.name_of(gpu, source)]
    names = [name for name in names if name.lower() not in NAMELESS]
    chip = names[0] if names else f"AMD GPU [1002:{gpu.device_id}]"
    match = _match(names, tables, None, vram)
    if match.row is not None and not is_apu(match.row):
        return chip, match
    of_chip = [row for row in tables.accelerators if isa and row.isa == isa and _fits(row, vram)]
    if (match.row is not None and is_apu(match.row)) or any(is_apu(row) for row in of_chip):
        cpu = re.search(r"^model name\s*:\s*(.+)$", source.text("/proc/cpuinfo") or "", re.MULTILINE)
        named = resolve(cpu[1], tables, "amd") if cpu else Match()  # "AMD Ryzen 7 7840HS w/ Radeon 780M Graphics"
        if named.row is not None and is_apu(named.row) and (named.row in of_chip or not of_chip):
            return named.row.name, named
    return chip, match if match.row is not None else _match([], tables, isa, vram)


def _match(names: list[str], tables: Tables, isa: str | None, vram: int | None) -> Match:
    """The product of the first name that tells it, else the one of the chip that is sold with so much memory."""
    hints = Hints(memory_mib=vram / MIB if vram else None)
    for name in names:
        match = resolve_chip(name, tables, "amd", hints)
        if match.row is not None:
            return match
    rows = [row for row in tables.accelerators if isa and row.isa == isa and _fits(row, vram)]
    if len(rows) != 1:
        return Match(candidates=tuple(rows))
    warning = f"taken for {rows[0].name}, the only one of its chip ({isa}) with that memory"
    return Match(row=rows[0], candidates=tuple(rows), warning=warning)


def _fits(row: Accelerator, vram: int | None) -> bool:
    gib = (vram or 0) / (1 << 30)
    return is_apu(row) or any(0.88 * size <= gib <= 1.02 * size for size in row.memory_gb)


def _pool(
    source: Source,
    folder: str | None,
    vram: int,
    tool: Reported | None,
    apu: Accelerator | None,
    called: str,
    warnings: list[str],
) -> Pool:
    """Its memory. An APU may also use what the kernel lets it map of RAM (GTT).

    ROCm allocates in the larger of its carve-out and GTT; Vulkan in both. Neither is more than there is RAM.
    """
    used = number(source.text(f"{folder}/mem_info_vram_used"))
    used = (tool.used_bytes if tool else None) if used is None else used
    free = checked_free(vram, vram - (used or 0), called, warnings)
    if apu is None:
        return Pool(total=vram, free=free)
    ram = read_memory(source)
    mapped = number(source.text(f"{folder}/mem_info_gtt_total")) or 0
    carved = 0 if backend_of(apu) == "rocm" else vram
    total = max(vram, min(carved + mapped, ram.total_bytes))
    if total == vram:  # a large carve-out: RAM is what is left of it
        return Pool(total=total, free=free, unified=True)
    room = max(0, mapped - (number(source.text(f"{folder}/mem_info_gtt_used")) or 0))
    room = min(room, ram.available_bytes)
    return Pool(total=total, free=min(total, (free if carved else 0) + room), unified=True)


def _driver_bandwidth(node: dict[str, str], row: Accelerator | None, parts: int) -> float | None:
    """GB/s of the whole card: KFD's bus width x clock, if the type of memory is known."""
    transfers = TRANSFERS.get(row.memory_type) if row else None
    width, clock = number(node.get("width")), number(node.get("mem_clk_max"))
    return width / 8 * clock * transfers / 1000 if transfers and width and clock and parts == 1 else None


def kfd_nodes(source: Source) -> dict[str, list[dict[str, str]]]:
    """The properties of each GPU that KFD knows, with those of its memory, by PCI slot (without the function)."""
    nodes: dict[str, list[dict[str, str]]] = {}
    for name in source.names(KFD):
        facts = _pairs(source.text(f"{KFD}/{name}/properties"))
        if facts.get("simd_count", "0") == "0":  # a CPU
            continue
        where, domain = number(facts.get("location_id")) or 0, number(facts.get("domain")) or 0
        facts |= _pairs(source.text(f"{KFD}/{name}/mem_banks/0/properties"))
        nodes.setdefault(f"{domain:04x}:{where >> 8 & 0xFF:02x}:{where >> 3 & 0x1F:02x}", []).append(facts)
    return nodes


def gfx_name(version: str) -> str | None:
    """KFD's number for an instruction set as compilers write it: 90010 is gfx90a, 110501 gfx1151."""
    target = number(version)
    return f"gfx{target // 10000}{target // 100 % 100:x}{target % 100:x}" if target else None


def _uuid(unique_id: str) -> str | None:
    """As ROCm writes it: GPU- and sixteen hexadecimal digits."""
    ident = number(unique_id)
    return f"GPU-{ident:016x}" if ident else None


def _pairs(text: str | None) -> dict[str, str]:
    lines = (line.split() for line in (text or "").splitlines())
    return {words[0]: words[1] for words in lines if len(words) == 2 and number(words[1]) is not None}
