"""A profile in a file of the user's: TOML, checked, with one line for what is wrong."""

from __future__ import annotations

import os

import msgspec

from llmfit.catalog.file_errors import told
from llmfit.catalog.tables import Profile, Tables
from llmfit.catalog.toml_files import parsed
from llmfit.errors import BadParam, LlmfitError
from llmfit.hardware.what_ifs import profile_machine

MOST_BYTES = 1 << 16
KEYS = tuple(field.name for field in msgspec.structs.fields(Profile) if field.name != "name")


def is_path(text: str) -> bool:
    """Whether it names a file, not a shipped profile."""
    return text.endswith(".toml") or "/" in text or os.sep in text


def load_profile(path: str, tables: Tables) -> Profile:
    """The profile in a file, named by its path. LlmfitError ``file: key: what is allowed`` where it describes no
    machine.
    """
    profile = read_profile(path)
    try:
        profile_machine(profile, tables)
    except BadParam as error:
        text = str(error).removeprefix("invalid ").replace(" value: ", ": ", 1)
        raise LlmfitError(f"{path}: {text}") from None
    except Exception as error:  # nothing that a file holds ends the server
        raise LlmfitError(f"{path}: it describes no machine: {type(error).__name__}: {error}"[:300]) from None
    return profile


def read_profile(path: str) -> Profile:
    """What stands in the file; LlmfitError where that is no profile."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise LlmfitError(f"{path}: cannot be read: not a file")
        with open(path, "rb") as file:
            text = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file name"
        raise LlmfitError(f"{path}: cannot be read: {reason}") from None
    if len(text) > MOST_BYTES:
        raise LlmfitError(f"{path}: too large: a profile has at most {MOST_BYTES >> 10} KiB")
    facts = parsed(text, path)
    try:
        found = msgspec.convert(facts, Profile)
    except msgspec.ValidationError as error:
        key, allowed = told(str(error), Profile, KEYS, "cpu and ram_gb are needed")
        raise LlmfitError(f"{path}: {key}: {allowed}" if key else f"{path}: {allowed}") from None
    except Exception as error:  # nothing that a file holds ends the server
        raise LlmfitError(f"{path}: {type(error).__name__}: {error}"[:300]) from None
    return msgspec.structs.replace(found, name=path)
