"""A profile in a file of the user's: TOML, checked, with one line for what is wrong."""

from __future__ import annotations

import difflib
import os
import re

import msgspec

from llmfit.errors import BadParam, LlmfitError
from llmfit.hardware.whatif import profile_machine
from llmfit.tables import Profile, Tables

MOST_BYTES = 1 << 16
KEYS = tuple(field.name for field in msgspec.structs.fields(Profile) if field.name != "name")

# msgspec's words for what was expected and found, in a user's.
PLAIN = {"float": "a number", "int": "a whole number", "str": "a text", "bool": "true or false", "array": "a list",
         "object": "a table"}  # fmt: skip


def is_path(text: str) -> bool:
    """Whether it names a file, not a shipped profile."""
    return text.endswith(".toml") or "/" in text or os.sep in text


def load_profile(path: str, tables: Tables) -> Profile:
    """The profile in a file, named by its path. LlmfitError ``file: key: what is allowed`` where it describes no
    machine.
    """
    profile = read_profile(path)
    try:
        profile_machine(profile, tables)
    except BadParam as error:
        text = str(error).removeprefix("invalid ").replace(" value: ", ": ", 1)
        raise LlmfitError(f"{path}: {text}") from None
    return profile


def read_profile(path: str) -> Profile:
    """What stands in the file; LlmfitError where that is no profile."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise LlmfitError(f"{path}: cannot be read: not a file")
        with open(path, "rb") as file:
            text = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file name"
        raise LlmfitError(f"{path}: cannot be read: {reason}") from None
    if len(text) > MOST_BYTES:
        raise LlmfitError(f"{path}: too large: a profile has at most {MOST_BYTES >> 10} KiB")
    try:
        found = msgspec.toml.decode(text, type=Profile)
    except msgspec.ValidationError as error:
        raise LlmfitError(f"{path}: {_told(str(error))}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LlmfitError(f"{path}: this is not TOML: {str(error).splitlines()[0]}") from None
    return msgspec.structs.replace(found, name=path)


def _told(text: str) -> str:
    """What msgspec says of a value, as ``key: what is allowed``."""
    what, _, where = text.partition(" - at `$.")
    key = where.rstrip("`")
    unknown = re.search(r"unknown field `(.*)`", what)
    missing = re.search(r"missing required field `(.*)`", what)
    if unknown:
        near = difflib.get_close_matches(unknown[1], KEYS, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"{unknown[1][:40]}: unknown key{hint}; use {'|'.join(KEYS)}"
    if missing:
        return f"{missing[1]}: is missing; cpu and ram_gb are needed"
    kinds = {field.name: field.type for field in msgspec.structs.fields(Profile)}
    choices = _choices(kinds.get(key))
    what = re.sub(r"`(\w+)[^`]*`", lambda word: PLAIN.get(word[1], word[1]), what).replace(" > 0.0", " above 0")
    allowed = f"use {'|'.join(choices)}" if choices else f"{what[:1].lower()}{what[1:]}"
    return f"{key}: {allowed}" if key else allowed


def _choices(kind: object) -> tuple[str, ...]:
    """The words that a Literal, or one of a union, allows."""
    words = getattr(kind, "__args__", ())
    if words and all(isinstance(word, str) for word in words):
        return tuple(words)
    return next((found for word in words if (found := _choices(word))), ())
