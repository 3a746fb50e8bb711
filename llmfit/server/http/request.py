"""What a request's head may hold: checked where Sanic has read it, before anything looks at it or logs it.

Sanic takes any bytes as a method or a header, a bare line feed within a line, a space before a header's colon. Two
programs that read such a head differently can be played against each other, and a log takes what it says as it stands.
"""

from __future__ import annotations

import re
from typing import Any

from sanic import Request
from sanic.exceptions import BadRequest, SanicException

from llmfit.server.http.errors import MOST_URL

# RFC 9112: each line ends with CRLF, a name is a token and stands before its colon, a value has no control characters.
LINES = re.compile(rb"(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\0-\x08\n-\x1f\x7f]*)*")
METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS"})
OTHER_METHOD = re.compile(r"[A-Z]{1,20}", re.ASCII)
MOST_KNOWN, MOST_LINES = 256, 1024  # heads that were read before; bytes of one
_known: set[bytes] = set()


class CheckedRequest(Request):
    """As Sanic's, of a head that is well-formed; BadRequest, or SanicException 414, where it is not."""

    __slots__ = ()

    def __init__(
        self, url_bytes: bytes, headers: Any, version: str, method: str, transport: Any, app: Any, head: bytes = b"",
        stream_id: int = 0,
    ) -> None:  # fmt: skip
        if head:
            if head[head.find(b"\r\n") :] not in _known:
                learn(head[head.index(b"\r\n") :] if headers else b"")
            if method not in METHODS and not OTHER_METHOD.fullmatch(method):
                raise BadRequest("Bad Request")
            if len(url_bytes) > MOST_URL:
                raise SanicException("URI too long", status_code=414)
        Request.__init__(self, url_bytes, headers, version, method, transport, app, head, stream_id)


def learn(lines: bytes) -> None:
    """Check the lines of a head; clients send the same ones again, so the last that were right are remembered."""
    if not LINES.fullmatch(lines):
        raise BadRequest("Bad Request")
    if len(lines) <= MOST_LINES:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known.add(lines)
