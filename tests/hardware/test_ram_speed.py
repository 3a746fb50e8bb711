"""Which figure of the memory bandwidth counts: measured, listed by the firmware, or of the CPU table."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from llmfit.catalog.tables import Tables
from llmfit.hardware.detect import detect
from llmfit.hardware.probes.smbios import Module, bandwidth_gbps, channel_of, from_dmidecode, from_udev
from llmfit.hardware.sources.source import ReplaySource
from llmfit.machine import Machine

RECORDED = Path(__file__).parent / "recorded"

DMIDECODE = """# dmidecode 3.5
Getting SMBIOS data from sysfs.
SMBIOS 3.5.0 present.

Handle 0x0011, DMI type 17, 92 bytes
Memory Device
\tArray Handle: 0x000F
\tTotal Width: 64 bits
\tData Width: 64 bits
\tSize: 16 GB
\tForm Factor: DIMM
\tLocator: DIMM 0
\tBank Locator: P0 CHANNEL A
\tType: DDR5
\tSpeed: 5600 MT/s
\tConfigured Memory Speed: 5200 MT/s

Handle 0x0012, DMI type 17, 92 bytes
Memory Device
\tData Width: Unknown
\tSize: No Module Installed
\tLocator: DIMM 1
\tBank Locator: P0 CHANNEL A
\tType: Unknown
\tSpeed: Unknown

Handle 0x0013, DMI type 17, 92 bytes
Memory Device
\tData Width: 64 bits
\tSize: 16384 MB
\tLocator: DIMM 0
\tBank Locator: P0 CHANNEL B
\tType: DDR5
\tSpeed: 5600 MT/s
\tConfigured Memory Speed: Unknown
"""


def udev(*slots: dict[str, object]) -> str:
    lines = ["I:123", f"E:MEMORY_ARRAY_NUM_DEVICES={len(slots)}"]
    return "\n".join(
        lines + [f"E:MEMORY_DEVICE_{at}_{name}={text}" for at, slot in enumerate(slots) for name, text in slot.items()]
    )


def slot(bank: str, locator: str, mts: int = 3200, kind: str = "DDR4", bits: int = 64) -> dict[str, object]:
    return {"SIZE": 16 << 30, "TYPE": kind, "SPEED_MTS": 9999, "CONFIGURED_SPEED_MTS": mts, "DATA_WIDTH": bits,
            "BANK_LOCATOR": bank, "LOCATOR": locator}  # fmt: skip


def test_dmidecode() -> None:
    modules = from_dmidecode(DMIDECODE)
    assert [(m.kind, m.mts, m.bits, m.channel) for m in modules] == [
        ("DDR5", 5200, 64, ("0", "", "A")), ("DDR5", 5600, 64, ("0", "", "B")),
    ]  # fmt: skip
    assert bandwidth_gbps(modules) == 83.2  # the slower rate: 128 bits x 5200 / 8000


def test_udev() -> None:
    text = udev(slot("P0 CHANNEL A", "DIMM 0"), {"PRESENT": 0, "LOCATOR": "DIMM 1"}, slot("P0 CHANNEL B", "DIMM 0"))
    assert bandwidth_gbps(from_udev(text)) == 51.2


@pytest.mark.parametrize(("slots", "limit", "gbps"), [
    ([slot("", "DIMM_A1"), slot("", "DIMM_A2"), slot("", "DIMM_B1"), slot("", "DIMM_B2")], 2, 51.2),  # four in two
    ([slot("", "DIMM_A1")], 2, 25.6),  # one module is half
    ([slot("BANK 0", f"Controller{c}-Channel{x}", 8533, "LPDDR5X", 16) for c in (0, 1) for x in "ABCD"], 2, 136.5),
    ([slot("", f"CPU{cpu}_DIMM_{x}1", 4800, "DDR5") for cpu in (1, 2) for x in "ABCDEFGHIJKL"], 24, 921.6),
    ([slot("", f"slot {i}") for i in range(4)], 2, 51.2),  # nothing tells the channels: no more than the CPU has
    ([slot("", f"slot {i}") for i in range(4)], None, 102.4),
    ([slot("", "RAM slot #0", 0)], 2, None),
    ([slot("", "DIMM 0", kind="RAM")], 2, None),  # what QEMU makes up
    ([slot("", "DIMM_A1", 10**9)], 2, None),
    ([], 2, None),
])  # fmt: skip
def test_channels_are_counted(slots: list[dict[str, object]], limit: float | None, gbps: float | None) -> None:
    assert bandwidth_gbps(from_udev(udev(*slots)), limit) == gbps


@pytest.mark.parametrize(("name", "channel"), [
    ("P0 CHANNEL A DIMM 0", ("0", "", "A")), ("Controller1-ChannelB-DIMM0", ("", "1", "B")),
    ("A1_DIMM0", ("", "", "A")),
    ("BANK 0 DIMM_B2", ("", "", "B")), ("Node1_Channel3_Dimm0", ("1", "", "3")), ("CPU2_DIMM_G1", ("2", "", "G")),
    ("BANK 1 System Board Memory", None), ("", None),
])  # fmt: skip
def test_locators(name: str, channel: tuple[str, str, str] | None) -> None:
    assert channel_of(name) == channel


@pytest.mark.parametrize("text", ["", "E:MEMORY_DEVICE_x_SIZE=1", "E:MEMORY_DEVICE_0_SIZE=", "Memory Device\n\t:"])
def test_odd_texts_are_nothing(text: str) -> None:
    assert from_udev(text) == from_dmidecode(text) == ()


def copy_of(name: str, tmp_path: Path) -> Path:
    shutil.copytree(RECORDED / name, tmp_path / name)
    return tmp_path / name


@pytest.mark.parametrize(("result", "gbps", "origin", "words"), [
    ({"gbps": 31.9}, 31.9, "measured", "hides its model: taken for"),
    ({"problem": "noise"}, 25.0, "table", "could not be measured: noise"),
    ({"gbps": 121.0}, 25.0, "table", "121 GB/s is not plausible for this CPU (0.5 to 120)"),
    ({"gbps": 0.2}, 25.0, "table", "0.2 GB/s is not plausible"),
])  # fmt: skip
def test_measured_comes_first(
    result: dict[str, object], gbps: float, origin: str, words: str, tables: Tables, tmp_path: Path
) -> None:
    folder = copy_of("hidden_epyc_guest", tmp_path)
    (folder / "streaming.json").write_text(json.dumps(result))
    machine = detect(tables, ReplaySource(folder))
    assert (machine.ram_bandwidth_gbps, machine.ram_bandwidth_source) == (gbps, origin)
    assert any(words in text for text in machine.warnings)
    assert any("bandwidth is an estimate" in text for text in machine.warnings) == (origin == "table")


def test_nothing_is_measured_beside_a_gpu(tables: Tables, tmp_path: Path, machine: Callable[[str], Machine]) -> None:
    folder = copy_of("rtx4090_desktop", tmp_path)
    (folder / "streaming.json").write_text('{"gbps": 31.9}')
    assert detect(tables, ReplaySource(folder)).ram_bandwidth_gbps == machine("rtx4090_desktop").ram_bandwidth_gbps


def test_modules_come_before_the_table(tables: Tables, tmp_path: Path, machine: Callable[[str], Machine]) -> None:
    before = machine("rtx4090_desktop")
    assert before.ram_bandwidth_source == "table"
    folder = copy_of("rtx4090_desktop", tmp_path)
    path = folder / "files/run/udev/data/+dmi:id"
    path.parent.mkdir(parents=True)
    path.write_text(udev(slot("P0 CHANNEL A", "DIMM 1", 6000, "DDR5"), slot("P0 CHANNEL B", "DIMM 1", 6000, "DDR5")))
    after = detect(tables, ReplaySource(folder))
    assert (after.ram_bandwidth_gbps, after.ram_bandwidth_source) == (96.0, "smbios")
    path.unlink()
    (folder / "files/sys/firmware/dmi/tables").mkdir(parents=True)
    (folder / "files/sys/firmware/dmi/tables/DMI").write_text("")
    commands = folder / "commands.json"
    known = json.loads(commands.read_text()) if commands.exists() else {}
    commands.write_text(json.dumps(known | {"dmidecode -t 17": {"status": 0, "stdout": DMIDECODE}}))
    after = detect(tables, ReplaySource(folder))
    assert (after.ram_bandwidth_gbps, after.ram_bandwidth_source) == (83.2, "smbios")


def test_a_guest_is_not_believed(tables: Tables, tmp_path: Path) -> None:
    folder = copy_of("hidden_epyc_guest", tmp_path)
    path = folder / "files/run/udev/data/+dmi:id"
    path.parent.mkdir(parents=True)
    path.write_text(udev(slot("", "DIMM_A1", 3200)))
    assert detect(tables, ReplaySource(folder)).ram_bandwidth_source == "table"


def test_widths_are_bounded() -> None:
    assert bandwidth_gbps((Module(kind="DDR5", mts=4800, bits=128),), 1) == 38.4
