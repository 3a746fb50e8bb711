"""The shared table of reservations: what a writer that dies half way leaves behind, and who waits for whom."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from llmfit.errors import Full
from llmfit.machine import GIB, Device, Machine, taken
from llmfit.server.routes.reservation_store import HALF, MOST, HeldMemory, ReservationStore, new_id


def held(**more: object) -> HeldMemory:
    facts = {"id": new_id(), "until": time.monotonic() + 60, "expires_at": "", "ram_bytes": 1, "vram_bytes": (1, 2)}
    return HeldMemory(**{**facts, **more})  # type: ignore[arg-type]


def add(store: ReservationStore, *more: HeldMemory) -> None:
    with store.locked() as now:
        store.write([*now, *more])


def test_what_is_written_is_read() -> None:
    store, one, over = ReservationStore(), held(), held(until=time.monotonic() - 1)
    assert store.read()[1] == []
    add(store, one, over)
    assert store.read()[1] == [one, over]
    with store.locked() as now:
        assert now == [one]


def test_every_change_has_another_stamp() -> None:
    store = ReservationStore()
    stamps = [store.stamp()]
    for _ in range(300):
        with store.locked():
            store.write([])
        stamps.append(store.stamp())
    assert len(set(stamps)) == 301


def test_it_is_bounded() -> None:
    store = ReservationStore()
    add(store, *(held(label="ü" * 200, model="x" * 200, vram_bytes=(1 << 40,) * 64) for _ in range(MOST)))
    with pytest.raises(Full, match="at most 256"):
        add(store, held())
    with pytest.raises(Full):
        add(ReservationStore(), held(label="x" * HALF))
    assert len(store.read()[1]) == MOST


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_writer_killed_half_way_changes_nothing_and_holds_nobody_up(tmp_path: Path) -> None:
    store, one = ReservationStore(), held()
    add(store, one)
    inside = tmp_path / "inside"
    pid = os.fork()
    if pid == 0:
        with store.locked():
            start = store._start((int.from_bytes(store.stamp(), "little") + 1).to_bytes(8, "little"))
            store._memory[start : start + 1000] = b"\xff" * 1000  # the half that the next stamp names
            inside.touch()
            time.sleep(60)
        os._exit(0)
    while not inside.exists():
        time.sleep(0.01)
    assert store.read()[1] == [one]
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    two = held()
    add(store, two)
    assert store.read()[1] == [one, two]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_writers_of_several_processes_lose_nothing() -> None:
    store = ReservationStore()
    pids = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            for _ in range(50):
                add(store, held())
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
    assert len({one.id for one in store.read()[1]}) == 200


def machine(*devices: Device) -> Machine:
    return Machine(
        cpu_name="",
        cpu_cores=8,
        cpu_arch="x86",
        ram_total_bytes=64 * GIB,
        ram_available_bytes=32 * GIB,
        devices=devices,
    )


def device(free: int, unified: bool = False) -> Device:
    return Device(name="", vendor="", backend="cuda", total_bytes=24 * GIB, free_bytes=free * GIB, unified=unified)


@pytest.mark.parametrize(
    ("devices", "ram", "vram", "wanted_ram", "wanted_free"),
    [
        ((device(20), device(10)), 2, (5, 4), 30, [15, 6]),
        ((device(20), device(10)), 40, (5,), 0, [15, 10]),  # never below nothing
        ((device(24, True),), 0, (10,), 22, [14]),  # what the GPU takes is RAM
        ((device(24, True),), 20, (0,), 12, [12]),  # and it has no more than there is of it
    ],
)
def test_what_is_taken(
    devices: tuple[Device, ...], ram: int, vram: tuple[int, ...], wanted_ram: int, wanted_free: list[int]
) -> None:
    after = taken(machine(*devices), ram * GIB, tuple(part * GIB for part in vram))
    assert after.ram_available_bytes == wanted_ram * GIB
    assert [one.free_bytes for one in after.devices] == [part * GIB for part in wanted_free]
