"""What a body may cost: counted work, so much memory, nobody else's time, and no longer than somebody waits for it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from wire import Server

from llmfit.catalog import catalog
from llmfit.machine import GIB, Machine
from llmfit.placement.place import place
from llmfit.query.engine import Engine
from llmfit.query.work import Cancelled, Work
from reliability import cost

HERE = Machine(cpu_name="x", cpu_cores=16, cpu_arch="x86", ram_total_bytes=64 * GIB, ram_available_bytes=64 * GIB)


class Counted(Work):
    """Ends when so much was done."""

    __slots__ = ("done", "end")

    def __init__(self, end: int) -> None:
        super().__init__()
        self.done, self.end = 0, end

    def spend(self, units: int) -> bool:
        self.done += units
        self.cancelled = self.done >= self.end
        return super().spend(units)


@pytest.mark.parametrize(("what", "path", "body"), list(cost.bodies(0.05)), ids=lambda part: str(part)[:20])
def test_counted_work(what: str, path: str, body: dict[str, object]) -> None:
    """The same body costs the same and is answered the same; less than is allowed; and ends where it is cancelled."""
    if path != "place":
        pytest.skip("of placements")
    engine = Engine(catalog.default(), HERE)
    given = body["demands"], body["machines"], body.get("policy", "pack")
    first, second = Counted(1 << 60), Counted(1 << 60)
    assert place(engine, *given, first) == place(engine, *given, second)  # type: ignore[arg-type]
    assert first.done == second.done < 12_000_000
    for share in (0.0, 0.5, 0.99):
        with pytest.raises(Cancelled):
            place(engine, *given, Counted(max(int(first.done * share), 1)))  # type: ignore[arg-type]


def test_others_are_answered_meanwhile(tmp_path: Path) -> None:
    server = Server.start(("--ram-gb", "64"), tmp_path / "log")
    try:
        found = cost.run(server, 0.05)
        assert not found["failures"], found
        assert found["mb_more"] < 200 and found["p99_s"] < 5, found  # 1 s where nothing else runs: bench/reliability.py
        assert max(found["cpu_s"].values()) < 20, found
        _, _, body = max(cost.bodies(0.3), key=lambda one: len(json.dumps(one[2])))
        for _ in range(8):
            cost.leave(server, body)
        begun = time.monotonic()
        assert server.stop() == 0, server.said()
        assert time.monotonic() - begun < 12
    finally:
        if server.process is not None and server.process.poll() is None:
            server.process.kill()
    assert "Traceback" not in server.said(), server.said()
