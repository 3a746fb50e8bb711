"""GET /api/v1/events: listeners are told (server-sent events) when answers may have changed.

There is one thing to tell, the latest state, so nothing is queued: a listener that was slow hears of the last change
alone, and one that comes back with the id of what it heard last hears of it only if it is no longer true.
"""

from __future__ import annotations

import asyncio

from sanic import HTTPResponse, Request

from llmfit.answers.encode import encode
from llmfit.query import params
from llmfit.query.engine import Engine
from llmfit.server.http.errors import TEXTS, failure
from llmfit.server.http.raw_response import CHUNKED, RawResponse
from llmfit.server.http.security_headers import DATA
from llmfit.wire.common import Change

MOST_LISTENERS = 64  # of a worker
HEARTBEAT_SECONDS = 15.0  # proxies and clients take a silent connection for a dead one
HEADERS = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store"), *DATA)
OPENING = b"retry: 2000\n"  # ms until a client that lost its connection tries again


class Events:
    """The listeners of one worker."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self.closed = False
        self._listeners: set[asyncio.Event] = set()

    def tell(self, change: Change) -> None:
        """What is true from now on."""
        self.change = change
        self._wake()

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    def close(self) -> None:
        """End every answer, so that the server can stop."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        for listener in self._listeners:
            listener.set()

    async def listen(self, request: Request) -> HTTPResponse | None:
        """Send events until the client or the server goes."""
        if request.method == "HEAD":
            return RawResponse(HEADERS)
        if self.closed:
            return failure(503, TEXTS[503])
        if len(self._listeners) >= MOST_LISTENERS:
            return failure(503, f"too many listeners: a worker serves {MOST_LISTENERS} at once", {"Retry-After": "10"})
        woken = asyncio.Event()
        self._listeners.add(woken)
        try:
            response = await request.respond(RawResponse((*HEADERS, CHUNKED)))
            heard = request.headers.get("last-event-id")
            await response.send(OPENING + (b"\n" if heard == self.change.generation else b""), end_stream=False)
            while not self.closed:
                woken.clear()
                if heard != self.change.generation:
                    heard = self.change.generation
                    await response.send(event(self.change), end_stream=False)
                try:
                    await asyncio.wait_for(woken.wait(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    await response.send(b":\n\n", end_stream=False)
            await response.send(b"", end_stream=True)
            return None
        finally:
            self._listeners.discard(woken)


def change_of(engine: Engine) -> Change:
    """The state of the machine itself, without what-ifs."""
    machine, _, generation = engine.machine_for(params.parse((), "models").query)
    return Change(generation, machine.observed_at)


def event(change: Change) -> bytes:
    """One event as it goes over the wire."""
    return b"event: generation\nid: %b\ndata: %b\n\n" % (change.generation.encode(), encode(change))
