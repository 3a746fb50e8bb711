"""What the server says of itself: the OpenAPI document, and a page made of it. Made when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from llmfit import __version__
from llmfit.encode import encode
from llmfit.server.pages import Finished, etag_of
from llmfit.server.safe import SHOWN

PACKAGE = Path(__file__).parents[1]
POLICY = b"default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


def openapi() -> bytes:
    from llmfit.openapi import document

    return encode(document())


def docs() -> bytes:
    from llmfit.apidocs import page

    return page().encode()


def style() -> bytes:
    return (PACKAGE / "web/docs.css").read_bytes()


DOCUMENTS: dict[str, tuple[Callable[[], bytes], bytes]] = {
    "/openapi.json": (openapi, b"application/json"),
    "/docs": (docs, b"text/html; charset=utf-8"),
    "/docs.css": (style, b"text/css; charset=utf-8"),
}


@cache
def document_of(path: str) -> Finished:
    """A document, ready to be sent."""
    make, kind = DOCUMENTS[path]
    body = make()
    etag = etag_of(__version__, path, body)
    headers = (
        (b"content-length", b"%d" % len(body)), (b"content-type", kind), (b"etag", etag.encode()),
        (b"vary", b"Accept, Accept-Encoding"), (b"content-security-policy", POLICY), *SHOWN,
    )  # fmt: skip
    return Finished(body, etag, headers)
