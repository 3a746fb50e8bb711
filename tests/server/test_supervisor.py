"""The parent of several workers and its port, in this process: what goes wrong while it works."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from llmfit.errors import LlmfitError
from llmfit.server.process.sockets import listen
from llmfit.server.process.supervisor import Supervisor

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="workers need fork")


def run(reload: Callable[[], bool], steps: tuple[signal.Signals, ...], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a supervisor of one worker, whose forks fail at first, does with these signals."""
    happened: list[str] = []
    fork, failed = os.fork, []

    def once() -> int:
        if not failed:
            failed.append(1)
            raise OSError(11, "Resource temporarily unavailable")
        return fork()

    monkeypatch.setattr(os, "fork", once)
    monkeypatch.setattr("llmfit.server.process.supervisor.LEAST_LIFE", 0.05)

    def work(number: int, alive: int) -> int:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.read(alive, 1)  # until the parent ends, or tells it to
        return 3

    def told() -> bool:
        happened.append("reload")
        return reload()

    def leave() -> None:
        happened.append("left")

    one = Supervisor(1, work, told, lambda number: happened.append(f"replaced {number}"), leave, 20.0)
    usual = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)}
    started = one.start

    def start(number: int) -> None:
        started(number)
        if one.started:
            for step in steps:
                os.kill(os.getpid(), step)

    one.start = start  # type: ignore[method-assign]
    try:
        one.run()
    finally:
        for each, handler in usual.items():
            signal.signal(each, handler)
    return happened


@pytest.mark.parametrize("error", [LlmfitError("x"), OSError(24, "none"), RuntimeError(), MemoryError(), None])
def test_a_reload_in_which_anything_goes_wrong(error: Exception | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on; and a fork that fails is tried again."""

    def reload() -> bool:
        if error is not None:
            raise error
        return True

    assert run(reload, (signal.SIGHUP, signal.SIGTERM), monkeypatch) == ["reload", "left"]


def test_a_socket_file_stays_with_its_successor(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    first = listen("", 0, path)
    first.sock.close()
    second = listen("", 0, path)
    first.close()
    assert os.path.exists(path)
    second.close()
    assert not os.path.exists(path)
    second.close()
