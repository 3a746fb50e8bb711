"""What is reserved, in memory that all workers share: a reservation made in one holds in every other at once.

The memory is made before the fork, so that a worker that dies takes nothing along. It has two halves and a counter: a
writer fills the half that is not read and then counts up, so that one killed on the way has changed nothing. Writers
take turns by a record lock, which the system takes back from a process that dies.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from llmfit.errors import Full, LlmfitError

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows: there is one worker, and one thread of it that writes
    fcntl = None

MOST = 256  # reservations
HALF = 1 << 21  # bytes; those that are never used take no memory
COUNT = 8
LENGTH = struct.Struct("=I")
EMPTY = bytes(COUNT)


class Gpu(msgspec.Struct, frozen=True, array_like=True):
    """By what a device is known again: its uuid, else its PCI address, else its name and which of that name it is."""

    uuid: str | None
    pci_address: str | None
    name: str

    def same(self, other: Gpu) -> bool:
        for one, two in ((self.uuid, other.uuid), (self.pci_address, other.pci_address)):
            if one and two:
                return one == two
        return self.name == other.name


class HeldMemory(msgspec.Struct, frozen=True, kw_only=True):
    """One reservation. ``until`` is in seconds of the monotonic clock, which all processes of a system share."""

    id: str
    until: float
    expires_at: str
    ram_bytes: int
    vram_bytes: tuple[int, ...]  # by device, in the order that Machine.devices had
    gpus: tuple[Gpu, ...] = ()  # which devices these were; without: those that are in that order now
    label: str | None = None
    model: str | None = None
    quantization: str | None = None
    run_mode: str | None = None


class ReservationStore:
    """The reservations. Any process may read at any time; writers hold :meth:`locked`."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, COUNT + 2 * HALF)
        self._lock = lock_file()  # nothing is written to it: a full disk is no matter
        self._decode = msgspec.msgpack.Decoder(list[HeldMemory]).decode

    def stamp(self) -> bytes:
        """Changes with every change."""
        return self._memory[:COUNT]

    def read(self) -> tuple[bytes, list[HeldMemory]]:
        """The stamp and what is held; also what has run out since the last change."""
        while True:
            stamp = self.stamp()
            if stamp == EMPTY:
                return stamp, []
            start = self._start(stamp)
            (length,) = LENGTH.unpack_from(self._memory, start)
            packed = self._memory[start + LENGTH.size : start + LENGTH.size + length]
            if self.stamp() == stamp:
                return stamp, self._decode(packed)

    @contextmanager
    def locked(self) -> Iterator[list[HeldMemory]]:
        """What is held now, for as long as no other process may change it."""
        if fcntl is not None:
            fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            now = time.monotonic()
            yield [held for held in self.read()[1] if held.until > now]
        finally:
            if fcntl is not None:
                fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def write(self, held: list[HeldMemory]) -> None:
        """This is held from now on. Full where there is no room for it. Only inside :meth:`locked`."""
        packed = msgspec.msgpack.encode(held)
        if len(held) > MOST or LENGTH.size + len(packed) > HALF:
            raise Full(f"no room for another reservation: at most {MOST} are held at once; release one")
        stamp = (int.from_bytes(self.stamp(), "little") + 1).to_bytes(COUNT, "little")
        start = self._start(stamp)
        LENGTH.pack_into(self._memory, start, len(packed))
        self._memory[start + LENGTH.size : start + LENGTH.size + len(packed)] = packed
        self._memory[:COUNT] = stamp

    def _start(self, stamp: bytes) -> int:
        return COUNT + HALF * (stamp[0] & 1)


def lock_file() -> int:
    """The descriptor of an empty file without a name: in memory where the system can, else in the folder for them.
    LlmfitError.
    """
    if hasattr(os, "memfd_create"):
        return os.memfd_create("llmfit")
    try:
        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())
    except OSError as error:
        raise LlmfitError(f"cannot make a temporary file: {error.strerror or error}") from None


def new_id() -> str:
    return os.urandom(8).hex()
