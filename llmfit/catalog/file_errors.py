"""What msgspec and tomllib say of a file's values, in a user's words: the key, what is allowed, the line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

import msgspec

KINDS = {"float": "a number", "int": "a whole number", "str": "a text", "bool": "true or false", "array": "a list",
         "object": "a table"}  # fmt: skip


def told(error: str, struct: type[msgspec.Struct], keys: Iterable[str], needed: str) -> tuple[str, str]:
    """(the key, or the path to a value: ``quant.name``; what is allowed there) of a ValidationError's text.

    `keys` are named where one is unknown, `needed` where one is missing.
    """
    what, _, where = error.partition(" - at `$")
    key = re.sub(r"\[\d*\.*\]", "", where.rstrip("`").lstrip("."))
    unknown = re.search(r"unknown field `(.*)`", what)
    missing = re.search(r"missing required field `(.*)`", what)
    if unknown:
        near = difflib.get_close_matches(unknown[1], list(keys), n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return joined(key, unknown[1][:40]), f"unknown key{hint}; use {'|'.join(keys)}"
    if missing:
        return joined(key, missing[1]), f"is missing; {needed}"
    kinds = {field.name: field.type for field in msgspec.structs.fields(struct)}
    choices = choices_of(kinds.get(key))
    what = re.sub(r"`(\w+)[^`]*`", lambda word: KINDS.get(word[1], word[1]), what).replace(" > 0.0", " above 0")
    return key, f"use {'|'.join(choices)}" if choices else f"{what[:1].lower()}{what[1:]}"


def joined(*parts: str) -> str:
    return ".".join(filter(None, parts))


def choices_of(kind: object) -> tuple[str, ...]:
    """The words that a Literal, or one within a union or a tuple, allows."""
    words = getattr(kind, "__args__", ())
    if words and all(isinstance(word, str) for word in words):
        return tuple(words)
    return next((found for word in words if (found := choices_of(word))), ())


def line_of(text: str, key: str) -> int:
    """The line of a TOML text where a key (``quant.name``) stands; that of its table, or 1, where it does not."""
    table, _, last = key.rpartition(".")
    inside, at = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        head = re.match(r"\s*\[\s*\"?([\w.-]+)\"?\s*\]", line)
        if head:
            inside = head[1]
            at = number if inside in (table, key) else at
        found = re.match(r"\s*[\"']?([\w-]+)[\"']?\s*[=.]", line)
        if found and (inside, found[1]) in ((table, last), ("", table or last)):
            return number
    return at


def broken_toml(error: Exception, text: bytes) -> tuple[int, str]:
    """(line, what is wrong) of a TOMLDecodeError."""
    what, _, at = str(error).partition(" (at ")
    line = re.search(r"line (\d+)", at)
    return int(line[1]) if line else len(text.rstrip().splitlines()) or 1, what
