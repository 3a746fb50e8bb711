"""Free memory that holds still: what is reported changes only when answers may.

Free memory moves all the time. It is floored to steps of 0.25 GiB and follows at once when it falls below what was
reported, but rises only when it has risen by two steps, so that a value near a step does not flicker.
"""

from __future__ import annotations

from msgspec.structs import replace

from llmfit.machine import GIB, Machine

STEP = GIB // 4


def steady_bytes(now: int, before: int | None) -> int:
    """The reported value: floored to a step; `before` is what was reported last, None at the start."""
    floored = now // STEP * STEP
    if before is None or now < before or floored >= before + 2 * STEP:
        return floored
    return before


def steady(now: Machine, before: Machine | None = None) -> Machine:
    """The machine with steady free memory. `before` itself where nothing changed that answers depend on."""
    same_devices = before is not None and [d.name for d in before.devices] == [d.name for d in now.devices]
    old = before.devices if before is not None and same_devices else (None,) * len(now.devices)
    machine = replace(
        now,
        ram_available_bytes=steady_bytes(now.ram_available_bytes, before.ram_available_bytes if before else None),
        devices=tuple(
            replace(device, free_bytes=steady_bytes(device.free_bytes, last.free_bytes if last else None))
            for device, last in zip(now.devices, old, strict=True)
        ),
    )
    if before is not None and replace(machine, observed_at=before.observed_at) == before:
        return before
    return machine
