"""What each probe asks and makes of the answers: the report of `llmfit doctor`.

The machine is detected once, over a source that keeps all answers. Probes being pure, each is then run again over what
was kept, by itself and without asking anything anew: so its questions, devices and warnings are told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from llmfit.catalog.tables import Tables
from llmfit.hardware.detect import PROBES, detect
from llmfit.hardware.facts import Fact, facts_of
from llmfit.hardware.probes import vulkan, windows
from llmfit.hardware.probes.cpu import read_cpu
from llmfit.hardware.probes.memory import read_memory
from llmfit.hardware.probes.ram_speed import read_ram_speed
from llmfit.hardware.sources.source import Source
from llmfit.hardware.sources.watched import Ask, Noting, Watched
from llmfit.machine import Device, Machine

SELECTORS = (
    "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "HSA_OVERRIDE_GFX_VERSION", "ZE_AFFINITY_MASK",
    "ONEAPI_DEVICE_SELECTOR", "ASCEND_RT_VISIBLE_DEVICES", "GGML_VK_VISIBLE_DEVICES",
)  # fmt: skip
DRIVER_FILES = {
    "Linux": "/proc/sys/kernel/osrelease", "nvidia": "/sys/module/nvidia/version",
    "amdgpu": "/sys/module/amdgpu/version", "xe": "/sys/module/xe/version", "i915": "/sys/module/i915/version",
}  # fmt: skip


class Named(msgspec.Struct, frozen=True):
    """A name and a value: of a version, or of an environment variable."""

    name: str
    value: str


class Seen(msgspec.Struct, frozen=True):
    """A device as one probe sees it, before the views of several are merged."""

    device: Device
    facts: tuple[Fact, ...]


class Probed(msgspec.Struct, frozen=True):
    """One probe: how long its questions took, what they were, and what it made of the answers."""

    name: str
    ms: float
    asked: tuple[Ask, ...]
    devices: tuple[Seen, ...]
    warnings: tuple[str, ...]


class Report(msgspec.Struct, frozen=True):
    """What was seen, and by whom."""

    machine: Machine
    selectors: tuple[Named, ...]
    drivers: tuple[Named, ...]
    probes: tuple[Probed, ...]


def examine(tables: Tables, source: Source) -> tuple[Report, Watched]:
    """The report on a source, and all that was asked of it."""
    watched = Watched(source)
    machine = detect(tables, watched)
    selectors = tuple(Named(name, value) for name in SELECTORS if (value := watched.env(name)) is not None)
    drivers = [Named(name, text.strip()) for name, path in DRIVER_FILES.items() if (text := watched.text(path))]
    watched.close()
    snapshot = watched.answers.get(("nvml",))
    if snapshot is not None and snapshot.driver:
        drivers.append(Named("NVML", snapshot.driver))
    probes = {**PROBES, "Windows": windows.probe, "Vulkan": vulkan.probe}
    probed = [_probed("CPU", watched, lambda noting: ([], read_cpu(noting, tables).warnings))]
    probed.append(_probed("RAM", watched, lambda noting: ([], read_memory(noting).warnings)))
    probed.append(_probed("RAM speed", watched, lambda noting: ([], _ram_speed(noting, tables, machine))))
    for name, probe in probes.items():
        if name == "Windows" and machine.os != "windows":
            continue

        def run(noting: Source, probe: Callable[..., Any] = probe) -> Any:
            return probe(noting, tables)

        found = _probed(name, watched, run)
        if not any(ask.outcome == "not asked" for ask in found.asked):  # else it had no turn
            probed.append(found)
    return Report(machine, selectors, tuple(drivers), tuple(probed)), watched


def _ram_speed(source: Source, tables: Tables, machine: Machine) -> tuple[str, ...]:
    measure = not any(device.visible for device in machine.devices)
    return read_ram_speed(source, read_cpu(source, tables), read_memory(source), measure).warnings


def _probed(name: str, watched: Watched, run: Callable[[Source], tuple[Iterable[Device], Iterable[str]]]) -> Probed:
    noting = Noting(watched)
    try:
        devices, warnings = run(noting)
    except Exception as error:  # as in detect: it is the report's subject, not its end
        devices, warnings = (), (f"{name}: the probe failed ({type(error).__name__}: {error})",)
    asked = tuple(noting.asks)
    seen = tuple(Seen(device, facts_of(device)) for device in devices)
    return Probed(name, round(sum(ask.ms for ask in asked), 2), asked, seen, tuple(warnings))
