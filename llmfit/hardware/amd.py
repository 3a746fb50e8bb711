"""AMD GPUs on Linux: a pure reading of the kernel's DRM and KFD files; no tool and no privilege is needed."""

from __future__ import annotations

import re

from llmfit.hardware.lookup import Hints, Match, backend_of, is_apu, resolve
from llmfit.hardware.memory import read_memory
from llmfit.hardware.source import Source
from llmfit.hardware.visibility import apply_visible
from llmfit.machine import Device
from llmfit.tables import Accelerator, Tables

MIB = 1 << 20
DRM = "/sys/class/drm"
KFD = "/sys/class/kfd/kfd/topology/nodes"
IDS = "/usr/share/libdrm/amdgpu.ids"
TABLE_MARGIN = 1.02
# Transfers for each cycle of KFD's memory clock. Other memory of APUs: not verified, so the table decides.
TRANSFERS = {"GDDR6": 16, "GDDR5": 4, "HBM2": 2, "HBM2e": 2, "HBM3": 4, "HBM3e": 4}


def probe(source: Source, tables: Tables) -> tuple[list[Device], list[str]]:
    """All AMD GPUs with a kernel driver, in card order, and one warning for each thing that is unknown."""
    warnings: list[str] = []
    cards = [name for name in source.names(DRM) if re.fullmatch(r"card\d+", name)]
    folders = [f"{DRM}/{name}/device" for name in sorted(cards, key=lambda name: int(name[4:]))]
    folders = [folder for folder in folders if source.text(f"{folder}/vendor") == "0x1002"]
    nodes = _kfd_nodes(source) if folders else {}
    found = (_read_device(source, folder, nodes, tables, warnings) for folder in folders)
    devices = [device for device in found if device is not None]
    for variable in ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        devices = apply_visible(source, variable, devices, list(range(len(devices))), warnings)
    return devices, warnings


def _read_device(
    source: Source, folder: str, nodes: dict[str, dict[str, str]], tables: Tables, warnings: list[str]
) -> Device | None:
    address = re.search(r"PCI_SLOT_NAME=(\S+)", source.text(f"{folder}/uevent") or "")
    slot = address[1] if address else ""
    vram = _bytes(source, f"{folder}/mem_info_vram_total")
    if vram is None:
        warnings.append(f"AMD: the memory of the GPU at {slot or folder} could not be read; it is not counted")
        return None
    node = nodes.get(slot, {})
    isa = gfx_name(node.get("gfx_target_version", ""))
    name, match = _identify(source, folder, isa, vram, tables)
    if match.warning:
        warnings.append(f"AMD: {name}: {match.warning}")
    row = match.row
    like = row or next((row for row in tables.accelerators if isa and row.isa == isa), None)
    if row is None:
        warnings.append(f"AMD: {name} is not told by its name: its compute speed is unknown")
    shared = is_apu(like) if like else False
    total, free = _memory(source, folder, vram, shared)
    bandwidth, origin = _bandwidth(node, row)
    if bandwidth is None:
        warnings.append(f"AMD: the memory bandwidth of {name} is unknown")
    return Device(
        name=name,
        vendor="amd",
        backend=(backend_of(like) if like else None) or "vulkan",
        total_bytes=total,
        free_bytes=free,
        unified=shared or bool(row and row.unified),
        arch=like.arch if like else None,
        bandwidth_gbps=bandwidth,
        bandwidth_source=origin,
        fp32_tflops=row.fp32_tflops if row else None,
        fp16_tflops=row.fp16_tflops if row else None,
        pci_address=slot or None,
    )


def _identify(source: Source, folder: str, isa: str | None, vram: int, tables: Tables) -> tuple[str, Match]:
    """The name that the kernel or libdrm's list prints, else the one product with this chip and memory."""
    device = (source.text(f"{folder}/device") or "").removeprefix("0x").upper()
    revision = (source.text(f"{folder}/revision") or "").removeprefix("0x").upper()
    listed = re.search(rf"^{device},\s*{revision},\s*(.+)$", source.text(IDS) or "", re.MULTILINE)
    names = [source.text(f"{folder}/product_name") or "", listed[1].strip() if device and listed else ""]
    hints = Hints(memory_mib=vram / MIB)
    for name in filter(None, names):
        match = resolve(name, tables, "amd", hints)
        if match.row is not None:
            return name, match
    chip = next(filter(None, names), f"AMD GPU [1002:{device.lower()}]")
    rows = [row for row in tables.accelerators if isa and row.isa == isa and _fits(row, vram)]
    if any(is_apu(row) for row in rows):  # "AMD Ryzen 7 7840HS w/ Radeon 780M Graphics"
        cpu = re.search(r"^model name\s*:\s*(.+)$", source.text("/proc/cpuinfo") or "", re.MULTILINE)
        match = resolve(cpu[1], tables, "amd") if cpu else Match()
        if match.row in rows and match.row is not None:
            return match.row.name, match
    if len(rows) == 1:
        warning = f"taken for {rows[0].name}, the only one of its chip ({isa}) with that memory"
        return chip, Match(row=rows[0], candidates=tuple(rows), warning=warning)
    return chip, Match(candidates=tuple(rows))


def _fits(row: Accelerator, vram: int) -> bool:
    return is_apu(row) or any(0.88 * size <= vram / (1 << 30) <= 1.02 * size for size in row.memory_gb)


def _memory(source: Source, folder: str, vram: int, shared: bool) -> tuple[int, int]:
    """Total and free bytes. An APU adds what the kernel lets it map of RAM (GTT) to its carve-out."""
    free = max(0, vram - (_bytes(source, f"{folder}/mem_info_vram_used") or 0))
    if not shared:
        return vram, free
    ram = read_memory(source)
    mapped = _bytes(source, f"{folder}/mem_info_gtt_total") or 0
    total = max(vram, min(vram + mapped, ram.total_bytes))
    if total == vram:  # a large carve-out: RAM is what is left of it
        return total, free
    room = max(0, mapped - (_bytes(source, f"{folder}/mem_info_gtt_used") or 0))
    return total, min(total, free + min(room, ram.available_bytes))


def _bandwidth(node: dict[str, str], row: Accelerator | None) -> tuple[float | None, str | None]:
    """GB/s and where it is from: KFD's bus width x clock if the memory type is known, capped by the table."""
    table = row.memory_bandwidth_gbps if row else None
    transfers = TRANSFERS.get(row.memory_type) if row else None
    width, clock = node.get("width", "0"), node.get("mem_clk_max", "0")
    if transfers and int(width) and int(clock):
        driver = int(width) / 8 * int(clock) * transfers / 1000
        if table is None or driver <= TABLE_MARGIN * table:
            return round(driver, 1), "driver"
    return table, "table" if table else None


def _kfd_nodes(source: Source) -> dict[str, dict[str, str]]:
    """The properties of each GPU that KFD knows, with those of its memory, by PCI address."""
    nodes = {}
    for name in source.names(KFD):
        facts = _pairs(source.text(f"{KFD}/{name}/properties"))
        if facts.get("simd_count", "0") == "0":  # a CPU
            continue
        where = int(facts.get("location_id", "0"))
        domain, bus, slot = int(facts.get("domain", "0")), where >> 8 & 0xFF, where >> 3 & 0x1F
        facts |= _pairs(source.text(f"{KFD}/{name}/mem_banks/0/properties"))
        nodes[f"{domain:04x}:{bus:02x}:{slot:02x}.{where & 7}"] = facts
    return nodes


def gfx_name(version: str) -> str | None:
    """KFD's number for an instruction set as compilers write it: 90010 is gfx90a, 110501 gfx1151."""
    if not version.isdigit() or not int(version):
        return None
    number = int(version)
    return f"gfx{number // 10000}{number // 100 % 100:x}{number % 100:x}"


def _pairs(text: str | None) -> dict[str, str]:
    lines = (line.split() for line in (text or "").splitlines())
    return {words[0]: words[1] for words in lines if len(words) == 2 and words[1].isdigit()}


def _bytes(source: Source, path: str) -> int | None:
    text = (source.text(path) or "").strip()
    return int(text) if text.isdigit() else None
