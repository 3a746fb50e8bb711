"""Builds the Sanic application of one worker."""

from __future__ import annotations

import msgspec
from sanic import Sanic

from llmfit.catalog import catalog
from llmfit.hardware.what_ifs import WhatIf
from llmfit.machine import Machine
from llmfit.query.engine import Engine
from llmfit.server.http import errors
from llmfit.server.http.access import Access, AccessFlags
from llmfit.server.http.connection import SILENCE_SECONDS
from llmfit.server.http.errors import MOST_BODY, MOST_HEADERS
from llmfit.server.http.hosts import HostCheck
from llmfit.server.http.middleware import Middleware
from llmfit.server.http.request import CheckedRequest
from llmfit.server.http.unsent import Unsent
from llmfit.server.observe.counters import Counters
from llmfit.server.process.acceptor import connection_counts
from llmfit.server.process.shared_state import SharedState
from llmfit.server.routes.fit import FitRoute
from llmfit.server.routes.handlers import Routes
from llmfit.server.routes.metrics import Metrics
from llmfit.server.routes.page_cache import PageCache
from llmfit.server.routes.plan_and_place import PlanAndPlace
from llmfit.server.routes.reservation_store import ReservationStore
from llmfit.server.routes.reservations import Reservations
from llmfit.server.site.hardware_names import HardwareNames
from llmfit.server.site.page import Site


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How ``llmfit serve`` was called."""

    machine: Machine  # with the overrides of the flags
    whatif: WhatIf = WhatIf()  # those overrides
    observe: bool = True  # keep looking at the machine's free memory
    host: str = "127.0.0.1"
    port: int = 8787
    unix_socket: str | None = None
    workers: int = 1
    max_context: int | None = None
    access: AccessFlags = AccessFlags()
    metrics: bool = False
    access_log: bool = False
    log_format: str = "text"

    @property
    def address(self) -> str | None:
        """The address that is listened on, None for a Unix socket."""
        return None if self.unix_socket is not None else self.host


class Shared:
    """What all workers share, made before they are forked. LlmfitError where it cannot be."""

    def __init__(self, settings: Settings) -> None:
        self.access = Access(settings.access, settings.address)
        self.state, self.store = SharedState(), ReservationStore()
        self.connection_counts = connection_counts(settings.workers)
        self.counts = Counters(settings.workers) if settings.metrics else None


def create_app(settings: Settings, shared: Shared | None = None) -> tuple[Sanic, Routes]:  # type: ignore[type-arg]
    """The application of one worker and its handlers; all that is slow happens here, before it accepts connections."""
    shared = shared or Shared(settings)
    access = shared.access
    app: Sanic = Sanic("llmfit", configure_logging=False, dumps=None, request_class=CheckedRequest)  # type: ignore[type-arg]
    app.config.FALLBACK_ERROR_FORMAT = "json"
    app.config.ACCESS_LOG = False
    app.config.MOTD = False
    app.config.REQUEST_MAX_HEADER_SIZE = MOST_HEADERS
    app.config.REQUEST_TIMEOUT = SILENCE_SECONDS
    app.config.KEEP_ALIVE_TIMEOUT = 75
    app.config.REQUEST_MAX_SIZE = MOST_BODY
    app.ctx.unsent = Unsent()
    errors.install(app)
    engine = Engine(catalog.default(), settings.machine, settings.max_context)
    hosts = HostCheck(settings.address, settings.access.allow_hosts, access.tokens is not None)
    routes = Routes(PageCache(engine), hosts, Reservations(engine, shared.store))
    for part in (routes, PlanAndPlace(routes), FitRoute(routes), HardwareNames(engine, hosts), Site(hosts)):
        part.install(app)
    if shared.counts is not None:
        routes.counts = shared.counts
        Metrics(routes, shared.counts).install(app)
    middleware = Middleware(app, access, shared.counts, settings.access_log)
    app.ctx.middleware = middleware if middleware.needed else None
    routes.pages.make(("top", "", None))
    return app, routes
