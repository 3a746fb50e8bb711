"""The catalog's lines with their corrections: one line of ``src/data/corrections.csv`` puts one fact right.

``id`` is a repository or a pattern of them (``*``, ``?``, ``[...]``); ``where`` (``column=value``) narrows a pattern;
``value`` replaces the cell of ``column``, ``+word`` adds a word to a list and ``-word`` takes it off, and the column
``line`` with the value ``remove`` leaves the line out. ``why`` is for whoever reads it next.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from fnmatch import translate
from pathlib import Path
from typing import Any

import msgspec

from llmfit import records
from llmfit.errors import CatalogError
from llmfit.tables import read_csv_lines

Change = tuple[int, records.Correction]


def read_models(source: Path) -> list[records.Model]:
    """models.csv as corrected; CatalogError for a correction that makes a bad line."""
    lines = read_csv_lines(source / "models.csv", records.Model, unique=True)
    exact: dict[str, list[Change]] = defaultdict(list)
    patterns: list[tuple[Callable[[str], Any], Change]] = []
    for number, change in enumerate(read_csv_lines(source / "corrections.csv", records.Correction), start=2):
        if re.search(r"[*?\[]", change.id):
            patterns.append((re.compile(translate(change.id)).match, (number, change)))
        else:
            exact[change.id].append((number, change))
    result = []
    for model in lines:
        changes = [change for matches, change in patterns if matches(model.id)] + exact.get(model.id, [])
        corrected = apply(model, changes)
        if corrected is not None:
            result.append(corrected)
    return with_gguf(result)


def with_gguf(models: list[records.Model]) -> list[records.Model]:
    """Each original with the GGUF repositories of known packagers that are lines of their own."""
    more: dict[str, list[str]] = defaultdict(list)
    for model in models:
        if model.format == "gguf" and model.origin == "quantized" and model.base_id:
            more[model.base_id].append(model.id)
    return [
        msgspec.structs.replace(model, gguf_repos=tuple(dict.fromkeys((*model.gguf_repos, *more[model.id]))))
        if model.id in more
        else model
        for model in models
    ]


def applies(model: records.Model, change: records.Correction) -> bool:
    if not change.where:
        return True
    column, _, value = change.where.partition("=")
    return str(getattr(model, column, None)) == value


def apply(model: records.Model, changes: list[Change]) -> records.Model | None:
    """The model with its corrections, in order; None where one of them takes it out."""
    for number, change in changes:
        if not applies(model, change):
            continue
        if change.column == "line":
            return None
        held = getattr(model, change.column, None)
        value: Any = change.value or None
        if isinstance(held, tuple):
            word = change.value[1:]
            if change.value.startswith("+"):
                value = held if word in held else (*held, word)
            elif change.value.startswith("-"):
                value = tuple(item for item in held if item != word)
            else:
                value = tuple(change.value.split("|")) if change.value else ()
        try:
            cells = msgspec.structs.asdict(model) | {change.column: value}
            if change.column not in model.__struct_fields__:
                raise msgspec.ValidationError(f"no column {change.column!r}")
            model = msgspec.convert({k: v for k, v in cells.items() if v is not None}, records.Model, strict=False)
        except msgspec.ValidationError as error:
            raise CatalogError(f"corrections.csv:{number}: {model.id}: {error}") from None
    return model
