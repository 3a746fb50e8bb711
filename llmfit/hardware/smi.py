"""What `nvidia-smi` prints, in the form of an NVML snapshot."""

from __future__ import annotations

import csv

from llmfit.hardware.nvml import NvmlDevice, NvmlSnapshot
from llmfit.hardware.source import Source

MIB = 1 << 20
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
                rows = csv.reader(output.stdout.splitlines(), skipinitialspace=True)
                return NvmlSnapshot(devices=tuple(_device(dict(zip(fields, row, strict=False))) for row in rows if row))
    return NvmlSnapshot()


def _device(cells: dict[str, str]) -> NvmlDevice:
    known = {field: _known(cell) for field, cell in cells.items()}
    total, free = known.get("memory.total"), known.get("memory.free")
    clock, capability = known.get("clocks.max.memory"), known.get("compute_cap")
    errors = {} if total else {"memory": cells.get("memory.total", "not printed").strip("[] ")}
    major, _, minor = (capability or "").partition(".")
    return NvmlDevice(
        name=known.get("name"),
        uuid=known.get("uuid"),
        pci=known.get("pci.bus_id"),
        memory_total=int(total) * MIB if total and total.isdigit() else None,
        memory_free=int(free) * MIB if free and free.isdigit() else None,
        mem_clock_mhz=int(clock) if clock and clock.isdigit() else None,
        compute_capability=(int(major), int(minor)) if major.isdigit() and minor.isdigit() else None,
        mig_mode=int(known.get("mig.mode.current") == "Enabled"),
        errors=errors,
    )


def _known(cell: str) -> str | None:
    """A cell, or None for the ways in which nvidia-smi says that it does not know."""
    cell = cell.strip()
    return None if cell.startswith("[") or cell in ("", "N/A") else cell
