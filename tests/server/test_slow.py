"""When a slow request is cut off, by a clock that no load disturbs."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import socket
from collections.abc import Callable
from typing import Any

import pytest
from sanic import Sanic, text
from sanic.server.protocols import http_protocol

from llmfit.server.http.connection import SILENCE_SECONDS, Connection

HEADER = b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "
BODY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n"
WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Jumps(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Where it would wait, the clock is moved on instead."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if not found and timeout:
            self.now += timeout
        return found


class Quick(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.jumps = Jumps()
        super().__init__(self.jumps)

    def time(self) -> float:
        return self.jumps.now


Say = Callable[[float], bytes]  # what is sent at a time, in seconds from the connection on


async def cut_off(app: Any, say: Say) -> tuple[float, bytes]:
    """Seconds from the connection on until the server has closed it, and what it said."""
    loop = asyncio.get_running_loop()
    app.signalize(False)
    app.finalize()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    await loop.connect_accepted_socket(lambda: Connection(loop=loop, app=app, connections=set()), theirs)
    begun, said = loop.time(), b""
    while (at := loop.time() - begun) < 120:
        try:
            if not (part := ours.recv(4096)):
                break
            said += part
        except BlockingIOError:
            pass
        except ConnectionResetError:  # with some of what was sent not read
            break
        if data := say(round(at, 1)):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                ours.send(data)
        await asyncio.sleep(0.1)
    ours.close()
    return at, said


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Any:
    loop = Quick()
    monkeypatch.setattr(http_protocol, "current_time", loop.time)
    monkeypatch.setattr(Sanic, "_app_registry", {})
    app: Any = Sanic("slow")
    app.config.REQUEST_TIMEOUT, app.config.KEEP_ALIVE_TIMEOUT = SILENCE_SECONDS, 75

    @app.route("/", methods=["GET", "POST"])
    async def root(request: Any) -> Any:
        await request.receive_body()
        return text("all of it")

    yield lambda say: loop.run_until_complete(cut_off(app, say))
    loop.close()


def trickle(beginning: bytes, begin: float, end: float = 99) -> Say:
    return lambda at: beginning if at == begin else b"a" if begin < at < end else b""


@pytest.mark.parametrize("beginning", [HEADER, BODY], ids=["header", "body"])
@pytest.mark.parametrize("begin", [0.0, 0.1, 2.5, 4.9, 5.0, 9.9, 12.3])
def test_a_request_that_trickles(ask: Any, beginning: bytes, begin: float) -> None:
    """The whole of it has 15 s, which is noticed up to 5 s later."""
    after, said = ask(trickle(beginning, begin))
    assert 14.7 < after - begin < 20.3
    assert said.startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("begin", [0.0, 2.5, 4.9, 9.9])
def test_a_request_that_falls_silent(ask: Any, begin: float) -> None:
    after, said = ask(trickle(HEADER, begin, begin))
    assert 9.7 < after - begin < 15.3
    assert said.startswith(b"HTTP/1.1 408")


def test_each_request_of_a_connection_has_its_own_time(ask: Any) -> None:
    """Five requests that take 14 s each, and one that does not end."""
    parts = {0: HEADER, **{tenth: b"a" for tenth in range(1, 140)}, 140: b"\r\n\r\n"}
    after, said = ask(lambda at: parts.get(round(at * 10) % 145, b"") if at < 80 else b"")
    assert said.count(b"HTTP/1.1 200") == 5 and b"HTTP/1.1 408" in said and 87 < after < 93
