"""Finds facts in the catalog that cannot be true: what ``llmfit catalog check`` prints.

:func:`check` returns one :class:`Finding` for every doubtful line of the tables as corrected. A finding is a fact to
put right in ``src/data/corrections.csv``, not an opinion: every rule names what contradicts what.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from llmfit.corrections import read_models
from llmfit.records import Ability, Correction, Model
from llmfit.tables import read_csv, read_csv_lines

FIRST_DATE, LONGEST_CONTEXT, SHORTEST_CONTEXT = "2018-06-01", 12_000_000, 128
TOY = 1e6  # parameters: no language model is smaller
FORMAT_WORDS = {"nvfp4", "awq", "gptq", "exl2", "exl3", "onnx", "gguf", "mlx"}
COPY_WORDS = re.compile(r"(?i)[-_](bf16|fp16|hf)$")


class Finding(NamedTuple):
    id: str
    rule: str
    text: str


Known = dict[str, Model]
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
    bare = COPY_WORDS.sub("", model.id)
    if model.origin == "official" and bare != model.id and bare in known and model.base_id != bare:
        yield f"the same model as {bare}, which is not given as its base"


RULES: tuple[Rule, ...] = (sizes, dates, contexts, formats, tasks, bases)


def check(source: Path) -> list[Finding]:
    """All findings over the tables in `source`, in the order of the catalog; and abilities of models that it lacks."""
    models = read_models(source)
    known = {model.id: model for model in models}
    found = [Finding(m.id, rule.__name__, text) for m in models for rule in RULES for text in rule(m, known)]
    found += [
        Finding(ability.model, "abilities", "has scores and is not in the catalog")
        for ability in read_csv(source / "abilities.csv", Ability)
        if ability.model not in known
    ]
    return found + [
        Finding(change.id, "corrections", "a correction of a model that is not in the catalog")
        for change in read_csv_lines(source / "corrections.csv", Correction)
        if not set(change.id) & set("*?[") and change.id not in known and change.column != "line"
    ]
