"""Which threads signals reach."""

from __future__ import annotations

import signal


def without_stop_signals() -> None:
    """No SIGTERM or SIGINT reaches the calling thread: the main thread alone decides what they do."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
