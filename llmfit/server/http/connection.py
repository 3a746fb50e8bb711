"""One connection: who sends or reads too slowly is cut off, and who comes when all places are taken is refused.

Sanic's own timeouts count from the last byte, so that one byte now and then holds a connection for ever. Here a whole
request has a time, looked at by the timer that each connection has anyway: no request pays for it. Looks are counted,
not seconds: three looks later are 15 s or 14.999 s later by the clock, and nobody is to have a fourth.
"""

from __future__ import annotations

import time
from asyncio import BaseTransport
from functools import cache
from typing import Any

from sanic.exceptions import RequestTimeout
from sanic.http import Http, Stage
from sanic.response import BaseHTTPResponse
from sanic.server import HttpProtocol

from llmfit.server.http.unsent import LEAST_BYTES, owed

SILENCE_SECONDS = 10.0  # within a request; Sanic looks at each connection every SILENCE_SECONDS / 2
MOST_LOOKS = 3  # after the first that sees a request: all of it, header and body, has 15 s and what that one was late
MOST_CONNECTIONS = 12_000  # of a worker; an idle one takes 8 kB
SPARE_FILES = 64  # descriptors that stay free
WRITTEN = 4096  # bytes that may wait to be read before the next ones are held back


@cache
def most_connections() -> int:
    """How many connections a worker holds at once: as many as it may open files for, within reason."""
    try:
        import resource

        return max(16, min(MOST_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES))
    except ImportError:
        return MOST_CONNECTIONS


class SafeHttp(Http):
    """As Sanic's; the request that it makes up to answer for one that could not be read has no URL that could not."""

    def create_empty_request(self) -> None:
        self.url = None
        super().create_empty_request()


class Connection(HttpProtocol):
    """As Sanic's, with an end to slow requests and slow readers, and a limit to their number."""

    HTTP_CLASS = SafeHttp
    __slots__ = ("_receiving", "_unread")

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._receiving = (-1, 0)  # the number of the request that is coming in, and how often it was seen before
        self._unread = (0, 0)  # bytes that the client is to read, and how often too few of them were

    def connection_made(self, transport: BaseTransport) -> None:
        if len(self.connections) >= most_connections():
            transport.abort()  # type: ignore[attr-defined]
            return
        super().connection_made(transport)  # type: ignore[no-untyped-call]
        transport.set_write_buffer_limits(high=WRITTEN, low=0)  # type: ignore[attr-defined]

    def connection_lost(self, error: Exception | None) -> None:
        if self.conn_info is not None:  # it was accepted
            super().connection_lost(error)  # type: ignore[no-untyped-call]

    def abort(self) -> None:
        """Cut it off. What Sanic says of it then, it says of a request."""
        if self._http is not None and getattr(self._http, "request", None) is None:
            self._http.create_empty_request()
        super().abort()  # type: ignore[no-untyped-call]

    def pause_writing(self) -> None:
        super().pause_writing()  # type: ignore[no-untyped-call]
        self.app.ctx.unsent.pause(self)

    def resume_writing(self) -> None:
        super().resume_writing()  # type: ignore[no-untyped-call]
        self.app.ctx.unsent.resume(self)

    def reads(self) -> bool:
        """Whether the client takes its answer; it is looked at as often as the timeouts are."""
        if self._can_write.is_set() or self.transport is None:
            self._unread = (0, 0)
            return True
        before, looks = self._unread
        now = owed(self.transport)
        if before - now >= LEAST_BYTES:
            looks, self._time = 0, time.monotonic()
        self._unread = now, looks + 1
        return looks <= MOST_LOOKS

    def check_timeouts(self) -> None:
        http = self._http
        if self._task and not self.reads():
            self.abort()
            return
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


class MiddlewareHttp(SafeHttp):
    """Lets the middleware see every answer, whoever made it, before it goes out."""

    def respond(self, response: BaseHTTPResponse) -> BaseHTTPResponse:
        if self.protocol.conn_info is not None and not self.protocol.conn_info.lost:  # somebody will read it
            self.protocol.app.ctx.middleware.dress(self.request, response)
        return super().respond(response)


class MiddlewareConnection(Connection):
    """A connection whose requests pass the middleware (``app.ctx.middleware``) first."""

    HTTP_CLASS = MiddlewareHttp
    __slots__ = ()

    def _setup(self) -> None:
        super()._setup()  # type: ignore[no-untyped-call]
        self.request_handler = self.app.ctx.middleware.handle
