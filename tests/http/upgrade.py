"""Whether a client written against one OpenAPI document can go on with another: what it was told still holds.

`python tests/http/upgrade.py` writes the document of this version to tests/http/released. A released one never changes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]
RELEASED = Path(__file__).with_name("released")
LOWER, UPPER = ("minimum", "exclusiveMinimum", "minItems", "minLength"), ("maximum", "maxItems", "maxLength")


class Comparison:
    """`faults`: what a client of the first document would stumble over in the second."""

    def __init__(self, before: Json, now: Json) -> None:
        self.before, self.now = before, now
        self.faults: list[str] = []
        self._seen: set[tuple[str, str, bool]] = set()
        for path, operations in before["paths"].items():
            for method, operation in operations.items():
                other = now["paths"].get(path, {}).get(method)
                where = f"{method.upper()} {path}"
                if other is None:
                    self.faults.append(f"{where} is gone")
                else:
                    self._operation(operation, other, where)

    def _operation(self, old: Json, new: Json, where: str) -> None:
        given = {(each["in"], each["name"]): each for each in new.get("parameters", ())}
        known = {(each["in"], each["name"]): each for each in old.get("parameters", ())}
        for key, each in known.items():
            if key not in given:
                self.faults.append(f"{where}: the parameter {key[1]} is gone")
            else:
                self._takes(each.get("schema", {}), given[key].get("schema", {}), f"{where}?{key[1]}")
        self.faults += [
            f"{where}: the parameter {key[1]} is now required"
            for key, each in given.items()
            if each.get("required") and not known.get(key, {}).get("required")
        ]
        for kind, content in old.get("requestBody", {}).get("content", {}).items():
            other = new.get("requestBody", {}).get("content", {}).get(kind)
            if other is None:
                self.faults.append(f"{where}: a body of {kind} is no longer taken")
            else:
                self._takes(content["schema"], other["schema"], f"{where} body")
        for status, answer in old.get("responses", {}).items():
            other = new.get("responses", {}).get(status)
            if other is None:
                self.faults.append(f"{where}: {status} is gone")
                continue
            for kind, content in answer.get("content", {}).items():
                if kind not in other.get("content", {}):
                    self.faults.append(f"{where}: {status} no longer comes as {kind}")
                elif "schema" in content:
                    self._gives(content["schema"], other["content"][kind].get("schema", {}), f"{where} {status}")

    def _gives(self, old: Json, new: Json, where: str) -> None:
        """What an answer may be now, it could be before: the same keys, there where they were, no other types."""
        if not self._first(old, new, False):
            return
        old, new = resolved(old, self.before), resolved(new, self.now)
        if kinds(old) and (more := kinds(new, everything=True) - allowed(kinds(old))):
            self.faults.append(f"{where} may now be {', '.join(sorted(more))}")
        for one, other in zip(objects(old), objects(new), strict=False):
            self._keys(one, other, where, self._gives)
            if lost := set(one.get("required", ())) - set(other.get("required", ())):
                self.faults.append(f"{where}: no longer always there: {', '.join(sorted(lost))}")
        self._items(old, new, where, self._gives)

    def _takes(self, old: Json, new: Json, where: str) -> None:
        """What a request could say before, it may say now."""
        if not self._first(old, new, True):
            return
        old, new = resolved(old, self.before), resolved(new, self.now)
        if kinds(new) and (less := kinds(old, everything=True) - allowed(kinds(new))):
            self.faults.append(f"{where} may no longer be {', '.join(sorted(less))}")
        if "enum" in new and (lost := set(map(str, old.get("enum", ()))) - set(map(str, new["enum"]))):
            self.faults.append(f"{where} may no longer be {', '.join(sorted(lost))}")
        for words, less_is_more in ((LOWER, 1), (UPPER, -1)):
            for word in words:
                if word in new and (word not in old or (new[word] - old[word]) * less_is_more > 0):
                    self.faults.append(f"{where}: {word} is now {new[word]}")
        for one, other in zip(objects(old), objects(new), strict=False):
            self._keys(one, other, where, self._takes)
            if more := set(other.get("required", ())) - set(one.get("required", ())):
                self.faults.append(f"{where}: now required: {', '.join(sorted(more))}")
        self._items(old, new, where, self._takes)

    def _keys(self, old: Json, new: Json, where: str, compare: Any) -> None:
        for name, each in old["properties"].items():
            if name in new["properties"]:
                compare(each, new["properties"][name], f"{where}.{name}")
            else:
                self.faults.append(f"{where}.{name} is gone")

    def _items(self, old: Json, new: Json, where: str, compare: Any) -> None:
        before, now = choices(old), choices(new)
        lists = [[each["items"] for each in part if isinstance(each.get("items"), dict)] for part in (before, now)]
        for one, other in zip(*lists, strict=False):
            compare(one, other, where + "[]")

    def _first(self, old: Json, new: Json, taken: bool) -> bool:
        key = (json.dumps(old, sort_keys=True), json.dumps(new, sort_keys=True), taken)
        known = key in self._seen
        self._seen.add(key)
        return not known


def resolved(schema: Json, document: Json) -> Json:
    """The schema that a reference leads to; in a choice, each of them."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    if "anyOf" in schema:
        return {**schema, "anyOf": [resolved(each, document) for each in schema["anyOf"]]}
    return schema


def choices(schema: Json) -> list[Json]:
    return schema.get("anyOf", [schema])


def kinds(schema: Json, everything: bool = False) -> set[str]:
    """The JSON types that a value may have; none where it may be anything (`everything`: all of them then)."""
    found: set[str] = set()
    for each in choices(schema):
        said = each.get("type", [])
        values = each.get("enum", [each["const"]] if "const" in each else [])
        found |= {said} if isinstance(said, str) else set(said)
        if not said:
            found |= {"null" if value is None else "string" if isinstance(value, str) else "number" for value in values}
    return found or ({"anything"} if everything else set())


def allowed(found: set[str]) -> set[str]:
    return found | ({"integer"} if "number" in found else set())


def objects(schema: Json) -> list[Json]:
    return [each for each in choices(schema) if "properties" in each]


def bare(value: Any) -> Any:
    """A document without texts for people and examples."""
    if isinstance(value, list):
        return [bare(each) for each in value]
    if not isinstance(value, dict):
        return value
    texts = {"description", "summary", "example", "title", "default", "operationId"}
    kept = {key: each for key, each in value.items() if key not in texts or not isinstance(each, str | int | float)}
    return {key: bare(each) for key, each in kept.items() if key != "example"}


def main() -> None:
    from llmfit._version import __version__
    from llmfit.openapi import document as openapi

    RELEASED.mkdir(exist_ok=True)
    text = json.dumps(bare(openapi.document()), separators=(",", ":"), sort_keys=True)
    (RELEASED / f"openapi-{__version__}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
