"""Models of the user's own: a folder of TOML files, one model each, laid over the shipped catalog (docs/own.md).

A file that is broken is named with the line and what is allowed, and left out; the others stand.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Annotated, Any, NamedTuple

import msgspec

from llmfit.catalog import records, toml_files
from llmfit.catalog.checks import contradiction
from llmfit.catalog.file_errors import line_of, told
from llmfit.catalog.pack import SHAPE_COLUMNS, FixedQuant
from llmfit.errors import LlmfitError

ENDING = ".toml"
MOST_FILES, MOST_BYTES = 1000, 1 << 16
FOLDER_VARIABLE = "LLMFIT_MODELS_DIR"
Bytes = Annotated[int, msgspec.Meta(ge=0, le=10**15)]
Cell = Annotated[float, msgspec.Meta(ge=0, le=1e15)]
Stamp = tuple[tuple[str, int, int, int], ...]
# Errors that say how a computer is just now (no descriptors, no memory, a disk that fails), not what a file is.
PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EAGAIN, errno.EINTR, errno.ESTALE})


class OwnModel(records.Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The facts of records.Model and of records.Architecture, with what a file or the Hub says besides."""

    provider: Annotated[str, msgspec.Meta(max_length=100)]
    nominal_size: Annotated[str, msgspec.Meta(max_length=20)] = ""
    ollama_tag: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    gguf_repos: Annotated[tuple[records.RepoId, ...], msgspec.Meta(max_length=16)] = ()
    full_attention_layers: Annotated[tuple[records.Layers, ...], msgspec.Meta(max_length=1 << 13)] = ()
    linear_kind: records.LinearKind = ""
    n_linear_layers: records.Layers = 0
    ssm_inner: records.Count = 0
    ssm_state: records.Count = 0
    ssm_groups: records.Count = 0
    ssm_heads: records.Count = 0
    ssm_conv: records.Count = 0
    q_lora_rank: records.Count = 0
    qk_nope_head_dim: records.Count = 0
    per_layer_embedding: records.Count = 0
    moe_latent_size: records.Count = 0
    weight_bytes: Bytes = 0  # of the text decoder, exact; 0: by rule
    disk_bytes: Bytes = 0  # of all files; 0: by rule
    quant: FixedQuant | None = None  # of a GGUF file
    file: Annotated[str, msgspec.Meta(max_length=255, pattern=r"^[^/\x00-\x1f\x7f]*$")] = ""  # its name
    cells: dict[str, Cell] = msgspec.field(default_factory=dict)  # columns of pack.SHAPE_COLUMNS that no fact expresses
    note: Annotated[str, msgspec.Meta(max_length=200)] = ""  # said in every row

    @property
    def architecture(self) -> records.Architecture:
        """The part of the facts that architectures.csv holds for the shipped models."""
        facts = {name: getattr(self, name) for name in ARCHITECTURE}
        return msgspec.convert(facts, records.Architecture)


KEYS = tuple(field.name for field in msgspec.structs.fields(OwnModel))
ARCHITECTURE = [field.name for field in msgspec.structs.fields(records.Architecture) if field.name in KEYS]


class CannotLook(LlmfitError):
    """The computer cannot open files at the moment: what was read before stays."""


class Folder(NamedTuple):
    """What a folder of models holds."""

    models: list[tuple[str, OwnModel]]  # with the file of each
    problems: list[str]  # of the files that were left out, ``path:line: key: what is allowed``


def folder() -> str:
    """Where the files lie: LLMFIT_MODELS_DIR, else models.d in the user's configuration."""
    named = os.environ.get(FOLDER_VARIABLE)
    return named if named else os.path.join(user_folder("XDG_CONFIG_HOME", ".config"), "models.d")


def user_folder(variable: str, default: str) -> str:
    """llmfit's folder below the one that a variable names (on Windows: %APPDATA%), else below the home folder."""
    base = os.environ.get("APPDATA" if os.name == "nt" else variable)
    absolute = base if base and os.path.isabs(base) else os.path.join(os.path.expanduser("~"), default)
    return os.path.join(absolute, "llmfit")


def stamp(path: str) -> Stamp:
    """What changes when a file of the folder does; CannotLook."""
    listed, problem = names(path)
    found = [(problem, 0, 0, 0)] if problem else []
    for name in listed[: MOST_FILES + 1]:
        try:
            status = os.stat(os.path.join(path, name))
        except OSError as error:
            if error.errno in PASSING:
                raise CannotLook(f"{path}: cannot be looked at: {error.strerror}") from None
            continue
        found.append((name, status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)


def names(path: str) -> tuple[list[str], str]:
    """(the files that hold models, in order; what is wrong with the folder). It may be missing unless it is named.
    CannotLook.
    """
    try:
        return sorted(name for name in os.listdir(path) if name.endswith(ENDING) and not name.startswith(".")), ""
    except OSError as error:
        if error.errno in PASSING:
            raise CannotLook(f"{path}: cannot be looked at: {error.strerror}") from None
        missing = isinstance(error, FileNotFoundError) and path != os.environ.get(FOLDER_VARIABLE)
        return [], "" if missing else f"{path}: cannot be read: {error.strerror or error}"


def read_folder(path: str) -> Folder:
    """All models of a folder; of two with the same id, in whatever case, the first one is taken. CannotLook."""
    models: dict[str, tuple[str, OwnModel]] = {}
    found, problem = names(path)
    problems = [problem] if problem else []
    for name in found[:MOST_FILES]:
        where = os.path.join(path, name)
        try:
            model = read_model(where)
            before = models.setdefault(model.id.lower(), (name, model))
            if before[0] != name:
                raise LlmfitError(f"{where}:1: id: {model.id} stands in {before[0]} too; use another id")
        except CannotLook:
            raise
        except LlmfitError as error:
            problems.append(str(error))
        except Exception as error:  # nothing that a file holds ends the server
            problems.append(str(LlmfitError(f"{where}: cannot be taken: {type(error).__name__}: {error}"[:300])))
    if len(found) > MOST_FILES:
        problems.append(f"{path}: it holds {len(found)} files; use at most {MOST_FILES}")
    return Folder([(os.path.join(path, name), model) for name, model in models.values()], problems)


def read_model(path: str) -> OwnModel:
    """The model in a file; LlmfitError ``path:line: key: what is allowed``."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise LlmfitError(f"{path}: cannot be read: it is no file")
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        if error.errno in PASSING:
            raise CannotLook(f"{path}: cannot be read: {error.strerror}") from None
        raise LlmfitError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(data) > MOST_BYTES:
        raise LlmfitError(f"{path}: too large: use at most {MOST_BYTES >> 10} KiB")
    return model_of(data, path)


def model_of(data: bytes, path: str) -> OwnModel:
    """The model of a file's text."""
    facts = toml_files.parsed(data, path)
    text = data.decode()

    def wrong(key: str, what: str) -> LlmfitError:
        return LlmfitError(f"{path}:{line_of(text, key)}: {key}: {what}" if key else f"{path}:1: {what}")

    try:
        model = checked(facts)
    except msgspec.ValidationError as error:
        key, what = told(str(error), OwnModel, KEYS, "id and params_total are needed")
        raise wrong("params_total" if key == "params_text" not in facts else key, what) from None
    except Exception as error:  # nothing that a file holds ends the server
        raise wrong("", f"{type(error).__name__}: {error}"[:100]) from None
    problem = contradiction(model) or strange(model)
    if problem:
        raise wrong(*problem)
    return model


def checked(facts: dict[str, Any]) -> OwnModel:
    """The struct of facts, with what follows from them; msgspec.ValidationError."""
    facts = dict(facts)
    based = "base_id" in facts
    rest: dict[str, Any] = {
        "provider": str(facts.get("id", "")).split("/")[0][:100], "params_text": facts.get("params_total"),
        "kind": "finetune" if based else "original", "origin": "community" if based else "official", "format": "bf16",
        "use_case": "general", "role": "generator", "tuning": "unknown",
    }  # fmt: skip
    return msgspec.convert({key: value for key, value in rest.items() if value is not None} | facts, OwnModel)


def strange(model: OwnModel) -> tuple[str, str] | None:
    """(the key, what is allowed) of the first thing that no type says."""
    if model.base_id is not None and model.base_id.lower() == model.id.lower():
        return "base_id", "use another model's id"
    for name in model.cells:
        if name not in SHAPE_COLUMNS:
            return f"cells.{name[:40]}", f"unknown key; use {'|'.join(SHAPE_COLUMNS)}"
    if model.format == "gguf" and model.quant is None and model.weight_bytes:
        return "weight_bytes", "of a GGUF file it needs [quant] too; use `llmfit catalog add FILE.gguf`"
    return None
