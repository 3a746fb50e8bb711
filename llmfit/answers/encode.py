"""Answers as structs and bytes: figures rounded the way that the contract says, never past what fits."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from llmfit.catalog.catalog import Catalog
from llmfit.hardware.host import is_unified, used_devices
from llmfit.machine import Device, Machine
from llmfit.query import params
from llmfit.query.engine import Page
from llmfit.wire.common import Node
from llmfit.wire.csv_rows import columns_of, sheet
from llmfit.wire.models import Envelope
from llmfit.wire.rows import Row
from llmfit.wire.system import Gpu, System

BACKEND_LABELS = {
    "cuda": "CUDA", "rocm": "ROCm", "metal": "Metal", "vulkan": "Vulkan", "sycl": "SYCL", "ascend": "NPU (Ascend)",
}  # fmt: skip
CPU_LABELS = {
    "x86": "CPU (x86)", "arm": "CPU (ARM)", "power": "CPU (POWER)", "riscv": "CPU (RISC-V)",
    "loongarch": "CPU (LoongArch)",
}  # fmt: skip
PIECE = 256  # rows that are written at once where a list is sent in pieces
MILLI_GIB = (1 << 30) / 1000

_encoder = msgspec.json.Encoder()
encode = _encoder.encode


def gib_down(amount: float) -> float:
    """Bytes as GiB to 3 decimals, never more than there is."""
    return math.floor(amount / MILLI_GIB) / 1000


@cache
def node() -> Node:
    """Who answers: $HOSTNAME, else the system's host name."""
    import platform

    name = os.environ.get("HOSTNAME") or socket.gethostname() or "unknown-node"
    system = {"Darwin": "macos", "Windows": "windows"}.get(platform.system(), "linux")
    return Node(name=name, os=system)  # type: ignore[arg-type]


def gpus_of(devices: list[Device]) -> tuple[Gpu, ...]:
    """One entry for each kind of device. Free memory is that of the least free of its kind."""
    kinds: dict[tuple[object, ...], list[Device]] = {}
    for device in devices:
        kinds.setdefault((device.name, device.total_bytes, device.backend), []).append(device)
    return tuple(
        Gpu(
            name=first.name,
            vram_gb=gib_down(first.total_bytes),
            free_vram_gb=gib_down(min(device.free_bytes for device in kind)),
            backend=BACKEND_LABELS.get(first.backend, first.backend),
            count=len(kind),
            unified_memory=first.unified,
            memory_bandwidth_gbps=first.bandwidth_gbps,
            memory_bandwidth_source=first.bandwidth_source,
            pci_address=first.pci_address if len(kind) == 1 else None,
            uuid=first.uuid if len(kind) == 1 else None,
        )
        for kind in kinds.values()
        for first in kind[:1]
    )


def system_of(machine: Machine, warnings: tuple[str, ...] = ()) -> System:
    """The machine as an answer shows it."""
    devices = used_devices(machine)
    cpu = CPU_LABELS.get(machine.cpu_arch, "CPU")
    return System(
        total_ram_gb=gib_down(machine.ram_total_bytes),
        available_ram_gb=gib_down(machine.ram_available_bytes),
        cpu_cores=machine.cpu_cores,
        cpu_name=machine.cpu_name,
        has_gpu=bool(devices),
        gpu_vram_gb=round(sum(gib_down(device.total_bytes) for device in devices), 3) if devices else None,
        gpu_available_gb=round(sum(gib_down(device.free_bytes) for device in devices), 3) if devices else None,
        gpu_name=devices[0].name if devices else None,
        gpu_count=len(devices),
        unified_memory=is_unified(devices),
        backend=BACKEND_LABELS.get(devices[0].backend, devices[0].backend) if devices else cpu,
        gpus=gpus_of(devices),
        hidden_gpus=gpus_of([device for device in machine.devices if device not in devices]),
        ram_bandwidth_gbps=machine.ram_bandwidth_gbps,
        ram_bandwidth_source=machine.ram_bandwidth_source,
        observed_at=machine.observed_at,
        warnings=(*machine.warnings, *warnings),
    )


def answer(catalog: Catalog, page: Page, query: Any, warnings: tuple[str, ...] = ()) -> bytes:
    """A page as the bytes of an Envelope."""
    before, behind = around(catalog, page, query, warnings)
    return page.ranking.encode(page.indices, before, behind, keys=keys_of(query))


def around(catalog: Catalog, page: Page, query: Any, warnings: tuple[str, ...]) -> tuple[bytes, bytes]:
    """What comes before the rows of an Envelope, and what comes behind them."""
    explanation: Any = msgspec.UNSET
    if query.explain:
        from llmfit.query.explain import MOST_ROWS, explain

        explanation = msgspec.Raw(encode(explain(catalog, page, query)))
        if len(page.indices) > MOST_ROWS:
            warnings = (*warnings, f"explain: only the first {MOST_ROWS} of {len(page.indices)} models are explained")
    empty = encode(
        Envelope(
            node=node(),
            system=system_of(page.machine),
            total_models=page.total,
            returned_models=len(page.indices),
            filters=params.echo(query),
            catalog=catalog.name,
            generation=page.generation,
            warnings=(*warnings, *page.warnings),
            explanation=explanation,
        )
    )
    return empty[:-2], empty[-2:]


def in_pieces(page: Page, before: bytes, behind: bytes) -> tuple[int, Iterator[bytes]]:
    """(bytes in all, the rows with what is around them, some at a time); for a list that is not held as one."""
    indices, rows = page.indices, page.ranking

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(indices), 2 * PIECE):
            last = at + 2 * PIECE >= len(indices)
            yield rows.encode(indices[at : at + 2 * PIECE], b"," if at else before, behind if last else b"")

    return len(before) + rows.size(indices) + len(indices) - 1 + len(behind), pieces()


def keys_of(query: Any) -> tuple[bytes, ...] | None:
    """The row's keys that the query's `fields` ask for; None for all."""
    return None if query.fields is None else tuple(key.encode() for key in query.fields)


def lines(page: Page, query: Any) -> Iterator[bytes]:
    """The rows as NDJSON, some at a time: one row a line and nothing else."""
    keys = keys_of(query)
    for at in range(0, len(page.indices), PIECE):
        yield page.ranking.encode(page.indices[at : at + PIECE], b"", b"\n", b"\n", keys)


def sheets(page: Page, query: Any) -> Iterator[bytes]:
    """The rows as CSV, some at a time. The header line is there even without rows."""
    keys = keys_of(query)
    columns = columns_of(Row, msgspec.json.decode(page.ranking.encode([0], b"", b"", keys=keys)))
    yield sheet((), columns).encode()
    for at in range(0, len(page.indices), PIECE // 8):  # a row takes a hundred times as long as in JSON
        rows = msgspec.json.decode(page.ranking.encode(page.indices[at : at + PIECE // 8], keys=keys))
        yield sheet(rows, columns, header=False).encode()
