"""Writes what a machine answered as a folder that :class:`~llmfit.hardware.sources.source.ReplaySource` reads."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from llmfit._version import __version__
from llmfit.errors import LlmfitError
from llmfit.hardware.sources.scrub import Scrubber
from llmfit.hardware.sources.source import ReplaySource, Source
from llmfit.hardware.sources.watched import Watched
from llmfit.machine import Machine

Detect = Callable[[Source], Machine]


class About(msgspec.Struct, frozen=True):
    """`recording.json`: where a recording is from."""

    origin: str  # recorded, documentation
    note: str


def check_target(target: str) -> Path:
    """The folder to write; LlmfitError where it cannot become one, or holds something."""
    if "\0" in target:
        raise LlmfitError("cannot record: a name cannot hold a NUL")
    path = Path(os.path.abspath(target))
    try:
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise LlmfitError(f"cannot record to {target}: it is no folder; name a new one")
        if path.exists() and any(path.iterdir()):
            raise LlmfitError(f"cannot record to {target}: the folder is not empty; name a new one")
        if not path.parent.is_dir():
            raise LlmfitError(f"cannot record to {target}: there is no folder {path.parent}")
    except (OSError, ValueError) as error:
        raise LlmfitError(f"cannot record to {target}: {_reason(error)}") from None
    return path


def record(watched: Watched, machine: Machine, target: str, scrubber: Scrubber, detect: Detect) -> list[str]:
    """Write all that ``watched`` was asked, scrubbed, to a new folder that only its owner may read, and what ``detect``
    makes of it. The folder appears when it is whole. LlmfitError where it cannot be written.

    Returns the facts in which the recorded machine differs from ``machine``, uuids apart: none where all is well.
    """
    path = check_target(target)
    try:
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))  # of mode 0700
        umask = os.umask(0o077)
        try:
            _write(watched, draft, scrubber)
            again = detect(ReplaySource(draft))
            (draft / "expected.json").write_text(as_json(again), encoding="utf-8")
            if path.exists():
                path.rmdir()
            draft.rename(path)
        finally:
            os.umask(umask)
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise LlmfitError(f"cannot record to {target}: {_reason(error)}") from None
    left, right = comparable(scrubber.struct(machine)), comparable(again)
    return [name for name in machine.__struct_fields__ if getattr(left, name) != getattr(right, name)]


def comparable(machine: Machine) -> Machine:
    """A machine without what a recording may change."""
    devices = tuple(replace(device, uuid=None) for device in machine.devices)
    return replace(machine, devices=devices, observed_at="")


def as_json(machine: Machine) -> str:
    """The machine as `expected.json` holds it: without the time, and without what is at its default."""
    fields = {
        name: value
        for name, value in msgspec.to_builtins(replace(machine, observed_at="")).items()
        if value not in (None, "", [])
    }
    fields["devices"] = [
        {name: value for name, value in device.items() if value is not None} for device in fields.get("devices", [])
    ]
    return msgspec.json.format(msgspec.json.encode(fields), indent=1).decode() + "\n"


def _write(watched: Watched, folder: Path, scrubber: Scrubber) -> None:
    kept: dict[str, dict[tuple[str, ...], Any]] = {}
    for (method, *what), answer in watched.answers.items():
        kept.setdefault(method, {})[tuple(what)] = answer
    commands = {
        scrubber.text(" ".join(argv)): scrubber.struct(output)
        for argv, output in kept.get("command", {}).items()
        if output is not None
    }
    files = folder / "files"
    for (path,), text in kept.get("text", {}).items():
        if text is not None:
            where = _below(files, scrubber.text(path))
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_text(scrubber.file(path, text), encoding="utf-8")
    for (path,), names in kept.get("names", {}).items():
        for name in scrubber.entries(path, names):
            entry = _below(files, f"{scrubber.text(path)}/{name}")
            if not entry.exists():  # listed, and not read or not readable
                entry.mkdir(parents=True)
    snapshot = kept.get("nvml", {}).get(())
    facts = kept.get("psutil", {}).get(()) or kept.get("platform", {}).get(())
    documents: dict[str, Any] = {
        "commands.json": commands or None,
        "nvml.json": scrubber.struct(snapshot) if snapshot is not None else None,
        "psutil.json": facts,
        "streaming.json": kept.get("streaming", {}).get(()),
    }
    documents["recording.json"] = About("recorded", f"llmfit {__version__} doctor --record")
    # Last, when every UUID is known that a selector may have been short for.
    chosen = {name: value for (name,), value in kept.get("env", {}).items() if value is not None}
    documents["env.json"] = {name: scrubber.variable(value) for name, value in chosen.items()} or None
    for name, document in documents.items():
        if document is not None:
            text = msgspec.json.format(msgspec.json.encode(document), indent=2)
            (folder / name).write_bytes(text + b"\n")


def _below(files: Path, path: str) -> Path:
    """The path inside the recording; what would lead out of it is an error of the probe that asked."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts:
        raise LlmfitError(f"cannot record {path}: it leads out of the recording")
    return files.joinpath(*parts)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
