"""The API as an OpenAPI 3.1 document, made from the parameter table and the structs that go over the wire."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from llmfit._version import __version__
from llmfit.openapi import fit as fleet
from llmfit.openapi import reservations as booking
from llmfit.query import params
from llmfit.query.param import MOST, Param
from llmfit.query.values import LONGEST_NAMES, LONGEST_TEXT, allowed
from llmfit.wire.common import Change, Failure, Health
from llmfit.wire.explanation import Explanation
from llmfit.wire.fit import FitAnswer
from llmfit.wire.models import Envelope
from llmfit.wire.placement import Placement, Reservation, Reservations
from llmfit.wire.plan import Plan
from llmfit.wire.posted import Posted
from llmfit.wire.system import HardwareAnswer, SystemAnswer

Json = dict[str, Any]
JSON = "application/json"
STRUCTS = (
    Envelope, SystemAnswer, HardwareAnswer, Health, Plan, FitAnswer, Placement, Reservation, Reservations, Change,
    Explanation,
    Posted,
    Failure,
)  # fmt: skip
# path: (endpoint of the parameter table, or None; what answers; summary)
GETS: dict[str, tuple[str | None, type, str]] = {
    "/api/v1/models": ("models", Envelope, "All models that pass the filters, best first"),
    "/api/v1/models/top": ("top", Envelope, "The best few, one of each base model"),
    "/api/v1/models/{name}": ("name", Envelope, "Models whose id is, or contains, a text"),
    "/api/v1/compare": ("compare", Envelope, "Two to eight models side by side"),
    "/api/v1/system": ("system", SystemAnswer, "The machine, or what it would be"),
    "/api/v1/hardware": (None, HardwareAnswer, "The machines and accelerators that what-ifs know by name"),
    "/api/v1/reservations": (None, Reservations, "What is reserved of this machine's memory, and what is left"),
    "/health": (None, Health, "Whether the server lives; never waits for scoring"),
    "/healthz": (None, Health, "The same"),
    "/readyz": (None, Health, "Whether the server is ready; 503 until then, and while it drains"),
}
FAILURES = {
    "400": "A value is not allowed, a body is not what it should be", "403": "The Host header names another site",
    "404": "No such path, or nothing of that name", "409": "Not enough memory is left",
    "413": "More is asked for than is answered at once", "415": "The body is not said to be JSON", "503": "Not ready",
    "507": "No room for another reservation",
}  # fmt: skip
# What any request may be answered with: by status, its name in the document, when, which header goes with it.
COMMON: dict[str, tuple[str, str, str]] = {
    "401": ("NoToken", "The server was started with tokens, and none of them was sent", "WWW-Authenticate"),
    "408": ("TooSlow", "The request did not arrive in time", ""),
    "414": ("LongUrl", "The URL is too long", ""),
    "429": ("TooOften", "This client asks more often than the server was told to allow", "Retry-After"),
    "431": ("LongHeader", "The header of the request is too long", ""),
    "500": ("Broken", "A fault of the server; its log has the id of the answer", "X-Request-ID"),
}  # fmt: skip
OPEN = ("/health", "/healthz", "/readyz")  # neither tokens nor rates


def document() -> Json:
    """The whole document."""
    _, schemas = msgspec.json.schema_components(STRUCTS, ref_template="#/components/schemas/{name}")
    for struct in structs(*STRUCTS):
        described(schemas[struct.__name__], struct)
    # Raw on its way out; what it is, only a document says.
    for name, what in (("Envelope", "Explanation"), ("Plan", "Posted"), ("Placement", "Posted")):
        schemas[name]["properties"]["explanation"] |= {"$ref": f"#/components/schemas/{what}"}
    part = "Some keys of a Row: what `fields` asks for."
    schemas["RowPart"] = {"type": "object", "description": part, "properties": schemas["Row"]["properties"]}
    rows = [{"$ref": f"#/components/schemas/{name}"} for name in ("Row", "RowPart")]
    schemas["Envelope"]["properties"]["models"]["items"] = {"anyOf": rows}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "llmfit",
            "version": __version__,
            "summary": "Which open-weight LLMs fit a machine, how fast they run there, how good they are for the job.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": {path: {verb: common(path, what) for verb, what in verbs.items()} for path, verbs in paths().items()},
        "components": {
            "schemas": schemas,
            "responses": {name: refusal(text, header) for name, text, header in COMMON.values()},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A line of --token-file."},
                "password": {"type": "http", "scheme": "basic", "description": "The same as password; any user name."},
            },
        },
        "security": [{}, {"token": []}, {"password": []}],  # without --token-file nothing is needed
    }


def common(path: str, what: Json) -> Json:
    """An operation with what any request may be answered with."""
    open_to_all: Json = {"security": []} if path in OPEN else {}
    codes = [code for code in COMMON if path not in OPEN or code not in ("401", "429")]
    more = {code: {"$ref": f"#/components/responses/{COMMON[code][0]}"} for code in codes}
    return what | open_to_all | {"responses": what["responses"] | more}


def refusal(text: str, header: str) -> Json:
    headers = {"headers": {header: {"schema": {"type": "string"}}}} if header else {}
    return {"description": text, **headers, "content": {JSON: {"schema": {"$ref": "#/components/schemas/Failure"}}}}


def paths() -> Json:
    found: Json = {path: {"get": operation(path, *what)} for path, what in GETS.items()}
    found |= {"/api/v1/events": {"get": events_operation()}, "/api/v1/plan": {"post": plan_operation()}}
    found["/api/v1/fit"] = {"post": fleet.operation(responses, schema)}
    for path, verbs in booking.operations(responses).items():
        found[path] = found.get(path, {}) | verbs
    return found


def operation(path: str, endpoint: str | None, struct: type, summary: str) -> Json:
    """A GET."""
    found: Json = {"summary": summary, "operationId": re.sub(r"\W+", "_", path).strip("_")}
    if endpoint is not None:
        found["parameters"] = [parameter(param, endpoint) for param in params.at(endpoint)]
    if "{name}" in path:
        name = {
            "name": "name", "in": "path", "required": True, "schema": {"type": "string"}, "example": "Qwen/Qwen3-8B",
            "description": "The id of a model, or a part of one; slashes may stand as they are.",
        }  # fmt: skip
        found["parameters"].insert(0, name)
    codes = ("400", "403", "404") if struct is Envelope else ("400", "403") if endpoint else ("403",)
    return found | {"responses": responses(struct, (*codes, "503") if path == "/readyz" else codes)}


def events_operation() -> Json:
    content = {"text/event-stream": {"schema": {"type": "string"}}}
    text = "Events called `generation`, each with a Change as its data"
    return {
        "summary": "When answers may have changed",
        "operationId": "events",
        "responses": {"200": {"description": text, "content": content}, **responses(Change, ("503",), only=True)},
    }


def plan_operation() -> Json:
    properties = {param.name: {**schema(param), "description": param.help} for param in params.at("plan")}
    properties["explain"] = {"type": "boolean", "default": False, "description": "Add all that is needed to ask again."}
    model = {"type": "string", "maxLength": LONGEST_TEXT, "description": "The id of a model, or a part of one."}
    body = {"type": "object", "required": ["model"], "properties": {"model": model, **properties}}
    example = {"model": "Qwen/Qwen3-32B", "context": 32768, "target_tps": 20, "gpu": "RTX 4090", "ram_gb": 64}
    return {
        "summary": "What it takes to run one model",
        "operationId": "plan",
        "requestBody": {"required": True, "content": {JSON: {"schema": body, "example": example}}},
        "responses": responses(Plan, ("400", "403", "404", "415")),
    }


def responses(struct: type, failures: tuple[str, ...], only: bool = False, status: str = "200") -> Json:
    def content(name: str) -> Json:
        return {JSON: {"schema": {"$ref": f"#/components/schemas/{name}"}}}

    found = {code: {"description": FAILURES[code], "content": content("Failure")} for code in failures}
    if only:
        return found
    shown = content(struct.__name__)
    if struct in (Envelope, FitAnswer):
        shown |= {"application/x-ndjson": {"schema": {"type": "string"}}, "text/csv": {"schema": {"type": "string"}}}
    return {status: {"description": first_line(struct), "content": shown}, **found}


def parameter(param: Param, endpoint: str) -> Json:
    """A parameter of a query. Any text may be sent; the schema is that of the values that are understood."""
    default = param.default_at(endpoint)
    shape = schema(param)
    if default is not None:
        shape["default"] = default
    aliases = f" Also called {', '.join(f'`{name}`' for name in param.aliases)}." if param.aliases else ""
    return {
        "name": param.name, "in": "query", "required": param.name == "models", "schema": shape,
        "description": f"{param.help}{aliases} Use {allowed(param)}.", "example": example(param),
    }  # fmt: skip


def schema(param: Param) -> Json:
    """The JSON schema of a value."""
    most = {"maximum": param.at_most} if param.at_most < MOST else {}
    kinds: dict[str, Json] = {
        "bool": {"type": "boolean"},
        "choice": {"type": "string", "enum": [*param.choices, *param.hidden_choices, *param.value_aliases]},
        "cache": {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT},
        "count": {"type": "integer", "minimum": 0, **most},
        "positive": {"type": "integer", "minimum": 1, **most},
        "number": {"type": "number", "exclusiveMinimum": 0, **most},
        "amount": {"type": "number", "minimum": 0, **most},
        "text": {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT},
        "date": {"type": "string", "pattern": "^[12][0-9]{3}(-[0-9]{2}(-[0-9]{2})?)?$"},
        "words": {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT},
        "names": {"type": "string", "minLength": 1, "maxLength": LONGEST_NAMES},
        "choices": {"type": "string", "minLength": 1},
        "keys": {"type": "string", "minLength": 1},
    }
    return kinds[param.kind]


def example(param: Param) -> object:
    """A value that the table allows."""
    if param.example is not None:
        return param.example
    kinds: Json = {"bool": True, "date": "2025-06"}
    return param.choices[0] if param.choices else kinds.get(param.kind, 16)


def structs(*types: type) -> list[type[msgspec.Struct]]:
    """These structs and all that they hold."""
    found: list[type[msgspec.Struct]] = []

    def visit(info: Any) -> None:
        if isinstance(info, msgspec.inspect.StructType) and info.cls not in found:
            found.append(info.cls)
            for field in info.fields:
                visit(field.type)
        for inner in (*getattr(info, "types", ()), *getattr(info, "item_types", ()), getattr(info, "item_type", None)):
            if inner is not None:
                visit(inner)

    for each in types:
        visit(msgspec.inspect.type_info(each))
    return found


def first_line(struct: type) -> str:
    return (struct.__doc__ or "").strip().partition("\n")[0]


def described(found: Json, struct: type[msgspec.Struct]) -> None:
    """Put what a struct's docstring says of its fields, one `name: text` a line, where a reader of the schema looks."""
    found["description"] = first_line(struct)
    texts = texts_of(struct)
    for name, shape in found.get("properties", {}).items():
        if name in texts:
            shape["description"] = texts[name]


def texts_of(struct: type) -> dict[str, str]:
    """What the docstrings of a struct and of those that it extends say of their fields."""
    found: dict[str, str] = {}
    for base in reversed(struct.__mro__):
        text = re.sub(r"\n {8,}", " ", base.__dict__.get("__doc__") or "")
        found |= dict(re.findall(r"^ {4}(\w+): (.+)$", text, re.MULTILINE))
    return found
