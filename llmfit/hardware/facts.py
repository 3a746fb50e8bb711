"""What is known of a device as facts: each with its unit, where it is from, and how sure that is."""

from __future__ import annotations

import msgspec

from llmfit.machine import Device

# How sure a source makes a figure; a table's is as sure as its record (A, B or C).
SURE = {"driver": "read", "ram": "derived", "smbios": "derived", "request": "given"}
RECORD = {"A": "two sources agree", "B": "one source", "C": "announced or disputed"}


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One figure; `value` is None where it is not known, and then so are `source` and `confidence`."""

    name: str
    value: float | None
    unit: str
    source: str | None
    confidence: str | None


def facts_of(device: Device) -> tuple[Fact, ...]:
    """Memory, bandwidth and compute rates of a device."""
    table = "table" if device.record else None
    figures: tuple[tuple[str, float | None, str, str | None], ...] = (
        ("total memory", device.total_bytes, "bytes", device.memory_source),
        ("free memory", device.free_bytes, "bytes", device.memory_source),
        ("memory bandwidth", device.bandwidth_gbps, "GB/s", device.bandwidth_source),
        ("FP32 rate", device.fp32_tflops, "TFLOPS", table),
        ("FP16 rate", device.fp16_tflops, "TFLOPS", table),
    )
    return tuple(
        Fact(
            name=name,
            value=value,
            unit=unit,
            source=None if value is None else source,
            confidence=None if value is None else SURE.get(source or "", RECORD.get(device.confidence or "")),
        )
        for name, value, unit, source in figures
    )
