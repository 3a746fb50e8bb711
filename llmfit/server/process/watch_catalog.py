"""Watches what lies over the catalog: the user's own models and the list from the Hub."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable

from llmfit.catalog import catalog, layers
from llmfit.errors import LlmfitError
from llmfit.server.process.signals import without_stop_signals

LOOK_SECONDS = 0.5


def stamp_in_use() -> layers.Stamp | None:
    held = catalog.default().layers
    return held.stamp if held is not None else None


def watch(reload: Callable[[], None], parent: int | None) -> None:
    """Have the catalog read again when it has changed and then been still for one look, so that no half of a file is
    read: by the parent of all workers, where there is one, else by this process. A look that fails sees no change.
    """
    without_stop_signals()
    last = told = stamp_in_use()
    while True:
        time.sleep(LOOK_SECONDS)
        try:
            now = layers.stamp()
        except (LlmfitError, OSError):
            continue
        if now == last and now not in (stamp_in_use(), told):
            told = now
            if parent is None:
                reload()
            elif os.getppid() == parent:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(parent, signal.SIGHUP)
        last = now
