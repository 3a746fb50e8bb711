"""Finished answers: the bytes of a page with its ETag, kept by the raw text of the request that asked for it; and long
lists that are sent while they are written.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, quote

import msgspec

from llmfit._version import __version__
from llmfit.answers.encode import PIECE, answer, around, encode, in_pieces, lines, node, sheets, system_of
from llmfit.errors import BadParam
from llmfit.machine import Machine
from llmfit.query import params
from llmfit.query.engine import Engine, Page
from llmfit.server.http.compress import compressed
from llmfit.server.http.negotiate import JSON, Form
from llmfit.server.http.raw_response import Headers
from llmfit.server.http.security_headers import DATA
from llmfit.wire.system import SystemAnswer

MOST_PAGES, MOST_BYTES = 2048, 32 << 20
MOST_NEW_PAGES, MOST_NEW_BYTES = 1536, 8 << 20  # of them; those that were asked for once
MOST_FIELDS = 64
LONG = 1000  # rows; a longer list is held when it is asked for again
MOST_ASKED = 1024  # long lists that are remembered to have been asked for
Key = tuple[str, str, str | None]  # endpoint, query string, model named in the path
TYPES = {
    "json": b"application/json",
    "ndjson": b"application/x-ndjson; charset=utf-8",
    "csv": b"text/csv; charset=utf-8; header=present",
}


class Finished(msgspec.Struct, frozen=True):
    """An answer that needs nothing more than to be sent: its bytes, and its headers as they go over the wire."""

    body: bytes
    etag: str  # of its form
    headers: Headers


class Rows(msgspec.Struct, frozen=True):
    """A list too long to be held: its headers, and its rows in pieces, made when they are asked for."""

    headers: Headers
    pieces: Iterator[bytes]
    length: int | None = None  # bytes, where it is known; then it is among the headers


def finished(body: bytes, etag: str, form: Form = JSON, more: Headers = ()) -> Finished:
    """An answer that is not compressed; `etag` is that of its plain JSON."""
    length = (b"content-length", b"%d" % len(body))
    return Finished(body, tagged(etag, form), (length, *more, *bare_headers(etag, form)))


def packed(page: Finished, encoding: str) -> Finished:
    """The answer in another encoding, under an ETag of its own."""
    body, etag = compressed(page.body, encoding), f'{page.etag[:-1]}-{encoding}"'
    changed = {b"content-length": b"%d" % len(body), b"etag": etag.encode()}
    headers = ((name, changed.get(name, value)) for name, value in page.headers)
    return Finished(body, etag, (*headers, (b"content-encoding", encoding.encode())))


def etag_of(*made_from: object) -> str:
    """A hash of all that an answer's bytes are made from: known before they are, and cheaper than one of the bytes."""
    return f'"{hashlib.blake2b(repr(made_from).encode(), digest_size=12).hexdigest()}"'


def tagged(etag: str, form: Form) -> str:
    """The ETag of another form of the same answer."""
    return f'{etag[:-1]}{form.mark}"'


def bare_headers(etag: str | None = None, form: Form = JSON) -> Headers:
    """The headers of every answer, without a length."""
    packed = ((b"content-encoding", form.encoding.encode()),) if form.encoding is not None else ()
    tag = ((b"etag", tagged(etag, form).encode()),) if etag is not None else ()
    return ((b"content-type", TYPES[form.name]), *packed, *tag, (b"vary", b"Accept, Accept-Encoding"), *DATA)


def facts(page: Page, warnings: tuple[str, ...]) -> Headers:
    """What an envelope says beside its rows, as headers: for forms that have rows alone."""
    said = [(b"llmfit-warning", quote(text, safe=" '?:;,.()").encode()) for text in warnings]
    total = (b"llmfit-total-models", b"%d" % page.total)
    return (total, (b"llmfit-generation", page.generation.encode()), *said)


def pairs_of(query_string: str) -> list[tuple[str, str]]:
    """The (name, value) pairs of a URL; BadParam where there are too many or they are not UTF-8."""
    if not query_string:
        return []
    try:
        return parse_qsl(query_string, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except UnicodeDecodeError:
        raise BadParam("invalid query string: use UTF-8") from None
    except ValueError:
        raise BadParam(f"invalid query string: use at most {MOST_FIELDS} parameters") from None


class PageCache:
    """Makes answers and keeps the last of them by URL. `make` may be called from any thread, the rest from one.

    What was asked for once has a part of the room alone: questions that nobody asks again, however many, take no more.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._held: OrderedDict[bytes, Finished] = OrderedDict()  # asked for again
        self._new: OrderedDict[bytes, Finished] = OrderedDict()  # asked for once
        self._bytes = self._new_bytes = 0  # of all, and of the new ones among them
        self._machine = engine.machine
        self._asked: OrderedDict[str, None] = OrderedDict()  # by ETag, which is made from the key too

    @property
    def size(self) -> tuple[int, int]:
        """(pages, bytes) that are kept."""
        return len(self._held) + len(self._new), self._bytes

    def held(self, url: bytes) -> Finished | None:
        """The answer, if this was asked before about this state of the machine. `url`: see Form.url."""
        if self._machine is not self.engine.machine:
            self._held.clear()
            self._new.clear()
            self._bytes = self._new_bytes = 0
            self._machine = self.engine.machine
        page = self._held.get(url)
        if page is not None:
            self._held.move_to_end(url)
        elif (page := self._new.pop(url, None)) is not None:
            self._new_bytes -= len(page.body)
            self._held[url] = page
        return page

    def keep(self, url: bytes, page: Finished, machine: Machine) -> None:
        """Keep an answer about this state of the machine, unless it has changed meanwhile."""
        size = len(page.body)
        if machine is not self.engine.machine or url in self._held or url in self._new or size > MOST_BYTES:
            return
        self._bytes += size
        if size > MOST_NEW_BYTES:  # a list that is held was asked for before
            self._held[url] = page
        else:
            self._new[url] = page
            self._new_bytes += size
        while self._new_bytes > MOST_NEW_BYTES or len(self._new) > MOST_NEW_PAGES:
            _, old = self._new.popitem(last=False)
            self._new_bytes -= len(old.body)
            self._bytes -= len(old.body)
        while self.size[0] > MOST_PAGES or self._bytes > MOST_BYTES:
            _, old = self._held.popitem(last=False)
            self._bytes -= len(old.body)

    def check(self, key: Key) -> str:
        """The ETag that the answer has; LlmfitError where there will be none. Scores and encodes nothing."""
        endpoint, text, name = key
        query = params.parse(pairs_of(text), endpoint, name).query
        self.engine.machine_for(query)
        if endpoint == "compare":
            self.engine.compared(query)
        elif endpoint != "system":
            self.engine.named(query)
        return self.etag(key)

    def etag(self, key: Key) -> str:
        engine = self.engine
        facts = (engine.catalog.name, engine.installed, engine.max_context, engine.machine)
        return etag_of(__version__, *facts, node(), key)

    def make(self, key: Key, form: Form = JSON) -> Finished | Rows:
        """Parse, run and encode, without compressing. Raises LlmfitError."""
        endpoint, text, name = key
        query, warnings = msgspec.structs.astuple(params.parse(pairs_of(text), endpoint, name))
        etag = self.etag(key)
        if endpoint == "system":
            body = encode(SystemAnswer(node(), system_of(self.engine.machine_for(query)[0], warnings)))
            return finished(body, etag)
        engine = self.engine
        page = engine.rows(query, engine.compared(query)) if endpoint == "compare" else engine.run(query)
        if form.name == "json":
            if form.encoding is None and self.once(len(page.indices), query, etag):
                length, pieces = in_pieces(page, *around(engine.catalog, page, query, warnings))
                return Rows(((b"content-length", b"%d" % length), *bare_headers(etag)), pieces, length)
            return finished(answer(engine.catalog, page, query, warnings), etag)
        pieces = lines(page, query) if form.name == "ndjson" else sheets(page, query)
        more = facts(page, warnings)
        if len(page.indices) > PIECE:
            return Rows((*more, *bare_headers(etag, form)), pieces)
        return finished(b"".join(pieces), etag, form.plain(), more)

    def once(self, rows: int, query: Any, etag: str) -> bool:
        """Whether a list is long and asked for the first time: it is sent as it is written and not held. To fetch the
        memory for 25 MB from the system takes longer than to write them a second time, if anybody asks again.
        """
        if rows <= LONG or query.fields is not None or etag in self._asked:
            return False
        self._asked[etag] = None
        if len(self._asked) > MOST_ASKED:
            self._asked.popitem(last=False)
        return True
