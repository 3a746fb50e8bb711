"""Many machines at once in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from llmfit.placement.many import KEYS, MOST_MACHINES, MOST_MODELS, MOST_VALUES
from llmfit.query import params
from llmfit.query.param import Param
from llmfit.query.values import LONGEST_TEXT
from llmfit.wire.fit import FitAnswer

Json = dict[str, Any]
Responses = Callable[..., Json]
JSON = "application/json"


def operation(responses: Responses, schema: Callable[[Param], Json]) -> Json:
    """POST /api/v1/fit."""

    def described(params: Iterable[Param]) -> Json:
        return {param.name: {**schema(param), "description": param.help} for param in params}

    listed = params.at("models")
    name = {"type": "string", "description": "The same as profile."}
    filters = described(param for param in listed if param.stage in ("score", "filter", "order", "page"))
    one = {"type": "object", "properties": {"name": name, **described(p for p in listed if p.stage == "machine")}}
    text_item: Json = {"type": "string", "maxLength": LONGEST_TEXT}
    ids: Json = {"type": "array", "items": text_item, "minItems": 1, "maxItems": MOST_MODELS}
    some: Json = {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": MOST_VALUES}
    keys = {"type": "array", "items": {"type": "string", "enum": list(KEYS)}, "minItems": 1}
    text = {
        "machines": "Hardware parameters, or the name of a shipped machine; {} is this one, as are absent machines.",
        "models": "Ids, whose rows come whatever their level; or filters, which select as those of a list do.",
        "contexts": "Contexts in tokens; by default the server's --max-context.",
        "concurrency": "Numbers of sessions at once.", "fields": "The keys of a row.",
    }  # fmt: skip
    own: Json = {
        "machines": {"type": "array", "items": {"anyOf": [one, text_item]}, "minItems": 1, "maxItems": MOST_MACHINES},
        "models": {"anyOf": [ids, {"type": "object", "properties": filters}]},
        "contexts": some, "concurrency": some, "fields": keys,
    }  # fmt: skip
    common = (p for p in listed if p.stage in ("basis", "analyse", "score") and p.name not in ("max_context", *own))
    explain = {"type": "boolean", "default": False, "description": "Add all that is needed to ask again; always JSON."}
    shapes = {key: {**shape, "description": text[key]} for key, shape in own.items()}
    example = {
        "machines": [{"gpu": "RTX 4090", "ram_gb": 64}, {"name": "aws-g5.xlarge"}],
        "models": ["Qwen/Qwen3-8B", "Qwen/Qwen3-32B"], "contexts": [8192, 32768], "concurrency": [1, 4],
    }  # fmt: skip
    body = {"type": "object", "properties": {**shapes, **described(common), "explain": explain}}
    return {
        "summary": "Many machines, many models: one row for each combination",
        "operationId": "fit",
        "requestBody": {"required": True, "content": {JSON: {"schema": body, "example": example}}},
        "responses": responses(FitAnswer, ("400", "403", "404", "413", "415")),
    }
