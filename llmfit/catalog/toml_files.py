"""TOML files of the user's own: bounded before they are parsed, one line for what is wrong.

A parser may keep every beginning of a dotted key, whose parts add up to their number squared. So what a file may hold
is counted in its text first: how deep it is, how many keys and lists there are, how long a number.
"""

from __future__ import annotations

import re
from typing import Any

from llmfit.catalog.file_errors import broken_toml
from llmfit.errors import LlmfitError

MOST_DEPTH = 8  # parts of a key or a table's name, and brackets within brackets
MOST_KEYS = 4096
MOST_DIGITS = 64  # and letters of a bare word: a number, a date, a key
# One pass: what is quoted (with what an unclosed quotation would swallow) and comments, then what is counted.
TOKEN = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*(?:"""|\\?\Z)|' r"'''(?:[^']|'(?!''))*(?:'''|\Z)|"
    r'"(?:[^"\\\n]|\\[^\n])*+"?|' r"'[^'\n]*+'?|#[^\n]*+|[A-Za-z0-9_+:-]++|[.=\[\]{},\n]",
    re.DOTALL,
)


def parsed(data: bytes, path: str) -> dict[str, Any]:
    """The table of a file's text; LlmfitError ``path:line: what is wrong``."""
    import tomllib

    try:
        text = data.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise LlmfitError(f"{path}:{data.count(10, 0, error.start) + 1}: this is not UTF-8") from None
    wrong = beyond(text)
    if wrong:
        raise LlmfitError(f"{path}:{wrong[0]}: {wrong[1]}")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, what = broken_toml(error, data)
        raise LlmfitError(f"{path}:{line}: {what}") from None
    except Exception as error:  # whatever a parser does with a text: it is the file's fault
        what = "it is nested too deeply" if isinstance(error, RecursionError) else f"{type(error).__name__}: {error}"
        raise LlmfitError(f"{path}:1: this is not TOML: {' '.join(what.split())[:100]}") from None


def beyond(text: str) -> tuple[int, str] | None:
    """(line, what is allowed) of the first thing of which a file may not hold so much."""
    line, depth, parts, keys = 1, 0, 0, 0
    for found in TOKEN.finditer(text):
        token = found[0]
        first = token[0]
        if first in "\"'":
            line += token.count("\n")
        elif first == "\n":
            line, parts = line + 1, 0
        elif first == ".":
            parts += 1
            if parts >= MOST_DEPTH:
                return line, f"a key of too many parts: use at most {MOST_DEPTH}"
        elif first in "[{":
            depth, parts = depth + 1, 0
            keys += first == "["
            if depth > MOST_DEPTH:
                return line, f"it is nested too deeply: use at most {MOST_DEPTH} brackets within another"
        elif first in "]}":
            depth, parts = max(depth - 1, 0), 0
        elif first in "=,":
            parts = 0
            keys += first == "="
        elif first != "#" and len(token) > MOST_DIGITS:
            return line, f"a number or a bare word is too long: use at most {MOST_DIGITS} characters, or quotes"
        if keys > MOST_KEYS:
            return line, f"too many keys and lists: use at most {MOST_KEYS}"
    return None
