"""Analyses of the catalog, for an instruction counter: ``python bench/kernel_count.py N MACHINE...``.

One on each machine, then N more on the last. ``MACHINE:top``: only what the first five rows need. bench/gate.py runs it
under callgrind with N = 0 and N = 10 and subtracts, so that start-up does not count.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from llmfit._catalog import Host
from llmfit._core import Estimates, Ranking
from llmfit.catalog import catalog
from llmfit.hardware.host import host_of
from llmfit.machine import Machine

MACHINES = Path(__file__).parents[1] / "tests/machines"


def main(repetitions: int, names: list[str]) -> None:
    opened = catalog.default()

    def host(name: str) -> Host:
        file = MACHINES / f"{name.removesuffix(':top')}.json"
        return host_of(msgspec.json.decode(file.read_bytes(), type=Machine), opened)

    def analyse(name: str) -> None:
        top = name.endswith(":top")
        ranking = Ranking(Estimates(opened.core, hosts[name], lazy=top))
        if top:
            ranking.select(min_level=1, limit=5, distinct=True)

    hosts = {name: host(name) for name in names}
    for name in (*names, *names[-1:] * repetitions):
        analyse(name)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:] or ["rtx-4090-24gb"])
