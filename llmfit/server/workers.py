"""Runs the workers: forked from one parent that has bound the socket and opened the catalog, so that they share both.

Sanic's own manager kills its whole process group when a shutdown is interrupted, which takes the caller's shell with
it; a parent that forks, waits and forwards signals is all that is needed here.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import uvloop
from sanic import Sanic
from sanic.models.server_types import Signal

from llmfit.catalog.tables import Profile
from llmfit.errors import LlmfitError
from llmfit.machine import Machine
from llmfit.server.app import Settings, Shared, create_app
from llmfit.server.http.connection import Connection, MiddlewareConnection
from llmfit.server.observe import logs
from llmfit.server.observe.counters import REPLACED
from llmfit.server.process.acceptor import Acceptor, OpenConnections
from llmfit.server.process.shared_state import SharedState
from llmfit.server.process.signals import without_stop_signals
from llmfit.server.process.sockets import Listener, listen
from llmfit.server.process.supervisor import Supervisor
from llmfit.server.process.watch_catalog import watch
from llmfit.server.routes.handlers import Routes
from llmfit.server.routes.metrics import wanted

App: TypeAlias = "Sanic[Any, Any]"
log = logging.getLogger("llmfit.server")
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
DRAIN_SECONDS = 10.0
OBSERVE_SECONDS, NEWS_SECONDS = 5.0, 0.5
SWITCH_SECONDS = 0.0005  # the scoring thread lets the event loop in sooner than Python's 5 ms


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. LlmfitError where it cannot start."""
    logs.set_up(settings.log_format)
    if settings.metrics:
        wanted()
    if settings.workers > 1 and not hasattr(os, "fork"):
        raise LlmfitError("more than one worker needs a system with fork; use --workers 1")
    shared = Shared(settings)
    listener = listen(settings.host, settings.port, settings.unix_socket)
    scheme = "https" if shared.access.tls is not None else "http"
    address = "{}://{}:{}".format(scheme, *listener.sock.getsockname()[:2]) if listener.path is None else ""
    where = address or f"unix:{settings.unix_socket}"
    logs.say(f"llmfit listening on {where}", settings.log_format)
    try:
        if settings.workers == 1:
            work(settings, shared, listener.sock, 0, listener.close)
        else:
            supervised(settings, shared, listener)
    finally:
        listener.close()


def supervised(settings: Settings, shared: Shared, listener: Listener) -> None:
    """Several workers below this process."""
    from llmfit.catalog import catalog

    def begin(number: int, alive: int) -> int:
        try:
            work(settings, shared, listener.sock, number, listener.sock.close, alive)
        except SystemExit as error:
            return int(error.code or 0)
        return 0

    def reload() -> bool:
        """Read again what later workers begin with."""
        try:
            shared.access.reload()
        except LlmfitError as error:
            log.error("not reloaded: %s", error)
        try:
            machines = profiles(settings)
            opened = catalog.reopen()
            for profile in machines:
                opened.add_machine(profile)
        except LlmfitError as error:
            log.error("not reloaded: %s", error)
            return False
        return True

    def replaced(number: int) -> None:
        if shared.counts is not None:
            shared.counts.be(number)
            shared.counts.add(REPLACED)

    catalog.default()  # opened before the fork: its pages are shared
    gc.freeze()  # those of Python's objects too: a collection writes into all that it looks at
    Supervisor(settings.workers, begin, reload, replaced, listener.close, DRAIN_SECONDS + 2).run()


def work(
    settings: Settings, shared: Shared, sock: socket.socket, number: int, leave: Callable[[], None], alive: int = -1
) -> None:
    """One worker, until it is told to stop. The first one observes the machine for all. `leave`: called when no more
    connections are taken; `alive`: a descriptor that closes with the parent.
    """
    reloads: list[int] = []  # a SIGHUP that comes before the event loop waits here
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda number, _: reloads.append(number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP,))
    # A signal that comes before the event loop listens to signals ends the process cleanly too.
    for each in STOP_SIGNALS:
        signal.signal(each, lambda *_: sys.exit(0))
    sys.setswitchinterval(SWITCH_SECONDS)
    if shared.counts is not None:
        shared.counts.be(number)
    app, routes = create_app(settings, shared)
    gc.freeze()  # what is there now stays: a collection looks at the rest alone, and so is short and comes soon
    look = threading.Event()
    if number == 0 and settings.observe:
        threading.Thread(target=observe, args=(settings, shared.state, look), daemon=True, name="observer").start()
    reload = Reload(settings, shared, routes, look, reloads)
    if number == 0:
        above = os.getppid() if settings.workers > 1 else None
        threading.Thread(target=watch, args=(reload.ask, above), daemon=True, name="watcher").start()
    uvloop.run(answer(app, routes, reload, shared, sock, number, leave, alive))


class Reload:
    """What SIGHUP does in a worker: the catalog, profile files, the certificate and the machine are read again."""

    def __init__(
        self, settings: Settings, shared: Shared, routes: Routes, look: threading.Event, early: list[int]
    ) -> None:
        self.settings, self.shared, self.routes, self.look = settings, shared, routes, look
        self.asked = bool(early)

    def ask(self) -> None:
        self.asked = True

    async def now(self) -> None:
        """What cannot be read stays as it was, and the log says why."""
        self.asked = False
        try:
            self.shared.access.reload()
        except Exception as error:
            log.error("not reloaded: %s", said(error))
        try:
            await self.routes.reopen(profiles(self.settings))
            self.look.set()
            name = self.routes.pages.engine.catalog.name
            log.warning("reloaded: catalog %s, %s", name.version, name.digest)
        except Exception as error:
            log.error("not reloaded: %s", said(error))


def said(error: Exception) -> str:
    """What went wrong, in one line."""
    return str(error) if isinstance(error, LlmfitError) else f"{type(error).__name__}: {error}"


def profiles(settings: Settings) -> tuple[Profile, ...]:
    """The machine of ``--profile FILE``, as the file says now; LlmfitError."""
    from llmfit.catalog import catalog
    from llmfit.hardware.profile_file import is_path, load_profile

    name = settings.whatif.profile
    return (load_profile(name, catalog.default().tables),) if name is not None and is_path(name) else ()


def observe(settings: Settings, state: SharedState, look: threading.Event) -> None:
    """Look at the machine every few seconds, or when told to, and put up what changed."""
    from llmfit.catalog import catalog
    from llmfit.hardware.detect import detect
    from llmfit.hardware.sources.source import LiveSource
    from llmfit.hardware.steady import steady
    from llmfit.hardware.what_ifs import apply_whatif

    without_stop_signals()
    last: Machine | None = None
    source = LiveSource(measure=False)  # the first answers do not wait for it
    while True:
        tables = catalog.default().tables
        try:
            now = steady(detect(tables, source), last)
            if now is not last:
                last = now
                state.publish(apply_whatif(now, settings.whatif, tables))
        except Exception:
            log.exception("the machine could not be observed; the last state stands")
        if look.wait(OBSERVE_SECONDS):
            look.clear()
            last = None
        source = LiveSource()


async def answer(
    app: App, routes: Routes, reload: Reload, shared: Shared, sock: socket.socket, number: int,
    leave: Callable[[], None], alive: int,
) -> None:  # fmt: skip
    """Accept connections until a signal, then let every answer end.

    Sanic's own runners lose a signal that comes while they start or drain (the loop stops under them).
    """
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    access = shared.access
    for each in STOP_SIGNALS:
        loop.add_signal_handler(each, told.set)
    if hasattr(signal, "SIGHUP"):
        loop.add_signal_handler(signal.SIGHUP, reload.ask)
    if alive >= 0:

        def orphaned() -> None:
            loop.remove_reader(alive)
            told.set()

        loop.add_reader(alive, orphaned)
    await app._startup()  # type: ignore[no-untyped-call]
    held = OpenConnections(shared.connection_counts, number)
    kind = MiddlewareConnection if app.ctx.middleware else Connection
    protocol = partial(kind, loop=loop, app=app, connections=held, signal=Signal())
    acceptor = Acceptor(sock, held, protocol, access.tls, leave)
    routes.ready, failed = True, ""
    while not told.is_set():
        if reload.asked:
            await reload.now()
        try:
            routes.note(len(held))
            machine = shared.state.news()
            if machine is not None or routes.reservations.changed():
                await routes.settle(machine)
            failed = ""
        except Exception as error:  # the next look may do better; told once
            if said(error) != failed:
                failed = said(error)
                log.error("the state of the machine could not be taken over: %s", failed)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(told.wait(), NEWS_SECONDS)
    routes.ready = False
    routes.events.close()
    acceptor.close()
    until = loop.time() + DRAIN_SECONDS
    while (held or held.coming) and loop.time() < until:
        for connection in tuple(held):
            connection.signal.stopped = True
            connection.close_if_idle()
        await asyncio.sleep(0.02)
    for connection in tuple(held):
        connection.abort()  # type: ignore[no-untyped-call]
    # What is left is to end: another signal has nothing to add, not even here.
    without_stop_signals()
    routes.close()


