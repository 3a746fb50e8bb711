"""GPUs of Windows as Linux under WSL2 sees them: behind /dev/dxg, on no bus. NVIDIA's has a probe of its own."""

from __future__ import annotations

import re

from llmfit.catalog.tables import Tables
from llmfit.hardware.names.lookup import Hints, backend_of, resolve
from llmfit.hardware.probes.describe import MIB, Pool, describe, nominal_pool
from llmfit.hardware.probes.memory import number
from llmfit.hardware.probes.nvidia import has_driver
from llmfit.hardware.sources.source import Source
from llmfit.machine import Device


def probe(source: Source, tables: Tables) -> tuple[list[Device], list[str]]:
    """The Radeons that ROCm's `rocminfo` lists there; without it, a warning that there may be a GPU."""
    if "dxg" not in source.names("/dev") or has_driver(source):
        return [], []
    output = source.command("rocminfo")
    found = parse_rocminfo(output.stdout) if output else []
    if not found:
        return [], ["WSL: Windows' GPU is behind /dev/dxg, but nothing here can ask it what it is; it is not counted"]
    warnings: list[str] = []
    devices = []
    for name, isa, size in found:
        called = f"AMD: {name} is behind WSL2's /dev/dxg"
        match = resolve(name, tables, "amd", Hints(memory_mib=size / MIB if size else None))
        sizes = match.row.memory_gb if match.row else ()
        pool = Pool(total=size, free=size) if size else nominal_pool(match) if len(sizes) == 1 else None
        if pool is None:
            sold = f" (sold with {' or '.join(f'{gib:g}' for gib in sizes)} GB)" if sizes else ""
            warnings.append(f"{called}: its memory could not be read{sold}; it is not counted")
            continue
        warnings.append(f"{called}: how much of it is free is not known: all is assumed")
        backend = (backend_of(match.row) if match.row else None) or "rocm"
        arch = match.row.arch if match.row else isa
        devices.append(
            describe(name, "amd", match, pool, warnings, backend=backend, arch=arch, seen_by="rocminfo")
        )
    return devices, warnings


def parse_rocminfo(text: str) -> list[tuple[str, str, int]]:
    """(marketing name, gfx name, bytes of its largest pool or 0) of each GPU agent."""
    found = []
    for block in re.split(r"^(?=\s*Name:\s)", text, flags=re.MULTILINE):
        isa = re.match(r"\s*Name:\s*(gfx\w+)\s*$", block, re.MULTILINE)
        name = re.search(r"^\s*Marketing Name:\s*(\S.*?)\s*$", block, re.MULTILINE)
        if isa and name:
            pools = re.findall(r"^\s*Size:\s*(\d+)\(0x[0-9a-f]+\) KB", block, re.MULTILINE)
            found.append((name[1], isa[1], max((number(size) or 0 for size in pools), default=0) * 1024))
    return found
