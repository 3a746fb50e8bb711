"""From what a driver said of a device and its record in the table to a :class:`~llmfit.machine.Device`."""

from __future__ import annotations

from typing import Any

import msgspec

from llmfit.catalog.tables import Accelerator
from llmfit.hardware.names.lookup import Match, nominal_mib
from llmfit.hardware.probes.memory import Memory
from llmfit.hardware.probes.pci import label
from llmfit.machine import Device

MIB = 1 << 20
TABLE_MARGIN = 1.02  # a driver's bandwidth above this share of the table's is a clock that is never reached


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """Memory that a device may use, in bytes, and where the figure is from."""

    total: int
    free: int
    source: str = "driver"  # driver, table, ram
    unified: bool = False


def share_of_ram(memory: Memory, share: float) -> Pool:
    """What a device without memory of its own may use of RAM."""
    total = int(memory.total_bytes * share)
    return Pool(total=total, free=min(total, memory.available_bytes), source="ram", unified=True)


def nominal_pool(match: Match, most: int = 0) -> Pool | None:
    """The size that the product is sold with, the largest within ``most`` bytes if given, all of it free; None where
    the table has none.
    """
    size = match.memory_gb
    if most and match.row:
        size = max((gib for gib in match.row.memory_gb if gib * 1024 * MIB <= most), default=size)
    mib = nominal_mib(match.row, size) if match.row else None
    return Pool(total=int(mib * MIB), free=int(mib * MIB), source="table") if mib else None


def checked_free(total: int, free: int | None, called: str, warnings: list[str]) -> int:
    """Bytes that are free. A figure outside of 0 to ``total`` is one that wrapped (modulo 2^64), with a warning."""
    if free is None or 0 <= free <= total:
        return total if free is None else free
    rest = free % (1 << 64)
    assumed = rest if rest <= total else total
    said = f"the driver, or a scheduler that shares it, says that {free} of {total} bytes are free"
    warnings.append(f"{called}: {said}: that is no figure; {assumed / MIB / 1024:.1f} GiB are assumed")
    return assumed


def bandwidth_of(driver_gbps: float | None, row: Accelerator | None) -> tuple[float | None, str | None]:
    """GB/s and where it is from: the driver's clock and bus if the table does not contradict, else the table."""
    table = row.memory_bandwidth_gbps if row else None
    if driver_gbps and (table is None or driver_gbps <= TABLE_MARGIN * table):
        return round(driver_gbps, 1), "driver"
    return table, "table" if table else None


def unknown_bandwidth(vendor: str, name: str) -> str:
    """What is said of a device whose bandwidth nothing tells."""
    return f"{label(vendor)}: the memory bandwidth of {name} is unknown"


def describe(
    name: str,
    vendor: str,
    match: Match,
    pool: Pool,
    warnings: list[str],
    *,
    driver_gbps: float | None = None,
    **facts: Any,
) -> Device:
    """The device; what its record does not know, and what the driver does not say, is a warning each."""
    who, row = label(vendor), match.row
    if row is not None and "[" in name and not match.warning:  # pci.ids: a chip and all that is made of it
        name = row.name
    if match.warning:
        warnings.append(f"{who}: {name}: {match.warning}")
    if row is None:
        warnings.append(f"{who}: {name} is not in the accelerator table: its compute speed is unknown")
    bandwidth, origin = bandwidth_of(driver_gbps, row)
    if bandwidth is None:
        warnings.append(unknown_bandwidth(vendor, name))
    known: dict[str, Any] = {
        "arch": row.arch if row else None,
        "fp32_tflops": row.fp32_tflops if row else None,
        "fp16_tflops": row.fp16_tflops if row else None,
        "record": row.id if row else None,
        "confidence": row.confidence if row else None,
    }
    return Device(
        name=name,
        vendor=vendor,
        total_bytes=pool.total,
        free_bytes=max(0, min(pool.free, pool.total)),
        memory_source=pool.source,
        unified=pool.unified,
        bandwidth_gbps=bandwidth,
        bandwidth_source=origin,
        **(known | facts),
    )
