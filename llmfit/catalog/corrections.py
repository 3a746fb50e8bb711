"""The catalog's lines with their corrections: one line of ``src/data/corrections.csv`` puts one fact right.

``id`` is a repository or a pattern of them (``*``, ``?``, ``[...]``); ``where`` (``column=value``) narrows a pattern;
``value`` replaces the cell of ``column``, ``+word`` adds a word to a list and ``-word`` takes it off, and the column
``line`` with the value ``remove`` leaves the line out. ``why`` is for whoever reads it next.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from fnmatch import translate
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from llmfit.catalog import records
from llmfit.catalog.tables import read_csv_lines
from llmfit.errors import CatalogError

Change = tuple[int, records.Correction]
Corrected = TypeVar("Corrected", bound=records.Model)


def read_models(source: Path) -> list[records.Model]:
    """models.csv as corrected; CatalogError for a correction that makes a bad line."""
    lines = read_csv_lines(source / "models.csv", records.Model, unique=True)
    put_right = Corrections(read_csv_lines(source / "corrections.csv", records.Correction))
    return with_gguf([corrected for model in lines if (corrected := put_right(model)) is not None])


def is_pattern(change: records.Correction) -> bool:
    """Whether it holds for more than one id."""
    return bool(re.search(r"[*?\[]", change.id))


class Corrections:
    """Puts models right, by the lines of corrections.csv in their order."""

    def __init__(self, changes: Iterable[records.Correction]) -> None:
        self.exact: dict[str, list[Change]] = defaultdict(list)
        self.patterns: list[tuple[Callable[[str], Any], Change]] = []
        for number, change in enumerate(changes, start=2):
            if is_pattern(change):
                self.patterns.append((re.compile(translate(change.id)).match, (number, change)))
            else:
                self.exact[change.id].append((number, change))

    def __call__(self, model: Corrected) -> Corrected | None:
        """The model as corrected, None where a line takes it out; CatalogError for one that makes a bad line."""
        changes = [change for matches, change in self.patterns if matches(model.id)] + self.exact.get(model.id, [])
        return apply(model, changes)


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


def apply(model: Corrected, changes: list[Change]) -> Corrected | None:
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
            model = msgspec.convert({k: v for k, v in cells.items() if v is not None}, type(model), strict=False)
        except msgspec.ValidationError as error:
            raise CatalogError(f"corrections.csv:{number}: {model.id}: {error}") from None
    return model
