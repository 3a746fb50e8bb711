"""Rows as a sheet: RFC 4180 with a header line, one line for each row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec


def sheet(rows: Iterable[Mapping[str, Any]]) -> str:
    """The rows' columns are those of the first one; `a.b` is what `b` of an object `a` holds.

    Lists of words and numbers are joined with a space, lists of objects are JSON, null is empty.
    """
    out = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for row in rows:
        line = dict(flat(row))
        if writer is None:
            writer = csv.DictWriter(out, list(line), extrasaction="ignore")
            writer.writeheader()
        writer.writerow(line)
    return out.getvalue()


def flat(row: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    """(column, cell) of everything in an object."""
    for key, value in row.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, cell(value)


def cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        plain = not any(isinstance(part, dict | list) or " " in str(part) for part in value)
        return " ".join(map(str, value)) if plain else msgspec.json.encode(value).decode()
    return str(value)
