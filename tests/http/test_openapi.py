"""The OpenAPI document is valid, complete and true: its examples are asked, its schemas hold the answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from openapi_spec_validator import validate
from wire import Server, url

from llmfit.openapi import document as openapi
from llmfit.query import params

DOCUMENT = openapi.document()
SITE = {"/", "/static/{digest}/{name}"}
GETS = {path: verbs["get"] for path, verbs in DOCUMENT["paths"].items() if "get" in verbs}
EXAMPLES = [
    (path, each["name"], each["example"])
    for path, operation in GETS.items() for each in operation.get("parameters", ()) if each["in"] == "query"
]  # fmt: skip


def holds(document: dict[str, Any], schema: dict[str, Any], answer: Any) -> None:
    """The answer is valid against a schema of the document."""
    whole = {**schema, "components": document["components"]}
    jsonschema.Draft202012Validator(whole).validate(answer)


@pytest.fixture(scope="module")
def served(server: Server) -> dict[str, Any]:
    return server.ok("/openapi.json")


def test_it_is_valid(served: dict[str, Any]) -> None:
    validate(served)
    assert served["openapi"] == "3.1.0"


def test_the_validator_would_notice() -> None:
    with pytest.raises(Exception, match="required property"):
        validate({**DOCUMENT, "info": {}})


def test_every_parameter_is_there(served: dict[str, Any]) -> None:
    for path, (endpoint, _, _) in openapi.GETS.items():
        names = [each["name"] for each in served["paths"][path]["get"].get("parameters", ()) if each["in"] == "query"]
        assert names == ([param.name for param in params.at(endpoint)] if endpoint else [])
    body = served["paths"]["/api/v1/plan"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert list(body["properties"]) == ["model", *(param.name for param in params.at("plan")), "explain"]


def test_every_field_is_explained() -> None:
    for struct in openapi.structs(*openapi.STRUCTS):
        if not struct.__module__.startswith("llmfit.wire."):
            continue  # a machine's facts, explained in the code
        fields = {field.encode_name for field in msgspec.structs.fields(struct)}
        texts = openapi.texts_of(struct)
        assert fields <= set(texts), (struct.__name__, fields - set(texts))
        assert openapi.first_line(struct), struct.__name__


def test_every_path_of_the_server_is_there(served: dict[str, Any], server: Server) -> None:
    from llmfit.machine import Machine
    from llmfit.server.app import Settings, create_app

    machine = Machine(cpu_name="x", cpu_cores=1, cpu_arch="x86", ram_total_bytes=1 << 34, ram_available_bytes=1 << 34)
    app, _ = create_app(Settings(machine=machine))
    paths = {"/" + re.sub(r"<(\w+)[^>]*>", r"{\1}", route.path) for route in app.router.routes}
    assert paths - set(served["paths"]) == {"/openapi.json", "/docs", "/docs.css", *SITE}


@pytest.mark.parametrize(("path", "name", "example"), EXAMPLES, ids=lambda value: str(value)[:40])
def test_every_example_is_answered_as_the_schema_says(
    server: Server, served: dict[str, Any], path: str, name: str, example: object
) -> None:
    more = {"limit": 3} if name != "limit" and any(n == "limit" for p, n, _ in EXAMPLES if p == path) else {}
    more |= {"models": "Qwen/Qwen3-8B,microsoft/phi-4"} if path.endswith("compare") and name != "models" else {}
    more |= {"gpu": "RTX 4090"} if name in ("gpu_count", "gpu_bandwidth_gbps", "backend", "unified_memory") else {}
    more |= {"ram_gb": 64} if name == "unified_memory" else {}
    asked = url(path.replace("{name}", "Qwen/Qwen3-8B"), {name: example, **more, "strict": True})
    answer = server.get(asked)
    assert answer.status == 200, (asked, answer.body[:300])
    schema = served["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    holds(served, schema, answer.json())
    for row in answer.json().get("models", ()):
        holds(served, {"$ref": f"#/components/schemas/{'RowPart' if name == 'fields' else 'Row'}"}, row)


@pytest.mark.parametrize("path", [p for p in GETS if p != "/api/v1/events" and not GETS[p].get("parameters")])
def test_the_others_too(server: Server, served: dict[str, Any], path: str) -> None:
    schema = served["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    holds(served, schema, server.ok(path))


@pytest.mark.parametrize("path", ["/api/v1/plan", "/api/v1/fit"])
def test_the_example_of_a_post(server: Server, served: dict[str, Any], path: str) -> None:
    import json

    post = served["paths"][path]["post"]
    content = post["requestBody"]["content"]["application/json"]
    holds(served, content["schema"], content["example"])
    body = json.dumps(content["example"]).encode()
    answer = server.get(path, {"Content-Type": "application/json"}, "POST", body)
    assert answer.status == 200
    holds(served, post["responses"]["200"]["content"]["application/json"]["schema"], answer.json())


def test_the_example_of_a_reservation(server: Server, served: dict[str, Any]) -> None:
    import json

    path = "/api/v1/reservations"
    verbs = served["paths"][path]
    assert set(verbs) == {"get", "post"} and set(served["paths"][path + "/{id}"]) == {"delete"}
    content = verbs["post"]["requestBody"]["content"]["application/json"]
    holds(served, content["schema"], content["example"])
    answer = server.get(path, {"Content-Type": "application/json"}, "POST", json.dumps(content["example"]).encode())
    assert answer.status == 201
    holds(served, verbs["post"]["responses"]["201"]["content"]["application/json"]["schema"], answer.json())
    assert server.get(f"{path}/{answer.json()['id']}", method="DELETE").status == 200


def test_the_example_of_a_placement(server: Server, served: dict[str, Any]) -> None:
    import json

    post = served["paths"]["/api/v1/place"]["post"]
    content = post["requestBody"]["content"]["application/json"]
    holds(served, content["schema"], content["example"])
    body = json.dumps(content["example"]).encode()
    answer = server.get("/api/v1/place", {"Content-Type": "application/json"}, "POST", body)
    assert answer.status == 200
    holds(served, post["responses"]["200"]["content"]["application/json"]["schema"], answer.json())


def test_errors_are_as_the_schema_says(server: Server, served: dict[str, Any]) -> None:
    answer = server.get("/api/v1/models?sort=x")
    assert answer.status == 400
    schema = served["paths"]["/api/v1/models"]["get"]["responses"]["400"]["content"]["application/json"]["schema"]
    holds(served, schema, answer.json())
    with pytest.raises(jsonschema.ValidationError):
        holds(served, schema, {"text": "no"})


def test_refusals_are_as_the_schema_says(start_server: Callable[..., Server], served: Any, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("a-token-of-some-length")
    own = start_server("--token-file", str(tmp_path / "tokens"), "--rate-limit", "0.001:3")
    bearer = {"Authorization": "Bearer a-token-of-some-length"}
    answers = {
        "401": own.get("/api/v1/system"), "414": own.get("/api/v1/models?search=" + "x" * 9000, bearer),
        "431": own.fresh().get("/api/v1/system", {**bearer, "X-Long": "x" * 17000}),
        "429": [own.get("/api/v1/system", bearer) for _ in range(4)][-1],
    }  # fmt: skip
    for code, answer in answers.items():
        assert answer.status == int(code), (code, answer.status, answer.body)
        said = served["paths"]["/api/v1/system"]["get"]["responses"][code]
        response = served["components"]["responses"][said["$ref"].rpartition("/")[2]]
        holds(served, response["content"]["application/json"]["schema"], answer.json())
        assert {name.lower() for name in response.get("headers", {})} <= set(answer.headers), code
    scheme = served["components"]["securitySchemes"]["token"]["scheme"]
    assert scheme.capitalize() in answers["401"].headers["www-authenticate"]
    for path, verbs in served["paths"].items():
        for what in verbs.values():
            is_open = path in ("/health", "/healthz", "/readyz")
            assert ({"401", "429"} <= set(what["responses"])) is not is_open and ("security" in what) is is_open, path
            assert {"408", "414", "431", "500"} <= set(what["responses"]), path


class Links(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.to: set[str] = set()
        self.ids: set[str] = set()
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for key, value in attrs:
            if key in ("href", "src"):
                self.to.add(value or "")
            elif key == "id":
                self.ids.add(value or "")


def test_the_docs_page(server: Server, served: dict[str, Any]) -> None:
    answer = server.get("/docs")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    text = answer.body.decode()
    links = Links(text)
    assert "script" not in links.tags
    assert {link for link in links.to if not link.startswith("#")} == {"/docs.css", "/openapi.json"}
    assert {link[1:] for link in links.to if link.startswith("#")} <= links.ids
    for param in params.PARAMS:
        assert f"<code>{param.name}</code>" in text
    for name in served["components"]["schemas"]:
        assert name in links.ids
    style = server.get("/docs.css")
    assert (style.status, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    again = server.get("/docs", {"If-None-Match": answer.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert server.get("/docs", method="HEAD").headers["content-length"] == str(len(answer.body))
