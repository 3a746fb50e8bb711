"""Clients that ask for more than they read: what a worker holds for them is bounded, and they are cut off."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "http"))

from wire import MODELS, TOP, Server

CLIENTS = int(os.environ.get("LLMFIT_UNREAD_CLIENTS", "60"))
MOST_MB = 200  # beyond what the server had at rest


def memory(server: Server) -> float:
    """Resident MB of the server."""
    assert server.process is not None
    return psutil.Process(server.process.pid).memory_info().rss / 1e6


def question(n: int) -> bytes:
    """A list that nobody else asks for, about 25 MB; every third client asks for many small answers at once instead."""
    if n % 3 == 2:
        return f"GET {TOP}?limit=50&ram_gb={n + 8} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * 100
    again = 2 if n % 3 else 1  # a list is held once it was asked for twice
    return f"GET {MODELS}?include_too_tight=true&ram_gb={n + 8} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * again


def run(server: Server, clients: int, seconds: float = 60) -> dict[str, float]:
    """`clients` that read nothing, half of them one byte and send one every now and then; figures of it."""
    quiet = server.fresh()
    assert quiet.get(MODELS + "?include_too_tight=true").status == 200
    before = most = memory(server)
    plugs = [server.plug() for _ in range(clients)]
    slowest, fewest = 0.0, clients
    try:
        for n, plug in enumerate(plugs):
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plug.setblocking(False)
            plug.sendall(question(n))
        alive = set(range(clients))
        begun = time.monotonic()
        trickled = begun
        while alive and time.monotonic() - begun < seconds:
            if time.monotonic() - trickled > 2:
                trickled = time.monotonic()
                for n in sorted(alive)[::2]:
                    with contextlib.suppress(OSError):
                        plugs[n].recv(1)
                        plugs[n].send(b"G")
            asked = time.monotonic()
            assert quiet.get(TOP + "?limit=1").status == 200
            slowest = max(slowest, time.monotonic() - asked)
            most = max(most, memory(server))
            alive = {n for n in alive if not gone(plugs[n])}
            fewest = len(alive)
            time.sleep(0.02)
        took = time.monotonic() - begun
    finally:
        for plug in plugs:
            plug.close()
        quiet.close()
    return {"clients": clients, "mb_before": before, "mb_more": most - before, "left": fewest, "seconds": took,
            "slowest_s": slowest}  # fmt: skip


def gone(plug: socket.socket) -> bool:
    """Whether the server has reset the connection; nothing is read."""
    return plug.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0 or tcp_closed(plug)


def tcp_closed(plug: socket.socket) -> bool:
    return plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 1  # TCP_ESTABLISHED


def test_clients_that_do_not_read(tmp_path: Path) -> None:
    server = Server.start(("--gpu", "RTX 4090", "--ram-gb", "64"), tmp_path / "log")
    try:
        found = run(server, CLIENTS)
        print(found)
    finally:
        assert server.stop() == 0, server.said()
    assert "Traceback" not in server.said(), server.said()
    assert found["mb_more"] < MOST_MB and found["left"] == 0 and found["slowest_s"] < 5, found
