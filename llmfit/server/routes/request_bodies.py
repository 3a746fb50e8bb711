"""Requests with a body: a JSON object of parameters, read through the same table as a query string."""

from __future__ import annotations

from typing import Any

import msgspec
from sanic import Request

from llmfit.answers.encode import encode
from llmfit.errors import BadParam, WrongType
from llmfit.query.engine import Engine
from llmfit.query.work import Work

MOST_FIELDS, MOST_DEPTH = 64, 8  # lists and objects within one another: a body of /place has four
_decode = msgspec.json.Decoder().decode


def must_be_json(request: Request) -> None:
    """WrongType where the body is not said to be JSON; BadParam for parameters beside it, which nobody reads."""
    if request.query_string:
        raise BadParam("invalid URL: parameters of a POST request stand in its body, nothing behind '?'")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise WrongType("invalid Content-Type header: use application/json")


def decoded(text: bytes, of: str) -> dict[str, Any]:
    """The JSON object of a body, without what is null in it; BadParam where it is none. `of`: what it is made of."""
    if not text.strip():
        raise BadParam(f"invalid body: it is empty; use a JSON object of {of}")
    try:
        found = _decode(text)
    except msgspec.DecodeError as error:
        raise BadParam(f"invalid body: {str(error).partition(' - at')[0]}; use a JSON object of {of}") from None
    except UnicodeDecodeError:
        raise BadParam(f"invalid body: it is no UTF-8; use a JSON object of {of}") from None
    except RecursionError:
        raise BadParam(f"invalid body: it nests too deeply; use a JSON object of {of}") from None
    if not isinstance(found, dict):
        raise BadParam(f"invalid body: use a JSON object of {of}")
    if deeper(found, MOST_DEPTH):
        raise BadParam(f"invalid body: it nests too deeply; use a JSON object of {of}")
    return {key: value for key, value in found.items() if value is not None}


def deeper(value: object, most: int) -> bool:
    """Whether there are more than so many lists and objects within one another."""
    level = [value]
    for _ in range(most):
        level = [
            part for one in level for part in (one.values() if isinstance(one, dict) else one)  # type: ignore[attr-defined]
            if isinstance(part, dict | list)
        ]  # fmt: skip
        if not level:
            return False
    return True


def object_of(request: Request) -> dict[str, Any]:
    """The JSON object of parameters of a request, without what is null. WrongType, or BadParam where it is none."""
    must_be_json(request)
    found = decoded(request.body, "parameters")
    if len(found) > MOST_FIELDS:
        raise BadParam(f"invalid body: use at most {MOST_FIELDS} parameters")
    return found


def planned(engine: Engine, body: dict[str, Any]) -> bytes:
    """The answer of POST /api/v1/plan. LlmfitError for what is wrong in the body."""
    from llmfit.answers.bodies import answered

    return encode(answered(engine, "plan", body))


def placed(engine: Engine, text: bytes, work: Work) -> bytes:
    """The answer of POST /api/v1/place. LlmfitError for what is wrong in the body; Cancelled where `work` is."""
    from llmfit.answers.bodies import answered

    return encode(answered(engine, "place", decoded(text, "demands, machines, policy"), work))
