"""Finds facts in the catalog that cannot be true: what ``llmfit catalog check`` prints.

:func:`check` looks at the tables of a folder as corrected, :func:`check_packed` at what a packed catalog still holds of
them. A finding is a fact to put right in ``src/data/corrections.csv``, not an opinion: every rule names what
contradicts what.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from llmfit import codes
from llmfit.catalog import own_models as own
from llmfit.catalog.catalog import Catalog
from llmfit.catalog.contradictions import attention, experts, unknowns
from llmfit.catalog.corrections import read_models
from llmfit.catalog.file_errors import line_of
from llmfit.catalog.pack import SHAPE_COLUMNS, Packed, digest_of, ids_of
from llmfit.catalog.pack_rows import ROW_COLUMNS
from llmfit.catalog.records import Ability, Correction, Model
from llmfit.catalog.tables import read_csv, read_csv_lines
from llmfit.errors import CatalogError
from llmfit.wire.rows import RowFacts

FIRST_DATE, LONGEST_CONTEXT, SHORTEST_CONTEXT = "2018-06-01", 12_000_000, 128
# Of a file of one's own: the key whose line a finding names.
COLUMNS = {"sizes": "params_total", "dates": "release_date", "contexts": "context_length", "formats": "format",
           "tasks": "serves", "bases": "base_id"}  # fmt: skip
TOY = 1e6  # parameters: no language model is smaller
FORMAT_WORDS = {"nvfp4", "awq", "gptq", "exl2", "exl3", "onnx", "gguf", "mlx"}
COPY_WORDS = re.compile(r"(?i)[-_](bf16|fp16|hf)$")
# What a copy's name has more than its original's.
FORM_WORDS = re.compile(
    r"(?i)[-_.](fp8(-dynamic|-block)?|nvfp4|mxfp[48]|awq|gptq|int[48]|w4a16|w8a8|[48]bit|gguf|mlx|bnb|bf16|autoround|dynamic)$"
)
# `8B` of `Qwen3-8B-FP8`, `1_8b` of `internlm2-chat-1_8b`; not of `8x7B`, nor a part of a word.
NAMED_SIZE = re.compile(r"(?i)(?<![a-z0-9.])(\d{1,2}_\d(?=b)|\d+(?:\.\d+)?)([bm])(?![a-z0-9])")
LEAST_NAMED = 2e7  # less is no size: 1M of context, 4M of a format
SIZE_FACTOR = 2.0  # between a name's size and the parameters


class Finding(msgspec.Struct, frozen=True):
    where: str  # file:line
    id: str  # "": of no model
    rule: str
    text: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.where, self.id, self.text)))


class Report(msgspec.Struct, frozen=True):
    """What a check found; `checked`: the folder or file."""

    checked: str
    models: int
    findings: list[Finding]


class Counts(msgspec.Struct, frozen=True):
    """How much a catalog holds."""

    version: str
    digest: str
    models: int
    own_models: int
    gathered_models: int
    originals: int
    packagers_copies: int
    personal_models: int
    distinct_shapes: int
    accelerators: int
    cpu_families: int


class Summary(msgspec.Struct, frozen=True):
    catalog: Counts


Known = Mapping[str, Model]
Rule = Callable[[Model, Known], Iterator[str]]


def sizes(model: Model, known: Known) -> Iterator[str]:
    if model.params_total < TOY:
        yield f"{model.params_total:.0f} parameters"
    if model.params_active and model.params_active > model.params_total:
        yield "more active parameters than there are"
    if model.params_text > model.params_total * 1.001:
        yield "more text parameters than there are"
    if model.n_experts_active > model.n_experts > 0:
        yield "more active experts than there are"
    if model.n_full_attn_layers is not None and model.n_layers and model.n_full_attn_layers > 2 * model.n_layers:
        yield "more full-attention blocks than two a layer"
    if model.n_kv_heads > model.n_heads > 0:
        yield "more key/value heads than heads"


def names(model: Model, known: Known) -> Iterator[str]:
    """The size that the name says; flag `size_checked` where the name means something else."""
    name = model.id.split("/")[-1]
    said = [float(n.replace("_", ".")) * (1e9 if unit in "bB" else 1e6) for n, unit in NAMED_SIZE.findall(name)]
    said = [size for size in said if size >= LEAST_NAMED]
    counts = [model.params_total, *([model.params_active] if model.params_active else [])]
    near = any(1 / SIZE_FACTOR < count / size < SIZE_FACTOR for size in said for count in counts)
    if said and not near and "size_checked" not in model.flags and not re.search(r"\dx\d", name):
        yield f"named {max(said) / 1e9:g} B and has {model.params_total / 1e9:.1f} B parameters"


def dates(model: Model, known: Known) -> Iterator[str]:
    date = model.release_date
    if date and date < FIRST_DATE:
        yield f"released {date}, before there were such models"
    base = known.get(model.base_id or "")
    if date and base and base.release_date and model.origin == "quantized" and date < base.release_date:
        days = (int(base.release_date[:4]) - int(date[:4])) * 365 + (int(base.release_date[5:7]) - int(date[5:7])) * 30
        if days > 60:
            yield f"a copy of {date}, its base of {base.release_date}"


def contexts(model: Model, known: Known) -> Iterator[str]:
    context = model.context_length
    if context and not SHORTEST_CONTEXT <= context <= LONGEST_CONTEXT:
        yield f"a context of {context} tokens"
    if context and model.sliding_window > context:
        yield f"a window of {model.sliding_window} tokens in a context of {context}"


def formats(model: Model, known: Known) -> Iterator[str]:
    words = set(re.split(r"[-_./]", model.id.split("/")[-1].lower()))
    named = FORMAT_WORDS & words
    if "bpw" in model.id:  # ExLlama's, whatever it was calibrated with
        named = set()
    if named and model.format not in {*named, "mlx"}:
        yield f"named {'/'.join(sorted(named))}, stored as {model.format}"


def tasks(model: Model, known: Known) -> Iterator[str]:
    if "multimodal" in model.serves and "vision" not in model.capabilities:
        yield "serves multimodal and takes no images"
    if model.role == "embedding" and "embedding" not in model.serves:
        yield "an embedding model that does not serve embedding"
    if model.role in ("reranker", "guard", "reward") and model.serves:
        yield f"a {model.role} model that serves {'|'.join(model.serves)}"
    if model.tuning == "base" and "chat" in model.serves:
        yield "a base checkpoint that serves chat"
    if model.tuning == "reasoning" and "reasoning" not in model.capabilities:
        yield "always thinks and has no capability of reasoning"


def bases(model: Model, known: Known) -> Iterator[str]:
    if model.base_id == model.id:
        yield "its own base"
    base = known.get(model.base_id or "")
    if model.base_id and base is None and model.origin == "quantized":
        yield f"its base {model.base_id} is not in the catalog"
    if base and base.base_id and base.origin == "quantized":
        yield f"its base {base.id} is itself a copy of {base.base_id}"
    original = model.id
    while FORM_WORDS.search(original):
        original = FORM_WORDS.sub("", original)
    for name in (original, f"{original}-BF16"):
        if not model.base_id and model.origin == "quantized" and model.id != name and name in known:
            yield f"a copy of {name}, which is not given as its base"
    bare = COPY_WORDS.sub("", model.id)
    if model.origin == "official" and bare != model.id and bare in known and model.base_id != bare:
        yield f"the same model as {bare}, which is not given as its base"


RULES: tuple[Rule, ...] = (sizes, names, dates, contexts, formats, tasks, bases, attention, experts)
TABLE_RULES: tuple[Rule, ...] = (*RULES, unknowns)


def check(source: Path) -> Report:
    """All findings over the tables in the folder `source`, in the order of the catalog; CatalogError for a bad line."""
    models = read_models(source)
    known = {model.id: model for model in models}
    lines = lines_of(source / "models.csv")
    found = [
        Finding(f"models.csv:{lines[m.id]}", m.id, rule.__name__, text)
        for m in models for rule in TABLE_RULES for text in rule(m, known)
    ]  # fmt: skip
    found += [
        Finding(f"abilities.csv:{line}", ability.model, "abilities", "has scores and is not in the catalog")
        for line, ability in enumerate(read_csv(source / "abilities.csv", Ability), start=2)
        if ability.model not in known
    ]
    found += [
        Finding(f"corrections.csv:{line}", change.id, "corrections", "corrects a model that is not in the catalog")
        for line, change in enumerate(read_csv_lines(source / "corrections.csv", Correction), start=2)
        if not set(change.id) & set("*?[") and change.id not in known and change.column != "line"
    ]
    return Report(str(source), len(models), found)


def check_packed(catalog: Catalog, path: str) -> Report:
    """All findings over a packed catalog: those of the rules whose facts it keeps. CatalogError for a damaged one."""
    if digest_of(catalog.packed) != catalog.packed.digest:
        raise CatalogError(f"the catalog is damaged: it does not hold what its digest {catalog.packed.digest!r} says")
    try:
        models = list(unpacked(catalog.packed))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CatalogError(f"the catalog is damaged: {error}") from None
    known = {model.id: model for model in models}
    rules = [rule for rule in RULES if rule is not names]  # what excuses a name is not packed
    found = [
        Finding(Path(path).name, model.id, rule.__name__, text)
        for model in models for rule in rules for text in rule(model, known)
    ]  # fmt: skip
    return Report(path, len(models), found)


def check_own(folder: str, catalog: Catalog) -> Report:
    """All findings over a folder of own models, and the files that cannot be read."""
    found = own.read_folder(folder)
    own_ones = {model.id: model for _, model in found.models}
    known = ChainMap(own_ones, Shipped(catalog.packed, ids_of(catalog.packed)))  # type: ignore[arg-type]
    findings = [Finding(where, "", "files", what) for where, what in map(split, found.problems)]
    for path, model in found.models:
        text = Path(path).read_text(errors="replace")
        for rule in RULES:
            line = line_of(text, COLUMNS.get(rule.__name__, "id"))
            findings += [Finding(f"{path}:{line}", model.id, rule.__name__, what) for what in rule(model, known)]
    return Report(folder, len(found.models), findings)


def split(problem: str) -> tuple[str, str]:
    """(where, what) of ``path:line: what``, as far as that is given."""
    where, _, what = problem.partition(": ")
    return where, what


def summary(catalog: Catalog) -> Summary:
    packed = catalog.packed
    first = ROW_COLUMNS.index("origin") * packed.n_rows
    origins = [int(code) for code in packed.rows.cast("d")[first : first + packed.n_rows]]
    return Summary(
        Counts(
            version=packed.version,
            digest=packed.digest,
            models=packed.n_rows,
            own_models=catalog.layers.own if catalog.layers else 0,
            gathered_models=catalog.layers.gathered if catalog.layers else 0,
            originals=origins.count(codes.ORIGINS.index("official")),
            packagers_copies=origins.count(codes.ORIGINS.index("quantized")),
            personal_models=origins.count(codes.ORIGINS.index("community")),
            distinct_shapes=packed.n_shapes,
            accelerators=len(catalog.tables.accelerators),
            cpu_families=len(catalog.tables.cpus),
        )
    )


class Shipped(Mapping[str, Model]):
    """The models of a packed catalog by id, each unpacked when it is asked for."""

    def __init__(self, packed: Packed, ids: list[str]) -> None:
        self.packed, self.at = packed, {id: at for at, id in enumerate(ids)}

    def __getitem__(self, id: str) -> Model:
        return next(unpacked(self.packed, (self.at[id],)))

    def __contains__(self, id: object) -> bool:
        return id in self.at

    def __iter__(self) -> Iterator[str]:
        return iter(self.at)

    def __len__(self) -> int:
        return len(self.at)


def unpacked(packed: Packed, places: Iterable[int] | None = None) -> Iterator[Model]:
    """The models of a packed catalog (at these places), with the facts that it keeps."""
    text, ends = packed.row_json, packed.row_json_ends.cast("I")
    shapes, rows = packed.shapes.cast("d"), packed.rows.cast("d")
    for i in range(packed.n_rows) if places is None else places:
        facts = msgspec.json.decode(bytes(text[ends[i - 1] if i else 0 : ends[i]]) + b"}", type=RowFacts)
        row: dict[str, Any] = {name: rows[at * packed.n_rows + i] for at, name in enumerate(ROW_COLUMNS)}
        at_shape = int(row["shape"])
        shape = {name: shapes[at * packed.n_shapes + at_shape] for at, name in enumerate(SHAPE_COLUMNS)}
        same = ("n_layers", "n_heads", "n_kv_heads", "n_experts", "n_experts_active")
        whole: dict[str, Any] = {name: int(shape[name]) for name in same} | {
            "id": facts.name, "provider": facts.provider, "kind": "original", "origin": facts.origin,
            "params_total": row["params_total"], "params_text": shape["params"],
            "sliding_window": int(shape["window"]), "capabilities": facts.capabilities,
            "format": codes.FORMATS[int(shape["format"])], "use_case": codes.USE_CASES[int(row["use_case"])],
            "role": codes.ROLES[int(row["role"])], "tuning": codes.TUNINGS[int(row["tuning"])],
            "serves": [name for bit, name in enumerate(codes.USE_CASES) if int(row["serves"]) >> bit & 1],
            "base_id": facts.base_model, "context_length": facts.context_length or None,
            "release_date": facts.release_date,
        }  # fmt: skip
        yield msgspec.convert(whole, Model)


def lines_of(path: Path) -> dict[str, int]:
    """The line of each record by its first column."""
    import csv

    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        return {cells[0]: reader.line_num for cells in reader if cells}
