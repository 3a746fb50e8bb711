"""The last resort: GPUs that no vendor's probe knows, as `vulkaninfo` describes them."""

from __future__ import annotations

import re

from llmfit.catalog.tables import Tables
from llmfit.hardware.names.lookup import Hints, resolve
from llmfit.hardware.names.unified import unified_share
from llmfit.hardware.probes import pci
from llmfit.hardware.probes.describe import MIB, Pool, describe, share_of_ram
from llmfit.hardware.probes.memory import read_memory
from llmfit.hardware.probes.visibility import apply_visible
from llmfit.hardware.sources.source import Source
from llmfit.machine import Device

REAL = ("DISCRETE_GPU", "INTEGRATED_GPU", "VIRTUAL_GPU")
SOFTWARE = re.compile(r"llvmpipe|lavapipe|swiftshader", re.IGNORECASE)
VENDORS = {**pci.VENDORS, "5143": "qualcomm", "106b": "apple", "13b5": "arm", "144d": "samsung", "1010": "imagination"}
NODES = ("kgsl-3d0", "mali0", "pvrsrvkm")  # GPUs of phones and boards, beside /dev/dri


def has_sign(source: Source) -> bool:
    """Whether there can be a GPU at all: else the tool is not run."""
    nodes = source.names("/dev/dri")
    return any(name.startswith("renderD") for name in nodes) or any(name in NODES for name in source.names("/dev"))


def probe(source: Source, tables: Tables) -> tuple[list[Device], list[str]]:
    """All GPUs that Vulkan lists, software ones left out, and one warning for each thing that is unknown."""
    if not has_sign(source):
        return [], []
    output = source.command("vulkaninfo")
    warnings: list[str] = []
    devices = []
    for gpu in parse_vulkaninfo(output.stdout if output else ""):
        vendor = VENDORS.get(gpu["vendorID"].removeprefix("0x").zfill(4), "unknown")
        name, memory = gpu["deviceName"], read_memory(source)
        heap, free = int(gpu.get("heap", 0)), int(gpu.get("free", gpu.get("heap", 0)))
        if gpu["deviceType"] == "INTEGRATED_GPU":
            pool = share_of_ram(memory, unified_share(vendor, memory.total_bytes))
        elif heap:
            pool = Pool(total=heap, free=free)
        else:
            warnings.append(f"Vulkan: the memory of {name} could not be read; it is not counted")
            continue
        hints = Hints(memory_mib=None if pool.unified else heap / MIB)
        match = resolve(re.sub(r" \((?:RADV|NVK|LLVM|ADL|radeonsi)[^)]*\)", "", name), tables, vendor, hints)
        devices.append(
            describe(
                name, vendor, match, pool, warnings, backend="vulkan", pci_address=gpu.get("pci"), seen_by="vulkaninfo"
            )
        )
    order = list(range(len(devices)))
    return apply_visible(source, "GGML_VK_VISIBLE_DEVICES", devices, order, warnings), warnings


def parse_vulkaninfo(text: str) -> list[dict[str, str]]:
    """The real GPUs in its full output: their properties, the largest device-local heap and what is free of it."""
    found: dict[str, dict[str, str]] = {}
    blocks = re.split(r"^\s*(GPU\d+):\s*$", text, flags=re.MULTILINE)
    for label, block in zip(blocks[1::2], blocks[2::2], strict=False):
        gpu = found.setdefault(label, {})  # a GPU has several blocks
        for key, value in re.findall(r"^\s*(vendorID|deviceType|deviceName)\s*=\s*(.+?)\s*$", block, re.MULTILINE):
            gpu.setdefault(key, value.removeprefix("PHYSICAL_DEVICE_TYPE_"))
        where = dict(re.findall(r"^\s*pci(Domain|Bus|Device|Function)\s*=\s*(\d{1,5})\s*$", block, re.MULTILINE))
        if len(where) == 4:
            numbers = (int(where[part]) for part in ("Domain", "Bus", "Device", "Function"))
            gpu["pci"] = "{:04x}:{:02x}:{:02x}.{:x}".format(*numbers)
        for heap in re.split(r"memoryHeaps\[\d+\]:", block)[1:]:
            heap = heap.partition("memoryTypes")[0]
            facts = dict(re.findall(r"^\s*(size|budget)\s*=\s*(\d+)", heap, re.MULTILINE))
            if "DEVICE_LOCAL" in heap and int(facts.get("size", 0)) > int(gpu.get("heap", 0)):
                gpu["heap"] = facts["size"]
                if int(facts.get("budget", 0)):  # 0: the driver does not know
                    gpu["free"] = facts["budget"]
    return [
        gpu
        for gpu in found.values()
        if gpu.get("deviceType") in REAL and {"vendorID", "deviceName"} <= gpu.keys()
        if not SOFTWARE.search(gpu["deviceName"])
    ]
