"""A response whose headers are ready-made: what Sanic would format again for every request is formatted once."""

from __future__ import annotations

from sanic import HTTPResponse

Headers = tuple[tuple[bytes, bytes], ...]  # as they go out
CHUNKED = (b"transfer-encoding", b"chunked")  # for a body without a length
KEEP_ALIVE, CLOSE = (b"connection", b"keep-alive"), (b"connection", b"close")


class RawResponse(HTTPResponse):
    """A body and its headers as bytes. Only `connection` is left to Sanic's HTTP/1.1 writer.

    With a `length` the body is sent behind the headers with send(), not copied together with them.
    """

    __slots__ = ("ready",)

    def __init__(self, ready: Headers, body: bytes = b"", status: int = 200, length: int | None = None) -> None:
        self.asgi = False
        self.body = body
        self.content_type = None
        self.stream = None
        self.status = status
        self.headers = {} if length is None else {"content-length": length}  # type: ignore[assignment]
        self._cookies = None
        self.ready = ready

    @property
    def processed_headers(self) -> Headers:  # type: ignore[override]
        return (*self.ready, KEEP_ALIVE if self.headers.get("connection") == "keep-alive" else CLOSE)
