"""What reservations and placements say over the wire."""

from __future__ import annotations

import msgspec

from llmfit.wire.common import CatalogName, Struct


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


class Assignment(Struct, frozen=True, kw_only=True):
    """One replica of a demand on a machine. Estimates are for the memory that the models before it have left.

    demand: Which demand, counted from 0.
    name: What the demand is called.
    machine: The name of the machine.
    model: The id of the model.
    quantization: The quantization, as llama.cpp spells it.
    runtime: What runs it: llamacpp, mlx, vllm.
    run_mode: As in rows.
    fit_level: As in rows, in the memory that was left.
    score: As in rows, in the memory that was left.
    estimated_tps: Tokens/s of one session while the other models of the machine are idle.
    memory_gb: All that it occupies, GiB.
    per_device_gb: What each GPU holds of it, GiB, in the order of the machine's GPUs.
    ram_gb: What lies in RAM, GiB; on unified memory what the GPU does not hold.
    """

    demand: int
    name: str | None
    machine: str
    model: str
    quantization: str
    runtime: str
    run_mode: str
    fit_level: str
    score: float
    estimated_tps: float
    memory_gb: float
    per_device_gb: tuple[float, ...]
    ram_gb: float


class GpusLeft(Struct, frozen=True, kw_only=True):
    """One kind of GPU of a machine.

    name: As the accelerator table spells it.
    free_vram_gb: What is left on each of them, GiB.
    """

    name: str
    free_vram_gb: tuple[float, ...]


class MachineLeft(Struct, frozen=True, kw_only=True):
    """What is left of a machine.

    name: Its name.
    models: How many models it was given.
    gpus: What is left, by kind of GPU.
    free_ram_gb: RAM that is left, GiB.
    """

    name: str
    models: int
    gpus: tuple[GpusLeft, ...]
    free_ram_gb: float


class Remedy(Struct, frozen=True, kw_only=True):
    """The least change of one thing with which one more replica has room in what is left; each was tried.

    parameter: What to change: free_vram_gb or free_ram_gb of a machine, or a member of the demand.
    value: To what; for memory, GiB to add.
    machine: Which machine is to have more memory.
    """

    parameter: str
    value: float | int | str
    machine: str | None = None


class Unplaced(Struct, frozen=True, kw_only=True):
    """Replicas of a demand that have no room.

    demand: Which demand, counted from 0.
    name: What the demand is called.
    replicas: How many have no room.
    why: Why.
    changes: What would make room for one more, each alone; null where it was not looked for.
    """

    demand: int
    name: str | None
    replicas: int
    why: str
    changes: tuple[Remedy, ...] | None


class Placement(Struct, frozen=True, kw_only=True):
    """Who goes where.

    policy: pack (a machine in use costs 10 points of score) or spread.
    method: exact: nothing better exists; heuristic: nothing better was found.
    replicas: How many were asked for.
    placed: How many have a place.
    weight: The sum of the priorities of those.
    score: The sum of the scores of those.
    machines_used: Machines that were given a model.
    assignments: Who goes where, by machine; on a machine in the order in which they take its memory.
    machines: What is left of each machine, in the order of the request.
    unplaced: What has no room, and why.
    catalog: The catalog that was asked.
    warnings: What was not known of a machine.
    explanation: With `explain`: all that is needed to ask again (wire.posted.Posted).
    """

    policy: str
    method: str
    replicas: int
    placed: int
    weight: float
    score: float
    machines_used: int
    assignments: tuple[Assignment, ...]
    machines: tuple[MachineLeft, ...]
    unplaced: tuple[Unplaced, ...]
    catalog: CatalogName
    warnings: tuple[str, ...] = ()
    explanation: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
