"""GPUs that share RAM are as fast as it is: one bandwidth for both."""

from __future__ import annotations

from msgspec.structs import replace

from llmfit.catalog.tables import Tables
from llmfit.hardware.probes.describe import unknown_bandwidth
from llmfit.hardware.probes.ram_speed import RamSpeed
from llmfit.machine import Device


def settle_bandwidth(
    devices: list[Device], ram: RamSpeed, guessed: bool, tables: Tables, warnings: list[str]
) -> tuple[list[Device], RamSpeed]:
    """Devices and RAM with one bandwidth where they are one memory. ``guessed``: the CPU, and so what RAM can do, is.

    A chip that is sold with its memory (Apple's, NVIDIA's) tells RAM's where nothing surer does. Another integrated
    GPU is as fast as RAM where its own figure is unknown, and never faster than RAM is specified for.
    """
    chips = {row.id: row for row in tables.accelerators if row.unified and row.vendor in ("apple", "nvidia")}
    chip = next((chips[device.record] for device in devices if device.unified and device.record in chips), None)
    if chip and chip.memory_bandwidth_gbps and (ram.gbps is None or (guessed and ram.source == "table")):
        gbps = chip.memory_bandwidth_gbps
        ram = RamSpeed(gbps=gbps, max_gbps=gbps, source="table", warnings=ram.warnings)
    settled = []
    for device in devices:
        own, limit = device.bandwidth_gbps, ram.gbps
        if device.unified and device.record not in chips and limit is not None and ram.source != "measured":
            if own is None:
                device = replace(device, bandwidth_gbps=limit, bandwidth_source=ram.source)
                warnings[:] = [text for text in warnings if text != unknown_bandwidth(device.vendor, device.name)]
            elif own > limit and not (guessed and ram.source == "table"):
                device = replace(device, bandwidth_gbps=limit, bandwidth_source=ram.source)
        settled.append(device)
    return settled, ram
