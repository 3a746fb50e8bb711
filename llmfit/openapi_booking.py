"""The requests of schedulers in the OpenAPI document: reservations and placement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llmfit.shapes_place import Reservation
from llmfit.values import LONGEST_TEXT

Json = dict[str, Any]
Responses = Callable[..., Json]
TTL: Json = {"type": "number", "minimum": 1, "maximum": 86_400, "default": 300, "description": "Seconds until it ends."}
GIB: Json = {"type": "number", "minimum": 0, "maximum": 1_000_000}
PATH = "/api/v1/reservations"


def operations(responses: Responses) -> dict[str, Json]:
    """By path, what may be done there beside GET."""
    return {
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
            "oneOf": [GIB, each],
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
