"""A model in a file as a model of the user's own: what ``llmfit catalog add`` writes, and a TOML text of it."""

from __future__ import annotations

import json
import math
import os
import re
from typing import TYPE_CHECKING, Any

import msgspec

from llmfit import codes
from llmfit.catalog.overlay import Layer
from llmfit.catalog.own_models import ARCHITECTURE, OwnModel, checked
from llmfit.files.one_model_catalog import Identified, facts_at, identified
from llmfit.files.read import read
from llmfit.files.recognise import Recognised
from llmfit.files.source import bad

if TYPE_CHECKING:
    from llmfit.catalog.catalog import Catalog

BY_FACTS = ("own_quant", "context")  # cells that follow from what is written in any case


def own_of_file(path: str, shipped: Catalog, id: str | None = None) -> tuple[OwnModel, tuple[str, ...]]:
    """(the model of a file or folder, notes on its facts); BadFile with what is wrong."""
    path = os.path.expanduser(path)
    try:
        found = read(path, shipped)
        return own_model(identified(shipped, found), plain_id(found.name) if id is None else id)
    except msgspec.ValidationError as error:
        raise bad(path, f"{error}; --id names it") from None
    except (ValueError, OverflowError) as error:
        raise bad(path, str(error)) from None


def plain_id(name: str) -> str:
    """An id made of a file's name."""
    bare = re.sub(r"(?i)\.(gguf|json|safetensors)$", "", name)
    return re.sub(r"[^\w.+-]+", "-", bare).strip(".-") or "model"


def own_model(one: Identified, id: str, **more: Any) -> tuple[OwnModel, tuple[str, ...]]:
    """(the model under an id, notes); `more` facts stand above what is found. msgspec.ValidationError."""
    found, known = one.found, one.known
    facts = msgspec.structs.asdict(one.model)
    facts |= {name: found.facts[name] for name in ARCHITECTURE if found.facts.get(name) is not None}
    owner = id.split("/")[0] if "/" in id else "local"
    facts |= {"id": id, "provider": owner, "kind": "original", "origin": "official"}
    notes = found.notes
    if known is not None:
        facts |= like(one, known, id)
        name = one.catalog_index.ids[known.row]
        notes = (f"taken as {'a copy of' if known.same else 'made from'} {name}, recognised {known.how}", *notes)
    else:
        notes = ("not recognised as a model of the catalog: quality is predicted from its size and kind alone", *notes)
    quant = found.quant
    if quant is not None and not found.weight_bytes:  # parts are missing: a known label gives the size by rule
        shipped = one.catalog_index.catalog.quants
        quant = next((each for each in shipped if each.name == quant.name and each.mix), quant)
    facts |= {"weight_bytes": found.weight_bytes, "disk_bytes": found.disk_bytes, "quant": quant}
    facts |= {"note": "added from a file", "file": found.name if quant is not None else "", **more}
    model = checked(msgspec.to_builtins({key: value for key, value in facts.items() if value is not None}))
    layer = Layer(one.catalog_index.catalog.packed, set())
    layer.form(model)
    made = layer.forms[model.id]
    cells = {name: value for name, value in one.shape.items() if name not in BY_FACTS and value != made[name]}
    return msgspec.structs.replace(model, cells=cells), notes


def like(one: Identified, known: Recognised, id: str) -> dict[str, Any]:
    """What the catalog says of the model that this one is, is a copy of, or was made from."""
    row, facts = one.catalog_index.row(known.row), facts_at(one.catalog_index.catalog, known.row)
    itself = facts.name.lower() == id.lower()
    said: dict[str, Any] = {
        "base_id": facts.name, "kind": "quant" if known.same else "finetune",
        "origin": "quantized" if known.same else "community", "provider": facts.provider,
        "license": one.model.license or facts.license, "capabilities": facts.capability_ids,
        "use_case": codes.USE_CASES[int(row["use_case"])], "role": codes.ROLES[int(row["role"])],
        "tuning": codes.TUNINGS[int(row["tuning"])],
        "serves": [name for bit, name in enumerate(codes.USE_CASES) if int(row["serves"]) >> bit & 1],
        "context_length": one.model.context_length or facts.context_length or None,
    }  # fmt: skip
    if known.same:
        said |= {"release_date": facts.release_date, "nominal_size": facts.parameter_count}
    if itself:
        said |= {"base_id": facts.base_model, "origin": facts.origin, "ollama_tag": facts.ollama_name}
    return said


def toml_of(model: OwnModel, about: tuple[str, ...] = ()) -> str:
    """The text of a file: what is not the default, a fact a line, the tables last."""
    lines = [f"# {' '.join(note.split())}" for note in about]
    tables = []
    facts = msgspec.to_builtins(model)
    for field in msgspec.structs.fields(OwnModel):
        value = facts[field.encode_name]
        made = field.default_factory() if callable(field.default_factory) else field.default
        if getattr(model, field.name) == made:
            continue
        if isinstance(value, dict):
            inner = [f"{key} = {written(each)}" for key, each in value.items()]
            tables += ["", f"[{field.encode_name}]", *inner] if inner else []
        elif value is not None:
            lines.append(f"{field.encode_name} = {written(value)}")
    return "\n".join([*lines, *tables, ""])


def written(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and math.fabs(value) < 1e15:
        return str(int(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
