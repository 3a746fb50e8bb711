"""What computer this is: probes, each a pure parser over a source of facts, and what-ifs over the result."""

from __future__ import annotations

import time

from msgspec.structs import replace

from llmfit.hardware import amd, apple, nvidia
from llmfit.hardware.cpu import read_cpu
from llmfit.hardware.memory import read_memory
from llmfit.hardware.source import LiveSource, ReplaySource, Source
from llmfit.hardware.whatif import WhatIf, apply_whatif
from llmfit.machine import Device, Machine
from llmfit.tables import Tables

__all__ = ["PROBES", "LiveSource", "ReplaySource", "Source", "WhatIf", "apply_whatif", "detect"]

# Each takes (source, tables) and returns its devices and one line for each thing that could not be read.
PROBES = (nvidia.probe, amd.probe, apple.probe)


def detect(tables: Tables, source: Source | None = None) -> Machine:
    """The machine that ``source`` describes, by default this one. What could not be read is a warning."""
    source = source or LiveSource()
    cpu = read_cpu(source, tables)
    memory = read_memory(source)
    devices: list[Device] = []
    warnings = [*cpu.warnings, *memory.warnings]
    for probe in PROBES:
        found, problems = probe(source, tables)
        devices += found
        warnings += problems
    devices = _without_integrated(devices, warnings)
    return Machine(
        cpu_name=cpu.name,
        cpu_cores=cpu.cores,
        cpu_arch=cpu.arch,
        ram_total_bytes=memory.total_bytes,
        ram_available_bytes=memory.available_bytes,
        os=source.platform().os,
        ram_bandwidth_gbps=cpu.bandwidth_gbps,
        ram_bandwidth_max_gbps=cpu.bandwidth_max_gbps,
        ram_bandwidth_source=None if cpu.bandwidth_gbps is None else "table",
        cpu_fp32_tflops=cpu.fp32_tflops,
        cpu_has_avx=cpu.has_avx,
        devices=tuple(devices),
        observed_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _without_integrated(devices: list[Device], warnings: list[str]) -> list[Device]:
    """Hides integrated GPUs where there is a discrete one: runtimes leave them out too."""
    if not any(device.visible and not device.unified for device in devices):
        return devices
    for device in devices:
        if device.visible and device.unified:
            warnings.append(f"{device.name} is integrated: it is not used beside a discrete GPU")
    return [replace(device, visible=device.visible and not device.unified) for device in devices]
