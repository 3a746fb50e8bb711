"""The routes: hand the raw request on, send what comes back. A page that was asked for before is sent at once; all
other work is done in a thread of its own, so that ``/health`` never waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

from sanic import HTTPResponse, Request, Sanic

from llmfit._core import give_back_freed_memory
from llmfit.answers.encode import encode, node
from llmfit.catalog import catalog
from llmfit.catalog.tables import Profile
from llmfit.errors import LlmfitError
from llmfit.machine import Machine
from llmfit.server.http.compress import Packer, encoders
from llmfit.server.http.errors import TEXTS, failure
from llmfit.server.http.hosts import HostCheck
from llmfit.server.http.negotiate import JSON, Form, form_of
from llmfit.server.http.raw_response import CHUNKED, Headers, RawResponse
from llmfit.server.http.unsent import OF_ROWS, PIECE
from llmfit.server.observe.counters import ANALYSES, COMPUTED, CONNECTIONS, LISTENERS, PAGE_BYTES, PAGES, Counters
from llmfit.server.process.signals import without_stop_signals
from llmfit.server.routes.events import Events
from llmfit.server.routes.page_cache import (
    Finished,
    Key,
    PageCache,
    Rows,
    bare_headers,
    etag_of,
    finished,
    packed,
    tagged,
)
from llmfit.server.routes.request_bodies import object_of
from llmfit.server.routes.reservations import Reservations
from llmfit.server.site.documents import DOCUMENTS, document_of
from llmfit.wire.common import Health

PREFIX, RESERVATIONS = "/api/v1/models/", "/api/v1/reservations"
LARGE = 1 << 18  # bytes
STREAM = 1 << 24  # bytes of a long list, about
Answer = HTTPResponse | Coroutine[None, None, HTTPResponse | None]  # None: it was sent already


class Routes:
    """The handlers of one worker."""

    def __init__(self, pages: PageCache, hosts: HostCheck, reservations: Reservations) -> None:
        self.pages = pages
        self.reservations = reservations
        self.hosts = hosts
        self.events = Events(reservations.change)
        self.ready = False
        self.counts: Counters | None = None  # where /metrics is wanted
        self.worker = ThreadPoolExecutor(1, "scoring", initializer=without_stop_signals)
        self.packer = ThreadPoolExecutor(1, "compressing", initializer=without_stop_signals)
        self.threads = [self.worker, self.packer]  # that end with the worker; parts with threads of their own add them
        self._analyses = pages.engine.analyses  # that were counted
        self.healthy = finished(encode(Health("ok", node())), etag_of("health", node()))

    def install(self, app: Sanic) -> None:  # type: ignore[type-arg]
        for path, handler in (
            ("/health", self.health),
            ("/healthz", self.health),
            ("/readyz", self.readyz),
            ("/api/v1/system", self.system),
            ("/api/v1/events", self.listen),
            ("/api/v1/models", self.models),
            ("/api/v1/models/top", self.top),
            ("/api/v1/compare", self.compare),
            (PREFIX + "<name:path>", self.named),
        ):
            app.add_route(handler, path, methods=("GET", "HEAD"), name=path)  # type: ignore[arg-type]
        for path in DOCUMENTS:
            app.add_route(self.document, path, methods=("GET", "HEAD"), name=path)
        app.add_route(self.list_reservations, RESERVATIONS, methods=("GET", "HEAD"), name="reservations")
        app.add_route(self.reserve, RESERVATIONS, methods=("POST",), name="reserve")
        app.add_route(self.release, RESERVATIONS + "/<id:str>", methods=("DELETE",), name="release")
        app.add_route(self.renew, RESERVATIONS + "/<id:str>/renew", methods=("POST",), name="renew")

    def close(self) -> None:
        """Take no more work; what is under way ends by itself, soon."""
        for thread in self.threads:
            thread.shutdown(wait=False, cancel_futures=True)

    def health(self, request: Request) -> HTTPResponse:
        return self.hosts.refuse(request) or RawResponse(self.healthy.headers, self.healthy.body)

    def readyz(self, request: Request) -> HTTPResponse:
        refused = self.hosts.refuse(request)
        if refused or self.ready:
            return refused or RawResponse(self.healthy.headers, self.healthy.body)
        return failure(503, TEXTS[503])

    def system(self, request: Request) -> Answer:
        return self.answer(request, "system")

    async def listen(self, request: Request) -> HTTPResponse | None:
        return self.hosts.refuse(request) or await self.events.listen(request)

    def models(self, request: Request) -> Answer:
        return self.answer(request, "models")

    def top(self, request: Request) -> Answer:
        return self.answer(request, "top")

    async def document(self, request: Request) -> HTTPResponse:
        refused = self.hosts.refuse(request)
        if refused:
            return refused
        file = await asyncio.get_running_loop().run_in_executor(self.packer, document_of, request.path)
        return file.answer(request)

    def compare(self, request: Request) -> Answer:
        return self.answer(request, "compare")

    async def list_reservations(self, request: Request) -> HTTPResponse:
        return self.hosts.refuse(request) or await self.scored(lambda: encode(self.reservations.listed()))

    async def reserve(self, request: Request) -> HTTPResponse:
        refused = self.hosts.refuse(request)
        if refused:
            return refused
        body = object_of(request)
        return await self.scored(lambda: encode(self.reservations.reserve(body)), status=201)

    async def renew(self, request: Request, id: str) -> HTTPResponse:
        refused = self.hosts.refuse(request)
        if refused:
            return refused
        body = object_of(request)
        return await self.scored(lambda: encode(self.reservations.renew(id, body)))

    async def release(self, request: Request, id: str) -> HTTPResponse:
        return self.hosts.refuse(request) or await self.scored(lambda: encode(self.reservations.release(id)))

    async def scored(self, make: Callable[..., bytes], *args: object, status: int = 200) -> HTTPResponse:
        """What `make` gives in the thread that scores, sent and not kept."""
        if self.reservations.changed():
            await self.settle()
        try:
            body = await asyncio.get_running_loop().run_in_executor(self.worker, make, *args)
        finally:
            self.tell()
        return RawResponse(((b"content-length", b"%d" % len(body)), *bare_headers()), body, status)

    def named(self, request: Request, name: str) -> Answer:
        return self.answer(request, "name")

    def answer(self, request: Request, endpoint: str) -> Answer:
        """What was asked before at once, anything else as a coroutine."""
        refused = self.hosts.refuse(request)
        if refused:
            return refused
        headers = request.headers
        accept, encodings = headers.get("accept"), headers.get("accept-encoding")
        plain = endpoint == "system" or (accept is None and encodings is None)
        form = JSON if plain else form_of(accept, encodings)
        page = None if self.reservations.changed() else self.pages.held(form.url(request.raw_url))
        if page is not None:
            return sent(request, page)
        return (self.compute if self.counts is None else self.counted)(request, endpoint, form)

    async def counted(self, request: Request, endpoint: str, form: Form) -> HTTPResponse | None:
        """An answer that had to be made, counted unless it is an error."""
        assert self.counts is not None
        try:
            answer = await self.compute(request, endpoint, form)
        except LlmfitError:
            raise
        except BaseException:
            self.counts.add(COMPUTED)  # its beginning was sent
            raise
        if answer is None or answer.status < 400:
            self.counts.add(COMPUTED)
        return answer

    def note(self, connections: int | None = None) -> None:
        """Put up what this worker knows of itself."""
        counts, engine = self.counts, self.pages.engine
        if counts is None:
            return
        counts.add(ANALYSES, engine.analyses - self._analyses)
        self._analyses = engine.analyses
        for cell, number in zip((PAGES, PAGE_BYTES), self.pages.size, strict=True):
            counts.put(cell, number)
        counts.put(LISTENERS, self.events.listeners)
        if connections is not None:
            counts.put(CONNECTIONS, connections)

    async def reopen(self, machines: tuple[Profile, ...]) -> None:
        """Answer from the catalog as it is now; CatalogError, and the one before stays."""

        def adopt() -> None:
            opened = catalog.reopen()
            for profile in machines:
                opened.add_machine(profile)
            self.pages.engine.adopt(opened)
            self.reservations.settle()

        await asyncio.get_running_loop().run_in_executor(self.worker, adopt)
        self.events.tell(self.reservations.change)

    async def compute(self, request: Request, endpoint: str, form: Form) -> HTTPResponse | None:
        if self.reservations.changed():
            await self.settle()
        url, loop, machine = request.raw_url, asyncio.get_running_loop(), self.pages.engine.machine
        page = self.pages.held(form.plain().url(url))
        if page is None:
            name = unquote(request.path[len(PREFIX) :], errors="replace") if endpoint == "name" else None
            key: Key = (endpoint, request.query_string, name)
            known = request.headers.get("if-none-match")
            if request.method == "HEAD" or known is not None:
                etag = await loop.run_in_executor(self.worker, self.pages.check, key)
                if known is not None and matched(known, tagged(etag, form)):
                    return RawResponse(bare_headers(etag, form), status=304)
                if request.method == "HEAD":
                    return RawResponse(bare_headers(etag, form))
            unsent, connection = request.app.ctx.unsent, request.stream.protocol  # type: ignore[union-attr]
            await unsent.enter(connection)
            try:
                made = await loop.run_in_executor(self.worker, self.pages.make, key, form)
                if isinstance(made, Rows):
                    return await self.stream(request, made, form.encoding)
            finally:
                unsent.leave(connection)
            page = made
            self.pages.keep(form.plain().url(url), page, machine)
        if form.encoding is not None:
            page = await loop.run_in_executor(self.packer, packed, page, form.encoding)
            self.pages.keep(form.url(url), page, machine)
            if len(page.body) > LARGE:
                loop.run_in_executor(self.packer, give_back_freed_memory)
        answer = sent(request, page)
        return answer if isinstance(answer, HTTPResponse) else await answer

    async def settle(self, observed: Machine | None = None) -> None:
        """From now on answer for the machine (as it was observed now) less what is reserved."""
        await asyncio.get_running_loop().run_in_executor(self.worker, self.reservations.settle, observed)
        self.tell()

    def tell(self) -> None:
        """Tell the listeners if answers may have changed."""
        if self.events.change is not self.reservations.change:
            self.events.tell(self.reservations.change)

    async def stream(
        self, request: Request, rows: Rows, encoding: str | None, worker: ThreadPoolExecutor | None = None
    ) -> HTTPResponse | None:
        """Send rows while they are written: a piece is made when the one before it has gone out."""
        worker = worker or self.worker
        loop, packer = asyncio.get_running_loop(), encoders()[encoding](STREAM) if encoding is not None else None
        if request.version == "1.0" and rows.length is None:  # knows no pieces
            body = await loop.run_in_executor(worker, b"".join, rows.pieces)
            body = packer.compress(body) + packer.flush() if packer is not None else body
            return RawResponse((*rows.headers, (b"content-length", b"%d" % len(body))), body)
        more = () if rows.length is not None else (CHUNKED,)
        with request.app.ctx.unsent.body(rows, OF_ROWS):
            await self.send_rows(request, rows, more, packer, worker)
        loop.run_in_executor(self.packer, give_back_freed_memory)  # nobody waits for it
        return None

    async def send_rows(
        self, request: Request, rows: Rows, more: Headers, packer: Packer | None, worker: ThreadPoolExecutor
    ) -> None:
        loop = asyncio.get_running_loop()
        response = await request.respond(RawResponse((*rows.headers, *more), length=rows.length))
        if rows.length is not None or worker is not self.worker:  # no copy behind the headers; the first row may be far
            await response.send(b"", end_stream=False)
        while (piece := await loop.run_in_executor(worker, next, rows.pieces, None)) is not None:
            if packer is not None and piece:
                piece = await loop.run_in_executor(self.packer, packer.compress, piece)
            if piece:
                await response.send(piece, end_stream=False)
            elif request.transport is None or request.transport.is_closing():
                return None
        await response.send(packer.flush() if packer is not None else b"", end_stream=True)


def matched(known: str, etag: str) -> bool:
    """Whether an If-None-Match header names the ETag (weakly compared, as it asks)."""
    return known.strip() == "*" or etag in known


def sent(request: Request, page: Finished) -> Answer:
    """The page, or 304 where the client has it already."""
    known = request.headers.get("if-none-match")
    if known is not None and matched(known, page.etag):
        return RawResponse(page.headers[1:], status=304)  # all but the length
    return (
        RawResponse(page.headers, page.body)
        if len(page.body) < LARGE or request.method == "HEAD"
        else streamed(request, page)
    )


async def streamed(request: Request, page: Finished) -> None:
    """Send a large page: headers and body one after the other, the body without a copy."""
    body = memoryview(page.body)
    with request.app.ctx.unsent.body(page, len(body)):
        response = await request.respond(RawResponse(page.headers, length=len(body)))
        await response.send(b"", end_stream=False)
        for at in range(0, len(body), PIECE):
            piece = body[at : at + PIECE]
            await response.send(piece, end_stream=at + PIECE >= len(body))
