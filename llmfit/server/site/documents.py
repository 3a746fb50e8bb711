"""What the server says of itself: the OpenAPI document, and a page made of it. Made when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from llmfit.answers.encode import encode
from llmfit.server.site.static import ASK_AGAIN, StaticFile

PACKAGE = Path(__file__).parents[2]
POLICY = b"default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


def openapi() -> bytes:
    from llmfit.openapi.document import document

    return encode(document())


def docs() -> bytes:
    from llmfit.openapi.page import page

    return page().encode()


def style() -> bytes:
    return (PACKAGE / "web/docs.css").read_bytes()


DOCUMENTS: dict[str, tuple[Callable[[], bytes], bytes]] = {
    "/openapi.json": (openapi, b"application/json"),
    "/docs": (docs, b"text/html; charset=utf-8"),
    "/docs.css": (style, b"text/css; charset=utf-8"),
}


@cache
def document_of(path: str) -> StaticFile:
    """A document, ready to be sent."""
    make, kind = DOCUMENTS[path]
    return StaticFile(make(), kind, ASK_AGAIN, b"Accept, Accept-Encoding", POLICY)
