"""What computer this is: probes, each a pure parser over a source of facts, and what-ifs over the result."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from msgspec.structs import asdict, replace

from llmfit.catalog.tables import Tables
from llmfit.hardware.probes import amd, android, apple, ascend, intel, nvidia, pci, vulkan, windows, wsl
from llmfit.hardware.probes.cpu import read_cpu
from llmfit.hardware.probes.describe import checked_free
from llmfit.hardware.probes.memory import read_memory
from llmfit.hardware.probes.one_memory import settle_bandwidth
from llmfit.hardware.probes.ram_speed import read_ram_speed
from llmfit.hardware.sources.source import LiveSource, Once, ReplaySource, Source
from llmfit.hardware.sources.time_limit import SECONDS, Attempt
from llmfit.hardware.what_ifs import WhatIf, apply_whatif
from llmfit.machine import Device, Machine

__all__ = ["PROBES", "LiveSource", "ReplaySource", "Source", "WhatIf", "apply_whatif", "detect"]

MOST_BYTES = 1 << 44  # of one device

# Each takes (source, tables) and returns its devices and one line for each thing that could not be read.
Answer = tuple[list[Device], list[str]]
Probe = Callable[[Source, Tables], Answer]
PROBES: dict[str, Probe] = {
    "NVIDIA": nvidia.probe,
    "AMD": amd.probe,
    "Intel": intel.probe,
    "Apple": apple.probe,
    "Ascend": ascend.probe,
    "Android": android.probe,
    "WSL": wsl.probe,
}


def detect(tables: Tables, source: Source | None = None) -> Machine:
    """The machine that ``source`` describes, by default this one. What could not be read is a warning.

    All probes run at the same time; one that hangs is cut off, and one that fails loses only its own devices.
    """
    source = Once(source or LiveSource())
    running = _start(PROBES, source, tables)
    cpu = read_cpu(source, tables)
    memory = read_memory(source)
    warnings = [*cpu.warnings, *memory.warnings]
    devices = _gather(running, [], warnings)
    lost = _unclaimed(source, devices)
    if source.platform().os == "windows":
        devices = _gather(_start({"Windows": windows.probe}, source, tables), devices, warnings)
    elif source.platform().os == "linux" and (lost or not devices):
        devices = _gather(_start({"Vulkan": vulkan.probe}, source, tables), devices, warnings)
    for gpu in _unclaimed(source, devices):
        who = pci.label(gpu.vendor or "")
        name = pci.name_of(gpu, source) or f"{who} GPU [{gpu.vendor_id}:{gpu.device_id}]"
        if not any(text.startswith(f"{who}:") for text in warnings):  # its probe has said what is wrong
            warnings.append(f"{name} at {gpu.address} has no driver that could be asked; it is not counted")
    devices = _without_integrated(devices, warnings)
    ram = read_ram_speed(source, cpu, memory, measure=not any(device.visible for device in devices))
    devices, ram = settle_bandwidth(devices, ram, cpu.assumed is not None, tables, warnings)
    if cpu.assumed:
        rest = {"table": ", memory bandwidth is an estimate", None: ": its memory bandwidth is unknown"}
        warnings.insert(0, f"CPU: {cpu.assumed}{rest.get(ram.source, '')}")
    warnings += ram.warnings
    return Machine(
        cpu_name=cpu.name,
        cpu_cores=cpu.cores,
        cpu_arch=cpu.arch,
        ram_total_bytes=memory.total_bytes,
        ram_available_bytes=memory.available_bytes,
        os=source.platform().os,
        ram_bandwidth_gbps=ram.gbps,
        ram_bandwidth_max_gbps=ram.max_gbps,
        ram_bandwidth_source=ram.source,
        cpu_fp32_tflops=cpu.fp32_tflops,
        cpu_has_avx=cpu.has_avx,
        devices=tuple(devices),
        observed_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _start(probes: dict[str, Probe], source: Source, tables: Tables) -> dict[str, Attempt[Answer]]:
    return {name: Attempt(name, partial(probe, source, tables)) for name, probe in probes.items()}


def _gather(running: dict[str, Attempt[Answer]], devices: list[Device], warnings: list[str]) -> list[Device]:
    """``devices`` and those that the probes found besides."""
    for name, attempt in running.items():
        try:
            found, problems = attempt.result()
        except TimeoutError:
            warnings.append(f"{name}: no answer within {SECONDS:g} s: GPUs may be missing")
        except Exception as error:  # a mistake of ours, or a driver's answer that nobody foresaw
            warnings.append(f"{name}: the probe failed ({type(error).__name__}: {error}): GPUs may be missing")
        else:
            devices = merge(devices, _credible(found, warnings))
            warnings += problems
    return devices


def _credible(devices: list[Device], warnings: list[str]) -> list[Device]:
    """Those whose memory can be; none has more of it free than there is. A driver may say anything."""
    kept = []
    for device in devices:
        if 0 <= device.total_bytes <= MOST_BYTES:
            kept.append(
                replace(device, free_bytes=checked_free(device.total_bytes, device.free_bytes, device.name, warnings))
            )
        else:
            warnings.append(f"{device.name} is said to have {device.total_bytes} bytes of memory; it is not counted")
    return kept


def merge(known: list[Device], found: list[Device]) -> list[Device]:
    """Both lists, each device once: by PCI address or uuid, never by name. What came first is trusted first.

    A device without either is taken for one of its vendor's that is known already.
    """
    vendors = {device.vendor for device in known}
    merged = list(known)
    for device in found:
        same = [
            index
            for index, other in enumerate(known)
            if (device.pci_address and device.pci_address == other.pci_address)
            or (device.uuid and device.uuid == other.uuid)
        ]
        if len(same) == 1:
            gaps = {field: value for field, value in asdict(device).items() if getattr(merged[same[0]], field) is None}
            merged[same[0]] = replace(merged[same[0]], **gaps)
        elif not same and (device.pci_address or device.vendor not in vendors):
            merged.append(device)
    return merged


def _unclaimed(source: Source, devices: list[Device]) -> list[pci.Gpu]:
    """GPUs of a known vendor on the bus that no probe returned."""
    if source.platform().os != "linux":
        return []
    claimed = {device.pci_address for device in devices}
    vendors = {device.vendor for device in devices if device.pci_address is None}
    return [gpu for gpu in pci.gpus(source) if gpu.vendor and gpu.address not in claimed and gpu.vendor not in vendors]


def _without_integrated(devices: list[Device], warnings: list[str]) -> list[Device]:
    """Hides integrated GPUs where there is a discrete one: runtimes leave them out too."""
    if not any(device.visible and not device.unified for device in devices):
        return devices
    for device in devices:
        if device.visible and device.unified:
            warnings.append(f"{device.name} is integrated: it is not used beside a discrete GPU")
    return [replace(device, visible=device.visible and not device.unified) for device in devices]
