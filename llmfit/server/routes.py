"""The routes: hand the raw request on, send what comes back. A page that was asked for before is sent at once; all
other work is done in a thread of its own, so that ``/health`` never waits for it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

from sanic import HTTPResponse, Request, Sanic
from sanic.response import raw

from llmfit.encode import encode, node
from llmfit.server.failures import JSON, TEXTS, failure
from llmfit.server.hosts import HostCheck
from llmfit.server.pages import Finished, Key, Pages
from llmfit.shapes import Health

PREFIX = "/api/v1/models/"


class Routes:
    """The handlers of one worker."""

    def __init__(self, pages: Pages, hosts: HostCheck) -> None:
        self.pages = pages
        self.hosts = hosts
        self.ready = False
        self.worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scoring")
        self.healthy = encode(Health("ok", node()))

    def install(self, app: Sanic) -> None:  # type: ignore[type-arg]
        for path, handler in (
            ("/health", self.health),
            ("/healthz", self.health),
            ("/readyz", self.readyz),
            ("/api/v1/system", self.system),
            ("/api/v1/models", self.models),
            ("/api/v1/models/top", self.top),
            (PREFIX + "<name:path>", self.named),
        ):
            app.add_route(handler, path, methods=("GET", "HEAD"), name=path)

    async def health(self, request: Request) -> HTTPResponse:
        return self.hosts.refuse(request) or raw(self.healthy, content_type=JSON)

    async def readyz(self, request: Request) -> HTTPResponse:
        refused = self.hosts.refuse(request)
        if refused or self.ready:
            return refused or raw(self.healthy, content_type=JSON)
        return failure(503, TEXTS[503])

    async def system(self, request: Request) -> HTTPResponse:
        return await self.answer(request, ("system", request.query_string, None))

    async def models(self, request: Request) -> HTTPResponse:
        return await self.answer(request, ("models", request.query_string, None))

    async def top(self, request: Request) -> HTTPResponse:
        return await self.answer(request, ("top", request.query_string, None))

    async def named(self, request: Request, name: str) -> HTTPResponse:
        text = request.path[len(PREFIX) :]
        return await self.answer(request, ("name", request.query_string, unquote(text, errors="replace")))

    async def answer(self, request: Request, key: Key) -> HTTPResponse:
        refused = self.hosts.refuse(request)
        if refused:
            return refused
        page = self.pages.held(key)
        if page is None:
            loop = asyncio.get_running_loop()
            if request.method == "HEAD":
                await loop.run_in_executor(self.worker, self.pages.check, key)
                return raw(b"", content_type=JSON, headers={"Vary": "Accept, Accept-Encoding"})
            page = await loop.run_in_executor(self.worker, self.pages.make, key)
            self.pages.keep(key, page)
        return sent(request, page)


def sent(request: Request, page: Finished) -> HTTPResponse:
    """The page, or 304 where the client has it already."""
    known = request.headers.get("if-none-match")
    if known is not None and (page.etag in known or known.strip() == "*"):
        return HTTPResponse(status=304, headers=page.headers)
    return HTTPResponse(page.body, headers=page.headers, content_type=JSON)
