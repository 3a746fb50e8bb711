"""GPUs of Android phones, from the properties that `getprop` prints; most of /sys and /proc is closed there."""

from __future__ import annotations

import re

from llmfit.catalog.tables import Tables
from llmfit.hardware.names.lookup import resolve
from llmfit.hardware.names.unified import unified_share
from llmfit.hardware.probes.describe import describe, share_of_ram
from llmfit.hardware.probes.memory import read_memory
from llmfit.hardware.sources.source import Source
from llmfit.machine import Device

ADRENO = "/sys/class/kgsl/kgsl-3d0/gpu_model"


def soc(source: Source) -> str:
    """The chip, as in "SM8650"; "" elsewhere than on Android."""
    if not source.env("ANDROID_ROOT"):
        return ""
    output = source.command("getprop", "ro.soc.model")
    return output.stdout.strip() if output else ""


def probe(source: Source, tables: Tables) -> tuple[list[Device], list[str]]:
    """The GPU of a Qualcomm chip, known by the chip or by Adreno's own driver; others are left to Vulkan."""
    chip = soc(source)
    model = re.match(r"(Adreno)\D*(\d+)", source.text(ADRENO) or "") if chip else None
    match = resolve(chip, tables, "qualcomm")
    if match.row is None and model:
        match = resolve(f"{model[1]} {model[2]}", tables, "qualcomm")
    if match.row is None and not model:
        return [], []
    name = f"{model[1]} {model[2]}" if model else match.row.name if match.row else chip
    memory = read_memory(source)
    pool = share_of_ram(memory, unified_share("qualcomm", memory.total_bytes))
    warnings: list[str] = []
    seen = "kgsl" if model else "getprop"
    return [describe(name, "qualcomm", match, pool, warnings, backend="vulkan", seen_by=seen)], warnings
