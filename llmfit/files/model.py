"""What a file tells of its model: the same facts that a line of models.csv and of architectures.csv holds."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from llmfit import codes
from llmfit.catalog import records
from llmfit.catalog.pack import FixedQuant

# No real model comes near these; beyond them sums in the kernel could overflow, and loops take long.
MOST = {"n_layers": 1 << 13, "n_heads": 1 << 13, "n_kv_heads": 1 << 13, "full_kv_heads": 1 << 13, "n_experts": 1 << 15}
MOST_OTHER, MOST_TOKENS = 1 << 25, 1 << 30
MODEL = {field.name for field in msgspec.structs.fields(records.Model)}
REST: dict[str, Any] = {
    "id": "file", "provider": "", "kind": "finetune", "origin": "community", "use_case": "general", "role": "generator",
    "tuning": "unknown", "format": "bf16",
}  # fmt: skip


class Counts(NamedTuple):
    """Parameters of a text decoder; those of towers for images and sound, and of drafting layers, are left out."""

    text: int
    embedding: int  # one matrix of the vocabulary
    experts: int  # routed ones
    active: int  # that one token uses
    looked_up: int  # tables of which one token reads a row: per-layer and n-gram embeddings


class Stored(NamedTuple):
    """Bits a weight as a repository stores it, by kind of tensor, scales and zeros included."""

    format: str  # of codes.FORMATS
    bits: float | None  # nominal
    body: float = 0.0  # 0: by the rule of the format
    experts: float = 0.0
    embedding: float = 0.0
    output: float = 0.0
    label: str = ""  # where it is not the format's own
    by_bytes: bool = False  # only a folder's bytes tell its size


class FileModel(msgspec.Struct, kw_only=True):
    """A model as a file describes it. Bytes and cells that are 0 or absent are not known: rules give them."""

    name: str  # of the file
    facts: dict[str, Any]  # by field of records.Model and records.Architecture
    called: tuple[str, ...] = ()  # repository ids and names that the file gives its model, the surest first
    base: tuple[str, ...] = ()  # likewise of the model that it was made from
    weight_bytes: int = 0  # of the text decoder, exact
    disk_bytes: int = 0  # of all files
    quant: FixedQuant | None = None  # of a GGUF file
    cells: dict[str, float] = {}  # columns of pack.SHAPE_COLUMNS that the facts cannot express
    notes: tuple[str, ...] = ()
    present: bool = False  # the weights lie here
    counts: Counts | None = None  # where the configuration tells them
    stored: Stored | None = None  # of a fixed format, by its own groups
    path: str = ""  # of the file or folder that a runtime loads; empty: it holds no weights


def count(where: str, value: Any, most: int = MOST_OTHER) -> int:
    """A whole number from 0 up to `most`; ValueError that names the fact where it is not one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"{where} is not a whole number from 0 to {most}")
    return value


def as_records(found: FileModel, id: str = "file") -> tuple[records.Model, records.Architecture]:
    """The two records of the facts; ValueError where a fact cannot be."""
    facts = {key: value for key, value in found.facts.items() if value is not None}
    for key, value in facts.items():
        if isinstance(value, int) and not isinstance(value, bool) and not key.startswith("params"):
            count(key, value, MOST_TOKENS if key in ("context_length", "sliding_window") else MOST.get(key, MOST_OTHER))
    if facts.get("n_experts_active", 0) > facts.get("n_experts", 0):
        raise ValueError("more experts are used than there are")
    if facts.get("n_kv_heads", 0) > facts.get("n_heads", 0) > 0:
        raise ValueError("there are more KV heads than heads")
    try:
        model = msgspec.convert(
            REST | {key: value for key, value in facts.items() if key in MODEL} | {"id": id}, records.Model
        )
        linear = {key: value for key, value in facts.items() if key not in MODEL}
        shared = {"id": id, "model_type": model.model_type, "attention": model.attention}
        return model, msgspec.convert(shared | linear, records.Architecture)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def speed_class(bits: float) -> int:
    """How weights of so many bits read, as an index of codes.SPEED_CLASSES."""
    name = "f16" if bits >= 12 else "q8" if bits >= 7.5 else "q56" if bits >= 5 else "q4" if bits >= 3.95 else "q23"
    return codes.SPEED_CLASSES.index(name)


def attention_of(linear_kind: str, facts: dict[str, Any], no_attention: bool) -> str:
    """The class of codes.ATTENTIONS of a decoder: what its linear layers keep, and what the others do."""
    if linear_kind and no_attention:
        return "ssm"
    if linear_kind in ("gated_delta_net", "kda", "lightning", "rwkv7"):
        return "hybrid_linear_mla" if facts.get("kv_lora_rank") else "hybrid_linear"
    if linear_kind:
        return "hybrid_conv" if linear_kind == "short_conv" else "hybrid_ssm"
    if facts.get("kv_lora_rank"):
        return "mla"
    return "sliding" if facts.get("sliding_window") else "full"
