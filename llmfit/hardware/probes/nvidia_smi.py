"""What `nvidia-smi` prints, in the form of an NVML snapshot."""

from __future__ import annotations

import re

from msgspec.structs import replace

from llmfit.hardware.probes.describe import MIB
from llmfit.hardware.probes.memory import number
from llmfit.hardware.sources.nvml import NvmlDevice, NvmlMig, NvmlSnapshot
from llmfit.hardware.sources.source import Source

# A field that the installed version does not know fails the whole query: so a second, shorter one.
QUERIES = (
    "name,memory.total,memory.free,uuid,pci.bus_id,compute_cap,mig.mode.current,clocks.max.memory",
    "name,memory.total,memory.free,uuid,pci.bus_id",
)
PROGRAMS = ("nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi")  # root's PATH under WSL lacks the second


def read_smi(source: Source) -> NvmlSnapshot:
    """The first query that some nvidia-smi answers; a snapshot without devices if none does."""
    for program in PROGRAMS:
        for query in QUERIES:
            output = source.command(program, f"--query-gpu={query}", "--format=csv,noheader,nounits")
            if output is None:
                break  # not installed, or hanging: another query would not help
            if output.status == 0:
                fields = query.split(",")
                rows = ([cell.strip() for cell in line.split(",")] for line in output.stdout.splitlines())
                cells = (dict(zip(fields, row, strict=True)) for row in rows if len(row) == len(fields))
                devices = tuple(_device(row) for row in cells if "GPU-" in row["uuid"])
                return NvmlSnapshot(devices=_with_mig(source, program, devices))
    return NvmlSnapshot()


def _with_mig(source: Source, program: str, devices: tuple[NvmlDevice, ...]) -> tuple[NvmlDevice, ...]:
    """The devices with their MIG parts: names and uuids of `-L`, sizes of `-q`."""
    if not any(device.mig_mode for device in devices):
        return devices
    listed, full = source.command(program, "-L"), source.command(program, "-q")
    named = parse_list(listed.stdout) if listed and listed.status == 0 else {}
    sizes = parse_sizes(full.stdout) if full and full.status == 0 else {}
    return tuple(
        replace(device, mig=_parts(device, named.get(device.uuid or "", {}), sizes.get(address(device.pci), {})))
        if device.mig_mode
        else device
        for device in devices
    )


def _parts(
    device: NvmlDevice, named: dict[int, tuple[str, str]], sizes: dict[int, tuple[int, int | None]]
) -> tuple[NvmlMig, ...]:
    parts = []
    for index in sorted({*named, *sizes}):
        profile, uuid = named.get(index, ("", None))
        total, free = sizes.get(index, (None, None))
        name = f"{device.name} MIG {profile}".strip()
        parts.append(NvmlMig(name=name, uuid=uuid, memory_total=total, memory_free=free))
    return tuple(parts)


def parse_list(text: str) -> dict[str, dict[int, tuple[str, str]]]:
    """Profile and uuid of each MIG device by its index, by the uuid of its card: what `nvidia-smi -L` prints."""
    found: dict[str, dict[int, tuple[str, str]]] = {}
    parts: dict[int, tuple[str, str]] = {}
    for line in text.splitlines():
        card = re.match(r"GPU \d+:.*\(UUID: (\S+)\)", line)
        part = re.match(r"\s+MIG (\S+)\s+Device\s+(\d+): \(UUID: (\S+)\)", line)
        if card:
            parts = found.setdefault(card[1], {})
        elif part:
            parts[int(part[2])] = part[1], part[3]
    return found


def parse_sizes(text: str) -> dict[str, dict[int, tuple[int, int | None]]]:
    """Bytes in all and free of each MIG device by its index, by the address of its card: of `nvidia-smi -q`."""
    found: dict[str, dict[int, tuple[int, int | None]]] = {}
    for card in re.split(r"^(?=GPU [0-9A-Fa-f]{4,8}:)", text, flags=re.MULTILINE)[1:]:
        parts = found.setdefault(address(card.split()[1]), {})
        for block in re.split(r"^\s+MIG Device\s*$", card, flags=re.MULTILINE)[1:]:
            index = re.search(r"^\s+Index\s*:\s*(\d{1,3})$", block, re.MULTILINE)
            memory = re.search(r"^\s+FB Memory Usage\s*$((?:\n\s+\w+\s*:.*$)+)", block, re.MULTILINE)
            facts = dict(re.findall(r"(\w+)\s*:\s*(\d{1,9}) MiB", memory[1])) if memory else {}
            if index and "Total" in facts:
                free = int(facts["Free"]) * MIB if "Free" in facts else None
                parts[int(index[1])] = int(facts["Total"]) * MIB, free
    return found


def address(text: str | None) -> str:
    """A PCI address as the kernel writes it."""
    return (text or "")[-12:].lower()


def _device(cells: dict[str, str]) -> NvmlDevice:
    known = {field: _known(cell) for field, cell in cells.items()}
    total, free = number(known.get("memory.total")), number(known.get("memory.free"))
    major, _, minor = (known.get("compute_cap") or "").partition(".")
    capability = number(major), number(minor)
    return NvmlDevice(
        name=known.get("name"),
        uuid=known.get("uuid"),
        pci=known.get("pci.bus_id"),
        memory_total=total and total * MIB,
        memory_free=None if free is None else free * MIB,
        mem_clock_mhz=number(known.get("clocks.max.memory")),
        compute_capability=capability if all(part is not None for part in capability) else None,  # type: ignore[arg-type]
        mig_mode=int(known.get("mig.mode.current") == "Enabled"),
        errors={} if total else {"memory": cells["memory.total"].strip("[] ")},
    )


def _known(cell: str) -> str | None:
    """A cell, or None for the ways in which nvidia-smi says that it does not know."""
    cell = cell.strip()
    return None if cell.startswith("[") or cell in ("", "N/A") else cell
