"""The parent of several workers: forks them, replaces one that dies, passes a stop and a reload on to all.

What happens is told by signals, each a byte in a pipe: no handler runs in the middle of something else. Children that
it did not start (those of whoever was this process before, and all orphans where it is the first of a container) are
reaped. Each worker holds the reading end of a pipe whose other end the parent alone has: when that closes, however the
parent ended, the worker drains and ends too.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import time
from collections.abc import Callable

log = logging.getLogger("llmfit.server")
LEAST_LIFE = 1.0  # seconds; a worker that dies sooner, or cannot be forked, is not replaced at once


class Supervisor:
    """`work`: what worker number n does, given the descriptor that closes with the parent; its exit status.

    `reload`: called on SIGHUP before workers are told; False where they are not to be. `replaced`: called with the
    number of a worker that died. `leave`: closes the port. `drain`: seconds that workers have for their last answers.
    """

    def __init__(
        self, workers: int, work: Callable[[int, int], int], reload: Callable[[], bool],
        replaced: Callable[[int], None], leave: Callable[[], None], drain: float,
    ) -> None:  # fmt: skip
        self.workers, self.work, self.reload, self.replaced, self.leave = workers, work, reload, replaced, leave
        self.drain = drain
        self.started: dict[int, tuple[float, int]] = {}  # when, and which worker it is, by process id
        self.due: dict[int, float] = {}  # when to start a worker, by its number
        self.stopping = False
        self.until = 0.0  # those that have not ended by then are killed

    def run(self) -> None:
        """Until SIGTERM or SIGINT, and then until all workers have drained."""
        self.heard = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
        told, tell = os.pipe()
        self.alive = os.pipe()
        for each in (told, tell):
            os.set_blocking(each, False)
        for each in self.heard:  # also what whoever started this process had ignored
            signal.signal(each, lambda *_: None)
        signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(told, select.POLLIN)
        self.due = dict.fromkeys(range(self.workers), 0.0)
        while self.started or self.due:
            for number in [number for number, at in self.due.items() if at <= time.monotonic()]:
                self.start(number)
            self.reap()
            poll.poll(self.wait())
            with contextlib.suppress(BlockingIOError):
                for number in set(os.read(told, 4096)):
                    self.hear(number)
            self.reap()
            if self.stopping and time.monotonic() >= self.until:
                self.tell(signal.SIGKILL)
        signal.set_wakeup_fd(-1)

    def wait(self) -> float | None:
        """Milliseconds until something is to be done."""
        times = [*self.due.values(), *((self.until,) if self.stopping else ())]
        return max(min(times) - time.monotonic(), 0.001) * 1000 if times else None

    def hear(self, number: int) -> None:
        """A signal has come."""
        if number in (signal.SIGTERM, signal.SIGINT):
            self.until = 0.0 if self.stopping else time.monotonic() + self.drain
            if not self.stopping:
                self.stopping = True
                self.due.clear()
                self.leave()
                self.tell(signal.SIGTERM)
        elif number == signal.SIGHUP and not self.stopping:
            try:
                well = self.reload()
            except Exception as error:  # whatever it is, what was read before stays
                log.error("not reloaded: %s: %s", type(error).__name__, error)
                return
            if well:
                self.tell(signal.SIGHUP)

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to every worker."""
        for pid in tuple(self.started):
            with contextlib.suppress(ProcessLookupError):  # it has ended, and is reaped in a moment
                os.kill(pid, number)

    def reap(self) -> None:
        """Take leave of children that have ended; workers among them are due again."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pid = 0
            if not pid:
                return
            if pid not in self.started:
                continue
            begun, number = self.started.pop(pid)
            if not self.stopping:
                log.error("worker %d ended with status %d: replaced", pid, os.waitstatus_to_exitcode(status))
                self.replaced(number)
                now = time.monotonic()
                self.due[number] = now + (LEAST_LIFE if now - begun < LEAST_LIFE else 0.0)

    def start(self, number: int) -> None:
        """Fork a worker. Signals wait meanwhile: each process gets its own."""
        signal.pthread_sigmask(signal.SIG_BLOCK, self.heard)
        try:
            pid = os.fork()
        except OSError as error:
            log.error("no worker can be started: %s; tried again in %g s", error.strerror, LEAST_LIFE)
            self.due[number] = time.monotonic() + LEAST_LIFE
            signal.pthread_sigmask(signal.SIG_UNBLOCK, self.heard)
            return
        if pid:
            del self.due[number]
            self.started[pid] = time.monotonic(), number
            signal.pthread_sigmask(signal.SIG_UNBLOCK, self.heard)
            return
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for each in (signal.SIGTERM, signal.SIGINT):
                signal.signal(each, lambda *_: os._exit(0))  # until the worker has a handler of its own
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD))
            os.close(self.alive[1])
            status = self.work(number, self.alive[0])
        except BaseException:
            log.exception("a worker could not go on")
        finally:
            os._exit(status)
