"""What reservations and placements say over the wire."""

from __future__ import annotations

from llmfit.shapes import Struct


class Reservation(Struct, frozen=True, kw_only=True):
    """Memory of this machine that is held for somebody until it is released or its time is over.

    id: What it is renewed and released by.
    expires_at: When it ends, UTC, unless it is renewed.
    expires_in_s: How long that is, seconds.
    ram_gb: RAM that is held, GiB.
    vram_gb: What is held on each GPU, GiB, in the order of the driver.
    label: What whoever made it called it.
    model: The model that it was made for.
    quantization: The quantization that the memory is for.
    run_mode: As in rows.
    """

    id: str
    expires_at: str
    expires_in_s: float
    ram_gb: float
    vram_gb: tuple[float, ...]
    label: str | None = None
    model: str | None = None
    quantization: str | None = None
    run_mode: str | None = None


class Reservations(Struct, frozen=True, kw_only=True):
    """All that is held, the first to end first.

    reservations: What is held.
    ram_gb: RAM held in all, GiB.
    vram_gb: What is held on each GPU in all, GiB, in the order of the driver.
    free_ram_gb: RAM that is left, GiB.
    free_vram_gb: What is left on each GPU, GiB.
    generation: That of answers from now on.
    """

    reservations: tuple[Reservation, ...]
    ram_gb: float
    vram_gb: tuple[float, ...]
    free_ram_gb: float
    free_vram_gb: tuple[float, ...]
    generation: str
