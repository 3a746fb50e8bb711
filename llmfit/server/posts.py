"""Requests with a body: a JSON object of parameters, read through the same table as a query string."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace
from sanic import Request

from llmfit import params
from llmfit.encode import encode
from llmfit.errors import BadParam, WrongType
from llmfit.planning import plan
from llmfit.query import Engine
from llmfit.values import model_of, texts_of

MOST_FIELDS = 64
Scalar = str | int | float | bool | None | list[str | int | float]
NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # what msgspec raises for a body that is none
_object = msgspec.json.Decoder(dict[str, Scalar])


def must_be_json(request: Request) -> None:
    """WrongType where the body is not said to be JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise WrongType("invalid Content-Type header: use application/json")


def object_of(request: Request) -> dict[str, Scalar]:
    """The JSON object of a request. WrongType, or BadParam where it is none or nests."""
    must_be_json(request)
    try:
        found = _object.decode(request.body)
    except NO_JSON:
        raise BadParam("invalid body: use a JSON object of parameters") from None
    if len(found) > MOST_FIELDS:
        raise BadParam(f"invalid body: use at most {MOST_FIELDS} parameters")
    return found


def planned(engine: Engine, body: dict[str, Scalar]) -> bytes:
    """The answer of POST /api/v1/plan. LlmfitError for what is wrong in the body."""
    model = model_of(body.pop("model", None))
    parsed = params.parse(texts_of(body), "plan", model)
    return encode(replace(plan(engine, parsed.query), warnings=parsed.warnings))
