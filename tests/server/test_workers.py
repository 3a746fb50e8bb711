"""Several workers: the same answers from all, one that dies is replaced, a stop drains them all."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

LLMFIT = Path(sys.executable).with_name("llmfit")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def get(port: int, path: str) -> dict[str, object]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return json.load(answer)


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[subprocess.Popen[bytes], int]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*args: str) -> tuple[subprocess.Popen[bytes], int]:
        port = free_port()
        process = subprocess.Popen(
            [LLMFIT, "serve", "--port", str(port), *args], stderr=subprocess.PIPE, start_new_session=True
        )
        started.append(process)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                get(port, "/readyz")
                return process, port
            except OSError:
                assert process.poll() is None, process.stderr and process.stderr.read().decode()
                time.sleep(0.05)
        raise AssertionError("not ready in 60 s")

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_all_workers_give_the_same_generation(serve: Callable[..., tuple[subprocess.Popen[bytes], int]]) -> None:
    _, port = serve("--workers", "2", "--ram-gb", "16")
    seen = {get(port, "/api/v1/models/top?limit=1")["generation"] for _ in range(40)}
    assert len(seen) == 1, seen


def test_a_killed_worker_is_replaced_and_the_rest_answers(
    serve: Callable[..., tuple[subprocess.Popen[bytes], int]],
) -> None:
    process, port = serve("--workers", "2")
    children = psutil.Process(process.pid).children()
    assert len(children) == 2
    children[0].kill()
    for _ in range(20):
        assert get(port, "/health")["status"] == "ok"
    until = time.monotonic() + 60
    pids: set[int] = set()  # the killed one may still be there, not yet waited for
    while time.monotonic() < until and (len(pids) != 2 or children[0].pid in pids):
        time.sleep(0.05)
        pids = {child.pid for child in psutil.Process(process.pid).children()}
    assert len(pids) == 2 and children[0].pid not in pids, pids
    for _ in range(20):
        assert get(port, "/api/v1/models/top?limit=1")["returned_models"] == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_ends_all_processes_with_status_0(
    serve: Callable[..., tuple[subprocess.Popen[bytes], int]], workers: str
) -> None:
    process, _ = serve("--workers", workers)
    children = psutil.Process(process.pid).children()
    process.terminate()
    assert process.wait(60) == 0
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_a_busy_port_is_one_line(serve: Callable[..., tuple[subprocess.Popen[bytes], int]]) -> None:
    _, port = serve()
    second = subprocess.run([LLMFIT, "serve", "--port", str(port)], capture_output=True, text=True, timeout=90)
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1 and f"127.0.0.1:{port}" in second.stderr, second.stderr


def test_max_context_before_or_behind_the_command(
    serve: Callable[..., tuple[subprocess.Popen[bytes], int]],
) -> None:
    _, port = serve("--max-context", "2048")
    row = get(port, "/api/v1/models/top?limit=1")["models"][0]  # type: ignore[index]
    assert row["effective_context_length"] == 2048
    before = subprocess.run(
        [LLMFIT, "--json", "--max-context", "2048", "fit", "-n", "1"], capture_output=True, check=True, timeout=90
    )
    assert json.loads(before.stdout)["models"][0]["effective_context_length"] == 2048


def test_basis_total_asks_about_an_empty_machine(serve: Callable[..., tuple[subprocess.Popen[bytes], int]]) -> None:
    _, port = serve()
    free = get(port, "/api/v1/models/top?limit=1")["system"]
    total = get(port, "/api/v1/models/top?limit=1&basis=total")["system"]
    assert total["available_ram_gb"] == total["total_ram_gb"] >= free["available_ram_gb"]  # type: ignore[index,call-overload]


def test_connections_are_spread(serve: Callable[..., tuple[subprocess.Popen[bytes], int]]) -> None:
    """Forty at once on two workers. Left to the kernel it was as often 40 and 0."""
    process, port = serve("--workers", "2")
    workers = psutil.Process(process.pid).children()

    def spread() -> Counter[int]:
        with ExitStack() as stack:
            for _ in range(40):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            until = time.monotonic() + 20
            while time.monotonic() < until:
                found = Counter({worker.pid: 0 for worker in workers})
                for worker in workers:
                    found[worker.pid] = sum(each.laddr.port == port and bool(each.raddr)
                                            for each in worker.net_connections("tcp"))  # fmt: skip
                if found.total() >= 40:
                    return found
                time.sleep(0.01)
            raise AssertionError(f"not all were accepted: {found}")

    # a worker that gets no core for longer than a moment misses its turn: on a busy machine it is tried again
    tries = [max(spread().values()) for _ in range(5)]
    assert min(tries) <= 24, tries
