"""What `nvidia-smi` prints, in the form of an NVML snapshot."""

from __future__ import annotations

from llmfit.hardware.probes.describe import MIB
from llmfit.hardware.probes.memory import number
from llmfit.hardware.sources.nvml import NvmlDevice, NvmlSnapshot
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
                return NvmlSnapshot(devices=tuple(_device(row) for row in cells if "GPU-" in row["uuid"]))
    return NvmlSnapshot()


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
