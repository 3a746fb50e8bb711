"""POST /api/v1/fit: many machines, many models, one question; the answer goes out while it is computed."""

from __future__ import annotations

from collections.abc import Iterator

from sanic import HTTPResponse, Request, Sanic

from llmfit.answers.bodies import about, document, explain_of, fitted
from llmfit.answers.encode import PIECE, encode
from llmfit.placement.many import check_size, gathered, machines_of, pieces, question
from llmfit.query.engine import Engine
from llmfit.server.http.compress import compressed
from llmfit.server.http.negotiate import Form, form, form_of
from llmfit.server.http.raw_response import RawResponse
from llmfit.server.routes.handlers import Routes
from llmfit.server.routes.long_work import LongWork
from llmfit.server.routes.page_cache import Finished, Rows, bare_headers
from llmfit.server.routes.request_bodies import decoded, must_be_json

LARGE = 10_000  # rows; beyond, a client that did not ask for JSON by name gets NDJSON
AT_ONCE = 16  # combinations of machine, context and sessions; more are sent while they are computed


class FitRoute:
    """The handler of one worker, with a thread of its own: other requests do not wait for a long answer."""

    def __init__(self, routes: Routes) -> None:
        self.routes = routes
        self.long = LongWork("answers of /api/v1/fit")
        routes.threads.append(self.long.thread)

    def install(self, app: Sanic) -> None:  # type: ignore[type-arg]
        app.add_route(self.fit, "/api/v1/fit", methods=("POST",), name="fit")

    async def fit(self, request: Request) -> HTTPResponse | None:
        refused = self.routes.hosts.refuse(request)
        if refused:
            return refused
        must_be_json(request)
        if self.routes.reservations.changed():
            await self.routes.settle()
        accept = request.headers.get("accept")
        wanted = form_of(accept, request.headers.get("accept-encoding"))
        named = "application/json" in (accept or "").lower()
        made = await self.long.run(answered, self.routes.pages.engine, request.body, wanted, named)
        if isinstance(made, Rows):
            return await self.routes.stream(request, made, wanted.encoding, self.long.thread)
        return RawResponse(made.headers, made.body)


def answered(engine: Engine, text: bytes, wanted: Form, named: bool) -> Rows | Finished:
    """The answer, in pieces where it is large; `named`: JSON was asked for by name. LlmfitError for what is wrong in
    the body.
    """
    body = decoded(text, "machines, models, contexts, concurrency, fields, and parameters")
    if explain_of(body):
        return whole(fitted(engine, body), form("json", wanted.encoding))
    facts = body.pop("machines", [{}])
    asked = question(engine, body)
    machines = machines_of(engine, asked.query, facts)
    most = check_size(asked, len(machines), engine.catalog.size)
    if wanted.name == "json" and not named and most > LARGE:
        wanted = form("ndjson", wanted.encoding)
    rows = gathered(pieces(engine, asked, machines, wanted.name))
    if wanted.name == "json":
        rows = document(encode(about(engine, asked, machines)), rows)
    elif wanted.name == "csv":
        rows = sheet(",".join(asked.fields).encode(), rows)
    if most > PIECE or most > AT_ONCE * asked.rows(engine.catalog.size):
        return Rows(bare_headers(None, wanted), rows)
    return whole(b"".join(rows), wanted)


def whole(body: bytes, wanted: Form) -> Finished:
    if wanted.encoding is not None:
        body = compressed(body, wanted.encoding)
    return Finished(body, "", ((b"content-length", b"%d" % len(body)), *bare_headers(None, wanted)))


def sheet(header: bytes, rows: Iterator[bytes]) -> Iterator[bytes]:
    yield header + b"\r\n"
    yield from rows
