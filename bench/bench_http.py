"""One worker over loopback, one client on one connection: what a page that was asked before costs end to end."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(sys.executable).with_name("llmfit")


@pytest.fixture(scope="module")
def connection() -> Iterator[http.client.HTTPConnection]:
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        port = plug.getsockname()[1]
    server = subprocess.Popen([str(PROGRAM), "serve", "--port", str(port)], stderr=subprocess.DEVNULL)
    try:
        one = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        until = time.monotonic() + 20
        while True:
            try:
                if get(one, "/readyz"):
                    break
            except OSError:
                one.close()
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
        yield one
        one.close()
    finally:
        server.terminate()
        server.wait(20)


def get(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    return body if answer.status == 200 else b""


@pytest.mark.parametrize("path", ["/health", "/api/v1/models/top"])
def test_get(benchmark: Any, connection: http.client.HTTPConnection, path: str) -> None:
    assert benchmark(get, connection, path).startswith(b"{")


def test_top_over_http_never_asked(benchmark: Any, connection: http.client.HTTPConnection) -> None:
    contexts = iter(range(2048, 1 << 20))
    assert benchmark(lambda: get(connection, f"/api/v1/models/top?max_context={next(contexts)}")).startswith(b"{")
