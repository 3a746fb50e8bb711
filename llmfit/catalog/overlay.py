"""Models laid over a packed catalog: a row for each, in the place of the row with the same id or behind all others.

Everything that follows from a model's facts is made by the packer's own functions. Its quality is judged by the row
that it takes the place of, else by the row of its base, else predicted from size, date and vendor.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from llmfit import codes
from llmfit.catalog import records
from llmfit.catalog.integrity import row_limits, shape_limits
from llmfit.catalog.own_models import OwnModel
from llmfit.catalog.pack import (
    SHAPE_COLUMNS,
    FixedQuant,
    Packed,
    ids_of,
    own_form,
    preferred_gguf,
    quants_of,
    row_facts,
    search_text,
    shape_row,
)
from llmfit.catalog.pack_rows import ROW_COLUMNS, Rows
from llmfit.wire.rows import RowFacts

Where = tuple[str, OwnModel]  # the file, or whatever names the model's source
Cells = dict[str, float]
# What is known of a model besides its own facts: taken from the row that judges it.
PARTS = ("effect_", "own_", "weight_")
EVIDENCE = (*(column for column in ROW_COLUMNS if column.startswith(PARTS)), "proof", "newer")
EITHER = ("thinks", "coder", "vision", "special")


def lay_over(packed: Packed, new: Sequence[Where], own: Sequence[Where]) -> tuple[Packed, list[str]]:
    """(the catalog with these models, why some of them were left out). `new` ones count only where neither the catalog
    nor `own` has a model of that id.
    """
    layer, problems = Layer(packed, {model.id for _, model in own}), []
    chosen = {model.id.lower(): (where, model) for where, model in new if model.id.lower() not in layer.place}
    kept = []
    for where, model in (chosen | {model.id.lower(): (where, model) for where, model in own}).values():
        try:
            layer.form(model)
            kept.append(model)
        except (ValueError, KeyError, OverflowError) as error:
            problems.append(f"{where}: {error.args[0] if isinstance(error, ValueError) else 'its facts cannot be'}")
    return (layer.over(kept) if kept else packed), problems


class Layer:
    """Makes the rows; `quants` grows by the quantizations that no shipped model has."""

    def __init__(self, packed: Packed, trusted: set[str]) -> None:
        self.packed, self.trusted = packed, trusted
        self.rows, self.shapes = packed.rows.cast("d"), packed.shapes.cast("d")
        self.ids = ids_of(packed)
        self.place = {id.lower(): at for at, id in enumerate(self.ids)}
        self.quants = list(packed.quants)
        self.forms: dict[str, Cells] = {}  # by id: the line of the matrix of shapes

    def row(self, at: int) -> Cells:
        return {name: self.rows[k * self.packed.n_rows + at] for k, name in enumerate(ROW_COLUMNS)}

    def form(self, model: OwnModel) -> None:
        """Keep its line of the matrix of shapes; ValueError where that cannot be."""
        formats, form = self.packed.formats, own_form(model, self.packed.formats)
        quant = model.quant
        if form is None or model.format == "bf16":
            new = next(q for q in self.packed.quants if q.name == "BF16")
        else:
            (new,) = quants_of([], formats, [model]).values()
        index = self.index(quant or new)
        known = {form: index} if form else {}
        mlx = 1 if model.format == "bf16" else 0
        values = shape_row(model, model.architecture, known, formats, self.packed.layouts, mlx)
        shape = dict(zip(SHAPE_COLUMNS, map(float, values), strict=True))
        if quant is not None:
            shape |= {"own_quant": float(index), "gguf": 0.0}
        shape |= {"file_bytes": float(model.weight_bytes), "disk_bytes": float(model.disk_bytes)} | model.cells
        at = self.shipped(model)
        if at >= 0:
            like = int(self.rows[at])
            cells = {name: self.shapes[k * self.packed.n_shapes + like] for k, name in enumerate(SHAPE_COLUMNS)}
            if cells["format"] == shape["format"] and quant is None:
                shape |= {"mlx": cells["mlx"], "gguf": max(shape["gguf"], cells["gguf"])}
        hold(shape, shape_limits(replace(self.packed, quants=self.quants)))
        self.forms[model.id] = shape

    def piece(self, name: str, model: OwnModel) -> bytes:
        """What the shipped row of the same id says of a text, nothing where there is none."""
        at = self.shipped(model)
        if at < 0:
            return b""
        ends = getattr(self.packed, f"{name}_ends").cast("I")
        return bytes(getattr(self.packed, name)[ends[at - 1] if at else 0 : ends[at]])

    def gguf(self, model: OwnModel) -> bytes:
        """Where its GGUF files are: a file of the user's own (``./NAME``), else a repository."""
        if model.file:
            return b"./" + msgspec.json.encode(model.file)[1:-1]
        return preferred_gguf(model).encode() or self.piece("gguf", model)

    def shipped(self, model: OwnModel) -> int:
        at = self.place.get(model.id.lower(), -1)
        return at if at < self.packed.n_rows else -1

    def facts(self, model: OwnModel) -> bytes:
        """The constant part of its row; of a shipped one it keeps where copies and GGUF files are."""
        own = row_facts(model, ())
        if self.shipped(model) >= 0:
            like = msgspec.json.decode(self.piece("row_json", model) + b"}", type=RowFacts)
            own = replace(own, copies=like.copies, gguf_sources=own.gguf_sources or like.gguf_sources)
        return msgspec.json.encode(own)[:-1]

    def index(self, quant: FixedQuant) -> int:
        """Where a quantization stands; a new one is put behind the others. ValueError where it cannot be."""
        if not -1 <= quant.runtime < len(codes.RUNTIMES) or not 0 <= quant.speed < len(codes.SPEED_CLASSES):
            raise ValueError(f"quant: {quant.name} is of no known runtime or speed")
        if quant.mix and quant.mix not in {rule.label for rule in self.packed.mixes}:
            raise ValueError(f"quant.mix: no label {quant.mix[:40]!r} is known")
        if quant not in self.quants:
            self.quants.append(quant)
        return self.quants.index(quant)

    def over(self, models: list[OwnModel]) -> Packed:
        """The catalog with all of them."""
        packed, old = self.packed, self.packed.n_rows
        at: dict[str, int] = {}
        for model in models:
            at[model.id] = self.place.setdefault(model.id.lower(), len(self.place))
        n_rows, n_shapes = len(self.place), packed.n_shapes + len(models)
        every = [*self.ids, *[""] * (n_rows - old)]
        for id, place in at.items():
            every[place] = id
        shown = Numbered(packed.providers), Numbered(packed.licenses)
        vendors = {model.id.split("/")[0].lower() for model in models if model.origin == "official"}
        mine = {place for place in at.values() if place < old}
        like = [k for k, id in enumerate(self.ids) if id.split("/")[0].lower() in vendors and k not in mine]
        stands = [*like, *at.values()]  # the place of each that may be another's older generation
        effects = msgspec.msgpack.decode(packed.effects, type=list[records.LineEffect])
        made = Rows([*map(self.stand_in, like), *models], [], effects, packed.policy["undated_year"])
        rows: dict[int, Cells] = {}
        groups = int(max(self.rows[ROW_COLUMNS.index("group") * old :][:old], default=-1.0)) + 1
        for k, model in enumerate(models):
            place = at[model.id]
            row = dict(zip(ROW_COLUMNS, map(float, made.of(model, packed.n_shapes + k)), strict=True))
            for name in ("older", "newer"):
                row[name] = float(stands[int(row[name])]) if row[name] >= 0 else -1.0
            row |= {"provider": shown[0].of(model.provider), "license": shown[1].of(model.license), "group": -1.0}
            rows[place] = row
            judge = place if place < old else self.place.get((model.base_id or "").lower(), old)
            if judge < old:
                self.judged(row, model, self.row(judge), judge == place)
        for model in models:  # a base of the user's own has its group by now
            row, base = rows[at[model.id]], self.place.get((model.base_id or "").lower(), -1)
            if base >= 0:
                row["group"] = rows[base]["group"] if base in rows else self.row(base)["group"]
            if row["group"] < 0:
                row["group"], groups = float(groups), groups + 1
        for k, name in enumerate(made.by_id):  # shipped generations that one of these follows
            newer = made.known.newer.get(name, -1)
            if k < len(like) and newer >= len(like):
                rows[like[k]] = self.row(like[k]) | {"newer": float(stands[newer])}
        order = {place: rank for rank, place in enumerate(sorted(range(n_rows), key=every.__getitem__))}
        texts = {
            "row_json": [self.facts(model) for model in models],
            "search": [search_text(model).encode() for model in models],
            "ids": [model.id.encode() for model in models],
            "gguf": [self.gguf(model) for model in models],
            "mlx": [self.piece("mlx", model) for model in models],
            "notes": [msgspec.json.encode(model.note) if model.note else b"" for model in models],
        }  # fmt: skip
        ends = {"ids": "id_ends", "notes": "note_ends"}
        changed: dict[str, memoryview] = {}
        for name, pieces in texts.items():
            of_ends = ends.get(name, f"{name}_ends")
            new = dict(zip(at.values(), pieces, strict=True))
            changed[name], changed[of_ends] = spliced(getattr(packed, name), getattr(packed, of_ends), new)
        ranks = {"name_rank": [float(order[place]) for place in range(n_rows)]}
        shapes = {packed.n_shapes + k: self.forms[model.id] for k, model in enumerate(models)}
        told = (packed.digest, models)
        result = replace(
            packed, n_rows=n_rows, n_shapes=n_shapes, quants=self.quants, providers=shown[0].words,
            licenses=shown[1].words, digest=hashlib.sha256(msgspec.msgpack.encode(told)).hexdigest()[:16],
            shapes=widened(packed.shapes, packed.n_shapes, SHAPE_COLUMNS, shapes, {}),
            rows=widened(packed.rows, old, ROW_COLUMNS, rows, ranks), **changed,
        )  # fmt: skip
        limits = row_limits(result)
        for row in rows.values():
            hold(row, limits)
        return result

    def stand_in(self, at: int) -> records.Model:
        """A shipped row as far as generations are told apart by it."""
        row = self.row(at)
        total, n = row["params_total"], self.packed.n_shapes
        return records.Model(
            id=self.ids[at], provider="", kind="original",
            origin="official" if row["origin"] == codes.ORIGINS.index("official") else "quantized",
            params_total=total, params_active=total / row["sparsity"], params_text=total, use_case="general",
            role="generator", tuning="unknown",
            format=codes.FORMATS[int(self.shapes[SHAPE_COLUMNS.index("format") * n + int(row["shape"])])],
        )  # fmt: skip

    def judged(self, row: Cells, model: OwnModel, judge: Cells, same: bool) -> None:
        """Put what is known of the row that judges it into its own."""
        row |= {name: judge[name] for name in EVIDENCE}
        row |= {name: max(row[name], judge[name]) for name in EITHER}
        if same:
            row |= {"older": judge["older"], "group": judge["group"]}
            row["quality_date"] = row["quality_date"] if model.release_date else judge["quality_date"]
        else:
            row |= {name: judge[name] for name in ("quality_date", "sparsity", "older")}
        if model.origin == "community":
            row |= {"proof": 0.0, "older": -1.0}
        elif model.origin == "quantized" and not same:  # see evidence.Reader.trust
            row["proof"] *= 1.0 if model.id in self.trusted else 0.6  # of a packager of whom nothing is known


class Numbered:
    """Words by number, new ones behind the others."""

    def __init__(self, words: list[str]) -> None:
        self.words = list(words)
        self.at = {word: index for index, word in enumerate(words)}

    def of(self, word: str | None) -> float:
        if word is None:
            return -1.0
        index = self.at.setdefault(word, len(self.words))
        if index == len(self.words):
            self.words.append(word)
        return float(index)


def hold(cells: Cells, limits: Mapping[str, tuple[float, float]]) -> None:
    """ValueError for the first cell outside its limits."""
    for name, value in cells.items():
        low, high = limits.get(name, (0, 1 << 25))
        if not low <= value <= high:
            raise ValueError(f"{name}: {value:g} is not from {low:g} to {high:g}")


def widened(
    matrix: memoryview, n: int, columns: Sequence[str], rows: Mapping[int, Cells], whole: Mapping[str, Sequence[float]]
) -> memoryview:
    """A matrix with some rows replaced, those from `n` on appended, and some columns given whole."""
    more = max((at for at in rows if at >= n), default=n - 1) + 1 - n
    flat, out = matrix.cast("B"), array("d")
    for k, name in enumerate(columns):
        if name in whole:
            out.extend(whole[name])
            continue
        column = array("d")
        column.frombytes(flat[8 * k * n : 8 * (k + 1) * n])
        column.extend([0.0] * more)
        for at, row in rows.items():
            column[at] = row[name]
        out.extend(column)
    return memoryview(out.tobytes())


def spliced(text: memoryview, ends: memoryview, new: Mapping[int, bytes]) -> tuple[memoryview, memoryview]:
    """(text, ends) of a run of pieces with some replaced and some appended."""
    old: list[Any] = ends.cast("I").tolist()
    pieces: list[Any] = []
    begun, moved = 0, 0  # in the old text; how much longer the new one is
    found = array("I")
    done = 0
    for at in sorted(new):
        if at < len(old):
            pieces += [text[begun : old[at - 1] if at else 0], new[at]]
            found.extend(end + moved for end in old[done:at])
            moved += len(new[at]) - (old[at] - (old[at - 1] if at else 0))
            found.append(old[at] + moved)
            begun, done = old[at], at + 1
    pieces.append(text[begun:])
    found.extend(end + moved for end in old[done:])
    for at in sorted(new):
        if at >= len(old):
            pieces.append(new[at])
            found.append((found[-1] if found else 0) + len(new[at]))
    return memoryview(b"".join(pieces)), memoryview(found.tobytes())
