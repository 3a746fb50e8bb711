"""How fast the CPU reads memory: measured, else what the firmware lists, else the CPU table's typical figure."""

from __future__ import annotations

import msgspec

from llmfit.hardware.probes.cpu import SERVER_SEGMENTS, TYPICAL_GBPS_PER_CORE, Cpu
from llmfit.hardware.probes.memory import Memory, number
from llmfit.hardware.probes.smbios import bandwidth_gbps, read_modules
from llmfit.hardware.sources.source import Source
from llmfit.machine import GIB

LEAST_GBPS = 0.5  # less is no measurement of a computer that runs models
MOST_GBPS_PER_CORE = 60.0  # no core of today reads as much
MOST_OVER_PEAK = 1.25  # overclocked memory reads more than its CPU is specified for
UNKNOWN_CACHE = (32 << 20, 4 << 20)  # where the kernel does not say: at least, and for each core


class RamSpeed(msgspec.Struct, frozen=True, kw_only=True):
    """Bandwidth in GB/s. A measured one is what can be read, the others are what the memory is specified for."""

    gbps: float | None
    max_gbps: float | None
    source: str | None  # measured, smbios, table
    warnings: tuple[str, ...] = ()


def read_ram_speed(source: Source, cpu: Cpu, memory: Memory, measure: bool) -> RamSpeed:
    """The best figure there is; ``measure``: whether reading memory may be tried."""
    warnings: tuple[str, ...] = ()
    if measure:
        gbps, problem = _measured(source, cpu, memory)
        if gbps is not None:
            return RamSpeed(gbps=gbps, max_gbps=max(gbps, cpu.bandwidth_max_gbps or gbps), source="measured")
        warnings = (f"the memory bandwidth could not be measured: {problem}",) if problem else ()
    listed = None if cpu.guest else bandwidth_gbps(read_modules(source), cpu.channels)
    if listed is not None:
        if cpu.segment in SERVER_SEGMENTS:
            listed = min(listed, TYPICAL_GBPS_PER_CORE * cpu.cores)
        peak = max(listed, cpu.bandwidth_max_gbps or listed)
        return RamSpeed(gbps=listed, max_gbps=peak, source="smbios", warnings=warnings)
    known = "table" if cpu.bandwidth_gbps is not None else None
    return RamSpeed(gbps=cpu.bandwidth_gbps, max_gbps=cpu.bandwidth_max_gbps, source=known, warnings=warnings)


def _measured(source: Source, cpu: Cpu, memory: Memory) -> tuple[float | None, str]:
    """GB/s, or why there is none; neither where nothing was tried."""
    from llmfit.hardware.sources.bandwidth import Plan

    plan = Plan(
        cpu=f"{cpu.name}, {cpu.family}" if cpu.family else cpu.name,
        ram_gib=round(memory.total_bytes / GIB),
        cores=cpu.cores,
        free_bytes=memory.available_bytes,
        cache_bytes=last_cache_bytes(source, cpu),
    )
    found = source.streaming(plan)
    if found is None or found.gbps is None:
        return None, found.problem if found else ""
    most = MOST_GBPS_PER_CORE * cpu.cores
    if cpu.peak_gbps is not None:
        most = min(most, MOST_OVER_PEAK * cpu.peak_gbps)
    if not LEAST_GBPS <= found.gbps <= most:
        return None, f"{found.gbps:g} GB/s is not plausible for this CPU ({LEAST_GBPS:g} to {most:.0f})"
    return found.gbps, ""


def last_cache_bytes(source: Source, cpu: Cpu) -> int:
    """All last-level caches of the CPUs that this process may use, each once; a guess where the kernel does not say."""
    root = "/sys/devices/system/cpu"
    caches: dict[str, int] = {}
    for name in cpu.processors:
        folder = f"{root}/cpu{name}/cache/index3"
        size = source.text(f"{folder}/size") or ""
        kib = number(size.removesuffix("K"))
        if kib:
            caches[source.text(f"{folder}/shared_cpu_list") or str(name)] = kib << 10
    return sum(caches.values()) or max(UNKNOWN_CACHE[0], UNKNOWN_CACHE[1] * cpu.cores)
