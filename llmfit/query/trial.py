"""One model on imagined machines: the least of something that makes it run, found by trying."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from llmfit import codes
from llmfit._core import Estimates, Ranking
from llmfit.catalog.catalog import Catalog
from llmfit.hardware.host import host_of, used_devices
from llmfit.machine import GIB, Device, Machine
from llmfit.wire.rows import Row

STEP = GIB // 4  # bytes: memory is looked for in quarters of a GiB, as free memory is reported
ROOMY = 1 << 14  # steps that hold any model
MOST_GBPS = 20_000
ON_GPU = ("gpu", "tensor_parallel")
# context, sessions, types of cache (keys, values), runtime, quantizations: what Estimates are made with
Settings = tuple[int, int, tuple[int, int], int, bytes | None]


class Trial:
    """One row of the catalog with everything fixed but the machine.

    The quantization should be fixed too: then more memory or bandwidth never makes a row worse.
    """

    def __init__(self, catalog: Catalog, index: int, settings: Settings) -> None:
        self.catalog, self.index, self.settings = catalog, index, settings

    def on(self, machine: Machine) -> Row:
        """Its row on a machine."""
        estimates = Estimates(self.catalog.core, host_of(machine, self.catalog), *self.settings, rows=[self.index])
        return msgspec.json.decode(Ranking(estimates).encode([self.index], b"", b""), type=Row)

    def least(self, machine_with: Callable[[int], Machine], enough: Callable[[Row], bool], most: int) -> int | None:
        """The least amount, 0 to `most`, with which a machine is enough; None where not even `most` is."""
        found = bisect_left(range(most + 1), True, key=lambda amount: enough(self.on(machine_with(amount))))
        return None if found > most else found


def at_least(level: str, tps: float = 0.0) -> Callable[[Row], bool]:
    """Whether a row has this fit level or a better one, and this speed."""
    lowest = codes.FIT_LEVELS.index(level)
    return lambda row: codes.FIT_LEVELS.index(row.fit_level) >= lowest and row.estimated_tps >= tps


def gib(steps: int) -> float:
    return steps * STEP / GIB


def with_vram(machine: Machine, steps: int, ram: int = 0) -> Machine:
    """The machine with so much GPU memory in all, divided as it is, and `ram` bytes of free RAM. A machine without a
    GPU gets one whose speed is not known.
    """
    one = Device(name="a GPU", vendor="unknown", backend="cuda", total_bytes=1, free_bytes=1)
    devices = [device for device in used_devices(machine) if device.total_bytes] or [one]
    whole = sum(device.total_bytes for device in devices)
    sizes = [steps * STEP * device.total_bytes // whole for device in devices]
    sized = tuple(
        replace(device, total_bytes=size, free_bytes=size) for device, size in zip(devices, sizes, strict=True)
    )
    return replace(machine, ram_available_bytes=ram, devices=sized)


def with_ram(machine: Machine, steps: int) -> Machine:
    """The machine with so much free RAM."""
    return replace(machine, ram_available_bytes=steps * STEP)


def without_gpu(machine: Machine) -> Machine:
    return replace(machine, devices=())


def with_bandwidth(machine: Machine, gbps: int) -> Machine:
    """The machine with memory of this bandwidth everywhere, GB/s."""
    devices = tuple(replace(device, bandwidth_gbps=float(gbps)) for device in machine.devices)
    return replace(machine, devices=devices, ram_bandwidth_gbps=float(gbps))
