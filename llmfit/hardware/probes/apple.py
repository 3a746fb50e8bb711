"""Apple GPUs: a pure reading of `sysctl`, `ioreg` and, where the latter does not know, `system_profiler`."""

from __future__ import annotations

import re

from llmfit.catalog.tables import Tables
from llmfit.hardware.names.lookup import Hints, resolve
from llmfit.hardware.names.unified import metal_doubt, metal_share
from llmfit.hardware.probes.describe import MIB, Pool, describe
from llmfit.hardware.probes.memory import read_memory
from llmfit.hardware.sources.source import Source
from llmfit.machine import Device


def probe(source: Source, tables: Tables) -> tuple[list[Device], list[str]]:
    """The GPU of an Apple chip; nothing on other systems and on Macs with another CPU."""
    if source.platform().os != "macos":
        return [], []
    chip = _sysctl(source, "machdep.cpu.brand_string")
    cores = _number(r'"gpu-core-count"\s*=\s*(\d+)', _run(source, "ioreg", "-rc", "AGXAccelerator"))
    if not re.match(r"Apple M\d", chip) or cores is None:  # under Rosetta the name is "VirtualApple"
        profile = _run(source, "system_profiler", "SPDisplaysDataType", "-json")  # takes up to two seconds
        named = re.search(r'"sppci_model"\s*:\s*"(Apple M[^"]+)"', profile)
        chip = named[1] if named else chip
        cores = cores or _number(r'"sppci_cores"\s*:\s*"(\d+)"', profile)
    if "Apple" not in chip:
        return [], []
    memory = read_memory(source)
    match = resolve(chip, tables, "apple", Hints(memory_mib=memory.total_bytes / MIB, gpu_cores=cores))
    limit = int(_number(r"(\d{1,9})", _sysctl(source, "iogpu.wired_limit_mb")) or 0) * MIB  # 0: the default
    limit = limit or int(_number(r"(\d{1,15})", _sysctl(source, "debug.iogpu.wired_limit")) or 0)  # before macOS 14
    since_26 = int(_number(r"^(\d{1,3})\.?", _sysctl(source, "kern.osproductversion")) or 0) >= 26
    share, known = metal_share(memory.total_bytes, since_26)
    total = min(limit or int(memory.total_bytes * share), memory.total_bytes)
    pool = Pool(total=total, free=memory.available_bytes, source="driver" if limit else "ram", unified=True)
    row, warnings = match.row, list[str]()
    if not known and not limit:
        warnings.append(metal_doubt(memory.total_bytes))
    part = cores / max(row.gpu_cores) if row and row.gpu_cores and cores else 1.0
    device = describe(
        chip,
        "apple",
        match,
        pool,
        warnings,
        backend="metal",
        fp32_tflops=round(row.fp32_tflops * part, 2) if row and row.fp32_tflops else None,
        fp16_tflops=round(row.fp16_tflops * part, 2) if row and row.fp16_tflops else None,
        seen_by="ioreg" if cores else "sysctl",
    )
    return [device], warnings


def _sysctl(source: Source, name: str) -> str:
    return _run(source, "sysctl", "-n", name).strip()


def _run(source: Source, *argv: str) -> str:
    output = source.command(*argv)
    return output.stdout if output is not None and output.status == 0 else ""


def _number(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text)
    return int(found[1]) if found else None
