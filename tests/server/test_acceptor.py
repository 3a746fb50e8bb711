"""Workers share one listening socket and hold about as many connections each."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import ExitStack
from typing import Any, cast

import pytest

from llmfit.server.process.acceptor import MOMENT, Acceptor, OpenConnections, connection_counts


class Guest(asyncio.Protocol):
    def __init__(self, held: OpenConnections) -> None:
        self.held = held

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.held.add(cast(Any, self))

    def connection_lost(self, error: Exception | None) -> None:
        self.held.discard(self)


@pytest.mark.parametrize(
    "own, other, waits",
    [(0, 0, False), (3, 3, False), (4, 3, True), (17, 16, False), (19, 16, True), (3, 4, False)],
)
def test_who_is_ahead_waits(own: int, other: int, waits: bool) -> None:
    numbers = connection_counts(2)
    held = OpenConnections(numbers, 0)
    numbers[1] = other
    for _ in range(own):
        held.add(cast(Any, object()))
    assert held.ahead() is waits and numbers.tolist() == [own, other]


def test_a_worker_that_takes_none_keeps_nobody_waiting() -> None:
    """The other worker holds none and never accepts: each guest waits a moment, and is accepted."""

    async def go() -> tuple[int, list[int], float]:
        numbers, sock = connection_counts(2), socket.create_server(("127.0.0.1", 0))
        held = OpenConnections(numbers, 1)
        acceptor = Acceptor(sock, held, cast(Any, lambda: Guest(held)), None)
        begun = time.monotonic()
        with ExitStack() as stack:
            for _ in range(10):
                stack.enter_context(socket.create_connection(sock.getsockname()))
            while len(held) < 10 and time.monotonic() < begun + 20:
                await asyncio.sleep(0.001)
            came, took = numbers.tolist(), time.monotonic() - begun
        while held and time.monotonic() < begun + 20:
            await asyncio.sleep(0.001)
        acceptor.close()
        return len(held) + held.coming, came, took

    left, came, took = asyncio.run(go())
    assert came == [0, 10] and left == 0
    assert took > 3 * MOMENT, "the second, the third, the fifth and the ninth wait for the other worker first"
