"""Computers by name: those of ``src/data/machines.csv``, and what a user's file adds to them."""

from __future__ import annotations

import difflib
import re

from msgspec.structs import replace

from llmfit.catalog.tables import Profile, Tables
from llmfit.errors import BadParam
from llmfit.hardware.probes.cpu import find_family, fp32_tflops, ram_bandwidth
from llmfit.hardware.probes.topology import Topology
from llmfit.machine import GIB, Machine

LONGEST_CPU = 100
# by SIMD unit
ARCHES = {"neon": "arm", "sve": "arm", "sve2": "arm", "rvv": "riscv", "lasx": "loongarch", "vsx": "power"}


def find_profile(name: str, tables: Tables) -> Profile:
    """The profile of a name, in any case; BadParam with the nearest ones where there is none. Opens no file."""
    wanted = " ".join(name.lower().split())
    for profile in tables.machines:
        if profile.name == name or profile.name == wanted:
            return profile
    names = [profile.name for profile in tables.machines]
    words = set(re.findall(r"[a-z]+|\d+", wanted))

    def likeness(known: str) -> float:
        shared = len(words & set(re.findall(r"[a-z]+|\d+", known)))
        return shared + difflib.SequenceMatcher(None, wanted, known).ratio()

    near = ", ".join(sorted(names, key=likeness, reverse=True)[:3])
    raise BadParam(f'invalid profile value: no such machine "{name[:60]}"; nearest: {near}')


def bare_machine(profile: Profile, tables: Tables, observed_at: str = "") -> Machine:
    """The machine without what a what-if can add (GPUs, RAM bandwidth), all of its memory free.

    BadParam where neither the profile nor the CPU table says how many cores it has.
    """
    family = find_family(profile.cpu, tables)
    warnings: list[str] = []
    cores = profile.cpu_cores
    if family is not None and cores is None:
        cores = profile.sockets * ((family.typical_cores or 1) + (family.typical_ecores or 0))
        warnings.append(f"CPU: {profile.cpu} is taken to have {cores} cores, as is common; give cpu_cores")
    if cores is None:
        raise BadParam(f"invalid cpu_cores value: use a positive integer, as {profile.cpu} is not in the CPU table")
    typical = peak = tflops = None
    if family is not None:
        topology = Topology(cores=cores, sockets=profile.sockets, guest=profile.kind == "cloud")
        typical, peak = ram_bandwidth(family, topology)
        tflops = fp32_tflops(family, topology)
        if family.segment == "generic":
            warnings.append(f"CPU: {profile.cpu} is taken for {family.family}: memory bandwidth is an estimate")
    elif profile.ram_bandwidth_gbps is None:
        warnings.append(f"CPU: {profile.cpu} is not in the CPU table: its memory bandwidth is unknown")
    arch = ARCHES.get(family.simd, "x86") if family is not None else "other"
    ram = int(profile.ram_gb * GIB)
    return Machine(
        cpu_name=profile.cpu,
        cpu_cores=cores,
        cpu_arch=arch,
        ram_total_bytes=ram,
        ram_available_bytes=ram,
        os=profile.os,
        ram_bandwidth_gbps=typical,
        ram_bandwidth_max_gbps=peak,
        ram_bandwidth_source="table" if typical else None,
        cpu_fp32_tflops=tflops,
        cpu_has_avx=family.simd != "sse4" if family is not None and arch == "x86" else None,
        observed_at=observed_at,
        warnings=tuple(warnings),
    )


def with_cpu(machine: Machine, name: str, cores: int | None, tables: Tables) -> Machine:
    """The machine with another CPU: its cores (those common in its family, unless given), speed and RAM bandwidth.

    BadParam with the nearest families where the CPU table does not know the name.
    """
    text = " ".join(name.split())
    if not text or len(text) > LONGEST_CPU:
        raise BadParam(f"invalid cpu value: use a name of 1 to {LONGEST_CPU} characters")
    family = find_family(text, tables)
    if family is None:
        known = {family.family.lower(): family.family for family in tables.cpus if family.segment != "generic"}
        near = difflib.get_close_matches(text.lower(), known, n=3, cutoff=0.0)
        listed = ", ".join(known[each] for each in near)
        raise BadParam(f'invalid cpu value: no such CPU "{text[:60]}"; nearest: {listed}')
    profile = Profile(cpu=text, cpu_cores=cores, ram_gb=max(machine.ram_total_bytes / GIB, 0.001))
    other = bare_machine(profile, tables)
    facts = (
        "cpu_name", "cpu_cores", "cpu_arch", "ram_bandwidth_gbps", "ram_bandwidth_max_gbps", "ram_bandwidth_source",
        "cpu_fp32_tflops", "cpu_has_avx",
    )  # fmt: skip
    kept = tuple(warning for warning in machine.warnings if not warning.startswith("CPU:"))
    changes = {fact: getattr(other, fact) for fact in facts}
    return replace(machine, **changes, warnings=(*kept, *other.warnings))
