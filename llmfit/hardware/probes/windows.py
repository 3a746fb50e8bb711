"""GPUs of Windows: a pure reading of what `reg` prints of the display adapters, else of what WMI lists."""

from __future__ import annotations

import re

import msgspec

from llmfit.catalog.tables import Tables
from llmfit.hardware.names.lookup import Hints, Match, backend_of, fits, resolve
from llmfit.hardware.names.unified import unified_share
from llmfit.hardware.probes.describe import MIB, Pool, describe, nominal_pool, share_of_ram
from llmfit.hardware.probes.memory import number, read_memory
from llmfit.hardware.probes.pci import NAMES, VENDORS, label
from llmfit.hardware.probes.visibility import apply_visible
from llmfit.hardware.sources.source import Source
from llmfit.machine import Device

ADAPTERS = r"HKLM\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
CIM = (
    "Get-CimInstance Win32_VideoController | Select-Object Name,PNPDeviceID,"
    "@{n='AdapterRAM';e={[string]$_.AdapterRAM}} | ConvertTo-Json -Compress"
)
LIMITS_OF_WMI = (2048 * MIB, 4096 * MIB)  # what its 32 bits say of everything that has more
CLOSE = MIB  # a page or so below
LEAST_OF_A_CARD = 2048 * MIB  # an unknown part with less is taken for one that shares RAM


class Adapter(msgspec.Struct, frozen=True, kw_only=True):
    """One display adapter; memory in bytes."""

    name: str = msgspec.field(default="", name="Name")
    pnp: str = msgspec.field(default="", name="PNPDeviceID")  # PCI\VEN_10DE&DEV_2684&...
    memory: str | None = msgspec.field(default=None, name="AdapterRAM")


def probe(source: Source, tables: Tables) -> tuple[list[Device], list[str]]:
    """All adapters of a real vendor, and one warning for each thing that is unknown."""
    if source.platform().os != "windows":
        return [], []
    warnings: list[str] = []
    adapters, seen = registry(source), "registry"
    if not adapters:
        adapters, seen = wmi(source), "wmi"
    found = (_read_adapter(source, adapter, seen, tables, warnings) for adapter in adapters)
    devices = [device for device in found if device is not None]
    order = list(range(len(devices)))
    return apply_visible(source, "GGML_VK_VISIBLE_DEVICES", devices, order, warnings), warnings


def _read_adapter(
    source: Source, adapter: Adapter, seen: str, tables: Tables, warnings: list[str]
) -> Device | None:
    name, vendor = adapter.name, vendor_of(adapter)
    if vendor is None or (vendor == "nvidia" and source.nvml().devices):  # NVML knows more of it
        return None
    who, size = label(vendor), number(adapter.memory) or 0
    capped = seen == "wmi" and any(limit - CLOSE <= size <= limit for limit in LIMITS_OF_WMI)
    size = 0 if capped else size
    match = _match(adapter, vendor, size, tables)
    if seen == "wmi" and match.row and match.row.memory_gb and not fits(match.row, size / MIB):
        size = 0  # less than the product is sold with
        match = _match(adapter, vendor, size, tables)
    row = match.row
    if row.unified if row else vendor != "nvidia" and size < LEAST_OF_A_CARD and not capped:
        memory = read_memory(source)
        pool = share_of_ram(memory, unified_share(vendor, memory.total_bytes))
        if size > pool.total:  # a large carve-out, which is missing from Windows' RAM
            pool = Pool(total=size, free=size, unified=True)
    else:
        known = Pool(total=size, free=size) if size else nominal_pool(match)
        if known is None:
            warnings.append(f"{who}: the memory of {name} could not be read; it is not counted")
            return None
        pool = known
        doubt = "how much of it is free" if size else "the size of its memory"
        warnings.append(f"{who}: {name}: {doubt} is not known: the {'whole' if size else 'nominal size'} is assumed")
    backend = (backend_of(row) if row else None) or "vulkan"
    return describe(name, vendor, match, pool, warnings, backend=backend, seen_by=seen)


def _match(adapter: Adapter, vendor: str, size: int, tables: Tables) -> Match:
    hints = Hints(memory_mib=size / MIB if size else None)
    match = resolve(adapter.name, tables, vendor, hints)
    if match.row is None:  # "AMD Radeon(TM) Graphics"
        match = resolve(NAMES.get(":".join(ident(adapter)), adapter.name), tables, vendor, hints)
    return match


def vendor_of(adapter: Adapter) -> str | None:
    """The maker by its PCI id; None for adapters of remote desktops, virtual screens and the like."""
    if "QCOM" in adapter.pnp.upper():  # not a PCI device
        return "qualcomm"
    return VENDORS.get(ident(adapter)[0])


def ident(adapter: Adapter) -> tuple[str, str]:
    """Its PCI ids, as pci.ids writes them; empty for what is no PCI device."""
    found = re.search(r"VEN_([0-9a-f]{4})&DEV_([0-9a-f]{4})", adapter.pnp, re.IGNORECASE)
    return (found[1].lower(), found[2].lower()) if found else ("", "")


def registry(source: Source) -> list[Adapter]:
    """What the drivers wrote down: 64-bit sizes. A key of an adapter that has been taken out may be left."""
    output = source.command("reg", "query", ADAPTERS, "/s")  # fails at keys that are closed, after printing the rest
    keys = r"^HKEY_[^\n]*\\\d{4}\r?\n((?:[ \t].*\n?)*)"
    found = []
    for block in re.findall(keys, output.stdout if output else "", re.MULTILINE):
        values = dict(re.findall(r"^\s+(\S+)\s+REG_\w+\s+(.*?)\s*$", block, re.MULTILINE))
        if "DriverDesc" in values:
            size = values.get("HardwareInformation.qwMemorySize", "")
            number = int(size, 16) if re.fullmatch(r"0x[0-9a-fA-F]{1,16}", size) else little_endian(size)
            pnp = values.get("MatchingDeviceId", "")
            found.append(Adapter(name=values["DriverDesc"], pnp=pnp, memory=str(number) if number else None))
    return found


def little_endian(digits: str) -> int:
    """A number that is kept as bytes (REG_BINARY), the lowest first."""
    return int.from_bytes(bytes.fromhex(digits), "little") if re.fullmatch(r"(?:[0-9a-fA-F]{2}){1,8}", digits) else 0


def wmi(source: Source) -> list[Adapter]:
    """The same of WMI, whose sizes have 32 bits; slower, and gone from no Windows."""
    output = source.command("powershell", "-NoProfile", "-NonInteractive", "-Command", CIM)
    text = output.stdout.strip() if output else ""
    try:  # one adapter is an object, several are a list
        return msgspec.json.decode(text if text.startswith("[") else f"[{text}]", type=list[Adapter])
    except msgspec.DecodeError:
        return []
