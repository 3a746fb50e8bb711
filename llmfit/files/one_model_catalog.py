"""A catalog of one model: that of a file. The ordinary engine ranks it by the shipped rules and numbers.

What the catalog knows of the model (who made it, its licence, how good it is) goes with it where it is recognised, and
a note says so; where not, quality is the prediction from size and kind.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from llmfit import codes
from llmfit.catalog import records
from llmfit.catalog.catalog import Catalog
from llmfit.catalog.pack import SHAPE_COLUMNS, FixedQuant, blob, column_major, own_form, quants_of, row_facts, shape_row
from llmfit.catalog.pack_rows import ROW_COLUMNS, Rows
from llmfit.files.model import FileModel, Stored, as_records, speed_class
from llmfit.files.recognise import CatalogIndex, Recognised, by_shape, recognised
from llmfit.query.estimator import Estimator
from llmfit.wire.rows import RowFacts

RUN_BY_VLLM = ("Quark", "TorchAO", "FP-Quant")  # of what is known by its bytes alone
EXPERTS = range(codes.TENSORS.index("experts_gate"), len(codes.TENSORS))


def with_params(found: FileModel, catalog: Catalog) -> FileModel:
    """With the parameters that its shape counts, where the file does not say how many. ValueError without a shape."""
    facts = dict(found.facts)
    counted = not facts.get("params_text")
    if counted:
        if not facts.get("vocab_size"):
            raise ValueError("it does not say how large its vocabulary is, so its parameters cannot be counted")
        facts |= {"params_text": 1.0, "params_total": 1.0}
    if found.counts is not None:
        text, active = found.counts.text, found.counts.active
        if counted:
            facts |= {"params_text": float(text), "params_total": float(text)}
        if not facts.get("params_active") and facts.get("n_experts") and active < text:
            facts["params_active"] = active * facts["params_text"] / text
        return replace(found, facts=facts)
    share = facts.get("n_experts_active", 0) / facts["n_experts"] if facts.get("n_experts") else 1.0
    if counted or (share < 1 and not facts.get("params_active")):
        shape = _Shape(catalog, *as_records(replace(found, facts=facts)))
        if counted:
            facts |= {"params_text": shape.params, "params_total": shape.params}
        active = facts["params_text"] - shape.routed * (1 - share)
        if share < 1 and active > 0:
            facts["params_active"] = active
    return replace(found, facts=facts)


class _Shape:
    """Parameters that a shape explains, and those of its routed experts among them."""

    def __init__(self, catalog: Catalog, model: records.Model, architecture: records.Architecture) -> None:
        from llmfit._estimator import Shape

        facts = Estimator(catalog).facts_row(replace(model, params_text=1.0, params_active=None), architecture)
        shape = Shape(catalog.core, facts)
        explained = 1.0 - shape.unexplained  # of one parameter given; the rule has scaled its tensors down to that
        self.params = float(round(explained))
        experts = (layers * each for slot, layers, _, each in shape.tensor_list if slot in EXPERTS)
        self.routed = sum(experts) * max(explained, 1.0)


class Identified(NamedTuple):
    """What is made of a file before it becomes a row: records, its line of the matrix of shapes, whose model it is."""

    found: FileModel
    model: records.Model
    shape: dict[str, float]
    quants: list[FixedQuant]  # that the catalog lacks
    known: Recognised | None
    catalog_index: CatalogIndex


def identified(shipped: Catalog, found: FileModel) -> Identified:
    """ValueError where its facts cannot be."""
    counted = not found.facts.get("params_text")
    found = with_params(found, shipped)
    catalog_index = CatalogIndex(shipped)
    packed = shipped.packed
    model, architecture = as_records(found)
    known = recognised(catalog_index, model, (*found.called, found.name), found.base)
    if counted:
        found = counted_by(found, catalog_index, known)
        model, architecture = as_records(found)
    own, quants = own_quant(found, model, shipped)
    index = len(packed.quants) if own else next(i for i, quant in enumerate(packed.quants) if quant.name == "BF16")
    shape = shape_of(found, model, architecture, shipped, index)
    known = known or by_shape(catalog_index, shape)
    if known:
        like = catalog_index.shape(known.row)
        shape["layout"] = like["layout"]
        if known.same and like["is_moe"] and abs(shape["active"] / like["active"] - 1) < 0.25:
            shape["active"] = like["active"]  # as published
        if known.same and like["format"] == shape["format"] and not found.quant:
            shape["gguf"], shape["mlx"] = like["gguf"], like["mlx"]
    return Identified(found, model, shape, quants, known, catalog_index)


def catalog_of(shipped: Catalog, found: FileModel) -> Catalog:
    """The catalog of the file's model alone. ValueError where its facts cannot be."""
    found, model, shape, quants, known, catalog_index = identified(shipped, found)
    packed = shipped.packed
    facts, about = facts_of(found, model, shipped, known)
    rows, ids = rows_of(catalog_index, model, known, packed.policy["undated_year"])
    others = len(rows) - 1

    def texts(own: bytes, other: bytes = b"") -> tuple[memoryview, memoryview]:
        return blob([own, *[other] * others])

    command, held = word(found.path or found.name), b""
    if known and known.same:
        held = mlx_of(shipped, known.row)
        command = facts.base_model.encode() if facts.base_model and not (found.quant or found.present) else command
    repo = command if found.quant else next((source.repo for source in facts.gguf_sources), "").encode()
    blobs = {
        "row_json": texts(msgspec.json.encode(facts)[:-1], b"{"), "search": texts(found.name.lower().encode() + b"\0"),
        "ids": blob([command, *(id.encode() for id in ids)]), "gguf": texts(repo), "mlx": texts(held),
        "notes": texts(b",".join(msgspec.json.encode(text) for text in (*about, *found.notes))),
    }  # fmt: skip
    ends = {"ids": "id_ends", "notes": "note_ends"}
    one = replace(
        packed, digest="", n_shapes=1, n_rows=len(rows), shapes=column_major([tuple(shape.values())], SHAPE_COLUMNS),
        rows=column_major(rows, ROW_COLUMNS), providers=[facts.provider], of_file=True,
        licenses=[facts.license] if facts.license else [], quants=[*packed.quants, *quants],
        **{name: text for name, (text, _) in blobs.items()},
        **{ends.get(name, f"{name}_ends"): at for name, (_, at) in blobs.items()},
    )  # fmt: skip
    told = (packed.digest, bytes(one.shapes), bytes(one.rows), bytes(one.row_json), bytes(one.notes))
    return Catalog.of(replace(one, digest=hashlib.sha256(msgspec.msgpack.encode(told)).hexdigest()[:16]))


def mlx_of(shipped: Catalog, row: int) -> bytes:
    """The MLX copies of a row."""
    packed = shipped.packed
    ends = packed.mlx_ends.cast("I")
    return bytes(packed.mlx[ends[row - 1] if row else 0 : ends[row]])


def counted_by(found: FileModel, catalog_index: CatalogIndex, known: Recognised | None) -> FileModel:
    """With the catalog's parameters where it is the same model, and a note on where they are from."""
    if known and known.same:
        shape, row = catalog_index.shape(known.row), catalog_index.row(known.row)
        facts = found.facts | {"params_text": shape["params"], "params_total": row["params_total"]}
        return replace(found, facts=facts, notes=(*found.notes, "the number of parameters is the catalog's"))
    return replace(found, notes=(*found.notes, told(found)))


def told(found: FileModel) -> str:
    """How many parameters were counted, and what of them is embedding, experts, active."""
    text = f"{found.facts['params_text']:,.0f} parameters, counted from its shape"
    if found.counts is None:
        return text
    parts = [f"{found.counts.embedding:,} embedding"]
    parts += [f"{found.counts.looked_up:,} in tables that are looked up"] if found.counts.looked_up else []
    parts += (
        [f"{found.counts.experts:,} in routed experts", f"{found.counts.active:,} active"]
        if found.counts.experts
        else []
    )
    return f"{text}: {', '.join(parts)}"


def word(name: str) -> bytes:
    """A name as JSON text without quotes holds it."""
    return msgspec.json.encode(name)[1:-1]


def own_quant(found: FileModel, model: records.Model, shipped: Catalog) -> tuple[bool, list[FixedQuant]]:
    """(is the form of the files one that the ladder lacks, the quantizations that are new)."""
    if found.quant:
        return True, [found.quant]
    form = own_form(model, shipped.packed.formats)
    if form is None or model.format == "bf16":
        return False, []
    if found.stored:
        return True, [quant_of(found, found.stored, shipped)]
    return True, list(quants_of([], shipped.packed.formats, [model]).values())


def quant_of(found: FileModel, stored: Stored, shipped: Catalog) -> FixedQuant:
    """The quantization of a repository's own groups; of one that is known by its bytes alone the mean of those."""
    form = shipped.packed.formats[stored.format]
    bits = stored.bits or form.default_bits
    if stored.by_bytes and not found.weight_bytes:
        raise ValueError(f"{stored.label} is known by its bytes alone: name the folder with its weights")
    mean = found.weight_bytes * 8 / found.facts["params_text"] if stored.by_bytes else 0.0
    body, experts = stored.body or mean, stored.experts or mean
    runtime = form.runtime if not stored.by_bytes or stored.label in RUN_BY_VLLM else "none"
    return FixedQuant(
        stored.label or form.label.replace("{bits}", f"{bits:g}"),
        codes.RUNTIMES.index(runtime) if runtime != "none" else -1,
        body, experts, stored.output or mean, stored.embedding or mean, max(body, experts) + 0.35,
        min(bits, mean or bits) + 0.5, codes.SPEED_CLASSES.index(form.speed) if not mean else speed_class(mean),
    )  # fmt: skip


def shape_of(
    found: FileModel, model: records.Model, architecture: records.Architecture, shipped: Catalog, own: int
) -> dict[str, float]:
    """The one line of the matrix of shapes."""
    form = own_form(model, shipped.packed.formats)
    index = {form: own} if form else {}
    mlx = 1 if model.format == "bf16" else 0
    values = shape_row(model, architecture, index, shipped.packed.formats, shipped.layouts, mlx)
    shape = dict(zip(SHAPE_COLUMNS, map(float, values), strict=True)) | found.cells
    if found.quant:
        shape |= {"own_quant": float(own), "gguf": 0.0}
        if not found.weight_bytes:  # parts are missing: a known label gives the size by rule
            like = next(
                (i for i, quant in enumerate(shipped.quants) if quant.name == found.quant.name and quant.mix), own
            )
            shape["own_quant"] = float(like)
    return shape | {"file_bytes": float(found.weight_bytes), "disk_bytes": float(found.disk_bytes)}


def facts_of(
    found: FileModel, model: records.Model, shipped: Catalog, known: Recognised | None
) -> tuple[RowFacts, list[str]]:
    """(the constant part of the row, notes on whose facts they are)."""
    own = replace(row_facts(model, ()), name=found.name, provider="unknown", origin="community")
    if known is None:
        return own, ["not recognised as a model of the catalog: quality is predicted from its size and kind alone"]
    like = facts_at(shipped, known.row)
    taken = (
        "provider, licence, date and quality"
        if known.same
        else "provider and licence are its, quality is that of a fine-tune"
    )
    facts = replace(
        own, provider=like.provider, license=own.license or like.license,
        release_date=like.release_date if known.same else None,
        use_case=like.use_case, capabilities=like.capabilities, capability_ids=like.capability_ids,
        base_model=like.name, origin="quantized" if known.same else "community",
        gguf_sources=like.gguf_sources if known.same else (), copies=like.copies if known.same else (),
        context_length=own.context_length or like.context_length,
    )  # fmt: skip
    if known.same:
        facts = replace(facts, parameter_count=like.parameter_count)
    said = f"{taken} are the catalog's" if known.same else taken
    return facts, [f"recognised as {like.name} {known.how}: {said}"]


def facts_at(catalog: Catalog, row: int) -> RowFacts:
    """The constant part of a row."""
    packed = catalog.packed
    ends = packed.row_json_ends.cast("I")
    return msgspec.json.decode(bytes(packed.row_json[ends[row - 1] if row else 0 : ends[row]]) + b"}", type=RowFacts)


def rows_of(
    catalog_index: CatalogIndex, model: records.Model, known: Recognised | None, undated: float
) -> tuple[list[tuple[float, ...]], list[str]]:
    """(the row and behind it others that are never shown: the older generations that its quality is held against, and
    the newer one that a note names; the ids of those others).
    """
    blank = {"shape": 0.0, "provider": 0.0, "license": -1.0, "name_rank": 0.0, "newer": -1.0}
    if known is None:
        values = Rows([model], [], [], undated).of(model, 0)
        return [tuple(map(float, (dict(zip(ROW_COLUMNS, values, strict=True)) | blank | {"group": 0.0}).values()))], []
    places = [known.row]
    while known.same and len(places) < 5 and (older := int(catalog_index.row(places[-1])["older"])) >= 0:
        places.append(older)
    newer = int(catalog_index.row(known.row)["newer"]) if known.same else -1
    rows = []
    for place, at in enumerate([*places, newer] if newer >= 0 else places):
        behind = place + 1.0 if place + 1 < len(places) else -1.0
        rows.append(catalog_index.row(at) | blank | {"group": float(place), "older": behind})
    own = rows[0]
    own["context_length"], own["newer"] = float(model.context_length or 0), len(rows) - 1.0 if newer >= 0 else -1.0
    own["gguf"] = float(model.format == "gguf" or own["gguf"])
    own["origin"] = float(codes.ORIGINS.index("quantized" if known.same else "community"))
    if not known.same:
        own |= {"finetune": 1.0, "proof": 0.0, "date": 0.0}
    ids = catalog_index.ids
    return [tuple(row.values()) for row in rows], [ids[at] for at in [*places[1:], newer][: len(rows) - 1]]
