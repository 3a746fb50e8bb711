"""GPUs by name: what a person typed as records of the accelerator table, or an error with the nearest names."""

from __future__ import annotations

import re

import msgspec

from llmfit.catalog.tables import Accelerator, Tables
from llmfit.errors import BadParam
from llmfit.hardware.names.lookup import Hints, nearest, resolve_typed
from llmfit.hardware.names.mig_profiles import Profile, profile_of

LONGEST_NAME = 100
MOST_NAMES = 12  # in an error message
MOST_GPUS, MOST_KINDS = 64, 8  # of the kernel
# Between two GPUs: not the plus of "Ryzen AI Max+ 395" and "Snapdragon 8+ Gen 1".
BETWEEN = re.compile(r"\s*(?:(?<!max)(?<!\b8)\+|,|&|\band\b)\s*", re.IGNORECASE)
BEFORE = re.compile(r"\(?([0-9]{1,9}) ?[x\u00d7*](?!tx?\b)\)? ?(.+)", re.IGNORECASE)  # "2x RTX 3090", not "7900 xtx"
AFTER = re.compile(r"(.+?)(?: [x\u00d7*] ?| \(x|(?<=[0-9])x)([0-9]{1,9})\)?", re.IGNORECASE)  # "RTX 3090 x2"
SHARED = re.compile(r"-SHARED$", re.IGNORECASE)  # of Kubernetes' product labels: a card given to several pods


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """So many GPUs of one kind. ``memory_gb`` (GiB, nominal) is None for a part that has no memory of its own."""

    row: Accelerator
    memory_gb: float | None
    count: int = 1
    mig: Profile | None = None  # a part of the card


def parts_of(text: str, ram_gb: float | None, tables: Tables, warnings: list[str]) -> list[Part]:
    """The GPUs of ``RTX 4090``, ``2x RTX 3090`` or ``RTX 4090 + 2x RTX 3060``; BadParam where one is not to be told.

    Of a unified part ``ram_gb`` tells the variants apart. A variant that is only assumed is a warning.
    """
    parts = [_part(name, ram_gb, tables, warnings) for name in BETWEEN.split(f" {text} ")]
    if sum(part.count for part in parts) > MOST_GPUS:
        raise BadParam(f"invalid gpu value: use at most {MOST_GPUS} GPUs")
    if len({(part.row.id, part.memory_gb) for part in parts}) > MOST_KINDS:
        raise BadParam(f"invalid gpu value: use at most {MOST_KINDS} kinds of GPU")
    shared = [part.row.name for part in parts if part.row.unified]
    if shared and sum(part.count for part in parts) > 1:
        raise BadParam(f"invalid gpu value: unified memory is one pool; name {shared[0]} alone")
    return parts


def _part(text: str, ram_gb: float | None, tables: Tables, warnings: list[str]) -> Part:
    count, name = _counted(" ".join(text.split()), tables)
    if len(name) > LONGEST_NAME:
        raise BadParam(f"invalid gpu value: use a name of at most {LONGEST_NAME} characters")
    if not 1 <= count <= MOST_GPUS:
        raise BadParam(f"invalid gpu value: use 1 to {MOST_GPUS} GPUs")
    shared = SHARED.search(name) is not None
    whole, mig = SHARED.sub("", name), None
    if re.search(r"\bmig\b", whole, re.IGNORECASE) and (mig := profile_of(whole)) is not None:
        whole = re.split(r"[\s-]+mig\b", whole, flags=re.IGNORECASE)[0]
    if shared:
        free = "how much of it is free is not known: the whole is assumed"
        warnings.append(f"gpu: {name} is shared by a scheduler: {free}")
    part = _whole(name, whole, ram_gb, tables, warnings)
    return msgspec.structs.replace(part, count=count, mig=mig)


def _counted(text: str, tables: Tables) -> tuple[int, str]:
    """How many, and of what: "2x RTX 3090", "RTX 3090 x2"."""
    after = AFTER.fullmatch(text)
    if after and resolve_typed(after[1], tables).candidates:
        return int(after[2]), after[1]
    before = BEFORE.fullmatch(text)
    if before:
        return int(before[1]), before[2]
    return 1, text


def _whole(name: str, card: str, ram_gb: float | None, tables: Tables, warnings: list[str]) -> Part:
    """The product of a name without a count."""
    match = resolve_typed(card, tables)
    if any(row.unified for row in match.candidates):
        match = resolve_typed(card, tables, Hints(memory_mib=None if ram_gb is None else ram_gb * 1024))
    if match.row is None and len(match.candidates) > 1:
        names = list(dict.fromkeys(row.name for row in match.candidates))
        more = f" (and {len(names) - MOST_NAMES} more)" if len(names) > MOST_NAMES else ""
        listed = ", ".join(names[:MOST_NAMES]) + more
        raise BadParam(f'invalid gpu value: "{name}" fits several GPUs; use one of: {listed}')
    if match.row is None:
        near = dict.fromkeys([*(row.name for row in match.candidates), *nearest(name, tables)])
        raise BadParam(f'invalid gpu value: no such GPU "{name}"; nearest: {", ".join(list(near)[:3])}')
    if match.odd_size_gb is not None:
        sizes = "|".join(f"{size:g}" for size in match.row.memory_gb)
        raise BadParam(f"invalid gpu value: {match.row.name} comes with {sizes} GB; give another size as vram_gb")
    if match.warning:
        warnings.append(f"gpu: {name} is {match.warning}")
    return Part(row=match.row, memory_gb=match.memory_gb)
