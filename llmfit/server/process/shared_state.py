"""A small shared notice state: the first worker observes the machine, all workers read what it saw.

So that equal questions get equal answers from every worker, there is one observer. The state is anonymous shared
memory made before the fork: a counter (odd while a notice is being written), a length, the notice.
"""

from __future__ import annotations

import mmap
import struct

import msgspec

from llmfit.machine import Machine

SIZE = 1 << 16
HEAD = struct.Struct("=QI")


class SharedState:
    """Holds the last observed Machine."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, SIZE)
        self._seen = 0

    def publish(self, machine: Machine) -> None:
        """Put up a machine; one that does not fit on the state is not put up."""
        notice = msgspec.msgpack.encode(machine)
        if HEAD.size + len(notice) > SIZE:
            return
        count, _ = HEAD.unpack_from(self._memory)
        count += 1 - count % 2  # odd, also where an earlier writer died half way
        HEAD.pack_into(self._memory, 0, count, len(notice))
        self._memory[HEAD.size : HEAD.size + len(notice)] = notice
        HEAD.pack_into(self._memory, 0, count + 1, len(notice))

    def news(self) -> Machine | None:
        """The machine on the state, if it was not read before and is not being written."""
        count, length = HEAD.unpack_from(self._memory)
        if count == self._seen or count % 2:
            return None
        notice = self._memory[HEAD.size : HEAD.size + length]
        if HEAD.unpack_from(self._memory)[0] != count:
            return None
        self._seen = count
        return msgspec.msgpack.decode(notice, type=Machine)
