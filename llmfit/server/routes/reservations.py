"""Reservations: memory of this machine that one client holds, taken off in the answers to all."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from llmfit._core import give_back_freed_memory
from llmfit.answers.encode import gib_down
from llmfit.errors import BadParam, Conflict, NotFound
from llmfit.hardware.host import used_devices
from llmfit.machine import GIB, Machine, taken
from llmfit.query import params
from llmfit.query.engine import Engine, generation
from llmfit.query.trial import Trial
from llmfit.query.values import LONGEST_TEXT, model_of
from llmfit.server.routes.events import change_of
from llmfit.server.routes.reservation_store import Gpu, HeldMemory, ReservationStore, new_id
from llmfit.wire import placement as wire

TTL, MOST_TTL = 300, 86_400  # seconds: where none is asked for, at most
MOST_GIB = 1_000_000
MILLI = GIB / 1000
OF_MODEL = tuple(param.name for param in params.at("plan") if param.stage == "analyse" and param.name != "target_tps")


class Reservations:
    """One worker's view of what is reserved. All but :meth:`changed` runs in the thread that scores."""

    def __init__(self, engine: Engine, store: ReservationStore) -> None:
        self.engine, self.store = engine, store
        self.observed = engine.machine  # before reservations
        self.change = change_of(engine)  # what listeners are told
        self.settle()

    def changed(self) -> bool:
        """Whether reservations came, went or ran out since :meth:`settle`. Cheap: every request asks."""
        return self.store.stamp() != self._stamp or time.monotonic() >= self._until

    def settle(self, observed: Machine | None = None) -> None:
        """From now on answer for the machine (as it was observed now, or before) less what is reserved."""
        self.observed = observed or self.observed
        stamp, held = self.store.read()
        now = time.monotonic()
        live = [one for one in held if one.until > now]
        self._stamp, self._until = stamp, min((one.until for one in live), default=math.inf)
        machine = less(self.observed, live)
        if machine != self.engine.machine:
            self.engine.observe(machine)
            self.change = change_of(self.engine)
            give_back_freed_memory()  # of what was known about the state before

    def listed(self) -> wire.Reservations:
        """What is held."""
        self.settle()
        held = sorted(self.live(), key=lambda one: one.until)
        devices = self.observed.devices
        parts = [held_on(gpus_of(self.observed), one) for one in held]
        machine = self.engine.machine
        return wire.Reservations(
            reservations=tuple(map(shown, held)),
            ram_gb=gib_up(sum(one.ram_bytes for one in held)),
            vram_gb=tuple(map(gib_up, map(sum, zip(*parts, strict=True)))) if parts else (0.0,) * len(devices),
            free_ram_gb=gib_down(machine.ram_available_bytes),
            free_vram_gb=tuple(gib_down(device.free_bytes) for device in machine.devices),
            generation=generation(machine, self.engine.catalog),
        )

    def live(self) -> list[HeldMemory]:
        now = time.monotonic()
        return [one for one in self.store.read()[1] if one.until > now]

    def reserve(self, body: dict[str, Any]) -> wire.Reservation:
        """Hold memory: GiB, or what a model takes. Conflict where there is not so much left; BadParam."""
        seconds, label = ttl_of(body), label_of(body)
        with self.store.locked() as held:
            machine = less(self.observed, held)
            about: dict[str, Any]
            if "model" in body:
                ram, vram, about = self._for_model(machine, body)
            else:
                (ram, vram), about = for_sizes(machine, body), {}
            about |= {"label": label, "gpus": gpus_of(machine), **ends(seconds)}
            made = HeldMemory(id=new_id(), ram_bytes=ram, vram_bytes=vram, **about)
            self.store.write([*held, made])
        self.settle()
        return shown(made)

    def renew(self, name: str, body: dict[str, Any]) -> wire.Reservation:
        """Let a reservation end `ttl_s` from now. NotFound where there is none, or no longer."""
        seconds = ttl_of(body)
        nothing_else(body, ("ttl_s",))
        with self.store.locked() as held:
            one = replace(found(held, name), **ends(seconds))
            self.store.write([one if other.id == name else other for other in held])
        self.settle()
        return shown(one)

    def release(self, name: str) -> wire.Reservation:
        """End a reservation now. NotFound where there is none, or no longer."""
        with self.store.locked() as held:
            one = found(held, name)
            self.store.write([other for other in held if other.id != name])
        self.settle()
        return shown(one)

    def _for_model(self, machine: Machine, body: dict[str, Any]) -> tuple[int, tuple[int, ...], dict[str, Any]]:
        model = model_of(body.pop("model"))
        nothing_else(body, ("model", "ttl_s", "label", *OF_MODEL), "; vram_gb and ram_gb stand without a model")
        query = params.parse(params.pairs_of(body), "plan", model).query
        index = self.engine.only(query)
        row = Trial(self.engine.catalog, index, self.engine.settings_of(query)).on(machine)
        if row.fit_level == "too_tight":
            raise Conflict(f"not enough memory left for {row.name}: {'; '.join(row.notes[:2])}")
        used = used_devices(machine)
        on = {id(device): part for device, part in zip(used, row.per_device_gb, strict=True)}
        vram = tuple(math.ceil(on.get(id(device), 0.0) * 1000 * MILLI) for device in machine.devices)
        ram = math.ceil(max(row.total_memory_gb - sum(row.per_device_gb), 0.0) * 1000 * MILLI)
        return ram, vram, {"model": row.name, "quantization": row.best_quant, "run_mode": row.run_mode}


def less(machine: Machine, held: list[HeldMemory]) -> Machine:
    """The machine without what is held."""
    gpus = gpus_of(machine) if held else ()
    for one in held:
        machine = taken(machine, one.ram_bytes, held_on(gpus, one))
    return machine


def gpus_of(machine: Machine) -> tuple[Gpu, ...]:
    """By what each device is known again."""
    found, names = [], list[str]()
    for device in machine.devices:
        domain, _, rest = (device.pci_address or "").lower().partition(":")
        address = f"{domain.lstrip('0')}:{rest}" if rest else None
        names.append(device.name)
        found.append(Gpu(device.uuid, address, f"{device.name} {names.count(device.name)}"))
    return tuple(found)


def held_on(gpus: tuple[Gpu, ...], one: HeldMemory) -> tuple[int, ...]:
    """Bytes that a reservation holds of each of these devices: of one that is not there it holds nothing here."""
    if not one.gpus:
        return one.vram_bytes
    pairs = list(zip(one.gpus, one.vram_bytes, strict=True))
    return tuple(sum(part for held, part in pairs if held.same(gpu)) for gpu in gpus)


def for_sizes(machine: Machine, body: dict[str, Any]) -> tuple[int, tuple[int, ...]]:
    """Bytes of RAM and of each device. GPU memory given as one number is taken from the freest device on."""
    nothing_else(body, ("vram_gb", "ram_gb"), "; or give a model")
    ram, vram = amount("ram_gb", body.get("ram_gb", 0)), body.get("vram_gb", 0)
    devices = machine.devices
    if isinstance(vram, list):
        if len(vram) != len(devices):
            raise BadParam(f"invalid vram_gb value: use one number, or one for each of {len(devices)} GPUs")
        parts = [amount("vram_gb", part) for part in vram]
    else:
        parts = spread_out(machine, amount("vram_gb", vram))
    if not ram and not any(parts):
        raise BadParam("invalid body: give vram_gb, ram_gb or model, more than 0 of it")
    after = machine.ram_available_bytes - ram
    after -= sum(part for part, device in zip(parts, devices, strict=True) if device.unified)
    short = [
        f"GPU {at} has {gib_down(device.free_bytes):g} GiB left, {part / GIB:g} are asked for"
        for at, (device, part) in enumerate(zip(devices, parts, strict=True))
        if part > device.free_bytes
    ]
    if after < 0:
        short.append(f"{gib_down(machine.ram_available_bytes):g} GiB of RAM are left, {ram / GIB:g} are asked for")
    if short:
        raise Conflict(f"not enough memory left: {'; '.join(short)}")
    return ram, tuple(parts)


def spread_out(machine: Machine, size: int) -> list[int]:
    """`size` bytes by device: all on the freest where it holds them, else on one after the other."""
    parts, left = [0] * len(machine.devices), size
    usable = {id(device) for device in used_devices(machine)}
    free = [(device.free_bytes, -at) for at, device in enumerate(machine.devices) if id(device) in usable]
    for room, at in sorted(free, reverse=True):
        parts[-at] = min(room, left)
        left -= parts[-at]
    if left:
        whole = gib_down(sum(room for room, _ in free))
        raise Conflict(f"not enough memory left: {whole:g} GiB of GPU memory are left, {size / GIB:g} are asked for")
    return parts


def amount(name: str, value: object) -> int:
    """GiB as bytes."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_GIB:
        more = ", or a list of them, one for each GPU" if name == "vram_gb" else ""
        raise BadParam(f"invalid {name} value: use a non-negative number of GiB up to {MOST_GIB}{more}")
    return math.ceil(value * GIB)


def ttl_of(body: dict[str, Any]) -> float:
    value = body.pop("ttl_s", TTL)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= MOST_TTL:
        raise BadParam(f"invalid ttl_s value: use seconds, 1 to {MOST_TTL}")
    return float(value)


def label_of(body: dict[str, Any]) -> str | None:
    value = body.pop("label", None)
    if value is not None and (not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT):
        raise BadParam(f"invalid label value: use a non-empty text of at most {LONGEST_TEXT} characters")
    return value


def nothing_else(body: dict[str, Any], known: tuple[str, ...], hint: str = "") -> None:
    for key in body:
        if key not in known:
            raise BadParam(f"unknown parameter '{key[:40]}': use {', '.join(known)}{hint}")


def ends(seconds: float) -> dict[str, Any]:
    """When something that lasts so long from now on ends, by either clock."""
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    return {"until": time.monotonic() + seconds, "expires_at": at.strftime("%Y-%m-%dT%H:%M:%SZ")}


def found(held: list[HeldMemory], name: str) -> HeldMemory:
    for one in held:
        if one.id == name:
            return one
    raise NotFound("no such reservation: it was released, its time is over, or the server was restarted")


def gib_up(amount: float) -> float:
    """Bytes as GiB to 3 decimals, never less than there is."""
    return math.ceil(amount / MILLI) / 1000


def shown(one: HeldMemory) -> wire.Reservation:
    return wire.Reservation(
        id=one.id, expires_at=one.expires_at, expires_in_s=round(max(one.until - time.monotonic(), 0.0), 3),
        ram_gb=gib_up(one.ram_bytes), vram_gb=tuple(map(gib_up, one.vram_bytes)), label=one.label, model=one.model,
        quantization=one.quantization, run_mode=one.run_mode,
    )  # fmt: skip
