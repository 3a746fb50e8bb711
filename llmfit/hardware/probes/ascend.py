"""Huawei's Ascend processors: a pure reading of the table that `npu-smi info` prints."""

from __future__ import annotations

import re

from llmfit.catalog.tables import Tables
from llmfit.hardware.names.lookup import Hints, resolve
from llmfit.hardware.probes.describe import MIB, Pool, describe
from llmfit.hardware.probes.visibility import apply_visible
from llmfit.hardware.sources.source import Source
from llmfit.machine import Device

PROGRAMS = ("npu-smi", "/usr/local/bin/npu-smi", "/usr/local/sbin/npu-smi")


def probe(source: Source, tables: Tables) -> tuple[list[Device], list[str]]:
    """All chips in the tool's order, and one warning for each thing that is unknown."""
    if not any(name.startswith("davinci") for name in source.names("/dev")):
        return [], []
    output = next(filter(None, (source.command(program, "info") for program in PROGRAMS)), None)
    chips = parse_npu_smi(output.stdout) if output else []
    if not chips:
        return [], ["Ascend: there is a device, but npu-smi does not list it; it is not counted"]
    warnings: list[str] = []
    devices: list[Device] = []
    for name, health, address, used, total in chips:
        if not total:
            warnings.append(f"Ascend: the memory of {name} at {address} could not be read; it is not counted")
            continue
        if health != "OK":
            warnings.append(f"Ascend: npu-smi calls the health of {name} at {address} {health}")
        pool = Pool(total=total * MIB, free=(total - used) * MIB)
        match = resolve(name, tables, "huawei", Hints(memory_mib=total))
        called = name if name.startswith("Ascend") else f"Ascend {name}"
        devices.append(
            describe(
                called, "huawei", match, pool, warnings, backend="ascend", pci_address=address, seen_by="npu-smi"
            )
        )
    order = list(range(len(devices)))
    return apply_visible(source, "ASCEND_RT_VISIBLE_DEVICES", devices, order, warnings), warnings


def parse_npu_smi(text: str) -> list[tuple[str, str, str, int, int]]:
    """(name, health, PCI address, used MiB, total MiB) of each chip.

    Two rows describe one: the first names it, the second holds its address and memory. A chip without HBM (310P)
    has its memory in the column before that, and 0 / 0 in it or no such column.
    """
    chips = []
    name = health = ""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) != 3:
            continue
        named = re.fullmatch(r"\d+\s+(\S+)", cells[0])
        address = re.fullmatch(r"[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.\d", cells[1])
        if address and name:
            sizes = [(int(used), int(total)) for used, total in re.findall(r"(\d+)\s*/\s*(\d+)", cells[2])]
            used, total = max(sizes, key=lambda size: size[1], default=(0, 0))
            chips.append((name, health, cells[1].lower(), min(used, total), total))
        elif named and not address and re.match(r"[-\d]", cells[2]):
            name, health = named[1], cells[1]
    return chips
