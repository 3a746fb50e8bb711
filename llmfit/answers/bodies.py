"""POST /api/v1/plan, /place and /fit: from a body to an answer; with `explain` to one that can be computed again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from llmfit._version import __version__
from llmfit.answers.encode import encode, node
from llmfit.errors import BadParam, TooMuch
from llmfit.machine import Machine
from llmfit.placement.many import Question, check_size, machines_of, pieces, question
from llmfit.placement.place import place
from llmfit.query import params
from llmfit.query.engine import Engine, generation
from llmfit.query.plan import plan
from llmfit.query.values import model_of, text_of, value_of
from llmfit.query.work import Work
from llmfit.wire.fit import FitAnswer, FitMachine
from llmfit.wire.placement import Placement
from llmfit.wire.plan import Plan
from llmfit.wire.posted import Posted, PostedBody

PLACE = ("demands", "machines", "policy")
MOST_EXPLAINED = 10_000  # rows of an answer that can be computed again


def answered(engine: Engine, endpoint: str, body: Mapping[str, Any], work: Work | None = None) -> Plan | Placement:
    """The answer to a body without null. LlmfitError for what is wrong in it; Cancelled where `work` is."""
    left = {key: value for key, value in body.items() if key != "explain"}
    found = placed(engine, left, work) if endpoint == "place" else planned(engine, left)
    return replace(found, explanation=msgspec.Raw(told(engine, endpoint, left))) if explain_of(body) else found


def explain_of(body: Mapping[str, Any]) -> bool:
    return bool(value_of(params.BY_NAME["explain"], text_of(body.get("explain", False))))


def told(engine: Engine, endpoint: str, body: dict[str, Any]) -> bytes:
    """All that is needed to ask again."""
    name = engine.catalog.name
    asked = PostedBody(
        __version__, name.version, name.digest, generation(engine.machine, engine.catalog), endpoint, body,
        engine.max_context, engine.machine,
    )  # fmt: skip
    return encode(Posted(asked))


def fitted(engine: Engine, body: Mapping[str, Any]) -> bytes:
    """The JSON of POST /api/v1/fit with all that is needed to ask again. LlmfitError for what is wrong in the body."""
    left = {key: value for key, value in body.items() if key != "explain"}
    asked = question(engine, {key: value for key, value in left.items() if key != "machines"})
    machines = machines_of(engine, asked.query, left.get("machines", [{}]))
    most = check_size(asked, len(machines), engine.catalog.size)
    if most > MOST_EXPLAINED:
        raise TooMuch(f"too many rows to explain: up to {most}, at most {MOST_EXPLAINED}; name models, or give a limit")
    end = b'],"explanation":' + told(engine, "fit", left) + b"}"
    return b"".join(document(encode(about(engine, asked, machines)), pieces(engine, asked, machines, "json"), end))


def about(engine: Engine, asked: Question, machines: tuple[Machine, ...]) -> FitAnswer:
    """The answer of POST /api/v1/fit without its rows."""
    return FitAnswer(
        node=node(),
        catalog=engine.catalog.name,
        machines=described(engine, machines),
        contexts=asked.contexts,
        concurrency=asked.concurrency,
        fields=asked.fields,
    )


def placed(engine: Engine, body: dict[str, Any], work: Work | None = None) -> Placement:
    for key in body:
        if key not in PLACE:
            raise BadParam(f"unknown parameter '{key[:40]}': use {', '.join((*PLACE, 'explain'))}")
    return place(engine, body.get("demands", []), body.get("machines", [{}]), body.get("policy", "pack"), work)


def planned(engine: Engine, body: dict[str, Any]) -> Plan:
    model = model_of(body.get("model"))
    parsed = params.parse(params.pairs_of({key: body[key] for key in body if key != "model"}), "plan", model)
    return replace(plan(engine, parsed.query), warnings=parsed.warnings)


def described(engine: Engine, machines: tuple[Machine, ...]) -> tuple[FitMachine, ...]:
    """The machines of an answer; equal ones are looked at once."""
    known = {id(each): FitMachine(generation(each, engine.catalog), each.warnings) for each in unique(machines)}
    return tuple(known[id(each)] for each in machines)


def unique(machines: tuple[Machine, ...]) -> Iterator[Machine]:
    return iter({id(each): each for each in machines}.values())


def document(empty: bytes, rows: Iterator[bytes], end: bytes = b"]}") -> Iterator[bytes]:
    """The JSON of an answer: `empty` is that without rows, each of which has a comma before it."""
    yield empty[:-2]
    for piece in rows:
        if piece:
            yield piece[1:]
            break
        yield piece
    yield from rows
    yield end
