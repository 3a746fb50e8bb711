"""A fixed piece of pure Python: what all budgets are ratios to, so that they hold on a slow and on a busy machine."""

from __future__ import annotations

from typing import Any


def work() -> int:
    total = 0
    for i in range(100_000):
        total += i * i % 7
    return total


def test_yardstick(benchmark: Any) -> None:
    assert benchmark(work) == sum(i * i % 7 for i in range(100_000))
