"""The routes: hand the raw request on, send what comes back. A page that was asked for before is sent at once; all
other work is done in a thread of its own, so that ``/health`` never waits for it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

from sanic import HTTPResponse, Request, Sanic

from llmfit.encode import encode, node
from llmfit.server.compress import SMALLEST, chosen
from llmfit.server.failures import TEXTS, failure
from llmfit.server.hosts import HostCheck
from llmfit.server.pages import Finished, Key, Pages, bare_headers, compressed, encoded, etag_of, finished
from llmfit.server.posts import object_of, planned
from llmfit.server.ready import Ready
from llmfit.shapes import Health

PREFIX = "/api/v1/models/"
LARGE = 1 << 18  # bytes
Answer = HTTPResponse | Coroutine[None, None, HTTPResponse | None]  # None: it was sent already


def without_stop_signals() -> None:
    """No SIGTERM or SIGINT reaches the calling thread: the main thread alone decides what they do."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))


class Routes:
    """The handlers of one worker."""

    def __init__(self, pages: Pages, hosts: HostCheck) -> None:
        self.pages = pages
        self.hosts = hosts
        self.ready = False
        self.worker = ThreadPoolExecutor(1, "scoring", initializer=without_stop_signals)
        self.packer = ThreadPoolExecutor(1, "compressing", initializer=without_stop_signals)
        self.healthy = finished(encode(Health("ok", node())), etag_of("health", node()))

    def install(self, app: Sanic) -> None:  # type: ignore[type-arg]
        for path, handler in (
            ("/health", self.health),
            ("/healthz", self.health),
            ("/readyz", self.readyz),
            ("/api/v1/system", self.system),
            ("/api/v1/models", self.models),
            ("/api/v1/models/top", self.top),
            ("/api/v1/compare", self.compare),
            (PREFIX + "<name:path>", self.named),
        ):
            app.add_route(handler, path, methods=("GET", "HEAD"), name=path)  # type: ignore[arg-type]
        app.add_route(self.plan, "/api/v1/plan", methods=("POST",), name="plan")

    def health(self, request: Request) -> HTTPResponse:
        return self.hosts.refuse(request) or Ready(self.healthy.headers, self.healthy.body)

    def readyz(self, request: Request) -> HTTPResponse:
        refused = self.hosts.refuse(request)
        if refused or self.ready:
            return refused or Ready(self.healthy.headers, self.healthy.body)
        return failure(503, TEXTS[503])

    def system(self, request: Request) -> Answer:
        return self.answer(request, "system")

    def models(self, request: Request) -> Answer:
        return self.answer(request, "models")

    def top(self, request: Request) -> Answer:
        return self.answer(request, "top")

    def compare(self, request: Request) -> Answer:
        return self.answer(request, "compare")

    async def plan(self, request: Request) -> HTTPResponse:
        refused = self.hosts.refuse(request)
        if refused:
            return refused
        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(self.worker, planned, self.pages.engine, object_of(request))
        return Ready(((b"content-length", b"%d" % len(body)), *bare_headers()), body)

    def named(self, request: Request, name: str) -> Answer:
        return self.answer(request, "name")

    def answer(self, request: Request, endpoint: str) -> Answer:
        """What was asked before at once, anything else as a coroutine."""
        refused = self.hosts.refuse(request)
        if refused:
            return refused
        url = request.raw_url
        accepted = request.headers.get("accept-encoding")
        encoding = chosen(accepted) if accepted is not None else None
        page = self.pages.held(url if encoding is None else b"%b\0%b" % (url, encoding.encode()))
        return sent(request, page) if page is not None else self.compute(request, endpoint, encoding)

    async def compute(self, request: Request, endpoint: str, encoding: str | None) -> HTTPResponse | None:
        url, loop = request.raw_url, asyncio.get_running_loop()
        page = self.pages.held(url)
        if page is None:
            name = unquote(request.path[len(PREFIX) :], errors="replace") if endpoint == "name" else None
            key: Key = (endpoint, request.query_string, name)
            known = request.headers.get("if-none-match")
            if request.method == "HEAD" or known is not None:
                etag = await loop.run_in_executor(self.worker, self.pages.check, key)
                if known is not None and matched(known, etag if encoding is None else encoded(etag, encoding)):
                    return Ready(bare_headers(etag), status=304)
                if request.method == "HEAD":
                    return Ready(bare_headers(etag))
            page = await loop.run_in_executor(self.worker, self.pages.make, key)
            self.pages.keep(url, page)
        if encoding is not None and len(page.body) >= SMALLEST:
            page = await loop.run_in_executor(self.packer, compressed, page, encoding)
            self.pages.keep(b"%b\0%b" % (url, encoding.encode()), page)
        answer = sent(request, page)
        return answer if isinstance(answer, HTTPResponse) else await answer


def matched(known: str, etag: str) -> bool:
    """Whether an If-None-Match header names the ETag (weakly compared, as it asks)."""
    return known.strip() == "*" or etag in known


def sent(request: Request, page: Finished) -> Answer:
    """The page, or 304 where the client has it already."""
    known = request.headers.get("if-none-match")
    if known is not None and matched(known, page.etag):
        return Ready(bare_headers(page.etag), status=304)
    return (
        Ready(page.headers, page.body)
        if len(page.body) < LARGE or request.method == "HEAD"
        else streamed(request, page)
    )


async def streamed(request: Request, page: Finished) -> None:
    """Send a large page: headers and body one after the other, the body without a copy."""
    response = await request.respond(Ready(page.headers, length=len(page.body)))
    await response.send(b"", end_stream=False)
    await response.send(page.body, end_stream=True)
