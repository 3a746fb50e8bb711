"""MIG devices in place of their card."""

from __future__ import annotations

from msgspec.structs import replace

from llmfit.hardware.names.mig_profiles import GB, compute_share, memory_share, profile_of
from llmfit.hardware.sources.nvml import NvmlDevice
from llmfit.machine import Device


def mig_devices(device: NvmlDevice, card: Device, warnings: list[str]) -> list[Device]:
    """The MIG devices in place of their card, each with its share of memory bandwidth and compute.

    Compute instances of one GPU instance (`1c.3g`, `2c.3g`) share its memory: each has all of it.
    """
    parts = []
    for part in device.mig:
        name = part.name or f"{card.name} MIG"
        profile = profile_of(name)
        total, source = part.memory_total, card.memory_source
        if not total and profile:
            total, source = min(profile.gigabytes * GB, card.total_bytes), "table"
            assumed = "its nominal size is assumed, all of it free"
            warnings.append(f"NVIDIA: the memory of {name} could not be read: {assumed}")
        if not total:
            warnings.append(f"NVIDIA: the memory of {name} could not be read")
            continue
        share = memory_share(total, card.total_bytes)
        compute = compute_share(card.record, profile) if profile else share
        parts.append(
            replace(
                card,
                name=name,
                total_bytes=total,
                free_bytes=total if part.memory_free is None else part.memory_free,
                memory_source=source,
                bandwidth_gbps=scaled(card.bandwidth_gbps, share),
                fp32_tflops=scaled(card.fp32_tflops, compute),
                fp16_tflops=scaled(card.fp16_tflops, compute),
                uuid=part.uuid,
            )
        )
    if not parts:
        warnings.append(f"NVIDIA: MIG is on for {card.name}, but no MIG device can be used; it is not counted")
    return parts


def scaled(value: float | None, share: float) -> float | None:
    """A rate's share."""
    return None if value is None else round(value * share, 2)
