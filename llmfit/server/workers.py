"""Runs the workers: forked from one parent that has bound the socket and opened the catalog, so that they share both.

Sanic's own manager kills its whole process group when a shutdown is interrupted, which takes the caller's shell with
it; a parent that forks, waits and forwards signals is all that is needed here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from types import FrameType
from typing import Any, TypeAlias

import uvloop
from sanic import Sanic

from llmfit._core import keep_freed_memory
from llmfit.errors import LlmfitError
from llmfit.machine import Machine
from llmfit.server.app import Settings, Shared, create_app
from llmfit.server.board import Board
from llmfit.server.connection import SILENCE_SECONDS, Connection, Fronted
from llmfit.server.routes import Routes, without_stop_signals
from llmfit.server.sockets import BACKLOG, listen, remove_socket_file

App: TypeAlias = "Sanic[Any, Any]"
log = logging.getLogger("llmfit.server")
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
DRAIN_SECONDS = 10.0
OBSERVE_SECONDS, NEWS_SECONDS = 5.0, 0.5
SWITCH_SECONDS = 0.0005  # the scoring thread lets the event loop in sooner than Python's 5 ms
LEAST_LIFE = 1.0  # seconds; a worker that dies sooner is not replaced at once


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. LlmfitError where it cannot start."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    if settings.workers > 1 and not hasattr(os, "fork"):
        raise LlmfitError("more than one worker needs a system with fork; use --workers 1")
    shared = Shared(settings)
    sock = listen(settings)
    scheme = "https" if shared.access.tls is not None else "http"
    where = (
        f"unix:{settings.unix_socket}" if settings.unix_socket else "{}://{}:{}".format(scheme, *sock.getsockname()[:2])
    )
    print(f"llmfit listening on {where}", file=sys.stderr, flush=True)
    try:
        if settings.workers == 1:
            work(settings, shared, sock, observer=True)
        else:
            Workers(settings, shared, sock).run()
    finally:
        if settings.unix_socket is not None:
            remove_socket_file(settings.unix_socket)


def work(settings: Settings, shared: Shared, sock: socket.socket, observer: bool) -> None:
    """One worker, until it is told to stop. One of them observes the machine for all."""
    # A signal that comes before the event loop listens to signals ends the process cleanly too.
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: sys.exit(0))
    sys.setswitchinterval(SWITCH_SECONDS)
    keep_freed_memory()
    app, routes = create_app(settings, shared)
    if observer and settings.observe:
        threading.Thread(target=observe, args=(settings, shared.board), daemon=True, name="observer").start()
    uvloop.run(answer(app, routes, shared, sock))


def observe(settings: Settings, board: Board) -> None:
    """Look at the machine every few seconds and put up what changed."""
    from llmfit import catalog
    from llmfit.hardware import LiveSource, apply_whatif, detect
    from llmfit.hardware.steady import steady

    without_stop_signals()
    tables = catalog.default().tables
    last: Machine | None = None
    source = LiveSource(measure=False)  # the first answers do not wait for it
    while True:
        try:
            now = steady(detect(tables, source), last)
            if now is not last:
                last = now
                board.publish(apply_whatif(now, settings.whatif, tables))
        except Exception:
            log.exception("the machine could not be observed; the last state stands")
        time.sleep(OBSERVE_SECONDS)
        source = LiveSource()


async def answer(app: App, routes: Routes, shared: Shared, sock: socket.socket) -> None:
    """Accept connections until a signal, then let every answer end.

    Sanic's own runners lose a signal that comes while they start or drain (the loop stops under them).
    """
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    access = shared.access
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, told.set)
    more: dict[str, Any] = {"ssl_handshake_timeout": SILENCE_SECONDS} if access.tls is not None else {}
    server = await app.create_server(
        sock=sock, backlog=BACKLOG, protocol=Fronted if access.needed else Connection, ssl=access.tls,
        asyncio_server_kwargs={"start_serving": False, **more},
    )  # fmt: skip
    assert server is not None
    await server.startup()  # type: ignore[no-untyped-call]
    await server.start_serving()  # type: ignore[no-untyped-call]
    routes.ready = True
    while not told.is_set():
        machine = shared.board.news()
        if machine is not None or routes.books.changed():
            await routes.settle(machine)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(told.wait(), NEWS_SECONDS)
    routes.ready = False
    routes.events.close()
    closed = server.close()  # type: ignore[no-untyped-call]
    until = loop.time() + DRAIN_SECONDS
    while server.connections and loop.time() < until:
        for connection in tuple(server.connections):
            connection.signal.stopped = True
            connection.close_if_idle()
        await asyncio.sleep(0.02)
    for connection in tuple(server.connections):
        connection.abort()
    # What is left is to end: another signal has nothing to add, not even here.
    without_stop_signals()
    for executor in (routes.worker, routes.packer):
        executor.shutdown(wait=False, cancel_futures=True)
    if closed is not None:
        closed.cancel()


class Workers:
    """The parent of several workers: starts them, replaces one that dies, passes a stop on to all."""

    def __init__(self, settings: Settings, shared: Shared, sock: socket.socket) -> None:
        self.settings, self.shared = settings, shared
        self.sock = sock
        self.started: dict[int, tuple[float, bool]] = {}  # when, and whether it is the observer, by process id
        self.stopping = False

    def run(self) -> None:
        """Until SIGTERM or SIGINT, and then until all workers have drained."""
        from llmfit import catalog

        catalog.default()  # opened before the fork: its pages are shared
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        for index in range(self.settings.workers):
            self.start(observer=index == 0)
        while self.started:
            pid, status = os.wait()
            begun, observer = self.started.pop(pid)
            if not self.stopping:
                log.error("worker %d ended with status %d: replaced", pid, os.waitstatus_to_exitcode(status))
                if time.monotonic() - begun < LEAST_LIFE:
                    time.sleep(LEAST_LIFE)
                if not self.stopping:
                    self.start(observer)

    def start(self, observer: bool) -> None:
        pid = os.fork()
        if pid:
            self.started[pid] = time.monotonic(), observer
            return
        status = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            work(self.settings, self.shared, self.sock, observer)
            status = 0
        except SystemExit as error:
            status = int(error.code or 0)
        except BaseException:
            log.exception("a worker could not go on")
        finally:
            os._exit(status)

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Tell every worker to drain; those that have not ended in time are killed."""
        again, self.stopping = self.stopping, True
        for pid in self.started:
            os.kill(pid, signal.SIGKILL if again else signal.SIGTERM)
        if not again:
            signal.signal(signal.SIGALRM, self.stop)
            signal.alarm(int(DRAIN_SECONDS) + 2)
