"""From the name that a driver prints or a user types to a record of the accelerator table."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache

import msgspec

from llmfit.catalog.tables import Accelerator, Tables, normalise_device

MIB_PER_GIB = 1024
PREFIXES = (
    "quadro", "rtx", "gtx", "rx", "arc", "arc pro", "apple", "jetson", "radeon", "ryzen", "data center gpu",
    "snapdragon",
)  # family words that a typed name often lacks  # fmt: skip

_SIZE = re.compile(r"\b(\d+)gb\b")
_GLUED = re.compile(
    r"(?<=\brtx)(?=\w)|(?<=\bgtx)(?=\d)|(?<=\brx)(?=\d)|(?<=\barc)(?=[ab]\d)|(?<=\bvega)(?=\d)"
    r"|(?<=\d)(?=(?:ti|tisuper|super|xtx|xt|gre|pro|max|ultra)\b)|(?<=\dti)(?=super\b)|(?<=\d90)(?=d\b)"
)  # where a typed name lacks a blank
_SUPER = re.compile(r"\b(16[56]0|20[678]0|40[78]0) ?(t(?=s)|ti)? ?s\b")  # "4080S", "4070 Ti S", "4070TS"
VARIANTS = {"ti", "super", "xt", "xtx", "gre"}  # a product with one of them is not the one without
_FAMILIES = {*PREFIXES, "geforce", "radeon", "instinct", "tesla", "quadro"}
_compiled = lru_cache(maxsize=None)(re.compile)


class Hints(msgspec.Struct, frozen=True, kw_only=True):
    """What else is known of a device: memory in MiB, memory clock in MHz, bus in bits, GPU cores."""

    memory_mib: float | None = None
    bus_bits: int | None = None
    mem_clock_mhz: int | None = None
    gpu_cores: int | None = None


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """The record found; ``row`` is None where nothing tells the ``candidates`` apart (or there are none)."""

    row: Accelerator | None = None
    memory_gb: float | None = None  # nominal size, in GiB; None for parts that have no size of their own
    odd_size_gb: float | None = None  # a size in the name that the product is not sold with
    candidates: tuple[Accelerator, ...] = ()
    warning: str | None = None


def resolve(name: str, tables: Tables, vendor: str | None = None, hints: Hints | None = None) -> Match:
    """The record of a device that a driver of ``vendor`` calls ``name``."""
    return _choose(normalise_device(name), _hits(normalise_device(name), tables, vendor), hints or Hints())


class _Same:
    """Stands for tables as a key: these very ones."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    def __hash__(self) -> int:
        return id(self.tables)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.tables is other.tables


def resolve_typed(name: str, tables: Tables, hints: Hints | None = None) -> Match:
    """The record of a name that a person typed: family words may be missing, blanks may be too."""
    return _resolve_typed(name, _Same(tables), hints)


@lru_cache(maxsize=512)  # a fleet names the same few GPUs again and again
def _resolve_typed(name: str, among: _Same, hints: Hints | None) -> Match:
    tables = among.tables
    text = normalise_device(name)
    spaced = _SUPER.sub(lambda found: f"{found[1]} {'ti ' if found[2] else ''}super", _GLUED.sub(" ", text))
    families = PREFIXES if re.match(r"[pmk]\d|g[pv]100", spaced) else PREFIXES[1:]
    for attempt in dict.fromkeys((text, spaced, *(f"{prefix} {spaced}" for prefix in families))):
        rows = _hits(attempt, tables, None)
        exact = [row for row in tables.accelerators if is_gpu(row) and _is_called(row, attempt)]
        if any(row not in rows for row in exact) or len({row.vendor for row in rows}) > 1:
            rows = exact or rows
        if rows:
            return _choose(attempt, rows, hints or Hints())
    words = spaced.split()
    if not any(len(word) > 2 for word in words):  # too little to list products by
        return Match()
    rows = [row for row in tables.accelerators if is_gpu(row) and _starts(words, row.name)]
    return Match(candidates=tuple(rows))


def resolve_chip(name: str, tables: Tables, vendor: str, hints: Hints) -> Match:
    """The same of a list of all products with one chip: "Navi 31 [Radeon RX 7900 XT/7900 XTX/7900 GRE]".

    All of the list are looked up, and memory decides; family words stand only before the first.
    """
    listed = re.search(r"\[([^\]]*/[^\]]*)\]", name)
    if listed is None:
        return resolve(name, tables, vendor, hints)
    parts = [part.strip() for part in listed[1].split("/")]
    first = parts[0].split()
    names = [parts[0], *(" ".join([*first[: max(0, len(first) - len(part.split()))], part]) for part in parts[1:])]
    rows: dict[str, Accelerator] = {}
    for one in names:
        for row in _hits(normalise_device(one), tables, vendor) or _hits(
            normalise_device(one.split()[-1]), tables, vendor
        ):
            rows.setdefault(row.id, row)
    return _choose("", list(rows.values()), hints) if rows else resolve(name, tables, vendor, hints)


def nearest(name: str, tables: Tables, n: int = 3) -> list[str]:
    """The ``n`` names of GPUs that look most like ``name``."""
    names: dict[str, str] = {}
    for row in tables.accelerators:
        if is_gpu(row):
            words = normalise_device(row.name).split()
            names.setdefault(" ".join(words), row.name)
            while len(words) > 1 and words[0] in _FAMILIES:
                words = words[1:]
                names.setdefault(" ".join(words), row.name)
    wanted = _GLUED.sub(" ", normalise_device(name))
    shared = {key: len(set(key.split()) & set(wanted.split())) for key in names}

    def likeness(key: str) -> float:
        return shared[key] / max(len(wanted.split()), 1) + difflib.SequenceMatcher(None, wanted, key).ratio()

    found = sorted(sorted(names, reverse=True), key=likeness, reverse=True)  # of equals, the later generation
    return list(dict.fromkeys(names[key] for key in found))[:n]


def backend_of(row: Accelerator) -> str | None:
    """The backend that runs LLMs on it best (an id of codes.BACKENDS); None where llmfit knows none."""
    if row.vendor == "amd":
        modern = row.arch.startswith(("rdna2", "rdna3", "rdna4", "cdna"))
        return "rocm" if modern and (row.isa == "gfx1151" or not is_apu(row)) else "vulkan"
    if row.vendor == "intel":
        if row.kind == "npu":
            return None
        return "sycl" if row.kind != "integrated-unified" or row.name.startswith("Arc") else "vulkan"
    return {"nvidia": "cuda", "apple": "metal", "huawei": "ascend", "qualcomm": "vulkan"}.get(row.vendor)


def is_gpu(row: Accelerator) -> bool:
    """Whether it can be a :class:`~llmfit.machine.Device` (boards listed for their CPU and TPUs cannot)."""
    return row.kind != "cpu" and backend_of(row) is not None


def is_apu(row: Accelerator) -> bool:
    """Whether it is a graphics part inside a CPU package, with no memory of its own."""
    return row.unified and row.kind == "integrated-unified"


def nominal_mib(row: Accelerator, memory_gb: float | None) -> float | None:
    """What a driver reports for the size, in MiB: the first figure the table has for it, else the nominal."""
    if memory_gb is None:
        return None
    nominal = memory_gb * MIB_PER_GIB
    return next((mib for mib in row.reported_mib if _close(mib, nominal)), nominal)


def _hits(text: str, tables: Tables, vendor: str | None) -> list[Accelerator]:
    rows = [
        row
        for row in tables.accelerators
        if (row.vendor == vendor if vendor else is_gpu(row)) and _compiled(row.match).search(text)
    ]
    variants = VARIANTS.intersection(text.split()) if "/" not in text else ()
    return [row for row in rows if variants <= _words(row)] if variants else rows


def _words(row: Accelerator) -> set[str]:
    """All words of its names."""
    return {word for name in (row.name, *row.aliases) for word in normalise_device(name).split()}


def _is_called(row: Accelerator, text: str) -> bool:
    return any(normalise_device(name) == text for name in (row.name, *row.aliases))


def _choose(text: str, rows: list[Accelerator], hints: Hints) -> Match:
    """Narrows ``rows`` by each fact that at least one of them agrees with, the surest first."""
    if not rows:
        return Match()
    named = {float(size) for size in _SIZE.findall(text)}
    clock = hints.mem_clock_mhz or 0
    for agrees in (
        lambda row: bool(named & set(row.memory_gb)),
        lambda row: hints.memory_mib is not None and _size(row, hints.memory_mib) is not None,
        lambda row: hints.bus_bits is not None and row.bus_bits == hints.bus_bits,
        lambda row: row.mem_clock_hint_mhz is not None and abs(row.mem_clock_hint_mhz - clock) <= 100,
        lambda row: hints.gpu_cores in row.gpu_cores,
    ):
        rows = [row for row in rows if agrees(row)] or rows
    if hints.memory_mib is not None:  # sizes that lie close together: 252 and 279 GB
        least = min(_distance(row, hints.memory_mib) for row in rows)
        rows = [row for row in rows if _distance(row, hints.memory_mib) == least]
    row = rows[0] if len(rows) == 1 else next((row for row in rows if row.default), None)
    if row is None and not rows[0].unified and all(_alike(row) == _alike(rows[0]) for row in rows):  # "MI250X / MI250"
        row = min(rows, key=lambda row: row.fp16_tflops or 0)
    if row is None:
        return Match(candidates=tuple(rows))
    size, odd = row.default_memory_gb, None
    if hints.memory_mib is not None:
        size = _size(row, hints.memory_mib) or size
    if named and row.unified:
        size = max(named)  # the RAM beside it: any size
    elif named & set(row.memory_gb):
        size = max(named & set(row.memory_gb))
    elif named and not _is_called(row, text):
        odd = max(named)
    others = [other.name for other in rows if other is not row]
    warning = f"taken for {row.name}; it could also be {' or '.join(others)}" if others else None
    return Match(row=row, memory_gb=size, odd_size_gb=odd, candidates=tuple(rows), warning=warning)


def fits(row: Accelerator, mib: float) -> bool:
    """Whether the product is sold with so much memory."""
    return _size(row, mib) is not None


def _alike(row: Accelerator) -> tuple[object, ...]:
    """What products have in common that are told apart by little but their clock."""
    return row.vendor, row.arch, row.isa, row.memory_gb, row.memory_bandwidth_gbps, row.bus_bits, row.unified


def _size(row: Accelerator, mib: float) -> float | None:
    """The nominal size (GiB) that a reported total belongs to."""
    exact = any(abs(mib - reported) <= 1 for reported in row.reported_mib)
    sizes = [size for size in row.memory_gb if exact or _close(mib, size * MIB_PER_GIB)]
    return min(sizes, key=lambda size: abs(size * MIB_PER_GIB - mib), default=None)


def _distance(row: Accelerator, mib: float) -> float:
    """MiB between a reported total and the nearest size that the product is sold with; none where it has no size."""
    return min((abs(size * MIB_PER_GIB - mib) for size in row.memory_gb), default=0.0)


def _close(mib: float, nominal_mib: float) -> bool:
    return 0.88 * nominal_mib <= mib <= 1.02 * nominal_mib


def _starts(words: list[str], name: str) -> bool:
    parts = normalise_device(name).split()
    return all(any(part.startswith(word) for part in parts) for word in words)
