"""Work that is cut off: a driver or a tool may hang, and whoever asks it must not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

SECONDS = 2.0  # the most that one probe, one tool or one library takes
RESERVE = 0.1  # what a tool leaves of it to the probe that runs it

_last: dict[str, tuple[threading.Thread, float]] = {}  # by name: the latest thread, and when it is overdue
_own = threading.local()


class Attempt(Generic[T]):
    """``work``, started in a daemon thread of its own. None is started beside a namesake that is overdue."""

    def __init__(self, name: str, work: Callable[[], T], seconds: float = SECONDS) -> None:
        now = time.monotonic()
        outer = getattr(_own, "until", None)  # within another attempt: never later than that one
        self.until = now + seconds if outer is None else min(now + seconds, outer - RESERVE)
        self._answer: list[T] = []
        self._error: list[Exception] = []
        self._thread: threading.Thread | None = None
        thread, overdue = _last.get(name, (None, now))
        if self.until > now and (thread is None or not thread.is_alive() or now < overdue):
            self._thread = threading.Thread(target=self._run, args=(work,), name=f"llmfit-{name}", daemon=True)
            _last[name] = self._thread, self.until
            self._thread.start()

    def _run(self, work: Callable[[], T]) -> None:
        _own.until = self.until
        try:
            self._answer.append(work())
        except Exception as error:
            self._error.append(error)

    def result(self) -> T:
        """What ``work`` returned, or raised; TimeoutError if it did neither in time."""
        if self._thread is not None:
            self._thread.join(max(0.0, self.until - time.monotonic()))
        if self._error:
            raise self._error[0]
        if not self._answer:
            raise TimeoutError
        return self._answer[0]
