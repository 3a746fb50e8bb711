"""POST /api/v1/plan and /place: from a body to an answer, which can be computed again where `explain` is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from llmfit import __version__, params
from llmfit.encode import encode
from llmfit.errors import BadParam
from llmfit.placing import place
from llmfit.planning import plan
from llmfit.query import Engine, generation
from llmfit.shapes_place import Placement
from llmfit.shapes_plan import Plan
from llmfit.shapes_posted import Posted, PostedBody
from llmfit.values import model_of, text_of, value_of

PLACE = ("demands", "machines", "policy")


def answered(engine: Engine, endpoint: str, body: Mapping[str, Any]) -> Plan | Placement:
    """The answer to a body without null. LlmfitError for what is wrong in it."""
    left = {key: value for key, value in body.items() if key != "explain"}
    explain = value_of(params.BY_NAME["explain"], text_of(body.get("explain", False)))
    found = (placed if endpoint == "place" else planned)(engine, left)
    if not explain:
        return found
    name = engine.catalog.name
    asked = PostedBody(
        __version__, name.version, name.digest, generation(engine.machine, engine.catalog), endpoint, left,
        engine.max_context, engine.machine,
    )  # fmt: skip
    return replace(found, explanation=msgspec.Raw(encode(Posted(asked))))


def placed(engine: Engine, body: dict[str, Any]) -> Placement:
    for key in body:
        if key not in PLACE:
            raise BadParam(f"unknown parameter '{key[:40]}': use {', '.join((*PLACE, 'explain'))}")
    return place(engine, body.get("demands", []), body.get("machines", [{}]), body.get("policy", "pack"))


def planned(engine: Engine, body: dict[str, Any]) -> Plan:
    model = model_of(body.get("model"))
    parsed = params.parse(params.pairs_of({key: body[key] for key in body if key != "model"}), "plan", model)
    return replace(plan(engine, parsed.query), warnings=parsed.warnings)
