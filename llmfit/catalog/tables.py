"""The accelerator and CPU tables: what a record holds, and how its CSV text becomes records.

The build packs what :func:`read_csv` returns (``src/data/hardware.md`` describes the columns); at run time
the records arrive again as :class:`Tables`. Imports nothing of llmfit but its errors.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from llmfit.errors import CatalogError

Amount = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
Count = Annotated[int, msgspec.Meta(gt=0, le=1_000_000)]
Year = Annotated[int, msgspec.Meta(ge=2000, le=2100)]
Record = TypeVar("Record", bound=msgspec.Struct)


class Accelerator(msgspec.Struct, frozen=True, kw_only=True):
    """One product or variant. Bandwidth in GB/s (10^9), compute in dense TFLOPS (10^12) or TOPS."""

    id: str
    name: str
    vendor: str
    kind: str  # discrete, datacenter, integrated-unified, npu, cpu
    form: str  # desktop, laptop, workstation, server, soc
    arch: str
    isa: str | None = None  # compiler target (gfx1100); NVIDIA has compute_capability instead
    compute_capability: Amount | None = None
    release_year: Year | None = None
    memory_gb: tuple[Amount, ...] = ()  # nominal sizes in GiB; of unified parts the RAM sizes sold, if listed
    default_memory_gb: Amount | None = None  # size of a typed name without one
    reported_mib: tuple[Count, ...] = ()  # totals that drivers print, MiB
    memory_type: str
    bus_bits: Count | None = None
    memory_bandwidth_gbps: Amount | None = None
    unified: bool = False  # shares system RAM
    fp32_tflops: Amount | None = None  # shader rate
    fp16_tflops: Amount | None = None  # matrix unit where there is one, FP32 accumulate
    int8_tops: Amount | None = None
    fp8_tflops: Amount | None = None
    fp4_tflops: Amount | None = None
    gpu_cores: tuple[Count, ...] = ()  # Apple core counts sold under the name
    mem_clock_hint_mhz: Count | None = None  # NVML maximum that tells variants of one name apart
    default: bool = False  # assumed when nothing tells the variants of a name apart
    match: str  # regex over the normalised device name
    aliases: tuple[str, ...] = ()  # names that drivers print
    confidence: str  # A two sources agree, B one source, C announced, disputed or estimated
    sources: tuple[str, ...] = ()


class CpuFamily(msgspec.Struct, frozen=True, kw_only=True):
    """A CPU family, board, phone or cloud shape. Bandwidth in GB/s for each socket, clocks in GHz."""

    family: str
    match: str  # regex over the normalised CPU, board or instance name; the first record that matches wins
    vendor: str
    segment: str  # desktop, laptop, mini, hedt, workstation, server, soc, sbc, phone, cloud, generic
    memory_type: str
    channels_64bit: Amount | None = None
    max_mts: Count | None = None
    peak_gbps: Amount
    typical_channels: Amount | None = None
    typical_mts: Count | None = None
    typical_gbps: Amount
    typical_cores: Count | None = None
    typical_ecores: Count | None = None
    max_cores: Count | None = None
    base_ghz: Amount | None = None
    boost_ghz: Amount | None = None
    simd: str
    fp32_flop_cycle_core: Count | None = None  # a fused multiply-add counts as 2
    fp32_flop_cycle_ecore: Count | None = None
    vcpus_per_socket: Count | None = None
    release_year: Year | None = None
    threads_per_core: Count | None = None  # where it is not 1 and no x86 kernel tells


KINDS = ("desktop", "laptop", "mini", "mac", "workstation", "server", "sbc", "cloud")


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A computer by name. What is named like a what-if parameter means the same (GiB, GB/s); its memory is all free."""

    name: Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9][a-z0-9.-]*)?$", max_length=60)] = ""
    title: Annotated[str, msgspec.Meta(max_length=100)] = ""
    kind: Literal[KINDS] = "desktop"  # type: ignore[valid-type]
    year: Year | None = None  # when it came out
    os: Literal["linux", "macos", "windows"] = "linux"
    cpu: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]  # a name that the CPU table knows
    cpu_cores: Annotated[int, msgspec.Meta(ge=1, le=4096)] | None = None  # physical, of all sockets
    sockets: Annotated[int, msgspec.Meta(ge=1, le=16)] = 1
    ram_gb: Amount
    ram_bandwidth_gbps: Amount | None = None
    gpu: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    vram_gb: Amount | None = None
    gpu_bandwidth_gbps: Amount | None = None
    unified_memory: bool | None = None
    backend: Literal["cuda", "rocm", "metal", "vulkan", "sycl"] | None = None
    sources: tuple[str, ...] = ()


class Tables(msgspec.Struct, frozen=True, kw_only=True):
    """The tables of hardware, in file order."""

    accelerators: tuple[Accelerator, ...]
    cpus: tuple[CpuFamily, ...]
    machines: tuple[Profile, ...] = ()


_DROP = re.compile(r"\((?:r|tm|c)\)|[®™]")
_VENDOR_WORDS = re.compile(r"advanced micro devices, inc\.|\b(?:nvidia|amd|ati|intel|corporation|qualcomm|huawei)\b")
_SEPARATORS = re.compile(r'[-_,()\[\]"]')
_SIZE = re.compile(r"\b(\d+) (?:gb|gib)\b|\b(\d+)gib\b")


@lru_cache(maxsize=1024)
def normalise_device(name: str) -> str:
    """A GPU name as the ``match`` patterns of accelerators expect it."""
    text = _VENDOR_WORDS.sub(" ", _DROP.sub(" ", name.lower()).replace("[amd/ati]", " "))
    text = " ".join(_SEPARATORS.sub(" ", text.replace("/", " / ")).split())
    return _SIZE.sub(lambda found: f"{found[1] or found[2]}gb", text)


def normalise_cpu(name: str) -> str:
    """A CPU, board or instance name as the ``match`` patterns of CPU families expect it."""
    return " ".join(_DROP.sub("", name.lower().replace("\0", " ")).split())


def read_csv(path: str | Path, struct: type[Record]) -> list[Record]:
    """All records of a table, one for each key (its first column)."""
    return read_csv_lines(path, struct, unique=True)


def read_csv_lines(path: str | Path, struct: type[Record], unique: bool = False) -> list[Record]:
    """All lines of a table. An empty cell is the field's default; `|` separates the items of a list."""
    import csv  # a program that opens a packed catalog needs none

    path = Path(path)
    fields = msgspec.structs.fields(struct)
    names = [field.encode_name for field in fields]
    lists = {field.encode_name for field in fields if isinstance(field.default, tuple)}
    records: list[Record] = []
    keys: set[str] = set()
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = next(reader, [])
            _check_header(header, names, f"{path.name}:1")
            for cells in reader:
                where = f"{path.name}:{reader.line_num}"
                if not all(map(str.isprintable, cells)):
                    raise CatalogError(f"{where}: a cell holds a control character or the end of a line")
                record = _record(cells, header, lists, struct, where)
                key = str(getattr(record, names[0]))
                if unique and key in keys:
                    raise CatalogError(f"{where}: duplicate {names[0]} {key!r}")
                _check_pattern(record, where)
                keys.add(key)
                records.append(record)
        except (csv.Error, UnicodeDecodeError) as error:
            raise CatalogError(f"{path.name}:{reader.line_num}: {error}") from None
    return records


def _check_header(header: list[str], names: list[str], where: str) -> None:
    for problem, columns in (
        ("unknown column", [name for name in header if name not in names]),
        ("missing column", [name for name in names if name not in header]),
        ("repeated column", [name for name in dict.fromkeys(header) if header.count(name) > 1]),
    ):
        if columns:
            raise CatalogError(f"{where}: {problem} {', '.join(map(repr, columns))}")


def _record(cells: list[str], header: list[str], lists: set[str], struct: type[Record], where: str) -> Record:
    if len(cells) != len(header):
        raise CatalogError(f"{where}: {len(cells)} cells, expected {len(header)}")
    values: dict[str, Any] = {
        name: cell.split("|") if name in lists else cell for name, cell in zip(header, cells, strict=True) if cell
    }
    try:
        return msgspec.convert(values, struct, strict=False)
    except msgspec.ValidationError as error:
        raise CatalogError(f"{where}: {error}") from None


def _check_pattern(record: msgspec.Struct, where: str) -> None:
    pattern = getattr(record, "match", None)
    if pattern is None:
        return
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise CatalogError(f"{where}: match does not compile: {error}") from None
    for alias in getattr(record, "aliases", ()):
        if not compiled.search(normalise_device(alias)):
            raise CatalogError(f"{where}: match does not find the alias {alias!r}")
