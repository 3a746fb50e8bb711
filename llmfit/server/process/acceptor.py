"""Lets connections in, so that all workers hold about as many.

Workers share one listening socket. Left to whoever wakes first, one of them may end up with all connections of a few
busy clients while another core idles. So a worker that holds more than another one waits a moment with the next.
"""

from __future__ import annotations

import asyncio
import mmap
import socket
from collections.abc import Callable
from ssl import SSLContext
from typing import Any

from sanic.server import HttpProtocol

from llmfit.server.http.connection import SILENCE_SECONDS

MOMENT = 0.003  # seconds; then the connection is taken in any case: another worker may be busy, or gone
MOST_AT_ONCE = 64  # connections, after moments in which no other worker came
SHORT_OF_FILES = 0.1  # seconds until the next try where there is no descriptor left for a connection


class OpenConnections(set[HttpProtocol]):
    """The open connections of a worker; their number stands where all workers can read it."""

    def __init__(self, numbers: memoryview[int], worker: int) -> None:
        super().__init__()
        self.numbers, self.worker = numbers, worker
        self.coming = 0  # accepted, not yet among the open ones
        self.tell()

    def tell(self) -> None:
        self.numbers[self.worker] = len(self) + self.coming

    def add(self, connection: HttpProtocol) -> None:
        super().add(connection)
        self.tell()

    def discard(self, connection: object) -> None:
        super().discard(connection)
        self.tell()

    def ahead(self) -> bool:
        """Whether another worker holds fewer, by more than an eighth."""
        least = min(self.numbers)
        return self.numbers[self.worker] > least + (least >> 3)


def connection_counts(workers: int) -> memoryview[int]:
    """A number for each worker, in memory that they share."""
    return memoryview(mmap.mmap(-1, 8 * workers)).cast("q")


class Acceptor:
    """Accepts one connection at a time from the socket, each with a protocol of its own, until it is closed."""

    def __init__(
        self, sock: socket.socket, held: OpenConnections, protocol: Callable[[], HttpProtocol], tls: SSLContext | None
    ) -> None:
        self.loop, self.sock, self.held, self.protocol = asyncio.get_running_loop(), sock, held, protocol
        self.more: dict[str, Any] = {"ssl": tls, "ssl_handshake_timeout": SILENCE_SECONDS} if tls is not None else {}
        self.coming: set[asyncio.Task[Any]] = set()
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
        self.held.coming += 1
        self.held.tell()
        task = self.loop.create_task(self.serve_connection(connection))
        self.coming.add(task)  # the loop holds tasks weakly
        task.add_done_callback(self.coming.discard)
        return True

    async def serve_connection(self, connection: socket.socket) -> None:
        try:
            await self.loop.connect_accepted_socket(self.protocol, connection, **self.more)
        except OSError:  # it went, or its TLS handshake failed: its own affair
            connection.close()
        finally:
            self.held.coming -= 1
            self.held.tell()

    def close(self) -> None:
        self.closed = True
        self.loop.remove_reader(self.sock)
        self.sock.close()
