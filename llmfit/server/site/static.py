"""Answers that never change while the server runs: bytes in memory, with an ETag and the headers that browsers heed."""

from __future__ import annotations

import hashlib

from sanic import HTTPResponse, Request

from llmfit.server.http.compress import compressed
from llmfit.server.http.negotiate import encoding_of
from llmfit.server.http.raw_response import Headers, RawResponse
from llmfit.server.http.security_headers import SHOWN

SMALLEST = 512  # bytes; below this compression does not pay
FOR_EVER, ASK_AGAIN = b"public, max-age=31536000, immutable", b"no-cache"
POLICY = b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"


class StaticFile:
    """One file: its bytes, plain and as each encoding that was asked for, and its headers."""

    def __init__(self, body: bytes, kind: bytes, cache: bytes, vary: bytes, policy: bytes = POLICY) -> None:
        self.etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        safe = ((b"content-security-policy", policy), *SHOWN)
        self.headers = ((b"content-type", kind), (b"cache-control", cache), (b"vary", vary), *safe)
        self._plain = body
        self._coded: dict[str, bytes] = {}

    def answer(self, request: Request) -> HTTPResponse:
        accepted = request.headers.get("accept-encoding")
        encoding = encoding_of(accepted) if accepted is not None and len(self._plain) >= SMALLEST else None
        etag = self.etag if encoding is None else f'{self.etag[:-1]}-{encoding}"'
        headers: Headers = ((b"etag", etag.encode()), *self.headers)
        if etag in request.headers.get("if-none-match", ""):
            return RawResponse(headers, status=304)
        body = self._plain
        if encoding is not None:
            if encoding not in self._coded:
                self._coded[encoding] = compressed(body, encoding)
            body = self._coded[encoding]
            headers = ((b"content-encoding", encoding.encode()), *headers)
        return RawResponse(((b"content-length", b"%d" % len(body)), *headers), body)
