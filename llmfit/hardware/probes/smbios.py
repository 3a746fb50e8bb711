"""Memory modules as the firmware lists them: udev's copy, which everybody may read, else dmidecode, which root may.

Their bandwidth is the specified one, as the CPU table's: width of all channels x configured rate.
"""

from __future__ import annotations

import re

import msgspec

from llmfit.hardware.sources.source import Source

UDEV = "/run/udev/data/+dmi:id"  # written by systemd's dmi_memory_id since 248
FIRMWARE = "/sys/firmware/dmi/tables"
CHANNEL_BITS = 64  # where a module does not say how wide it is
WIDEST_BITS, FASTEST_MTS = 128, 20000

_SOCKET = re.compile(r"\b(?:P|CPU|PROC|SOCKET|NODE)[ _]?(\d+)")
_CONTROLLER = re.compile(r"(?:CONTROLLER|\bI?MC)[ _]?(\d+)")
_CHANNELS = tuple(
    re.compile(pattern)
    for pattern in (
        r"CHANNEL[ _]?([A-Z]|\d+)",
        r"\bCH[ _]?([A-Z]|\d+)\b",
        r"DIMM[ _]?([A-Z])\d?\b",
        r"\b([A-Z])\d?[ _-]?DIMM",
    )
)


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """One populated slot, or one chip of soldered memory."""

    kind: str  # DDR5, LPDDR5, ...
    mts: int  # configured, else what it is made for
    bits: int  # data width
    channel: tuple[str, str, str] | None = None  # socket, controller, channel; None where its name does not tell


def read_modules(source: Source) -> tuple[Module, ...]:
    """All modules of known type and rate; empty where nothing says, or where a guest's table is made up."""
    found = from_udev(source.text(UDEV) or "")
    if not found and source.names(FIRMWARE):
        output = source.command("dmidecode", "-t", "17")
        found = from_dmidecode(output.stdout) if output is not None and output.status == 0 else ()
    return found


def from_udev(text: str) -> tuple[Module, ...]:
    """The MEMORY_DEVICE properties of udev's database."""
    slots: dict[int, dict[str, str]] = {}
    for number, name, value in re.findall(r"^E:MEMORY_DEVICE_(\d+)_(\w+)=(.*)$", text, re.MULTILINE):
        slots.setdefault(int(number), {})[name] = value
    return tuple(
        module
        for _, slot in sorted(slots.items())
        for module in [
            _module(
                slot.get("SIZE", ""), slot.get("TYPE", ""), slot.get("CONFIGURED_SPEED_MTS") or slot.get("SPEED_MTS"),
                slot.get("DATA_WIDTH"), f"{slot.get('BANK_LOCATOR', '')} {slot.get('LOCATOR', '')}",
            )
        ]
        if module is not None and slot.get("PRESENT") != "0"
    )  # fmt: skip


def from_dmidecode(text: str) -> tuple[Module, ...]:
    """The memory devices that ``dmidecode -t 17`` prints."""
    found = []
    for block in re.split(r"^Memory Device$", text, flags=re.MULTILINE)[1:]:
        pairs = (line.strip().partition(": ") for line in block.splitlines() if line.startswith("\t"))
        slot = {name: value for name, _, value in pairs}
        rate = slot.get("Configured Memory Speed") or slot.get("Configured Clock Speed") or ""
        module = _module(
            slot.get("Size", ""), slot.get("Type", ""), rate if _whole(rate) else slot.get("Speed"),
            slot.get("Data Width"), f"{slot.get('Bank Locator', '')} {slot.get('Locator', '')}",
        )  # fmt: skip
        found += [module] if module is not None else []
    return tuple(found)


def bandwidth_gbps(modules: tuple[Module, ...], most_channels: float | None = None) -> float | None:
    """Width of all channels x the slowest rate / 8, in GB/s; at most ``most_channels`` channels of 64 bits count.

    A module whose channel is not known counts as one of its own.
    """
    width: dict[object, int] = {}
    for at, module in enumerate(modules):
        key = module.channel or at
        width[key] = max(width.get(key, 0), module.bits)
    if not width:
        return None
    bits: float = sum(width.values())
    if most_channels is not None:
        bits = min(bits, CHANNEL_BITS * most_channels)
    return round(bits * min(module.mts for module in modules) / 8000, 1)


def channel_of(name: str) -> tuple[str, str, str] | None:
    """Socket, controller and channel out of a locator such as "P0 CHANNEL A" or "Controller1-ChannelA-DIMM0"."""
    text = name.upper()
    found = next((match for match in (pattern.search(text) for pattern in _CHANNELS) if match), None)
    if found is None:
        return None
    socket, controller = _SOCKET.search(text), _CONTROLLER.search(text)
    return socket[1] if socket else "", controller[1] if controller else "", found[1]


def _module(size: str, kind: str, rate: str | None, width: str | None, place: str) -> Module | None:
    mts, bits = _whole(rate), _whole(width) or CHANNEL_BITS
    if not _whole(size) or not re.fullmatch(r"(?:LP)?DDR\d?X?", kind) or not 0 < mts <= FASTEST_MTS:
        return None
    return Module(kind=kind, mts=mts, bits=min(bits, WIDEST_BITS), channel=channel_of(place))


def _whole(text: str | None) -> int:
    """The number that a text begins with; 0 for none."""
    found = re.match(r"\d{1,15}", text or "")
    return int(found[0]) if found else 0
