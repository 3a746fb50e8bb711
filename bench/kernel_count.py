"""Runs the kernel N times over the catalog, for an instruction counter: ``python bench/kernel_count.py N [MACHINE]``.

With ``MACHINE:top`` only what the first five rows need.

bench/gate.py runs it under callgrind with N = 0 and N = 20 and subtracts, so that start-up does not count.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from llmfit import catalog
from llmfit._core import Estimates, Ranking
from llmfit.host import host_of
from llmfit.machine import Machine

MACHINES = Path(__file__).parents[1] / "tests/machines"


def main(repetitions: int, name: str = "rtx-4090-24gb") -> None:
    opened = catalog.default()
    name, _, what = name.partition(":")
    machine = msgspec.json.decode((MACHINES / f"{name}.json").read_bytes(), type=Machine)
    host = host_of(machine, opened)

    def analyse() -> None:
        ranking = Ranking(Estimates(opened.core, host, lazy=what == "top"))
        if what == "top":
            ranking.select(min_level=1, limit=5, distinct=True)

    analyse()
    for _ in range(repetitions):
        analyse()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
