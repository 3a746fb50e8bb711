"""A thread for answers that take long: others are answered meanwhile, and few wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from llmfit.errors import Busy
from llmfit.server.process.signals import without_stop_signals

MOST_WAITING = 32  # of a worker: each holds a body of up to a megabyte
T = TypeVar("T")


class LongWork:
    """One thread of a worker, and who waits for it. `what`: of which there are too many then."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.waiting = 0
        self.thread = ThreadPoolExecutor(1, what, initializer=without_stop_signals)

    async def run(self, make: Callable[..., T], *args: Any) -> T:
        """What `make` gives in the thread; Busy where too many wait already."""
        if self.waiting >= MOST_WAITING:
            raise Busy(f"too many {self.what} wait: a worker keeps {MOST_WAITING}; ask again in some seconds")
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.thread, make, *args)
        finally:
            self.waiting -= 1
