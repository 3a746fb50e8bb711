"""Broken catalogs: tables of text for the packer, packed ones for the kernel."""

from __future__ import annotations

import csv
import io
import random
import shutil
from array import array
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from llmfit._core import Estimates, Ranking
from llmfit.catalog import catalog as catalogs
from llmfit.catalog import pack, plausibility
from llmfit.catalog.catalog import Catalog
from llmfit.errors import LlmfitError
from llmfit.hardware.host import host_of
from llmfit.machine import Device, Machine

from .broken import DOUBLES, INTEGERS, bytes_of, text_of
from .driver import One

DATA = Path(__file__).parents[2] / "src/data"
EVERY = 400  # one model in so many is in the small catalog
GPU = Device(name="A", vendor="nvidia", backend="cuda", total_bytes=24 << 30, free_bytes=23 << 30, 
             bandwidth_gbps=1008.0, bandwidth_source="table", compute_capability=8.9, fp32_tflops=82.0)  # fmt: skip
MACHINES = tuple(
    Machine(
        cpu_name="c", cpu_cores=8, cpu_arch="x86", ram_total_bytes=64 << 30, ram_available_bytes=60 << 30, devices=gpus
    )
    for gpus in ((), (GPU,), (GPU, GPU))
)  # fmt: skip


def small(folder: Path) -> Path:
    """The tables with few models."""
    target = folder / "data"
    if not target.exists():
        shutil.copytree(DATA, target)
        for name in ("models.csv", "abilities.csv"):
            lines = (DATA / name).read_text().splitlines(keepends=True)
            (target / name).write_text("".join([lines[0], *lines[1::EVERY]]))
        lines = (DATA / "corrections.csv").read_text().splitlines(keepends=True)
        (target / "corrections.csv").write_text("".join(lines[:9]))
    return target


def use(catalog: Catalog) -> None:
    """Everything that reads what a catalog holds."""
    for machine in MACHINES:
        ranking = Ranking(Estimates(catalog.core, host_of(machine, catalog)), 1)
        ranking.select(distinct=True, limit=3, providers=bytes(len(catalog.providers)) or None)
        ranking.encode(list(range(catalog.size)))
        ranking.encode(list(range(min(catalog.size, 3))), keys=(b"name", b"score"))
    catalog.core.found(("qwen", "8b"))
    catalog.core.index_of("nobody/nothing")
    for index in range(min(catalog.size, 5)):
        catalog.core.name_of(index)


def packed_bytes(folder: Path) -> One:
    """A packed catalog with bytes changed, opened and used."""
    data = pack.pack(small(folder))
    path = folder / "catalog.msgpack"

    def one(chance: random.Random) -> None:
        path.write_bytes(bytes_of(chance, data))
        use(opened := Catalog(str(path)))
        opened.tables  # noqa: B018

    return one


def replaced(chance: random.Random, value: Any) -> Any:
    """A value of a packed catalog, changed where it hurts."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return chance.choice((value + 1, value - 1, *INTEGERS))
    if isinstance(value, float):
        return chance.choice(DOUBLES)
    if isinstance(value, str):
        return text_of(chance, value)
    if isinstance(value, memoryview):
        kind = "d" if value.nbytes % 8 == 0 and chance.randrange(2) else "I" if value.nbytes % 4 == 0 else "B"
        cells = array(kind, value.tobytes())
        for _ in range(chance.choice((1, 1, 3))):
            if cells:
                numbers = DOUBLES if kind == "d" else [n & (255 if kind == "B" else (1 << 32) - 1) for n in INTEGERS]
                cells[chance.randrange(len(cells))] = chance.choice(numbers)
        return memoryview(cells.tobytes())
    if isinstance(value, list):
        kind = chance.randrange(4)
        if kind == 0 or not value:
            return value * chance.choice((0, 2, 5))
        if kind == 1:
            return value[:-1]
        at = chance.randrange(len(value))
        return [*value[:at], replaced(chance, value[at]), *value[at + 1 :]]
    if isinstance(value, dict):
        key = chance.choice(sorted(value)) if value else "x"
        if chance.randrange(4) == 0:
            return {k: v for k, v in value.items() if k != key}
        return value | {key: replaced(chance, value.get(key, 1))}
    if isinstance(value, msgspec.Raw):
        return msgspec.Raw(bytes_of(chance, bytes(value)))
    if isinstance(value, msgspec.Struct):
        name = chance.choice(value.__struct_fields__)
        return msgspec.structs.replace(value, **{name: replaced(chance, getattr(value, name))})
    return value


def packed_fields(folder: Path) -> One:
    """A packed catalog whose fields hold what no packer wrote, in the right types."""
    packed = msgspec.msgpack.decode(pack.pack(small(folder)), type=pack.Packed)
    path = folder / "catalog.msgpack"

    def one(chance: random.Random) -> None:
        wrong = replaced(chance, packed)
        if chance.randrange(3) == 0:
            wrong = replaced(chance, wrong)
        path.write_bytes(msgspec.msgpack.encode(wrong))
        use(opened := Catalog(str(path)))
        plausibility.summary(opened)

    return one


def checked(folder: Path) -> One:
    """`llmfit catalog check FILE` on a packed catalog with bytes changed."""
    data = pack.pack(small(folder))
    path = folder / "catalog.msgpack"

    def one(chance: random.Random) -> None:
        path.write_bytes(bytes_of(chance, data))
        plausibility.check_packed(Catalog(str(path)), str(path))

    return one


@cache
def tables() -> tuple[str, ...]:
    return tuple(sorted(path.name for path in DATA.glob("*.csv")))


def csv_tables(folder: Path) -> One:
    """The tables with a cell or a byte changed: refused in one line, or packed to a catalog that works."""
    data = small(folder)
    kept = {name: (data / name).read_bytes() for name in tables()}

    def one(chance: random.Random) -> None:
        name = chance.choice(("models.csv", *tables()))
        path = data / name
        try:
            if chance.randrange(4) == 0:
                path.write_bytes(bytes_of(chance, kept[name]))
            else:
                lines = list(csv.reader(io.StringIO(kept[name].decode(), newline="")))
                line = lines[chance.randrange(len(lines))]
                at = chance.randrange(len(line))
                line[at] = text_of(chance, line[at])
                out = io.StringIO(newline="")
                csv.writer(out, lineterminator="\n").writerows(lines)
                path.write_bytes(out.getvalue().encode("utf-8", "replace"))
            packed = pack.pack(data)
        finally:
            path.write_bytes(kept[name])
        try:  # what the packer lets through must open
            use(Catalog.of(msgspec.msgpack.decode(packed, type=pack.Packed)))
        except (LlmfitError, ValueError, TypeError, LookupError) as error:
            raise AssertionError(f"{name} was packed, but: {error!r}") from error

    return one


def shipped() -> Catalog:
    return catalogs.default()
