"""What clients have not read yet: bounded for a worker, and with a clock on its progress.

An answer waits in memory until its client reads it: the bytes that are written and the body that they come from. Where
all of them together are too much, the connection that has waited longest is cut off; and one that reads less than
LEAST_BYTES between looks at it, several times in a row, whatever it sends meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from asyncio import BaseTransport
from collections.abc import Iterator
from typing import Any, Protocol

MOST_UNSENT = 64 << 20  # bytes of a worker
LEAST_BYTES = 5_000  # between two looks, of which there is one every five seconds: 1 kB/s
PIECE = 1 << 20  # bytes of a body that are written at once
OF_ROWS = 4 << 20  # bytes that rows take which are written while they are sent
MOST_LISTS, PATIENCE = 16, 0.5  # of a worker; seconds without reading after which one makes room for another

try:
    from fcntl import ioctl
    from termios import TIOCOUTQ
except ImportError:  # Windows: what the system holds is not known
    ioctl = None  # type: ignore[assignment]


class Waiting(Protocol):
    """A connection."""

    transport: Any

    def abort(self) -> None: ...


class Unsent:
    """What is held for the connections of a worker that do not read at the moment."""

    def __init__(self, most: int = MOST_UNSENT) -> None:
        self.most = most
        self.bytes = 0
        self._waiting: dict[Waiting, tuple[int, float]] = {}  # size, since when; the one that has waited longest first
        self._lists: dict[Waiting, None] = {}  # whose answer is worked out, or written while it is sent
        self._bodies: dict[int, list[int]] = {}  # by identity: how many send it, its size

    def pause(self, connection: Waiting) -> None:
        """A connection has more to send than its client takes."""
        size = connection.transport.get_write_buffer_size()
        self._waiting[connection] = size, time.monotonic()
        self.bytes += size
        self.make_room(connection)

    def resume(self, connection: Waiting) -> None:
        """It has been read, or is gone."""
        self.bytes -= self._waiting.pop(connection, (0, 0.0))[0]

    def make_room(self, but: Waiting | None = None) -> None:
        """Cut off the connection that has waited longest, where too much is held; its body goes a moment later."""
        if self.bytes > self.most:
            oldest = next((one for one in self._waiting if one is not but), None)
            if oldest is not None:
                self.resume(oldest)
                oldest.abort()

    async def enter(self, connection: Waiting) -> None:
        """Wait for a place among the answers that are worked out: each holds megabytes until it is written. Who has one
        and does not read makes room.
        """
        while len(self._lists) >= MOST_LISTS:
            until = time.monotonic() - PATIENCE
            idle = (one for one in self._lists if one in self._waiting and self._waiting[one][1] < until)
            if (slow := next(idle, None)) is not None:
                self.leave(slow)
                self.resume(slow)
                slow.abort()
            else:
                await asyncio.sleep(0.02)
        self._lists[connection] = None

    def leave(self, connection: Waiting) -> None:
        self._lists.pop(connection, None)

    @contextlib.contextmanager
    def body(self, of: object, size: int) -> Iterator[None]:
        """A body that is being sent; one that several clients read counts once."""
        held = self._bodies.setdefault(id(of), [0, size])
        held[0] += 1
        if held[0] == 1:
            self.bytes += size
            self.make_room()
        try:
            yield
        finally:
            held[0] -= 1
            if not held[0]:
                del self._bodies[id(of)]
                self.bytes -= size


def owed(transport: BaseTransport) -> int:
    """Bytes that were written and have not reached the client, those that the system holds among them."""
    size: int = transport.get_write_buffer_size()  # type: ignore[attr-defined]
    sock = transport.get_extra_info("socket")
    if ioctl is not None and sock is not None:
        with contextlib.suppress(OSError, ValueError):
            size += struct.unpack("i", ioctl(sock.fileno(), TIOCOUTQ, b"\0\0\0\0"))[0]
    return size
