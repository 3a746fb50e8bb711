"""Every answer that is not a result has one shape: ``{"error": "..."}``. One function makes it."""

from __future__ import annotations

import logging

from sanic import HTTPResponse, Request, Sanic
from sanic.exceptions import PayloadTooLarge, SanicException
from sanic.response import raw

from llmfit.answers.encode import encode
from llmfit.errors import BadParam, Busy, Conflict, Full, LlmfitError, NotFound, TooMuch, UnknownModel, WrongType
from llmfit.server.http import security_headers
from llmfit.server.observe.logs import id_of
from llmfit.wire.common import Failure

log = logging.getLogger("llmfit.server")
JSON = "application/json"
METHODS = ("GET", "HEAD", "POST", "DELETE")
MOST_HEADERS, MOST_URL, MOST_BODY = 16 << 10, 8 << 10, 1 << 20  # bytes
# What a client is told where Sanic's own words would be empty or show internals.
TEXTS = {
    400: "bad request: this is not well-formed HTTP",
    401: "not authorized: use the header Authorization: Bearer TOKEN",
    404: "not found: no such path",
    408: "request timeout: the request did not arrive in time",
    413: f"payload too large: use at most {MOST_BODY} bytes",
    414: f"URI too long: use at most {MOST_URL} bytes",
    417: "expectation failed",
    429: "too many requests: this client has used up its rate",
    431: f"request header fields too large: use at most {MOST_HEADERS} bytes",
    500: "internal error",
    503: "not ready",
}
STATUSES: dict[type[LlmfitError], int] = {
    BadParam: 400, UnknownModel: 404, NotFound: 404, Conflict: 409, TooMuch: 413, WrongType: 415, Busy: 503,
    Full: 507,
}  # fmt: skip


def failure(status: int, text: str, headers: dict[str, str] | None = None) -> HTTPResponse:
    """The answer for a failed request; `text` names what was wrong and what is allowed."""
    headers = {**security_headers.TEXTS, **(headers or {})}
    return raw(encode(Failure(text)), status=status, headers=headers, content_type=JSON)


def status_of(error: LlmfitError) -> int:
    """The status of an error; 500 for what the client cannot mend."""
    return next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 500)


def install(app: Sanic) -> None:  # type: ignore[type-arg]
    """Turn every exception of the app into a failure."""

    @app.exception(Exception)
    def failed(request: Request, error: Exception) -> HTTPResponse:
        if isinstance(error, LlmfitError):
            return failure(status_of(error), str(error), {"Retry-After": "10"} if isinstance(error, Busy) else None)
        if isinstance(error, PayloadTooLarge) and request.method == "NONE":  # its header alone was too large
            return failure(431, TEXTS[431])
        if isinstance(error, SanicException) and error.status_code < 500:
            headers = {key: str(value) for key, value in (getattr(error, "headers", None) or {}).items()}
            text = TEXTS.get(error.status_code, "bad request")
            if error.status_code == 405:
                given = headers.get("Allow", "")
                headers["Allow"] = ", ".join(name for name in METHODS if name in given) or "GET, HEAD"
                text = f"method not allowed: use {headers['Allow'].replace(', ', ' or ')}"
            return failure(error.status_code, text, headers)
        if isinstance(error, SanicException) and error.status_code == 503:
            return failure(503, TEXTS[503])
        name = id_of(request)
        log.error("unexpected failure", exc_info=error, extra={"fields": {"request_id": name}})
        return failure(500, TEXTS[500], {"X-Request-ID": name})
