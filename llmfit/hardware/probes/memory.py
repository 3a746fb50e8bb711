"""RAM, as the machine has it and as control groups limit this process to."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from llmfit.hardware.sources.source import Source
from llmfit.machine import GIB

UNLIMITED = 9223372036854771712  # what cgroup v1 prints for "no limit": the largest whole page
ROOT = "/sys/fs/cgroup"


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """RAM in bytes that this process may use at all, and now; ``host_total_bytes`` ignores the limits."""

    total_bytes: int
    available_bytes: int
    host_total_bytes: int
    warnings: tuple[str, ...] = ()


def read_memory(source: Source) -> Memory:
    """RAM from /proc/meminfo, else from the operating system's interface; the tightest limit wins."""
    info = meminfo(source.text("/proc/meminfo") or "")
    total = info.get("MemTotal")
    if total is None:
        facts = source.psutil()
        known = facts.ram_total_bytes or 0
        warnings = () if known else ("the size of RAM could not be read",)
        available = known if facts.ram_available_bytes is None else facts.ram_available_bytes
        room = max(0, min(available, known))
        return Memory(total_bytes=known, available_bytes=room, host_total_bytes=known, warnings=warnings)
    # Kernels before 3.14 do not print MemAvailable.
    available = info.get("MemAvailable", info.get("MemFree", 0) + info.get("Cached", 0))
    own_total, own_free = gpu_nodes(source)
    if own_total < total:
        total, available = total - own_total, max(0, available - own_free)
    limit, room = total, available
    for group_limit, group_room in memory_limits(source):
        limit, room = min(limit, group_limit), min(room, group_room)
    problems: tuple[str, ...] = ()
    if limit < total:
        problems = (f"RAM is limited to {limit / GIB:.1f} of {total / GIB:.1f} GiB by a control group",)
    space = re.search(r"^Max address space +(\d+) ", source.text("/proc/self/limits") or "", re.MULTILINE)
    mappable = number(space[1]) if space else None
    if mappable is not None and mappable < limit:
        limit = mappable
        problems += (f"a process may map only {limit / GIB:.1f} GiB here (ulimit -v)",)
    room = max(0, min(room, limit))
    return Memory(total_bytes=limit, available_bytes=room, host_total_bytes=total, warnings=problems)


def gpu_nodes(source: Source) -> tuple[int, int]:
    """(bytes, bytes free) of the GPU memory that the kernel counts as RAM: the NUMA nodes that NVIDIA's driver made.

    The driver names them in `numa_status`. Where that cannot be read, they are the nodes without a CPU beside NVIDIA's
    own links to the CPU (POWER and Grace); elsewhere such a node is RAM (CXL).
    """
    folder, nodes = "/sys/devices/system/node", set[str]()
    for gpu in source.names("/proc/driver/nvidia/gpus"):
        status = source.text(f"/proc/driver/nvidia/gpus/{gpu}/numa_status") or ""
        named = re.search(r"^Node:\s*(\d+)$", status, re.MULTILINE)
        nodes |= {f"node{named[1]}"} if named else set()
    if not nodes and source.platform().arch in ("ppc64le", "aarch64") and "nvidiactl" in source.names("/dev"):
        names = (name for name in source.names(folder) if re.fullmatch(r"node\d+", name))
        nodes = {name for name in names if source.text(f"{folder}/{name}/cpulist") == ""}
    total = free = 0
    for name in nodes:
        if source.text(f"{folder}/{name}/cpulist"):  # never the RAM of a CPU
            continue
        lines = (source.text(f"{folder}/{name}/meminfo") or "").splitlines()
        facts = meminfo("\n".join(re.sub(r"^Node \d+ ", "", line) for line in lines))
        total, free = total + facts.get("MemTotal", 0), free + facts.get("MemFree", 0)
    return total, free


def meminfo(text: str) -> dict[str, int]:
    """The lines of /proc/meminfo in bytes."""
    facts = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        size = number(words[0]) if words else None
        if size is not None:
            facts[name] = size * 1024
    return facts


def groups(source: Source, controller: str) -> tuple[int, tuple[str, ...]]:
    """The cgroup version that governs ``controller``, and the folders of the own group and its ancestors.

    In a cgroup namespace, or a container without one, the own path may not exist below the mount: the
    folders that do exist still hold the limits, the mount's root being the container's own group.
    """
    version, path, mount = 0, "", ROOT
    for line in (source.text("/proc/self/cgroup") or "").splitlines():
        _, _, rest = line.partition(":")
        names, _, own = rest.partition(":")
        if controller in names.split(","):
            version, path, mount = 1, own, f"{ROOT}/{controller}"
            break
        if not names:
            version, path = 2, own
    if not version:
        return 0, ()
    parts = [part for part in path.split("/") if part not in ("", "..")]
    return version, tuple("/".join((mount, *parts[:depth])) for depth in range(len(parts), -1, -1))


def memory_limits(source: Source) -> Iterator[tuple[int, int]]:
    """(limit, room below it) in bytes for each limited group; cache that can be dropped counts as room."""
    version, folders = groups(source, "memory")
    limits = ("memory.max", "memory.high") if version == 2 else ("memory.limit_in_bytes",)
    usage = "memory.current" if version == 2 else "memory.usage_in_bytes"
    for folder in folders:
        values = (number(source.text(f"{folder}/{name}")) for name in limits)
        finite = [value for value in values if value is not None and value < UNLIMITED]
        if not finite:
            continue
        used = number(source.text(f"{folder}/{usage}")) or 0
        reclaimable = 0
        for line in (source.text(f"{folder}/memory.stat") or "").splitlines():
            name, _, value = line.partition(" ")
            if name in ("inactive_file", "total_inactive_file"):  # v1 prints the subtree's sum as total_
                reclaimable = max(reclaimable, number(value) or 0)
        yield min(finite), min(finite) - max(0, used - reclaimable)


def number(text: str | None) -> int | None:
    """A whole number of at most 64 bits, or None for absence, `max` and anything else."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 21 else None
