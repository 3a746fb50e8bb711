"""The CPU: its name, the cores this process may use, and what it can compute and read in a second."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from llmfit.catalog.tables import CpuFamily, Tables, normalise_cpu
from llmfit.hardware.probes.android import soc
from llmfit.hardware.probes.arm_cores import arm_cores, arm_soc
from llmfit.hardware.probes.cpu_names import generation
from llmfit.hardware.probes.topology import Topology, read_topology, within
from llmfit.hardware.sources.source import Source

# What one core of a server or guest can draw from memory, GB/s: seen 10 to 15 on idle hosts.
TYPICAL_GBPS_PER_CORE = 12.5
MAX_GBPS_PER_CORE = 15.0
SERVER_SEGMENTS = ("server", "cloud", "generic")

_compiled = lru_cache(maxsize=None)(re.compile)


class Cpu(msgspec.Struct, frozen=True, kw_only=True):
    """What :class:`~llmfit.machine.Machine` says of a CPU. Bandwidth in GB/s."""

    name: str
    arch: str  # x86, arm, power, riscv, loongarch, other
    cores: int
    has_avx: bool | None = None
    fp32_tflops: float | None = None
    bandwidth_gbps: float | None = None
    bandwidth_max_gbps: float | None = None
    family: str | None = None  # of the CPU table
    segment: str | None = None
    peak_gbps: float | None = None  # what all sockets' memory supports at most, whatever part of the cores is at hand
    channels: float | None = None  # of 64 bits, all sockets together
    guest: bool = False  # of a hypervisor
    processors: tuple[int, ...] = ()  # logical CPUs that this process may use
    assumed: str | None = None  # what is said where the family is a guess
    warnings: tuple[str, ...] = ()


def read_cpu(source: Source, tables: Tables) -> Cpu:
    """Name, cores and speed of this machine's CPU, all that is unknown left None with a warning."""
    facts = source.platform()
    arch = cpu_arch(facts.arch)
    processors = cpuinfo(source.text("/proc/cpuinfo") or "")
    topology = read_topology(source, processors, facts, arch)
    name, family, assumed = _identify(source, processors, tables)
    warnings = []
    typical = peak = tflops = None
    if family is None:
        assumed = f"{name} is not in the CPU table"
    else:
        known, topology = topology, within(family, topology)
        if (known.cores, known.sockets) != (topology.cores, topology.sockets) and not (known.known or topology.guest):
            parts = f"{topology.cores} cores in {topology.sockets} sockets"
            warnings.append(f"CPU: the kernel does not tell cores from threads, or sockets apart: {parts} are assumed")
        typical, peak = ram_bandwidth(family, topology)
        tflops = fp32_tflops(family, topology)
    has_avx = "avx" in topology.flags if topology.flags is not None else None
    if has_avx is False:
        warnings.append("CPU: no AVX, so decoding is several times slower than with it")
    return Cpu(
        name=name,
        arch=arch,
        cores=topology.cores,
        has_avx=has_avx,
        fp32_tflops=tflops,
        bandwidth_gbps=typical,
        bandwidth_max_gbps=peak,
        family=family.family if family else None,
        segment=family.segment if family else None,
        peak_gbps=topology.sockets * family.peak_gbps if family else None,
        channels=topology.sockets * family.channels_64bit if family and family.channels_64bit else None,
        guest=topology.guest,
        processors=topology.processors,
        assumed=assumed,
        warnings=tuple(warnings),
    )


def cpu_arch(machine: str) -> str:
    """The kind of CPU, from what uname prints."""
    machine = machine.lower()
    if machine in ("x86_64", "amd64", "x64", "i386", "i686", "x86"):
        return "x86"
    kinds = {"aarch64": "arm", "arm": "arm", "ppc": "power", "riscv": "riscv", "loongarch": "loongarch"}
    return next((kind for start, kind in kinds.items() if machine.startswith(start)), "other")


def cpuinfo(text: str) -> list[dict[str, str]]:
    """The records of /proc/cpuinfo, one for each logical CPU.

    Each begins with its number, with a blank line before it or without. What some kernels print once after all numbers
    (ARM before 3.8) belongs to all of them.
    """
    records: list[dict[str, str]] = []
    for line in text.splitlines():
        key, colon, value = (part.strip() for part in line.partition(":"))
        if key == "processor" and value.isdigit():
            records.append({key: value})
        elif colon and records:
            records[-1].setdefault(key, value)
    for record, following in zip(records[-2::-1], records[:0:-1], strict=False):
        if "CPU implementer" not in record and "CPU implementer" in following:
            record.update({key: value for key, value in following.items() if key not in record})
    return records


def find_family(name: str, tables: Tables, segments: tuple[str, ...] = ()) -> CpuFamily | None:
    """The first family of the table that a CPU, board or instance name belongs to."""
    text = normalise_cpu(name)
    if not text:
        return None
    for family in tables.cpus:
        if (not segments or family.segment in segments) and _compiled(family.match).search(text):
            return family
    return None


def ram_bandwidth(family: CpuFamily, topology: Topology) -> tuple[float, float]:
    """Typical and highest GB/s: the table's for each socket; servers and guests are capped by their cores."""
    topology = within(family, topology)
    typical, peak = topology.sockets * family.typical_gbps, topology.sockets * family.peak_gbps
    if topology.guest or family.segment in SERVER_SEGMENTS:
        typical = min(typical, TYPICAL_GBPS_PER_CORE * topology.cores)
        peak = min(peak, MAX_GBPS_PER_CORE * topology.cores)
    return round(typical, 1), round(peak, 1)


def fp32_tflops(family: CpuFamily, topology: Topology) -> float | None:
    """Peak of the cores at hand, at the mean of base and boost clock; the machine's own flags win."""
    if not (family.base_ghz and family.boost_ghz and family.fp32_flop_cycle_core):
        return None
    big, small = family.typical_cores or 1, family.typical_ecores or 0
    widest = _flop_cycle(topology.flags)
    rate = min(family.fp32_flop_cycle_core, widest) * big
    rate += min(family.fp32_flop_cycle_ecore or 0, widest) * small
    return round(topology.cores * rate / (big + small) * (family.base_ghz + family.boost_ghz) / 2 / 1000, 3)


def _flop_cycle(flags: frozenset[str] | None) -> int:
    """The most that the instruction set allows one core in a cycle."""
    if flags is None or {"avx512f", "fma"} <= flags:
        return 64
    return 32 if {"avx2", "fma"} <= flags else 16 if "avx" in flags else 8


def _identify(
    source: Source, processors: list[dict[str, str]], tables: Tables
) -> tuple[str, CpuFamily | None, str | None]:
    """The name to show, the family it belongs to, and what to say where that is a guess."""
    product = source.text("/sys/class/dmi/id/product_name") or ""
    board = source.text("/proc/device-tree/model") or source.text("/sys/firmware/devicetree/base/model") or ""
    model = soc(source) or (_model_name(processors[0]) if processors else _other_name(source))
    cores = arm_cores(processors)
    name = model or board or cores or "unknown CPU"
    family = find_family(product, tables, ("cloud", "soc", "sbc")) or find_family(board, tables)
    if family is None and board.startswith("Apple "):  # "Apple MacBook Air (13-inch, M2, 2022)"
        found = re.search(r"\bM\d(?: (?:Pro|Max|Ultra))?\b", board)
        family = find_family(f"apple {found[0]}", tables) if found else None
    if family is not None:
        return name, family, None
    family = find_family(model, tables)
    if family is not None and family.segment != "generic":
        return name, family, None
    if processors:
        hidden = find_family(generation(processors[0]), tables)
        if hidden is not None:
            return name, hidden, f"{name} hides its model: taken for {hidden.family}"
    if family is None and cores:
        family = _arm_family(source, processors, cores, tables)
    if family is None and processors:
        family = find_family(processors[0].get("vendor_id", ""), tables)
    if family is not None:
        return name, family, f"{name} is taken for {family.family}" if name != family.family else None
    return name, None, None


def _arm_family(source: Source, processors: list[dict[str, str]], cores: str, tables: Tables) -> CpuFamily | None:
    """The family of a chip that is known by its cores alone: by the exact set, or by their only kind."""
    chip = arm_soc(processors)
    if chip or "," in cores:
        return find_family(chip, tables)
    vendor = source.text("/sys/class/dmi/id/sys_vendor") or ""
    family = find_family(f"{cores} {vendor}", tables)
    return find_family(cores, tables) or family if family is None or family.segment == "generic" else family


def _model_name(record: dict[str, str]) -> str:
    """What /proc/cpuinfo calls the model: x86, LoongArch, POWER, RISC-V; ARM has no name."""
    keys = ("model name", "Model Name", "cpu", "uarch")
    return next((record[key] for key in keys if record.get(key)), "")


def _other_name(source: Source) -> str:
    """The CPU's name where there is no /proc/cpuinfo: macOS, Windows."""
    output = source.command("sysctl", "-n", "machdep.cpu.brand_string")
    if output is not None and output.status == 0:
        return output.stdout.strip()
    key = r"HKLM\HARDWARE\DESCRIPTION\System\CentralProcessor\0"
    output = source.command("reg", "query", key, "/v", "ProcessorNameString")
    found = re.search(r"REG_SZ\s+(.+)", output.stdout) if output else None
    return found[1].strip() if found else source.env("PROCESSOR_IDENTIFIER") or ""
