"""Processes: children that the server never started, a parent that is killed, reloads in which anything goes wrong."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "http"))

from wire import TOP, Server, free_port

PROGRAM = str(Path(sys.executable).with_name("llmfit"))
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="workers need fork")


def until(holds: Callable[[], object], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not (found := bool(holds())) and time.monotonic() < end:
        time.sleep(0.05)
    return found


class Tree:
    """`llmfit serve` started by some other program; `server` speaks to it."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.port = free_port()
        self.sink = log.open("wb")
        command = [word.replace("PORT", str(self.port)) for word in command]
        self.process = subprocess.Popen(command, stdout=self.sink, stderr=self.sink, stdin=subprocess.DEVNULL)
        self.server = Server(self.process, log, port=self.port)
        self.server._await("/readyz")

    def workers(self) -> set[int]:
        """Of all processes below it those that are llmfit."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        return {one.pid for one in found if "serve" in command_of(one)}

    def close(self) -> None:
        for pid in (*self.workers(), self.process.pid) if self.process.poll() is None else ():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.sink.close()


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has ended
        return []


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Callable[..., Tree]]:
    made: list[Tree] = []

    def start(*command: str) -> Tree:
        made.append(Tree(list(command), tmp_path / "log"))
        return made[-1]

    yield start
    for one in made:
        one.close()


def refused(port: int) -> bool:
    with socket.socket() as plug:
        return plug.connect_ex(("127.0.0.1", port)) != 0


SERVE = f"exec {PROGRAM} serve --port PORT --workers 2 --ram-gb 64"
ORPHANS = f"""
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans become children, as those of PID 1 do
if os.fork() == 0:
    for _ in range(8):
        if os.fork() == 0:
            os.read(0, 1)
            os._exit(7)
    os._exit(0)
os.execv({PROGRAM!r}, [{PROGRAM!r}, "serve", "--port", "PORT", "--workers", "2", "--ram-gb", "64"])
"""


@pytest.mark.parametrize("how", ["child", "orphans", "ignored"])
def test_children_that_it_did_not_start(tree: Callable[..., Tree], how: str) -> None:
    """They end and nothing else happens; a worker that dies is still replaced."""
    if how == "orphans" and sys.platform != "linux":
        pytest.skip("needs PR_SET_CHILD_SUBREAPER")
    command = {
        "child": ["sh", "-c", f"sleep 0.1 & {SERVE}"],
        "ignored": ["sh", "-c", f"trap '' CHLD; sleep 0.1 & {SERVE}"],
        "orphans": [sys.executable, "-c", ORPHANS],
    }[how]
    one = tree(*command)
    assert until(lambda: len(one.workers()) == 2)
    parent = psutil.Process(one.process.pid)
    assert until(lambda: len(parent.children()) == 2), "an ended child is still there"
    victim = min(one.workers())
    os.kill(victim, signal.SIGKILL)
    assert until(lambda: len(one.workers() - {victim}) == 2), one.server.said()
    assert one.server.get(TOP + "?limit=1").status == 200
    assert one.server.stop() == 0
    assert "Traceback" not in one.server.said(), one.server.said()


def test_workers_end_with_their_parent(tree: Callable[..., Tree]) -> None:
    """However the parent ends, the port is free soon and no worker is left."""
    one = tree("sh", "-c", SERVE)
    workers = one.workers()
    assert len(workers) == 2
    os.kill(one.process.pid, signal.SIGKILL)
    one.process.wait()
    assert until(lambda: not any(psutil.pid_exists(pid) for pid in workers), 15)
    assert refused(one.port)


def test_pid_1(tree: Callable[..., Tree]) -> None:
    """As the first process of a container, with orphans of others."""
    unshare = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"]
    try:
        able = subprocess.run([*unshare, "true"], capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        able = False
    if not able:
        pytest.skip("no namespace of processes can be made here")
    one = tree(*unshare, "sh", "-c", f"(sleep 0.1 &) ; (sleep 0.2 &) ; {SERVE}")
    (inner,) = psutil.Process(one.process.pid).children()
    assert until(lambda: len(inner.children()) == 2)
    victim = inner.children()[0].pid
    os.kill(victim, signal.SIGKILL)
    assert until(lambda: len([each for each in inner.children() if each.pid != victim]) == 2), one.server.said()
    assert one.server.get(TOP + "?limit=1").status == 200
    inner.send_signal(signal.SIGTERM)
    assert one.process.wait(30) == 0, one.server.said()
    assert "Traceback" not in one.server.said(), one.server.said()


def test_a_closed_port_at_once(tree: Callable[..., Tree]) -> None:
    """A server that drains is not found any more, even where an answer takes as long as it may."""
    one = tree("sh", "-c", SERVE)
    with one.server.plug() as plug:  # an answer that nobody reads to its end keeps a worker from ending
        plug.sendall(b"GET /api/v1/models?include_too_tight=true HTTP/1.1\r\nHost: localhost\r\n\r\n")
        plug.recv(1)
        begun = time.monotonic()
        one.process.send_signal(signal.SIGTERM)
        assert until(lambda: refused(one.port), 5), "the port is open while it drains"
        assert time.monotonic() - begun < 3
    one.process.wait(30)
