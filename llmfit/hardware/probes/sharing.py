"""Signs that a scheduler gives out parts of a GPU: what the driver says is then not what a program gets."""

from __future__ import annotations

import re

from msgspec.structs import replace

from llmfit.hardware.probes.describe import MIB
from llmfit.hardware.sources.source import Source
from llmfit.machine import Device

LIMIT = "CUDA_DEVICE_MEMORY_LIMIT"  # of HAMi, for all devices, or with _0, _1, ... for one
SIGNS = (
    LIMIT, f"{LIMIT}_0", "CUDA_DEVICE_SM_LIMIT", "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT",
    "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE",
)  # fmt: skip
UNITS = {"": 1, "k": 1 << 10, "m": MIB, "g": MIB << 10}


def apply_limits(source: Source, devices: list[Device], warnings: list[str]) -> list[Device]:
    """The devices with no more memory than a scheduler's limit leaves of it; one warning names what tells of it."""
    signs = [f"{name}={value}" for name in SIGNS if (value := source.env(name))]
    if not signs or not devices:
        return devices
    warnings.append(f"NVIDIA: a scheduler shares the GPU ({', '.join(signs)}): others may use its speed and memory too")
    limited = []
    for index, device in enumerate(devices):
        most = size_of(source.env(f"{LIMIT}_{index}") or source.env(LIMIT) or "")
        if 0 < most < device.total_bytes:
            device = replace(device, total_bytes=most, free_bytes=min(device.free_bytes, most))
        limited.append(device)
    return limited


def size_of(text: str) -> int:
    """Bytes of `3000m`, `16G`; 0 for what is no size."""
    found = re.fullmatch(r"(\d{1,18})([kmg]?)(?:i?b)?", text.strip().lower())
    return int(found[1]) * UNITS[found[2]] if found else 0
