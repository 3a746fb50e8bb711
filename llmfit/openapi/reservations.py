"""The requests of schedulers in the OpenAPI document: reservations and placement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llmfit.query.values import LONGEST_TEXT
from llmfit.wire.placement import Placement, Reservation

Json = dict[str, Any]
Responses = Callable[..., Json]
TTL: Json = {"type": "number", "minimum": 1, "maximum": 86_400, "default": 300, "description": "Seconds until it ends."}
GIB: Json = {"type": "number", "minimum": 0, "maximum": 1_000_000}
PATH = "/api/v1/reservations"


def operations(responses: Responses) -> dict[str, Json]:
    """By path, what may be done there beside GET."""
    return {
        "/api/v1/place": {"post": place(responses)},
        PATH: {"post": reserve(responses)},
        PATH + "/{id}": {"delete": release(responses)},
        PATH + "/{id}/renew": {"post": renew(responses)},
    }


def body(properties: Json, example: Json, required: tuple[str, ...] = ()) -> Json:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}


def reserve(responses: Responses) -> Json:
    text = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}
    each = {"type": "array", "items": GIB}
    properties = {
        "ttl_s": TTL,
        "label": {**text, "description": "What to call it."},
        "ram_gb": {**GIB, "description": "GiB of RAM."},
        "vram_gb": {
            "anyOf": [GIB, each],
            "description": "GiB of GPU memory, from the freest GPU on; or of each GPU, in the order of the driver.",
        },
        "model": {**text, "description": "Instead of sizes: what this model takes where it runs best now."},
    }
    return {
        "summary": "Hold memory of this machine, so that later answers are without it",
        "description": "`model` goes with context, quant, kv_quant, concurrency and force_runtime.",
        "operationId": "reserve",
        "requestBody": body(properties, {"ram_gb": 0.25, "ttl_s": 1, "label": "an example"}),
        "responses": responses(Reservation, ("400", "403", "404", "409", "415", "507"), status="201"),
    }


def place(responses: Responses) -> Json:
    text = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}
    demand = {
        "type": "object",
        "description": "A model, or filters of a list; and the parameters of a list that estimates are made with.",
        "properties": {
            "name": {**text, "description": "What to call it."},
            "model": {**text, "description": "The id of a model, or a part of one."},
            "context": {"type": "integer", "minimum": 1, "description": "Tokens."},
            "concurrency": {"type": "integer", "minimum": 1, "maximum": 1024, "description": "Sessions at once."},
            "min_tps": {"type": "number", "minimum": 0, "description": "Least tokens/s of a session."},
            "replicas": {"type": "integer", "minimum": 1, "default": 1, "description": "How many are wanted."},
            "spread": {"type": "boolean", "default": False, "description": "No two replicas on one machine."},
            "priority": {"type": "number", "exclusiveMinimum": 0, "maximum": 1000, "default": 1,
                         "description": "What placing a replica is worth."},
        },
    }  # fmt: skip
    free = {"anyOf": [GIB, {"type": "array", "items": GIB}], "description": "GiB free, of all GPUs or of each."}
    machine = {
        "type": "object",
        "description": "Hardware what-ifs, as of a list; none: this machine.",
        "properties": {
            "name": {**text, "description": "What to call it."},
            "free_vram_gb": free,
            "free_ram_gb": {**GIB, "description": "GiB of RAM that are free."},
        },
    }
    properties = {
        "demands": {
            "type": "array",
            "minItems": 1,
            "maxItems": 2000,
            "items": demand,
            "description": "What is to run.",
        },
        "machines": {
            "type": "array",
            "minItems": 1,
            "maxItems": 2000,
            "items": {"anyOf": [machine, {**text, "description": "The name of a shipped machine."}]},
            "description": "Where it may run; absent: this machine.",
        },
        "policy": {
            "type": "string",
            "enum": ["pack", "spread"],
            "default": "pack",
            "description": "pack: the best scores less 10 points for every machine in use, so few of them; spread: "
            "the best scores, and of equal ones as many models on each machine.",
        },
        "explain": {"type": "boolean", "default": False, "description": "Add all that is needed to ask again."},
    }
    example = {
        "demands": [
            {"name": "chat", "model": "Qwen/Qwen3-8B", "context": 16384, "replicas": 2, "spread": True},
            {"name": "code", "use_case": "coding", "min_params_b": 7, "min_tps": 20},
        ],
        "machines": [{"name": "a", "gpu": "RTX 4090", "ram_gb": 64, "free_vram_gb": 20}, "aws-g5.xlarge"],
    }
    return {
        "summary": "Which model goes to which machine",
        "operationId": "place",
        "requestBody": body(properties, example, ("demands",)),
        "responses": responses(Placement, ("400", "403", "404", "413", "415")),
    }


def release(responses: Responses) -> Json:
    return {
        "summary": "End a reservation now",
        "operationId": "release",
        "parameters": [ID],
        "responses": responses(Reservation, ("403", "404")),
    }


def renew(responses: Responses) -> Json:
    return {
        "summary": "Let a reservation last longer: ttl_s from now on",
        "operationId": "renew",
        "parameters": [ID],
        "requestBody": body({"ttl_s": TTL}, {"ttl_s": 300}),
        "responses": responses(Reservation, ("400", "403", "404", "415")),
    }


ID: Json = {
    "name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "example": "9f86d081884c7d65",
    "description": "The id that the reservation was given.",
}  # fmt: skip
