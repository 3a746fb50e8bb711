"""Is a file's model one of the catalog's? By what it is called, if the shapes agree; else by a shape of its own."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from llmfit import codes
from llmfit.catalog import records
from llmfit.catalog.pack import SHAPE_COLUMNS, ids_of
from llmfit.catalog.pack_rows import ROW_COLUMNS

if TYPE_CHECKING:
    from llmfit.catalog.catalog import Catalog

CLOSE = 0.03  # parameters may differ by so much: a head more or less, an embedding that is padded
# What a file's name carries behind the model's: quantization, part, format.
SUFFIX = re.compile(
    r"(?i)([-_.](gguf|safetensors|(ud[-_])?(i?q\d\w*|tq\d_\d|mxfp4\w*|bf16|f16|f32|fp16|fp8|nvfp4|awq|gptq|int\d|\d+of\d+|\d+bit)|"
    r"imat|imatrix|\d{5}-of-\d{5}))+$"
)


class Recognised(NamedTuple):
    """The catalog's row, how it was recognised, whether the file is that model or one made from it."""

    row: int
    how: str
    same: bool


def plain(name: str) -> str:
    """A name without owner, quantization and punctuation: `qwen38b` of `Qwen/Qwen3-8B-Q4_K_M.gguf`."""
    return re.sub(r"[^a-z0-9.]", "", SUFFIX.sub("", name.rsplit("/", 1)[-1]).lower())


class CatalogIndex:
    """The matrices of a catalog, by column."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        packed = catalog.packed
        self.rows, self.shapes = packed.rows.cast("d"), packed.shapes.cast("d")
        self.n_rows, self.n_shapes = packed.n_rows, packed.n_shapes

    def row(self, at: int) -> dict[str, float]:
        return {name: self.rows[place * self.n_rows + at] for place, name in enumerate(ROW_COLUMNS)}

    def shape(self, at: int) -> dict[str, float]:
        """The shape of a row."""
        shape = int(self.rows[at])
        return {name: self.shapes[place * self.n_shapes + shape] for place, name in enumerate(SHAPE_COLUMNS)}

    def column(self, name: str) -> Any:
        place = ROW_COLUMNS.index(name)
        return self.rows[place * self.n_rows : (place + 1) * self.n_rows]

    @cached_property
    def ids(self) -> list[str]:
        return ids_of(self.catalog.packed)


def alike(shape: dict[str, float], model: records.Model) -> bool:
    """Whether the shape of a catalog row can be the file's."""
    for name, value in (("n_layers", model.n_layers), ("hidden", model.hidden_size)):
        if shape[name] and value and shape[name] != value:
            return False
    return not shape["params"] or abs(model.params_text / shape["params"] - 1) < CLOSE


def recognised(
    index: CatalogIndex, model: records.Model, called: tuple[str, ...], base: tuple[str, ...]
) -> Recognised | None:
    """The row that a file's model is: by a repository or a name that the file gives."""
    ids = index.ids
    origin, official = index.column("origin"), codes.ORIGINS.index("official")
    by_id = {id.lower(): at for at, id in enumerate(ids)}
    by_name: dict[str, list[int]] = {}
    for at, id in enumerate(ids):
        if origin[at] == official:
            by_name.setdefault(plain(id), []).append(at)

    proof = index.column("proof")

    def find(names: tuple[str, ...]) -> tuple[int, str] | None:
        """By an id; else of all originals with one of the names the best proven, which a re-upload is not."""
        for name in names:
            at = by_id.get(name.lower(), -1)
            if at >= 0 and alike(index.shape(at), model):
                return at, name
        fitting = [(at, name) for name in names if plain(name) for at in by_name.get(plain(name), ())]
        fitting = [(at, name) for at, name in fitting if alike(index.shape(at), model)]
        return max(fitting, key=lambda each: proof[each[0]], default=None)

    found = find(called)
    if found:
        return Recognised(found[0], f"by the name {found[1]}", True)
    found = find(base)
    if found:
        return Recognised(found[0], f"as made from {found[1]}, by what the file says", False)
    return None


def by_shape(index: CatalogIndex, shape: dict[str, float]) -> Recognised | None:
    """The one original with the very same layers, widths, heads and vocabulary; None where there are more."""
    same = (
        "n_layers",
        "hidden",
        "vocab",
        "n_heads",
        "n_kv_heads",
        "n_experts",
        "kv_lora_rank",
        "intermediate",
        "moe_intermediate",
    )
    columns = [index.shapes[SHAPE_COLUMNS.index(name) * index.n_shapes :][: index.n_shapes] for name in same]
    wanted = [shape[name] for name in same]
    places = {
        at
        for at in range(index.n_shapes)
        if all(column[at] == value for column, value in zip(columns, wanted, strict=True))
    }
    origin, official = index.column("origin"), codes.ORIGINS.index("official")
    rows = [at for at in range(index.n_rows) if int(index.rows[at]) in places and origin[at] == official]
    groups = index.column("group")
    return (
        Recognised(rows[0], "by its shape, which no other original has", False)
        if rows and len({groups[at] for at in rows}) == 1
        else None
    )
