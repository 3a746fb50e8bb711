"""What a placement asks: demands as cases for the kernel, machines as free memory of a few kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from llmfit import codes
from llmfit._cases import Case
from llmfit.errors import BadParam, LlmfitError, TooMuch
from llmfit.hardware.host import host_of, is_unified, used_devices
from llmfit.hardware.what_ifs import WhatIf, apply_whatif
from llmfit.machine import GIB, Machine
from llmfit.placement.one_machine import Kind, MachineState
from llmfit.query import params
from llmfit.query.engine import UNLIMITED, Engine, use_case_of, whatif_of
from llmfit.query.values import LONGEST_TEXT, model_of, text_of, value_of

MOST, MOST_REPLICAS, MOST_PRIORITY, MOST_FILTERS = 2_000, 4_000, 1_000, 64
MILLI = GIB / 1000
MACHINE = "an object of hardware parameters ({} is this machine) or the name of a shipped one"
CONTEXT = params.BY_NAME["context"]
OWN = ("name", "model", "context", "replicas", "spread", "priority")
MUST = ("min_fit", "perfect", "min_tps", "max_mem_gb")  # filters of what a machine gives, beside a model too
STATIC = tuple(
    param.name
    for param in params.at("models")
    if param.stage in ("filter", "score") and param.name not in (*MUST, "include_too_tight", "distinct")
)
ANALYSED = tuple(
    param.name for param in params.at("models") if param.stage == "analyse" and param.name != "max_context"
)


class Demand(NamedTuple):
    """One demand. `case` makes its Case, changed where it is given other values; `key` is the same for equal cases."""

    name: str | None
    rows: list[int]
    query: Any
    replicas: int
    apart: bool
    priority: float
    key: object


class Place(NamedTuple):
    """One machine of the request. `order[i]`: which of its devices is number i of a FreeMemory."""

    name: str
    machine: Machine
    state: MachineState
    order: tuple[int, ...]


def demands_of(engine: Engine, asked: Sequence[Mapping[str, Any]]) -> list[Demand]:
    """The demands of a request. BadParam, UnknownModel or TooMuch, naming the demand."""
    if not isinstance(asked, list | tuple) or not asked:
        raise BadParam("invalid demands value: use a list of objects, one at least, each with a model or filters")
    if len(asked) > MOST:
        raise TooMuch(f"too many demands: {len(asked)}; use at most {MOST} at once")
    kept: dict[object, list[int]] = {}
    found = [told("demands", at, lambda one=one: demand_of(engine, one, kept)) for at, one in enumerate(asked)]  # type: ignore[misc]
    if len(kept) > MOST_FILTERS:
        raise TooMuch(
            f"too many demands with filters of their own: {len(kept)}; use at most {MOST_FILTERS} different ones"
        )
    total = sum(demand.replicas for demand in found)
    if total > MOST_REPLICAS:
        raise TooMuch(f"too many replicas: {total} in all; use at most {MOST_REPLICAS} at once")
    return found


def told(what: str, at: int, make: Callable[[], Any]) -> Any:
    """What `make` gives; its error says which one is meant."""
    try:
        return make()
    except LlmfitError as error:
        raise type(error)(f"{what}[{at}]: {error}") from None


def demand_of(engine: Engine, asked: Mapping[str, Any], kept: dict[object, list[int]]) -> Demand:
    if not isinstance(asked, Mapping):
        raise BadParam("invalid value: use an object with a model, or filters such as use_case")
    asked = {key: value for key, value in asked.items() if value is not None}
    model, filters = asked.get("model"), {key: asked[key] for key in asked if key in STATIC}
    for key in asked:
        if key not in (*OWN, *MUST, *STATIC, *ANALYSED):
            raise BadParam(f"{params.unknown(key, 'models')}; beside filters: {', '.join(OWN)}")
    if model is not None:
        model_of(model)
    elif not filters:
        raise BadParam("give a model, or filters such as use_case")
    if model is not None and (strange := sorted(filters.keys() - {"use_case"})):
        raise BadParam(f"invalid {strange[0]} value: a model is not filtered")
    more = {key: asked[key] for key in asked if key in (*MUST, *ANALYSED)}
    if asked.get("context") is not None:
        more["max_context"] = value_of(CONTEXT, text_of(asked["context"]))
    query = query_of({**filters, **more})
    if query.min_fit == "too_tight":
        raise BadParam("invalid min_fit value: use perfect|good|marginal")
    if model is not None:
        rows = [engine.only(replace(query, name=model))]
    else:
        chosen = tuple(sorted((name, text_of(value)) for name, value in filters.items()))
        if chosen not in kept:
            kept[chosen] = engine.run(replace(query_of(filters), min_fit="too_tight")).indices
        rows = kept[chosen]
        if not rows:
            raise BadParam("no model passes these filters")
    apart = asked.get("spread", False)
    if not isinstance(apart, bool):
        raise BadParam("invalid spread value: use true|false")
    settings = engine.settings_of(query)
    must = (settings, query.use_case, query.min_fit, query.min_tps, query.max_mem_gb)
    replicas = int(number("replicas", asked.get("replicas", 1), MOST_REPLICAS, int))
    priority = number("priority", asked.get("priority", 1), MOST_PRIORITY, int | float)
    same = (rows[0] if model is not None else -1, id(rows) if model is None else 0, must)
    return Demand(label(asked.get("name")), rows, query, replicas, apart, priority, same)


def query_of(options: Mapping[str, Any]) -> Any:
    return params.parse(params.pairs_of(options), "models").query


def label(value: object) -> str | None:
    if value is not None and (not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT):
        raise BadParam(f"invalid name value: use a non-empty text of at most {LONGEST_TEXT} characters")
    return value


def number(name: str, value: object, most: int, kind: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, kind) or not 0 < value <= most:
        raise BadParam(f"invalid {name} value: use a positive {'integer' if kind is int else 'number'} up to {most}")
    return value  # type: ignore[return-value]


def case_of(engine: Engine, demand: Demand, **other: Any) -> Case:
    """The kernel's view of a demand, with other values of its parameters where they are given."""
    query = replace(demand.query, **other)
    return Case(
        engine.catalog.core, demand.rows, *engine.settings_of(query),
        use_case=use_case_of(query), min_level=codes.FIT_LEVELS.index(query.min_fit), min_tps=query.min_tps or 0.0,
        max_mem_gb=UNLIMITED if query.max_mem_gb is None else query.max_mem_gb,
    )  # fmt: skip


def places_of(engine: Engine, asked: Sequence[Any]) -> tuple[list[Place], list[Kind]]:
    """The machines of a request, and the kinds among them."""
    if not isinstance(asked, list | tuple) or not asked:
        raise BadParam(f"invalid machines value: use a list, one at least, each {MACHINE}")
    if len(asked) > MOST:
        raise TooMuch(f"too many machines: {len(asked)}; use at most {MOST} at once")
    kinds: dict[Machine, int] = {}
    made: list[Kind] = []
    known: dict[WhatIf, Machine] = {}
    found: list[Place] = []
    names: set[str] = set()
    for at, one in enumerate(asked):
        name, machine = told("machines", at, lambda one=one, at=at: machine_of(engine, one, at, known))  # type: ignore[misc]
        if name in names and isinstance(one, str):
            name = f"{name} ({at + 1})"
        if name in names:
            raise BadParam(f"machines[{at}]: invalid name value: '{name[:40]}' is the name of another machine")
        names.add(name)
        emptied = tuple(replace(device, free_bytes=0) for device in machine.devices)
        bare = replace(machine, devices=emptied, ram_available_bytes=0, observed_at="", warnings=())
        used = used_devices(bare)
        if bare not in kinds:
            kinds[bare] = len(made)
            made.append(Kind(told("machines", at, lambda bare=bare: host_of(bare, engine.catalog)), is_unified(used)))  # type: ignore[misc]
        numbers = {id(device): number for number, device in enumerate(bare.devices)}
        order = tuple(numbers[id(device)] for device in used)
        left = (
            *(int(machine.devices[number].free_bytes / MILLI) for number in order),
            int(machine.ram_available_bytes / MILLI),
        )
        found.append(Place(name, machine, MachineState(kinds[bare], left), order))
    return found, made


def machine_of(engine: Engine, asked: Any, at: int, known: dict[WhatIf, Machine]) -> tuple[str, Machine]:
    """The name and the machine of one entry: the name of a shipped one, or an object."""
    if isinstance(asked, Machine):
        return f"machine {at + 1}", asked
    if not isinstance(asked, str | Mapping):
        raise BadParam(f"invalid value: use {MACHINE}")
    facts = {"profile": asked} if isinstance(asked, str) else dict(asked)
    name = asked if isinstance(asked, str) else label(facts.pop("name", None)) or f"machine {at + 1}"
    vram, ram = facts.pop("free_vram_gb", None), facts.pop("free_ram_gb", None)
    whatif = whatif_of(params.parse([*params.pairs_of(facts), ("strict", "true")], "system").query)
    if whatif not in known:
        known[whatif] = apply_whatif(engine.machine, whatif, engine.catalog.tables)
    return name, with_free(known[whatif], vram, ram)


def with_free(machine: Machine, vram: Any, ram: Any) -> Machine:
    """The machine with so many GiB free: `vram` over all GPUs by size, or a list of one for each; None: as it is."""
    devices = machine.devices
    if ram is not None:
        machine = replace(machine, ram_available_bytes=size("free_ram_gb", ram, machine.ram_total_bytes))
    if vram is not None:
        whole = sum(device.total_bytes for device in devices)
        if isinstance(vram, list | tuple):
            if len(vram) != len(devices):
                raise BadParam(f"invalid free_vram_gb value: use one number, or one for each of {len(devices)} GPUs")
            parts = [size("free_vram_gb", part, device.total_bytes) for part, device in zip(vram, devices, strict=True)]
        else:
            every = size("free_vram_gb", vram, whole)
            parts = [every * device.total_bytes // whole if whole else 0 for device in devices]
        devices = tuple(replace(device, free_bytes=part) for device, part in zip(devices, parts, strict=True))
    if ram is not None:  # what is no longer free in RAM is not free for a GPU that shares it
        devices = tuple(
            replace(device, free_bytes=min(device.free_bytes, machine.ram_available_bytes))
            if device.unified
            else device
            for device in devices
        )
    return replace(machine, devices=devices)


def size(name: str, value: Any, most: int) -> int:
    """GiB as bytes, no more than there are; what a size in the table loses to the driver is forgiven."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value * GIB <= most * 1.05:
        raise BadParam(
            f"invalid {name} value: use a non-negative number of GiB, at most the {most / GIB:.3f} that there are"
        )
    return min(int(value * GIB), most)
