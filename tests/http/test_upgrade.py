"""A client recorded against a released OpenAPI document keeps working: in words, and by the answers themselves."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from upgrade import RELEASED, Comparison, bare
from wire import Server

from llmfit.openapi import document as openapi

NOW = bare(json.loads(json.dumps(openapi.document())))
FILES = sorted(RELEASED.glob("openapi-*.json"))
LIST = "/api/v1/models"
POSTS = {
    "/api/v1/plan": {"model": "Qwen/Qwen3-8B", "context": 8192, "vram_gb": 8, "ram_gb": 64},
    "/api/v1/fit": {"machines": [{"gpu": "RTX 4090", "ram_gb": 64}], "models": ["Qwen/Qwen3-8B"], "contexts": [4096]},
    "/api/v1/place": {
        "demands": [{"model": "Qwen/Qwen3-32B", "replicas": 2, "min_tps": 30}, {"use_case": "coding"}],
        "machines": [{"name": "a", "gpu": "RTX 4090", "ram_gb": 64}, "aws-g5.xlarge"],
    },
}  # fmt: skip


def faults(change: Callable[[Any], object]) -> list[str]:
    """What the comparison says of a document with this change."""
    other = copy.deepcopy(NOW)
    change(other)
    return Comparison(NOW, other).faults


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nothing_was_taken_away(file: Any) -> None:
    """A change that is meant is recorded by `python tests/http/upgrade.py` before a release; after it none can be."""
    found = Comparison(json.loads(file.read_text()), NOW).faults
    assert not found, "\n".join(found)


def test_there_is_a_released_document() -> None:
    assert FILES and faults(lambda document: None) == []


def schemas(document: Any) -> Any:
    return document["components"]["schemas"]


CHANGES: dict[str, Callable[[Any], object]] = {
    "GET /api/v1/models is gone": lambda d: d["paths"][LIST].pop("get"),
    "models[].score is gone": lambda d: schemas(d)["Row"]["properties"].pop("score"),
    "models[].name may now be integer": lambda d: schemas(d)["Row"]["properties"].update(name={"type": "integer"}),
    "models[].score may now be null": lambda d: schemas(d)["Row"]["properties"].update(
        score={"anyOf": [{"type": "number"}, {"type": "null"}]}
    ),
    "no longer always there: generation": lambda d: schemas(d)["Envelope"]["required"].remove("generation"),
    "memory_breakdown_gb.kv_cache is gone": lambda d: schemas(d)["MemoryBreakdown"]["properties"].pop("kv_cache"),
    "system.gpus[].count may now be string": lambda d: schemas(d)["Gpu"]["properties"].update(count={"type": "string"}),
    "the parameter sort is gone": lambda d: drop(d, "sort"),
    "?sort may no longer be tps": lambda d: parameter(d, "sort")["schema"]["enum"].remove("tps"),
    "the parameter limit is now required": lambda d: parameter(d, "limit").update(required=True),
    "?min_tps may no longer be number": lambda d: parameter(d, "min_tps").update(schema={"type": "boolean"}),
    "body: now required: ram_gb": lambda d: body(d, "/api/v1/reservations")["required"].append("ram_gb"),
    "ttl_s: maximum is now 9": lambda d: body(d, "/api/v1/reservations")["properties"]["ttl_s"].update(maximum=9),
    "POST /api/v1/place: 413 is gone": lambda d: d["paths"]["/api/v1/place"]["post"]["responses"].pop("413"),
    "200 no longer comes as text/csv": lambda d: d["paths"][LIST]["get"]["responses"]["200"]["content"].pop("text/csv"),
}  # fmt: skip


def parameter(document: Any, name: str) -> Any:
    return next(each for each in document["paths"][LIST]["get"]["parameters"] if each["name"] == name)


def drop(document: Any, name: str) -> None:
    document["paths"][LIST]["get"]["parameters"].remove(parameter(document, name))


def body(document: Any, path: str) -> Any:
    return document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]


@pytest.mark.parametrize("said", CHANGES)
def test_what_would_break_a_client_is_noticed(said: str) -> None:
    assert [fault for fault in faults(CHANGES[said]) if said in fault], faults(CHANGES[said])


@pytest.mark.parametrize(
    "change",
    [
        lambda d: schemas(d)["Row"]["properties"].update(new={"type": "string"}),
        lambda d: d["paths"].update({"/api/v2/models": {"get": {}}}),
        lambda d: d["paths"][LIST]["get"]["parameters"].append({"in": "query", "name": "new", "schema": {}}),
        lambda d: parameter(d, "sort")["schema"]["enum"].append("new"),
        lambda d: d["paths"][LIST]["get"]["responses"].update({"429": {}}),
    ],
    ids=["a key", "a path", "a parameter", "a value", "a status"],
)
def test_what_is_added_breaks_nobody(change: Callable[[Any], object]) -> None:
    assert faults(change) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_answers_are_what_the_released_document_says(server: Server, file: Any) -> None:
    released = json.loads(file.read_text())

    def hold(path: str, method: str, answer: Any, status: str = "200") -> None:
        schema = released["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]
        jsonschema.Draft202012Validator({**schema, "components": released["components"]}).validate(answer)

    for query in ("include_too_tight=true", "gpu=2x%20RTX%203090&ram_gb=64", "explain=true", "fields=name"):
        hold(LIST, "get", server.ok(f"{LIST}?limit=20&{query}"))
    for path in ("/api/v1/models/top", "/api/v1/system", "/api/v1/hardware", "/api/v1/reservations", "/health"):
        hold(path, "get", server.ok(path))
    hold("/api/v1/compare", "get", server.ok("/api/v1/compare?models=Qwen/Qwen3-8B,microsoft/phi-4"))
    hold(LIST, "get", server.get(f"{LIST}?sort=x").json(), "400")
    for path, asked in POSTS.items():
        answer = server.get(path, {"Content-Type": "application/json"}, "POST", json.dumps(asked).encode())
        assert answer.status == 200, answer.body
        hold(path, "post", answer.json())
