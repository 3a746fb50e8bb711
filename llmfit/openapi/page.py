"""The OpenAPI document as a page for people: no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any
from urllib.parse import urlencode

import msgspec

from llmfit.openapi.document import COMMON, Json, document


def page() -> str:
    """The page at /docs, made of :func:`llmfit.openapi.document.document` alone."""
    whole = document()
    return "\n".join(parts(whole))


def parts(whole: Json) -> Iterator[str]:
    info = whole["info"]
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<title>llmfit API</title><link rel="stylesheet" href="/docs.css"></head><body><main>'
    yield f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['summary'])}</p>"
    yield '<p>As a document for programs: <a href="/openapi.json">/openapi.json</a>.</p>'
    names = [(path, verb) for path, verbs in whole["paths"].items() for verb in verbs]
    yield '<nav aria-label="Contents"><ul>'
    yield from (f'<li><a href="#{anchor(path)}"><code>{escape(path)}</code></a></li>' for path, _ in names)
    yield '<li><a href="#any-request">Any request</a></li>'
    yield from (f'<li><a href="#{name}">{name}</a></li>' for name in whole["components"]["schemas"])
    yield "</ul></nav>"
    for path, verb in names:
        yield from operation(path, verb, whole["paths"][path][verb])
    yield '<h2 id="any-request">Any request</h2>'
    found = ((code, name) for code, (name, _, _) in COMMON.items())
    answers = ((code, whole["components"]["responses"][name]) for code, name in found)
    yield from rows("Answers", ((code, reference(each), each["description"]) for code, each in answers))
    for name, schema in whole["components"]["schemas"].items():
        yield from structure(name, schema)
    yield "</main></body></html>"


def anchor(path: str) -> str:
    return escape(path.strip("/").replace("/", "-").replace("{", "").replace("}", ""))


def operation(path: str, verb: str, what: Json) -> Iterator[str]:
    yield f'<h2 id="{anchor(path)}"><span class="verb">{verb.upper()}</span> <code>{escape(path)}</code></h2>'
    yield f"<p>{escape(what['summary'])}.</p>"
    found = what.get("parameters", [])
    body = what.get("requestBody", {}).get("content", {}).get("application/json")
    yield f"<pre>{escape(curl(path, found, body))}</pre>"
    if body:
        properties = body["schema"]["properties"]
        yield from rows("In the body", ((key, kind(value), value["description"]) for key, value in properties.items()))
    if found:
        yield from rows("Parameters", ((each["name"], kind(each["schema"]), each["description"]) for each in found))
    own = ((code, each) for code, each in what["responses"].items() if "$ref" not in each)
    answers = ((code, reference(each), each["description"]) for code, each in own)
    yield from rows("Answers", answers)


def curl(path: str, parameters: list[Json], body: Json | None) -> str:
    """A command to try."""
    shown = path.replace("{name}", "Qwen/Qwen3-8B")
    if body:
        text = msgspec.json.encode(body["example"]).decode()
        return f"curl http://127.0.0.1:8787{shown} -H 'Content-Type: application/json' -d '{text}'"
    wanted = [each for each in parameters if each["required"] or each["name"] in ("limit", "use_case", "gpu")]
    pairs = [(each["name"], each["example"]) for each in wanted if each["in"] == "query"]
    return f"curl 'http://127.0.0.1:8787{shown}{'?' if pairs else ''}{urlencode(pairs, safe=',/')}'"


def structure(name: str, schema: Json) -> Iterator[str]:
    yield f'<h2 id="{name}">{name}</h2><p>{escape(schema.get("description", ""))}</p>'
    properties = schema.get("properties", {})
    yield from rows("", ((key, kind(value), value.get("description", "")) for key, value in properties.items()))


def rows(title: str, found: Any) -> Iterator[str]:
    if title:
        yield f"<h3>{title}</h3>"
    yield '<div class="scroll"><table><tbody>'
    for key, what, text in found:
        yield f"<tr><td><code>{escape(str(key))}</code></td><td>{what}</td><td>{escape(text)}</td></tr>"
    yield "</tbody></table></div>"


def reference(answer: Json) -> str:
    return kind(next(iter(answer["content"].values()))["schema"])


def kind(schema: Json) -> str:
    """The type of a value, as HTML; a structure is a link."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(kind(each) for each in schema["anyOf"])
    if "enum" in schema:
        return escape(" | ".join(map(str, schema["enum"])))
    if schema.get("type") == "array":
        items = schema.get("items") or {}
        return f"list of {kind(items)}" if items else "list"
    return escape(str(schema.get("type", "any")))
