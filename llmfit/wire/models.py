"""The answer of /api/v1/models, /top and /{name}."""

from __future__ import annotations

from typing import Any

import msgspec

from llmfit.wire.common import CatalogName, Node, Struct
from llmfit.wire.rows import Row
from llmfit.wire.system import System


class Envelope(Struct, frozen=True, kw_only=True):
    """Every list answer. ``models`` comes last: its rows are already encoded and go in behind the rest.

    node: Who answers.
    system: The machine that the rows are for.
    total_models: How many rows passed the filters.
    returned_models: How many of them are here.
    filters: The effective value of every parameter.
    catalog: Which facts the answer is made from.
    generation: A hash of the machine's facts and the catalog: it changes when answers may.
    warnings: What was ignored, and why nothing passed.
    explanation: With `explain=true`: how the rows came about (wire.explanation.Explanation).
    models: The rows, in order.
    """

    node: Node
    system: System
    total_models: int
    returned_models: int
    filters: dict[str, Any]
    catalog: CatalogName
    generation: str
    warnings: tuple[str, ...]
    explanation: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    models: tuple[Row, ...] = ()
