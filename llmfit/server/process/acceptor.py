"""Lets connections in, so that all workers hold about as many.

Workers share one listening socket. Left to whoever wakes first, one of them may end up with all connections of a few
busy clients while another core idles. So a worker that holds more than another one waits a moment with the next.

A worker that holds as many as it may cuts one off for the next: the oldest that is still shaking hands, else the oldest
that asks for nothing at the moment. Silent connections, however many, keep nobody out and take no descriptor that a
reload needs.
"""

from __future__ import annotations

import asyncio
import mmap
import socket
from collections import OrderedDict
from collections.abc import Callable
from ssl import SSLContext
from typing import Any

from sanic.http import Stage
from sanic.server import HttpProtocol

from llmfit.server.http.connection import SILENCE_SECONDS, most_connections

MOMENT = 0.003  # seconds; then the connection is taken in any case: another worker may be busy, or gone
MOST_AT_ONCE = 64  # connections, after moments in which no other worker came
LOOKED_AT = 64  # connections, for one that can be cut off
SHORT_OF_FILES = 0.1  # seconds until the next try where there is no descriptor left for a connection


class OpenConnections(OrderedDict[HttpProtocol, None]):
    """The open connections of a worker, the oldest first; their number stands where all workers can read it."""

    def __init__(self, numbers: memoryview[int], worker: int) -> None:
        super().__init__()
        self.numbers, self.worker = numbers, worker
        self.coming = 0  # accepted, not yet among the open ones
        self.tell()

    def tell(self) -> None:
        self.numbers[self.worker] = len(self) + self.coming

    def add(self, connection: HttpProtocol) -> None:
        self[connection] = None
        self.tell()

    def discard(self, connection: object) -> None:
        self.pop(connection, None)  # type: ignore[call-overload]
        self.tell()

    def ahead(self) -> bool:
        """Whether another worker holds fewer, by more than an eighth."""
        least = min(self.numbers)
        return self.numbers[self.worker] > least + (least >> 3)

    def full(self) -> bool:
        """Whether there is no place for another one."""
        return len(self) + self.coming >= most_connections()

    def cut_off_one(self) -> None:
        """End the oldest that asks for nothing, else the oldest whose request is not whole; none where all are busy."""
        chosen = None
        for one in [one for one, _ in zip(self, range(LOOKED_AT), strict=False)]:
            stage = one.http.stage if one.http is not None else Stage.IDLE
            if stage is Stage.IDLE or (stage is Stage.REQUEST and chosen is None):
                chosen = one
            if stage is Stage.IDLE:
                break
            self.move_to_end(one)  # the next look begins behind it
        if chosen is not None:
            self.discard(chosen)
            chosen.abort()  # type: ignore[no-untyped-call]


def connection_counts(workers: int) -> memoryview[int]:
    """A number for each worker, in memory that they share."""
    return memoryview(mmap.mmap(-1, 8 * workers)).cast("q")


class Acceptor:
    """Accepts one connection at a time from the socket, each with a protocol of its own, until it is closed."""

    def __init__(
        self, sock: socket.socket, held: OpenConnections, protocol: Callable[[], HttpProtocol], tls: SSLContext | None,
        leave: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        """`leave`: closes the socket in the end."""
        self.leave = leave or sock.close
        self.loop, self.sock, self.held, self.protocol = asyncio.get_running_loop(), sock, held, protocol
        self.more: dict[str, Any] = {"ssl": tls, "ssl_handshake_timeout": SILENCE_SECONDS} if tls is not None else {}
        self.coming: dict[asyncio.Task[Any], None] = {}  # the oldest first
        self.closed = False
        self.patience = 1  # connections to take after the next moment
        sock.setblocking(False)
        self.loop.add_reader(sock, self.readable)

    def readable(self) -> None:
        """Somebody is there."""
        if self.held.ahead():
            self.wait(MOMENT)
        else:
            self.patience = 1
            self.accept()

    def wait(self, seconds: float) -> None:
        """Leave who comes to the others for so long."""
        self.loop.remove_reader(self.sock)
        self.loop.call_later(seconds, self.waited)

    def waited(self) -> None:
        """Take one; twice as many each time that no other worker has come for those."""
        if not self.closed:
            self.loop.add_reader(self.sock, self.readable)
            all_came = all(self.accept() for _ in range(self.patience))
            self.patience = min(2 * self.patience, MOST_AT_ONCE) if all_came else 1

    def accept(self) -> bool:
        """Whether there was somebody."""
        try:
            connection, _ = self.sock.accept()
        except (BlockingIOError, ConnectionAbortedError):  # another worker was faster, or it has gone
            return False
        except OSError:
            self.wait(SHORT_OF_FILES)
            return False
        if self.held.full():
            self.cut_off_one()
        self.held.coming += 1
        self.held.tell()
        task = self.loop.create_task(self.serve_connection(connection))
        self.coming[task] = None  # the loop holds tasks weakly
        task.add_done_callback(lambda done: self.coming.pop(done, None))
        return True

    def cut_off_one(self) -> None:
        """Make room for the connection that was accepted."""
        if self.more and self.coming:
            next(iter(self.coming)).cancel()
            self.coming.pop(next(iter(self.coming)))
        else:
            self.held.cut_off_one()

    async def serve_connection(self, connection: socket.socket) -> None:
        try:
            await self.loop.connect_accepted_socket(self.protocol, connection, **self.more)
        except OSError:  # it went, or its TLS handshake failed: its own affair
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise
        finally:
            self.held.coming -= 1
            self.held.tell()

    def close(self) -> None:
        self.closed = True
        self.loop.remove_reader(self.sock)
        self.leave()
