"""Rows as a sheet: RFC 4180 with a header line, one line for each row."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from types import UnionType
from typing import Any, get_args

import msgspec

MAPS = ("run_env",)  # objects whose keys are no columns


def sheet(rows: Iterable[Mapping[str, Any]], columns: list[str] | None = None, header: bool = True) -> str:
    """The rows under these columns, else under what the first one has; `a.b` is what `b` of an object `a` holds.

    Lists of words and numbers are joined with a space, lists of objects are JSON, null is empty.
    """
    out = io.StringIO()
    if columns is None:
        rows = list(rows)
        columns = [column for row in rows[:1] for column, _ in flat(row)]
    writer = csv.writer(out)
    if header:
        writer.writerow(columns)
    for row in rows:
        cells = dict(flat(row, text=no_formula))
        writer.writerow([cells.get(column, "") for column in columns])
    return out.getvalue()


def columns_of(kind: Any, row: Mapping[str, Any] | None = None, prefix: str = "") -> list[str]:
    """The columns of a struct type: those of the keys that `row` has, or all that a struct always has.

    From the type, not from rows: an object that may be null has its columns in every sheet.
    """
    found: list[str] = []
    for field in msgspec.structs.fields(kind):
        if field.default is not msgspec.UNSET if row is None else field.name in row:
            types = get_args(field.type) if isinstance(field.type, UnionType) else (field.type,)
            inner = next((one for one in types if isinstance(one, type) and issubclass(one, msgspec.Struct)), None)
            name = prefix + field.name
            found += columns_of(inner, None, f"{name}.") if inner is not None else [name]
    return found


def no_formula(text: str) -> str:
    """A text that no spreadsheet takes for a formula: with an apostrophe where it begins like one."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def flat(row: Mapping[str, Any], prefix: str = "", text: Callable[[str], str] = str) -> Iterable[tuple[str, str]]:
    """(column, cell) of everything in an object; `text`: what becomes of a cell that is no number."""
    for key, value in row.items():
        if key in MAPS:
            yield prefix + key, msgspec.json.encode(value).decode() if value else ""
        elif isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.", text)
        else:
            words = isinstance(value, str) or (isinstance(value, list) and bool(value) and isinstance(value[0], str))
            yield prefix + key, text(cell(value)) if words else cell(value)


def cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        plain = not any(isinstance(part, dict | list) or " " in str(part) for part in value)
        return " ".join(map(str, value)) if plain else msgspec.json.encode(value).decode()
    return str(value)
