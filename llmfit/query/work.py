"""Work that is counted, not timed: the same question has the same answer however busy the computer is."""

from __future__ import annotations


class Cancelled(Exception):
    """Nobody waits for the answer any more."""


class Work:
    """What one question may cost in units of about a microsecond. `cancelled` may be set from another thread."""

    __slots__ = ("cancelled", "left")

    def __init__(self, most: int = 1 << 62) -> None:
        self.left = most
        self.cancelled = False

    def spend(self, units: int) -> bool:
        """Whether there is still some left behind these. Cancelled."""
        if self.cancelled:
            raise Cancelled
        self.left -= units
        return self.left > 0

    def part(self, most: int) -> Work:
        """A part of it with a limit of its own, which ends with it."""
        return Part(self, most)


class Part(Work):
    """So much of some other work."""

    __slots__ = ("whole",)

    def __init__(self, whole: Work, most: int) -> None:
        super().__init__(most)
        self.whole = whole

    def spend(self, units: int) -> bool:
        self.whole.spend(units)
        return super().spend(units)
