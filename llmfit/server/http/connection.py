"""One connection: who sends too slowly is cut off, and who comes when all places are taken is refused.

Sanic's own timeouts count from the last byte, so that one byte now and then holds a connection for ever. Here a whole
request has a time, looked at by the timer that each connection has anyway: no request pays for it. Looks are counted,
not seconds: three looks later are 15 s or 14.999 s later by the clock, and nobody is to have a fourth.
"""

from __future__ import annotations

from asyncio import BaseTransport
from functools import cache
from typing import Any

from sanic.exceptions import RequestTimeout
from sanic.http import Http, Stage
from sanic.response import BaseHTTPResponse
from sanic.server import HttpProtocol

SILENCE_SECONDS = 10.0  # within a request; Sanic looks at each connection every SILENCE_SECONDS / 2
MOST_LOOKS = 3  # after the first that sees a request: all of it, header and body, has 15 s and what that one was late
MOST_CONNECTIONS = 12_000  # of a worker; an idle one takes 8 kB
SPARE_FILES = 64  # descriptors that stay free


@cache
def most_connections() -> int:
    """How many connections a worker holds at once: as many as it may open files for, within reason."""
    try:
        import resource

        return max(16, min(MOST_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES))
    except ImportError:
        return MOST_CONNECTIONS


class Connection(HttpProtocol):
    """As Sanic's, with an end to slow requests and a limit to their number."""

    __slots__ = ("_receiving",)

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._receiving = (-1, 0)  # the number of the request that is coming in, and how often it was seen before

    def connection_made(self, transport: BaseTransport) -> None:
        if len(self.connections) >= most_connections():
            transport.abort()  # type: ignore[attr-defined]
            return
        super().connection_made(transport)  # type: ignore[no-untyped-call]

    def connection_lost(self, error: Exception | None) -> None:
        if self.conn_info is not None:  # it was accepted
            super().connection_lost(error)  # type: ignore[no-untyped-call]

    def abort(self) -> None:
        """Cut it off. What Sanic says of it then, it says of a request."""
        if self._http is not None and getattr(self._http, "request", None) is None:
            self._http.create_empty_request()
        super().abort()  # type: ignore[no-untyped-call]

    def check_timeouts(self) -> None:
        http = self._http
        if self._task and http is not None:
            body = http.stage is Stage.HANDLER and bool(http.request_body)
            if body or http.stage is Stage.REQUEST:
                number = self.state["requests_count"] - body
                seen = self._receiving[1] + 1 if self._receiving[0] == number else 0
                self._receiving = number, seen
                if seen >= MOST_LOOKS:
                    http.exception = RequestTimeout("too slow")
                    http.request_body = None  # the rest is not waited for
                    self._task.cancel()
                    return
        super().check_timeouts()  # type: ignore[no-untyped-call]


class MiddlewareHttp(Http):
    """Lets the middleware see every answer, whoever made it, before it goes out."""

    def respond(self, response: BaseHTTPResponse) -> BaseHTTPResponse:
        self.protocol.app.ctx.middleware.dress(self.request, response)
        return super().respond(response)


class MiddlewareConnection(Connection):
    """A connection whose requests pass the middleware (``app.ctx.middleware``) first."""

    HTTP_CLASS = MiddlewareHttp
    __slots__ = ()

    def _setup(self) -> None:
        super()._setup()  # type: ignore[no-untyped-call]
        self.request_handler = self.app.ctx.middleware.handle
