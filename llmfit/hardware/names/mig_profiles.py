"""MIG: parts of an NVIDIA card with memory and compute of their own, by the name of their profile."""

from __future__ import annotations

import re

import msgspec

MEMORY_SLICES = 8
# How many compute slices a card is cut into (NVIDIA's MIG user guide, supported GPUs), by the start of its record's id.
COMPUTE_SLICES = {
    "nvidia-a30": 4, "nvidia-rtx-pro-6000": 4, "nvidia-rtx-pro-5": 2, "nvidia-rtx-pro-4": 2, "nvidia-thor": 2,
}  # fmt: skip
MOST_SLICES = 7  # of all others
GB = 10**9


class Profile(msgspec.Struct, frozen=True):
    """`1c.3g.71gb`: one of the three compute slices of an instance that has 71 GB."""

    text: str
    compute: int
    gigabytes: int


def profile_of(name: str) -> Profile | None:
    """The profile at the end of a MIG device's name, or of a Kubernetes product label."""
    media = r"(?:[+.](?:me|gfx)(?:\.all)?|-me)*"  # with or without engines for video and graphics
    found = re.search(rf"\b((?:(\d)c\.)?(\d)g\.(\d{{1,3}})gb){media}$", name.strip(), re.IGNORECASE)
    return Profile(found[1], int(found[2] or found[3]), int(found[4])) if found else None


def compute_share(record: str | None, profile: Profile) -> float:
    """The part of the card's compute rate, by the card's own number of slices; at most all of it."""
    slices = next((n for start, n in COMPUTE_SLICES.items() if (record or "").startswith(start)), MOST_SLICES)
    return min(1.0, profile.compute / slices)


def memory_share(part_bytes: float, card_bytes: float) -> float:
    """The part of the card's memory bandwidth: whole eighths, at least one."""
    if not card_bytes:
        return 1.0
    return min(max(round(MEMORY_SLICES * part_bytes / card_bytes), 1), MEMORY_SLICES) / MEMORY_SLICES
