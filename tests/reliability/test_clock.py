"""A wall clock that jumps while llmfit serves: nothing but the dates in answers and log lines goes with it."""

from __future__ import annotations

import json
import mmap
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from wire import TOP, Server

COMPILER = shutil.which("cc") or shutil.which("gcc")
pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or COMPILER is None,
    reason="the clock is moved by LD_PRELOAD, made by a C compiler",
)
RESERVE = "/api/v1/reservations"
TOKEN, OTHER = "a-token-of-some-length", "another-token-of-some-length"
YEAR = 365 * 86_400


@pytest.fixture(scope="module")
def shifter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("clock") / "shifted.so"
    source = str(Path(__file__).with_name("shifted.c"))
    assert COMPILER is not None
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", str(library), source, "-ldl"], check=True, timeout=60)
    return library


class Clock:
    """The offset of a server's clock, in seconds."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(8))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 8)

    def jump(self, seconds: int) -> None:
        self._memory[:8] = seconds.to_bytes(8, sys.byteorder, signed=True)


def until(holds: Callable[[], Any], seconds: float = 60) -> None:
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < seconds
        time.sleep(0.05)


def test_the_clock_jumps(shifter: Path, tmp_path: Path) -> None:
    offset, tokens = tmp_path / "offset", tmp_path / "tokens"
    clock, now = Clock(offset), 0
    tokens.write_text(TOKEN)
    server = Server.start(
        ("--ram-gb", "64", "--token-file", str(tokens), "--rate-limit", "400:20", "--access-log", "--workers", "2"),
        tmp_path / "server.log", env={"LD_PRELOAD": str(shifter), "CLOCK_SHIFT": str(offset)},
    )  # fmt: skip
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}

    def ask(path: str = TOP, method: str = "GET", **body: Any) -> Any:
        answer = server.fresh().get(path, headers, method, json.dumps(body).encode() if body else None)
        assert answer.status < 300, (answer.status, answer.body)
        return answer

    def held() -> list[Any]:
        return ask(RESERVE).json()["reservations"]

    try:
        for jump in (30 * YEAR, 60 - int(time.time())):  # to 2056, to 1970
            booked = time.monotonic()
            ask(RESERVE, "POST", ram_gb=1, ttl_s=2, label="short")
            ask(RESERVE, "POST", ram_gb=1, ttl_s=3600, label="long")
            clock.jump(jump)
            ask(RESERVE, "POST", ram_gb=1, ttl_s=3600, label="later")
            short, long, later = held()
            assert (short["label"], long["label"], later["label"]) == ("short", "long", "later")
            assert 0 < short["expires_in_s"] <= 2 and 3500 < long["expires_in_s"] <= 3600
            dates = [datetime.strptime(one["expires_at"], "%Y-%m-%dT%H:%M:%SZ") for one in (long, later)]
            moved = (dates[1] - dates[0]).total_seconds()
            assert abs(moved - (jump - now)) < 10, "the clock did not jump: this shows nothing"
            until(lambda: len(held()) == 2)
            assert time.monotonic() - booked > 1.9, "a reservation ends by the time that passes"
            for one in held():
                ask(f"{RESERVE}/{one['id']}", "DELETE")
            assert {server.fresh().get(TOP, headers).status for _ in range(60)} <= {200, 429}
            until(lambda: server.fresh().get(TOP, headers).status == 200)
            time.sleep(0.1)  # there is room for twenty again
            now = jump
        tokens.write_text(OTHER)
        until(lambda: server.fresh().get(TOP, {"Authorization": f"Bearer {OTHER}"}).status == 200)
        until(lambda: server.fresh().get(TOP, headers).status == 401)
    finally:
        assert server.stop() == 0, server.said()
    assert "Traceback" not in server.said() and " ended with status" not in server.said(), server.said()
