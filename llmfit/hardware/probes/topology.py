"""Cores and sockets: of /proc/cpuinfo on x86, of the kernel's topology files elsewhere."""

from __future__ import annotations

from collections import Counter

import msgspec

from llmfit.catalog.tables import CpuFamily
from llmfit.hardware.probes.memory import groups, number
from llmfit.hardware.sources.source import Facts, Source

ROOT = "/sys/devices/system/cpu"
# Some kernels call clusters of cores packages.
ONE_SOCKET = ("desktop", "laptop", "mini", "hedt", "soc", "sbc", "phone")


class Topology(msgspec.Struct, frozen=True, kw_only=True):
    """Physical cores and sockets that this process may use."""

    cores: int
    sockets: int
    guest: bool = False
    known: bool = True  # whether something tells cores from threads, and sockets apart
    flags: frozenset[str] | None = None  # x86 only
    processors: tuple[int, ...] = ()
    quota: int | None = None  # whole CPUs that a control group allows


def read_topology(source: Source, processors: list[dict[str, str]], facts: Facts, arch: str) -> Topology:
    """The cores behind the logical CPUs that affinity leaves."""
    quota = read_quota(source)
    if not processors:
        facts = source.psutil()
        cores = facts.physical_cores or facts.logical_cores or 1
        return Topology(cores=min(cores, quota or cores), sockets=1, quota=quota)
    allowed = [
        record for record in processors if facts.affinity is None or number(record["processor"]) in facts.affinity
    ] or processors
    flags = frozenset(processors[0].get("flags", "").split()) if arch == "x86" else None
    numbers = tuple(n for record in allowed if (n := number(record["processor"])) is not None)
    known, cores, sockets = True, len(allowed), 1
    if "physical id" in allowed[0]:
        places = {(record.get("physical id", "0"), record.get("core id", record["processor"])) for record in allowed}
        cores, sockets = len(places), len({socket for socket, _ in places})
    else:
        known, cores, sockets = from_sysfs(source, numbers)
    return Topology(
        cores=min(cores, quota or cores),
        sockets=sockets,
        guest="hypervisor" in (flags or ()),
        known=known,
        flags=flags,
        processors=numbers,
        quota=quota,
    )


def from_sysfs(source: Source, processors: tuple[int, ...]) -> tuple[bool, int, int]:
    """(whether the kernel says, cores, sockets). CPUs that it does not describe have as many threads as the others."""
    packages: set[str] = set()
    cores: Counter[tuple[str, str]] = Counter()
    for n in processors:
        folder = f"{ROOT}/cpu{n}/topology"
        package = source.text(f"{folder}/physical_package_id")
        siblings = source.text(f"{folder}/thread_siblings_list") or source.text(f"{folder}/core_cpus_list")
        if package is None and siblings is None:
            continue
        core = siblings or source.text(f"{folder}/core_id") or f"cpu{n}"
        packages.add(package or "")
        cores[package or "", core] += 1
    described = cores.total()
    if not described:
        return False, len(processors), 1
    threads = described / len(cores)
    return True, len(cores) + round((len(processors) - described) / threads), len(packages)


def within(family: CpuFamily, topology: Topology) -> Topology:
    """The topology as a CPU of the family can have it.

    Where nothing tells threads from cores, no socket holds more cores than the family's largest model, and more logical
    CPUs than that are the threads of its cores or of further sockets: 256 of a ThunderX2 (32 cores, 4 threads each) are
    2 sockets with 64 cores.
    """
    most, threads = family.max_cores, family.threads_per_core or 1
    if family.segment in ONE_SOCKET:
        return msgspec.structs.replace(topology, sockets=1)
    if topology.guest or (family.segment == "cloud" and not topology.known):
        # its topology is made up: it has as many sockets as its cores need
        return msgspec.structs.replace(topology, sockets=-(-topology.cores // most) if most else 1)
    logical = len(topology.processors)
    if topology.known or not most or logical <= most:
        return topology
    sockets = -(-logical // (most * threads))
    cores = min(logical, sockets * most)
    return msgspec.structs.replace(topology, cores=min(cores, topology.quota or cores), sockets=sockets)


def read_quota(source: Source) -> int | None:
    """Whole CPUs that the tightest control group allows, at least one; None without a limit."""
    version, folders = groups(source, "cpu")
    quotas = []
    for folder in folders:
        if version == 2:
            quota, _, period = (source.text(f"{folder}/cpu.max") or "").partition(" ")
        else:
            quota = source.text(f"{folder}/cpu.cfs_quota_us") or ""
            period = source.text(f"{folder}/cpu.cfs_period_us") or ""
        allowed, window = number(quota), number(period)
        if allowed and window:
            quotas.append(max(1, allowed // window))
    return min(quotas, default=None)
