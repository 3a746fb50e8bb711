"""Free memory that is reported moves only in steps, and never above what there is for long."""

from __future__ import annotations

import random

from msgspec.structs import replace

from llmfit.hardware.steady import STEP, steady, steady_bytes
from llmfit.machine import GIB, Device, Machine
from llmfit.server.process.shared_state import SharedState


def machine(ram: int, vram: int = 8 * GIB, seen: str = "then") -> Machine:
    device = Device(name="A", vendor="nvidia", backend="cuda", total_bytes=8 * GIB, free_bytes=vram)
    return Machine(
        cpu_name="c", cpu_cores=2, cpu_arch="x86", ram_total_bytes=32 * GIB, ram_available_bytes=ram, devices=(device,),
        observed_at=seen,
    )  # fmt: skip


def test_the_first_value_is_floored_to_a_quarter_gib() -> None:
    assert steady_bytes(10 * GIB + STEP - 1, None) == 10 * GIB
    assert steady_bytes(10 * GIB + STEP, None) == 10 * GIB + STEP


def test_it_falls_at_once_and_rises_after_two_steps() -> None:
    assert steady_bytes(10 * GIB - 1, 10 * GIB) == 10 * GIB - STEP
    assert steady_bytes(10 * GIB + 2 * STEP - 1, 10 * GIB) == 10 * GIB
    assert steady_bytes(10 * GIB + 2 * STEP, 10 * GIB) == 10 * GIB + 2 * STEP


def test_noise_of_a_step_changes_nothing_and_nothing_is_overstated() -> None:
    rng = random.Random(1)
    values = [10 * GIB + rng.randrange(STEP) for _ in range(500)]
    reported, seen = None, set()
    for value in values:
        reported = steady_bytes(value, reported)
        assert reported <= value
        seen.add(reported)
    assert seen == {10 * GIB}


def test_an_unchanged_machine_is_the_same_object() -> None:
    first = steady(machine(20 * GIB, seen="first"))
    assert steady(machine(20 * GIB + STEP, seen="later"), first) is first
    lower = steady(machine(19 * GIB, seen="later"), first)
    assert lower.ram_available_bytes == 19 * GIB and lower.observed_at == "later"
    assert steady(machine(20 * GIB, vram=4 * GIB), first).devices[0].free_bytes == 4 * GIB


def test_a_device_that_comes_or_goes_is_news() -> None:
    first = steady(machine(20 * GIB))
    assert steady(replace(machine(20 * GIB), devices=()), first).devices == ()


def test_the_board_gives_each_notice_once() -> None:
    board = SharedState()
    assert board.news() is None
    board.publish(machine(20 * GIB))
    assert board.news() == machine(20 * GIB)
    assert board.news() is None
    board.publish(machine(19 * GIB))
    board.publish(machine(18 * GIB))
    assert board.news() == machine(18 * GIB)


def test_a_notice_that_is_being_written_is_not_read() -> None:
    board = SharedState()
    board.publish(machine(20 * GIB))
    board._memory[0:1] = bytes([board._memory[0] + 1])  # a writer that died half way
    assert board.news() is None
    board.publish(machine(19 * GIB))
    assert board.news() == machine(19 * GIB)


def test_a_notice_too_large_for_the_board_is_left_out() -> None:
    board = SharedState()
    board.publish(replace(machine(20 * GIB), warnings=("x" * (1 << 17),)))
    assert board.news() is None
