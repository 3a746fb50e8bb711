"""Whether a packed catalog is whole: sizes, indices and figures that the kernel then uses unchecked.

A catalog may come from anywhere; nothing in one may make the kernel read beside its arrays, loop without end or write
a figure that no row has room for.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from llmfit import codes
from llmfit.catalog.pack import FORMAT_VERSION, LAYOUT_FLAGS, SHAPE_COLUMNS, Packed
from llmfit.catalog.pack_rows import ROW_COLUMNS
from llmfit.errors import CatalogError

if TYPE_CHECKING:
    import mmap

Limits = Mapping[str, tuple[float, float]]

LEAST, MOST = 5e-324, 1e14  # of parameters, bytes and the like
WHOLE = (0, 1 << 25)  # a fact of a shape, where nothing else is said
RANKS = 1 << 20  # what a tie break has room for (ranking/order.pxd)


class Stamp(msgspec.Struct):
    """What a packed catalog of any format holds."""

    format_version: int


def check_format(packed: mmap.mmap) -> None:
    """CatalogError where another version of llmfit packed it; what it holds besides is not looked at."""
    version = msgspec.msgpack.decode(packed, type=Stamp).format_version
    if version != FORMAT_VERSION:
        raise CatalogError(f"the catalog is of format {version}, this llmfit reads {FORMAT_VERSION}")


def check(packed: Packed) -> None:
    """ValueError with the first thing that cannot be."""
    check_sizes(packed)
    check_quants(packed)
    check_blocks(packed)
    check_cells("shapes", packed.shapes, SHAPE_COLUMNS, shape_limits(packed))
    check_cells("rows", packed.rows, ROW_COLUMNS, row_limits(packed))


def check_sizes(packed: Packed) -> None:
    """A matrix has as many cells as rows and columns say; a table that is read by place has every place."""
    for name, matrix, n, columns in (
        ("shapes", packed.shapes, packed.n_shapes, SHAPE_COLUMNS),
        ("rows", packed.rows, packed.n_rows, ROW_COLUMNS),
    ):
        if n < 0 or matrix.nbytes != 8 * n * len(columns):
            raise ValueError(f"{n} {name} of {len(columns)} columns in {matrix.nbytes} bytes")
    for name, table, wanted in (
        ("use cases", packed.use_cases, codes.USE_CASES),
        ("coefficients of quality", packed.quality, codes.USE_CASES),
        ("ladders", packed.ladders, codes.RUNTIMES),
    ):
        if len(table) != len(wanted):
            raise ValueError(f"{len(table)} {name} instead of {len(wanted)}")
    for name, value in packed.policy.items():
        most = 50 if "logit" in name or "exponent" in name else 1e14
        if not abs(value) <= most or (name == "roofline_cap" and value < 1e-3):
            raise ValueError(f"the policy's {name} cannot be {value:g}")


def check_quants(packed: Packed) -> None:
    """Indices of quantizations, and names that stand in a row as they are."""
    n = len(packed.quants)
    if not all(0 <= place < n for place in (packed.mxfp4, *(place for ladder in packed.ladders for place in ladder))):
        raise ValueError("a ladder names a quantization that is not there")
    for quant in packed.quants:
        if not -1 <= quant.runtime < len(codes.RUNTIMES) or not 0 <= quant.speed < len(codes.SPEED_CLASSES):
            raise ValueError(f"the quantization {quant.name!r} is of no known runtime or speed")


def check_blocks(packed: Packed) -> None:
    """Every type that is named is there, and falling back comes to an end."""
    types = {one.type: one.fallback for one in packed.types}
    labels = {rule.label for rule in packed.mixes}
    named = {rule.type for rule in packed.mixes} | {name for name in types.values() if name} | {"MXFP4"}
    if len(types) != len(packed.types):
        raise ValueError("a GGUF type is there twice")
    unknown = sorted(named - set(types)) + sorted({quant.mix for quant in packed.quants if quant.mix} - labels)
    if unknown:
        raise ValueError(f"no blocks are known of {unknown[0]!r}")
    for name in types:
        for _ in types:
            name = types.get(name, "")
        if name:
            raise ValueError(f"the type {name!r} falls back on itself")


def check_cells(name: str, matrix: memoryview, columns: Sequence[str], limits: Limits) -> None:
    """Every cell of a column lies within its limits; NaN lies nowhere."""
    from llmfit._catalog import first_outside  # not before catalog.py has said what is wrong where it is missing

    both = [limits.get(column, WHOLE) for column in columns]
    lows, highs = (array("d", side) for side in zip(*both, strict=True))
    wrong = first_outside(matrix.cast("d"), lows, highs)
    if wrong >= 0:
        low, high = both[wrong]
        raise ValueError(f"a cell of {columns[wrong]} among the {name} is not from {low:g} to {high:g}")


def shape_limits(packed: Packed) -> Limits:
    """By column of SHAPE_COLUMNS; sums and products of these stay within the kernel's integers."""
    layers = (0, 1 << 14)
    return {
        **dict.fromkeys(("params", "active"), (LEAST, MOST)),
        **dict.fromkeys(("file_bytes", "disk_bytes"), (0, 1e15)),
        **dict.fromkeys(("n_layers", "n_full", "n_window", "n_linear", "attention_layers", "window_layers"), layers),
        **dict.fromkeys(("indexer_layers", "csa_layers", "hca_layers"), layers),
        **dict.fromkeys(("n_heads", "n_kv_heads", "full_kv_heads", "n_dense_layers"), layers),
        **dict.fromkeys(("window", "context"), (0, 1 << 30)),
        **dict.fromkeys(("tied", "is_moe", "gemma"), (0, 1)), "kv_unknown": (0, 2),
        "n_experts": (0, 1 << 15), "n_experts_active": (0, 1 << 15),
        "linear_kind": (0, len(codes.LINEAR_KINDS) - 1), "attention": (0, len(codes.ATTENTIONS) - 1),
        "format": (0, len(codes.FORMATS) - 1), "own_quant": (-1, len(packed.quants) - 1), "gguf": (0, 2),
        "mlx": (0, (1 << 16) - 1), "layout": (0, (1 << len(LAYOUT_FLAGS)) - 1), "tp_sizes": (0, 1 << 62),
    }  # fmt: skip


def row_limits(packed: Packed) -> Limits:
    """By column of ROW_COLUMNS."""
    parts = [column for column in ROW_COLUMNS if column.startswith(("effect_", "own_"))]
    weights = [column for column in ROW_COLUMNS if column.startswith("weight_")]
    return {
        **dict.fromkeys(parts, (-1e6, 1e6)),
        **dict.fromkeys(weights, (0, 1e6)),
        **dict.fromkeys(("older", "newer"), (-1, packed.n_rows - 1)),
        **dict.fromkeys(("thinks", "coder", "vision", "distill", "finetune", "special", "gguf"), (0, 1)),
        "shape": (0, packed.n_shapes - 1), "use_case": (0, len(codes.USE_CASES) - 1),
        "serves": (0, (1 << len(codes.USE_CASES)) - 1), "origin": (0, len(codes.ORIGINS) - 1),
        "role": (0, len(codes.ROLES) - 1), "tuning": (0, len(codes.TUNINGS) - 1), "params_total": (LEAST, MOST),
        "date": (0, 99991231), "quality_date": (0, 1e4), "sparsity": (LEAST, MOST),
        "provider": (0, len(packed.providers) - 1), "license": (-1, len(packed.licenses) - 1),
        "group": (0, packed.n_rows - 1), "name_rank": (0, RANKS - 1), "context_length": (0, 1 << 30),
        "proof": (0, 1), "capabilities": (0, (1 << len(codes.CAPABILITIES)) - 1),
    }  # fmt: skip
