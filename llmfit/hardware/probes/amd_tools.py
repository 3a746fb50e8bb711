"""What `amd-smi` and `rocm-smi` print of AMD GPUs."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from llmfit.hardware.probes.describe import MIB
from llmfit.hardware.probes.memory import number
from llmfit.hardware.sources.source import Source

AMD_SMI = ("amd-smi", "static", "--asic", "--vram", "--bus", "--json")
ROCM_SMI = ("rocm-smi", "--showproductname", "--showmeminfo", "vram", "--showbus", "--json")
UNITS = {"B": 1, "KB": 1 << 10, "MB": MIB, "GB": MIB << 10}


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU as a tool describes it; None and "" where it does not say."""

    tool: str
    name: str = ""
    address: str | None = None
    device_id: str = ""
    isa: str | None = None
    vram_bytes: int | None = None
    used_bytes: int | None = None


def read_tools(source: Source) -> list[Reported]:
    """What the newer tool lists, else the older one."""
    for argv, parse in ((AMD_SMI, parse_amd_smi), (ROCM_SMI, parse_rocm_smi)):
        output = source.command(*argv)
        found = parse(output.stdout) if output else []
        if found:
            return found
    return []


def parse_amd_smi(text: str) -> list[Reported]:
    """A list, which newer versions keep under `gpu_data`."""
    data = _json(text)
    entries = data.get("gpu_data") if isinstance(data, dict) else data
    found = []
    for entry in entries if isinstance(entries, list) else []:
        asic, bus, vram = (_dict(_dict(entry).get(part)) for part in ("asic", "bus", "vram"))
        size = _dict(vram.get("size"))
        amount = number(str(size.get("value", "")))
        address = bus.get("bdf")
        found.append(
            Reported(
                tool="amd-smi",
                name=_text(asic.get("market_name")),
                address=address.lower() if isinstance(address, str) else None,
                device_id=_text(asic.get("device_id")).removeprefix("0x"),
                isa=_text(asic.get("target_graphics_version")) or None,
                vram_bytes=amount * UNITS.get(str(size.get("unit")), MIB) if amount else None,
            )
        )
    return found


def parse_rocm_smi(text: str) -> list[Reported]:
    """An object with a key for each card, all values strings; keys differ in case between versions."""
    data = _json(text)
    found = []
    for card, entry in data.items() if isinstance(data, dict) else ():
        if not re.fullmatch(r"card\d+", card) or not isinstance(entry, dict):
            continue
        facts = {str(key).lower(): _text(value) for key, value in entry.items()}
        address = facts.get("pci bus", "").lower()
        found.append(
            Reported(
                tool="rocm-smi",
                name=facts.get("card series", ""),
                address=address or None,
                device_id=facts.get("card model", "").removeprefix("0x"),
                isa=facts.get("gfx version") or None,
                vram_bytes=number(facts.get("vram total memory (b)")),
                used_bytes=number(facts.get("vram total used memory (b)")),
            )
        )
    return found


def _json(text: str) -> Any:
    """The JSON in it, after the warnings that may come first; None if there is none."""
    for start in re.finditer(r"^[\[{]", text, re.MULTILINE):
        try:
            return msgspec.json.decode(text[start.start() :])
        except msgspec.DecodeError:
            continue
    return None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) and value.strip().upper() != "N/A" else ""
