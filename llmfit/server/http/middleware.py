"""What stands before the routes where one of its flags is given; without them it is not there and costs nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from sanic import HTTPResponse, Request, Sanic
from sanic.response import BaseHTTPResponse

from llmfit.server.http.access import Access
from llmfit.server.http.errors import TEXTS, failure
from llmfit.server.http.raw_response import RawResponse
from llmfit.server.observe import logs
from llmfit.server.observe.counters import OTHER, Counters, route_at
from llmfit.server.observe.logs import id_of

OPEN = frozenset({"/health", "/healthz", "/readyz"})  # neither tokens nor rates: they say nothing and must be asked
CHALLENGE = 'Bearer realm="llmfit", Basic realm="llmfit", charset="UTF-8"'
PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, DELETE"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, If-None-Match, Last-Event-ID"),
    (b"access-control-max-age", b"600"),
)
EXPOSED = b"ETag, LLMFit-Generation, LLMFit-Total-Models, LLMFit-Warning, X-Request-ID"
Check = Callable[[Request], HTTPResponse | None]


class Middleware:
    """Refuses what may not pass, and marks answers for the origins that may read them."""

    def __init__(self, app: Sanic, access: Access, counts: Counters | None, log: bool) -> None:  # type: ignore[type-arg]
        self.app = app
        self.counts, self.log = counts, log
        self.tokens, self.rates, self.origins = tokens, rates, origins = access.tokens, access.rates, access.origins
        self.proxies = access.proxies
        given = ((rates, self.too_often), (origins, self.preflight), (tokens, self.unknown))
        self.checks: list[Check] = [check for flag, check in given if flag]
        self.needed = bool(self.checks or counts or log)

    async def handle(self, request: Request) -> None:
        """One request: the first check that refuses it answers, before a body is read."""
        if request.path not in OPEN:
            for check in self.checks:
                refused = check(request)
                if refused is not None:
                    response = await request.respond(refused)
                    await response.send(end_stream=True)
                    return
        await self.app.handle_request(request)

    def too_often(self, request: Request) -> HTTPResponse | None:
        assert self.rates is not None
        wait = self.rates.wait(self.client(request), time.monotonic())
        return failure(429, TEXTS[429], {"Retry-After": str(math.ceil(wait))}) if wait else None

    def client(self, request: Request) -> str:
        """Who asks."""
        return request.ip if self.proxies is None else self.proxies.client(request)

    def preflight(self, request: Request) -> HTTPResponse | None:
        """A browser's question whether it may ask: it carries no token."""
        if request.method != "OPTIONS" or "access-control-request-method" not in request.headers:
            return None
        if request.headers.get("origin", "") not in self.origins:
            return failure(403, "invalid Origin header: this origin is not named by --cors-origin")
        return RawResponse(PREFLIGHT, status=204)

    def unknown(self, request: Request) -> HTTPResponse | None:
        assert self.tokens is not None
        if self.tokens.takes(request.headers.get("authorization")):
            return None
        return failure(401, TEXTS[401], {"WWW-Authenticate": CHALLENGE})

    def dress(self, request: Request, response: BaseHTTPResponse) -> None:
        """An answer is about to go out: count it, log it, give it the headers that depend on who asked."""
        if self.counts is not None or self.log:
            self.note(request, response.status)
        if self.log:
            add(response, (b"x-request-id", id_of(request).encode()))
        if not self.origins:
            return
        origin = request.headers.get("origin", "")
        more = [(b"vary", b"Origin")]
        if origin in self.origins:
            more += [(b"access-control-allow-origin", origin.encode()), (b"access-control-expose-headers", EXPOSED)]
        add(response, *more)

    def note(self, request: Request, status: int) -> None:
        """How long it took from the whole request to the beginning of its answer."""
        begun = getattr(request.stream, "perft0", None)  # set when the request was whole
        seconds = time.perf_counter() - begun if begun is not None else 0.0
        if self.counts is not None:
            at = route_at(request.route.path) if request.route is not None else OTHER
            self.counts.answered(at, status, seconds)
        if self.log:
            logs.answered(request, self.client(request), status, seconds)


def add(response: BaseHTTPResponse, *headers: tuple[bytes, bytes]) -> None:
    """More headers for an answer of either kind."""
    if isinstance(response, RawResponse):
        response.ready = (*response.ready, *headers)
    else:
        for name, value in headers:
            response.headers.add(name.decode(), value.decode())
