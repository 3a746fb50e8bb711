"""Runs the kernel N times over the catalog, for an instruction counter: ``python bench/kernel_count.py N [MACHINE]``.

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
    machine = msgspec.json.decode((MACHINES / f"{name}.json").read_bytes(), type=Machine)
    host = host_of(machine, opened)
    Ranking(Estimates(opened.core, host))
    for _ in range(repetitions):
        Ranking(Estimates(opened.core, host))


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
