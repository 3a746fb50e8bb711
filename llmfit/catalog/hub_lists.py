"""Models gathered from the Hugging Face Hub: whole lists, each a file named by its digest; one of them is in use."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from typing import Annotated

import msgspec

from llmfit.catalog.checks import contradiction
from llmfit.catalog.own_models import PASSING, CannotLook, OwnModel, strange, user_folder
from llmfit.errors import LlmfitError

FOLDER_VARIABLE = "LLMFIT_DATA_DIR"
MOST_MODELS, MOST_BYTES, KEPT = 2000, 1 << 23, 8
DIGEST = re.compile(r"[0-9a-f]{16}")
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}$")]
DigestOrNone = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{16})?$")]


class Gathered(msgspec.Struct, frozen=True):
    """One list: when it was made (UTC, ISO 8601), the digest of the shipped catalog beneath it, its models."""

    made: Annotated[str, msgspec.Meta(max_length=40)]
    shipped: Digest
    models: Annotated[list[OwnModel], msgspec.Meta(max_length=MOST_MODELS)]


class InUse(msgspec.Struct, frozen=True):
    """The file ``current``: digest "" for none; `before`: the one that was in use before, for --rollback."""

    digest: DigestOrNone = ""
    pinned: bool = False
    before: DigestOrNone = ""


def folder() -> str:
    """Where the lists lie: below LLMFIT_DATA_DIR, else below the user's data folder."""
    base = os.environ.get(FOLDER_VARIABLE) or user_folder("XDG_DATA_HOME", os.path.join(".local", "share"))
    return os.path.join(base, "catalog")


def stamp() -> object:
    """What changes when another list comes into use; CannotLook."""
    try:
        status = os.stat(os.path.join(folder(), "current"))
    except OSError as error:
        if error.errno in PASSING:
            raise CannotLook(f"{folder()}: cannot be looked at: {error.strerror}") from None
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def in_use() -> InUse:
    """Which list is in use; LlmfitError where that cannot be told."""
    path = os.path.join(folder(), "current")
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read(4096), type=InUse)
    except FileNotFoundError:
        return InUse()
    except (OSError, msgspec.DecodeError) as error:
        raise LlmfitError(f"{path}: cannot be read: {reason(error)}; `llmfit catalog update` writes it anew") from None


def current() -> Gathered | None:
    """The list in use, None where there is none; LlmfitError where it is damaged."""
    digest = in_use().digest
    return read(digest) if digest else None


def read(digest: str) -> Gathered:
    """A list by its digest; LlmfitError."""
    path = path_of(digest)
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES or digest_of(data) != digest:
            raise LlmfitError(f"{path}: damaged: it does not hold what its name says; run `llmfit catalog update`")
        found = msgspec.json.decode(data, type=Gathered)
    except (OSError, msgspec.DecodeError) as error:
        raise LlmfitError(f"{path}: cannot be read: {reason(error)}; run `llmfit catalog update`") from None
    for model in found.models:
        wrong = contradiction(model) or strange(model)
        if wrong:
            raise LlmfitError(f"{path}: {model.id}: {wrong[0]} {wrong[1]}")
    return found


def write(found: Gathered) -> str:
    """Keep a list; its digest. LlmfitError where it cannot be written."""
    data = msgspec.json.encode(found)
    digest = digest_of(data)
    put(path_of(digest), data)
    return digest


def use(digest: str, pinned: bool = False) -> InUse:
    """From now on this list is in use ("": none); LlmfitError where it is damaged. Old ones are dropped."""
    if digest:
        read(digest)
    try:
        before = in_use()
    except LlmfitError:  # broken: written anew
        before = InUse()
    now = InUse(digest, pinned, before.digest if before.digest != digest else before.before)
    put(os.path.join(folder(), "current"), msgspec.json.encode(now))
    for old in kept()[KEPT:]:
        if old not in (now.digest, now.before):
            os.unlink(path_of(old))
    return now


def kept() -> list[str]:
    """The digests of all lists, the newest first."""
    try:
        names = [name.removesuffix(".json") for name in os.listdir(folder()) if name.endswith(".json")]
    except OSError:
        return []
    found = [(os.stat(path_of(name)).st_mtime_ns, name) for name in names if DIGEST.fullmatch(name)]
    return [name for _, name in sorted(found, reverse=True)]


def path_of(digest: str) -> str:
    if not DIGEST.fullmatch(digest):
        raise LlmfitError(f"'{digest[:40]}' is no digest: use one that `llmfit catalog list` shows")
    return os.path.join(folder(), f"{digest}.json")


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def put(path: str, data: bytes) -> None:
    """Write a file whole or not at all; LlmfitError."""
    place = os.path.dirname(path)
    try:
        os.makedirs(place, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".new-", dir=place)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise LlmfitError(f"{path}: cannot be written: {error.strerror or error}") from None


def reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)[:100]
