"""Builds the Sanic application of one worker."""

from __future__ import annotations

import msgspec
from sanic import Sanic

from llmfit import catalog
from llmfit.hardware.whatif import WhatIf
from llmfit.machine import Machine
from llmfit.query import Engine
from llmfit.server import failures
from llmfit.server.booking import Books
from llmfit.server.hosts import HostCheck
from llmfit.server.known import Known
from llmfit.server.ledger import Ledger
from llmfit.server.pages import Pages
from llmfit.server.routes import Routes
from llmfit.server.site import Site

MOST_HEADERS, MOST_BODY = 16 << 10, 1 << 20  # bytes


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


def create_app(settings: Settings, ledger: Ledger | None = None) -> tuple[Sanic, Routes]:  # type: ignore[type-arg]
    """The application of one worker and its handlers; all that is slow happens here, before it accepts connections.

    `ledger`: the reservations that it shares with other workers.
    """
    app: Sanic = Sanic("llmfit", configure_logging=False, dumps=None)  # type: ignore[type-arg]
    app.config.FALLBACK_ERROR_FORMAT = "json"
    app.config.ACCESS_LOG = False
    app.config.MOTD = False
    app.config.REQUEST_MAX_HEADER_SIZE = MOST_HEADERS
    app.config.REQUEST_MAX_SIZE = MOST_BODY
    app.config.KEEP_ALIVE_TIMEOUT = 75
    failures.install(app)
    engine = Engine(catalog.default(), settings.machine, settings.max_context)
    hosts = HostCheck(None if settings.unix_socket else settings.host)
    routes = Routes(Pages(engine), hosts, Books(engine, ledger or Ledger()))
    for part in (routes, Known(engine.catalog, hosts), Site(hosts)):
        part.install(app)
    routes.pages.make(("top", "", None))
    return app, routes
