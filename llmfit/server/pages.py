"""Finished answers: the bytes of a page with its ETag, kept by the raw text of the request that asked for it."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from urllib.parse import parse_qsl

import msgspec

from llmfit import __version__, params
from llmfit.encode import answer, encode, node, system_of
from llmfit.errors import BadParam
from llmfit.query import Engine
from llmfit.server.compress import encoders
from llmfit.shapes import SystemAnswer

MOST_PAGES, MOST_BYTES = 2048, 64 << 20
MOST_FIELDS = 64
Key = tuple[str, str, str | None]  # endpoint, query string, model named in the path
Headers = tuple[tuple[bytes, bytes], ...]


class Finished(msgspec.Struct, frozen=True):
    """An answer that needs nothing more than to be sent: its bytes, and its headers as they go over the wire."""

    body: bytes
    etag: str
    headers: Headers


def finished(body: bytes, etag: str) -> Finished:
    return Finished(body, etag, ((b"content-length", b"%d" % len(body)), *bare_headers(etag)))


def etag_of(*made_from: object) -> str:
    """A hash of all that an answer's bytes are made from: known before they are, and cheaper than one of the bytes."""
    return f'"{hashlib.blake2b(repr(made_from).encode(), digest_size=12).hexdigest()}"'


def compressed(page: Finished, encoding: str) -> Finished:
    """The answer in another encoding, under an ETag of its own."""
    body = encoders()[encoding](page.body)
    etag = encoded(page.etag, encoding)
    length = (b"content-length", b"%d" % len(body))
    return Finished(body, etag, (length, (b"content-encoding", encoding.encode()), *bare_headers(etag)))


def encoded(etag: str, encoding: str) -> str:
    """The ETag of a compressed form."""
    return f'{etag[:-1]}-{encoding}"'


def bare_headers(etag: str | None = None) -> Headers:
    """The headers of every answer, without a length."""
    tag = ((b"etag", etag.encode()),) if etag is not None else ()
    return ((b"content-type", b"application/json"), *tag, (b"vary", b"Accept, Accept-Encoding"))


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


class Pages:
    """Makes answers and keeps the last of them by URL. `make` may be called from any thread, the rest from one."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._held: OrderedDict[bytes, Finished] = OrderedDict()
        self._bytes = 0
        self._machine = engine.machine

    def held(self, url: bytes) -> Finished | None:
        """The answer, if this was asked before about this state of the machine.

        `url` is the raw URL, with the name of the encoding behind a NUL for a compressed form.
        """
        if self._machine is not self.engine.machine:
            self._held.clear()
            self._bytes = 0
            self._machine = self.engine.machine
        page = self._held.get(url)
        if page is not None:
            self._held.move_to_end(url)
        return page

    def keep(self, url: bytes, page: Finished) -> None:
        if url in self._held or len(page.body) > MOST_BYTES // 2:
            return
        self._held[url] = page
        self._bytes += len(page.body)
        while len(self._held) > MOST_PAGES or self._bytes > MOST_BYTES:
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
        return etag_of(__version__, engine.catalog.name, engine.max_context, engine.machine, node(), key)

    def make(self, key: Key) -> Finished:
        """Parse, run and encode. Raises LlmfitError."""
        endpoint, text, name = key
        query, warnings = msgspec.structs.astuple(params.parse(pairs_of(text), endpoint, name))
        etag = self.etag(key)
        if endpoint == "system":
            body = encode(SystemAnswer(node(), system_of(self.engine.machine_for(query)[0], warnings)))
        else:
            engine = self.engine
            page = engine.rows(query, engine.compared(query)) if endpoint == "compare" else engine.run(query)
            body = answer(engine.catalog, page, query, warnings)
        return finished(body, etag)
