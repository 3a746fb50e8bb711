"""A few hundred random requests; `python bench/reliability.py requests --long` asks many more."""

from __future__ import annotations

import sys
from pathlib import Path

from . import requests

sys.path.insert(0, str(Path(__file__).parents[1] / "http"))

from wire import Server


def test_no_request_breaks_the_contract(tmp_path: Path) -> None:
    server = Server.start(("--ram-gb", "64"), tmp_path / "server.log")
    try:
        found = requests.run(server, 400)
    finally:
        code = server.stop()
    assert not found.failures, "\n".join(found.failures)
    assert found.requests == 400 and found.by_status[200] > 100 and found.by_status[400] > 50 and found.rows > 100
    assert code == 0
