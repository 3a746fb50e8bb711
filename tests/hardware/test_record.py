"""Recordings: all that was asked comes back the same, nothing private does, and a hostile folder is one line."""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
from pathlib import Path
from typing import ClassVar

import pytest

from llmfit.errors import LlmfitError
from llmfit.hardware.detect import detect
from llmfit.hardware.examine import examine
from llmfit.hardware.sources.nvml import NvmlDevice, NvmlSnapshot
from llmfit.hardware.sources.recording import as_json, comparable, record
from llmfit.hardware.sources.scrub import Scrubber
from llmfit.hardware.sources.source import LiveSource, ReplaySource, Source
from llmfit.hardware.sources.watched import NOTHING, Noting, Watched

RECORDED = Path(__file__).parent / "recorded"
NAMES = sorted(path.name for path in RECORDED.iterdir())


def test_every_question_can_be_kept():
    asked = {name for name in vars(Source) if not name.startswith("_")}
    assert asked <= set(NOTHING), "a new method of Source needs a place in watch.py and record.py"


@pytest.mark.parametrize("name", NAMES)
def test_round_trip(name, tables, tmp_path):
    report, watched = examine(tables, ReplaySource(RECORDED / name))
    assert comparable(report.machine) == comparable(detect(tables, ReplaySource(RECORDED / name)))
    new, names = tmp_path / "new", Scrubber(["buildhost.example"], ["jdoe"])
    assert record(watched, report.machine, str(new), names, lambda source: detect(tables, source)) == []
    again, _ = examine(tables, ReplaySource(new))
    assert comparable(again.machine) == comparable(report.machine)
    assert (new / "expected.json").read_text() == as_json(again.machine)
    for device, other in zip(report.machine.devices, again.machine.devices, strict=True):
        assert len(device.uuid or "") < 8 or device.uuid != other.uuid
    assert [probe.name for probe in again.probes] == [probe.name for probe in report.probes]


def test_this_computer(tables, tmp_path):
    report, watched = examine(tables, LiveSource())
    here = str(tmp_path / "here")
    assert record(watched, report.machine, here, Scrubber(), lambda source: detect(tables, source)) == []
    assert json.loads((tmp_path / "here/recording.json").read_text())["origin"] == "recorded"
    for path in [tmp_path / "here", *(tmp_path / "here").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert [path.name for path in tmp_path.iterdir()] == ["here"]  # no draft is left


def test_probes_are_told_apart(tables):
    report, _ = examine(tables, ReplaySource(RECORDED / "rtx4090_beside_radeon_610m"))
    by_name = {probe.name: probe for probe in report.probes}
    assert [seen.device.vendor for seen in by_name["NVIDIA"].devices] == ["nvidia"]
    assert [seen.device.vendor for seen in by_name["AMD"].devices] == ["amd"]
    assert "nvml" in {ask.kind for ask in by_name["NVIDIA"].asked}
    assert "nvml" not in {ask.kind for ask in by_name["AMD"].asked}
    assert any(ask.what == "/proc/meminfo" and "characters" in ask.outcome for ask in by_name["RAM"].asked)
    assert "Windows" not in by_name


class Private:
    """A machine that tells all it should not."""

    UUID = "8f3a1c2e-1111-2222-3333-444455556666"
    POD = "0123456789abcdef" * 4
    TEXTS: ClassVar = {
        "/proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD Ryzen 9 7950X\nSerial\t\t: 10000000abcdef12\n",
        "/proc/meminfo": "MemTotal: 65536000 kB\nMemAvailable: 60000000 kB\n",
        "/proc/self/cgroup": f"0::/jdoe.slice/docker-{POD}.scope\n",
        f"/sys/fs/cgroup/jdoe.slice/docker-{POD}.scope/memory.max": "17179869184\n",
        "/sys/class/dmi/id/product_uuid": "4C4C4544-0031-3010-8051-B7C04F503232",
        "/sys/class/dmi/id/product_serial": "HJ7K2L3",
        "/proc/x": "net 3c:7c:3f:12:34:56 on buildhost.example in /home/jdoe/models, unique_id 1234567890123\n"
        '"IOPlatformSerialNumber" = "C02XY123"\nslot 0000:01:00.0 of buildhost',
    }

    def text(self, path):
        return self.TEXTS.get(path)

    def names(self, folder):
        found = {"/dev": ("nvidia0", "nvidiactl", "vg-jdoe-root"), "/x": ("jdoe", self.UUID)}
        return found.get(folder, ())

    def command(self, *argv):
        return None

    def env(self, name):
        return {"CUDA_VISIBLE_DEVICES": "GPU-8f3a"}.get(name)

    def nvml(self):
        card = NvmlDevice(name="NVIDIA GeForce RTX 4090", uuid=f"GPU-{self.UUID}", pci="00000000:01:00.0",
                          memory_total=24564 << 20, memory_free=24000 << 20)  # fmt: skip
        other = NvmlDevice(name="NVIDIA GeForce RTX 3090", uuid="GPU-9f3a1c2e-1111-2222-3333-444455556666",
                           pci="00000000:02:00.0", memory_total=24576 << 20, memory_free=24000 << 20)  # fmt: skip
        return NvmlSnapshot(driver="580.1", devices=(card, other))

    def platform(self):
        return NOTHING["platform"]

    psutil = platform

    def streaming(self, plan):
        return None


def test_nothing_private_is_recorded(tables, tmp_path):
    watched = Watched(Private())
    for path in Private.TEXTS:
        watched.text(path)
    watched.names("/x")
    machine = detect(tables, watched)
    assert [device.visible for device in machine.devices] == [True, False]
    names = Scrubber(["buildhost.example"], ["jdoe"])
    assert record(watched, machine, str(tmp_path / "r"), names, lambda source: detect(tables, source)) == []
    scrubbed = detect(tables, ReplaySource(tmp_path / "r"))
    assert [device.visible for device in scrubbed.devices] == [True, False]
    assert scrubbed.ram_total_bytes == 16 << 30  # the limit's file moved with the name in /proc/self/cgroup
    paths = list((tmp_path / "r").rglob("*"))
    said = "\n".join([*map(str, paths), *(path.read_text() for path in paths if path.is_file())])
    for secret in ("jdoe", "buildhost", "8f3a", "9f3a", Private.POD, "4C4C4544", "HJ7K2L3", "10000000abcdef12",
                   "3c:7c:3f", "1234567890123", "C02XY123", "vg-"):  # fmt: skip
        assert secret not in said, secret
    for fact in ("AMD Ryzen 9 7950X", "0000:01:00.0", "580.1", "65536000", "RTX 4090"):
        assert fact in said, fact


def test_the_same_is_replaced_by_the_same():
    scrubber = Scrubber(["alpha.lan"], ["bob"])
    assert scrubber.text(f"{Private.UUID} {Private.UUID.upper()}").split()[0:1] * 2 == scrubber.text(
        f"{Private.UUID} {Private.UUID}").split()  # fmt: skip
    assert scrubber.text("alpha alpha.lan ALPHAbet bob bobby") == "host host ALPHAbet user bobby"
    once = scrubber.text(f"Serial Number: AB12 {Private.UUID} aa:bb:cc:dd:ee:ff")
    assert scrubber.text(once) == once


@pytest.mark.parametrize("name", ["root", "nvidia", "jetson", "pi", "ab"])
def test_names_that_are_facts_or_tell_nothing_stay(name):
    assert Scrubber([name], [name]).text(f"NVIDIA {name} 4090") == f"NVIDIA {name} 4090"


@pytest.fixture
def recorded(tables):
    report, watched = examine(tables, ReplaySource(RECORDED / "two_rtx3090"))
    return lambda target: record(watched, report.machine, target, Scrubber(), lambda source: detect(tables, source))


def test_a_folder_that_holds_something_is_left_alone(recorded, tmp_path):
    full, file, link = tmp_path / "full", tmp_path / "file", tmp_path / "link"
    full.mkdir()
    (full / "mine").write_text("x")
    file.write_text("x")
    link.symlink_to(full)
    for target in (full, file, link, tmp_path / "no/such", tmp_path / "a\0b"):
        with pytest.raises(LlmfitError, match="cannot record"):
            recorded(str(target))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full", "link"]
    assert (full / "mine").read_text() == "x"
    empty = tmp_path / "empty"
    empty.mkdir()
    recorded(str(empty))
    assert (empty / "nvml.json").exists()


def test_a_question_without_an_answer_is_not_asked_again(tables):
    watched = Watched(ReplaySource(RECORDED / "two_rtx3090"))
    watched.text("/proc/meminfo")
    watched.begun["text", "/proc/cpuinfo"] = 0.0  # as of a read that hangs
    watched.close()
    noting = Noting(watched)
    assert noting.text("/proc/meminfo") and noting.text("/proc/cpuinfo") is None and noting.text("/new") is None
    assert [ask.outcome.split()[-1] for ask in noting.asks] == ["characters", "time", "asked"]


@pytest.mark.parametrize("name", ["commands.json", "env.json", "nvml.json", "psutil.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"devices": 3, "os": 1}', "\ufffd", "[" * 10000, "null"])
def test_garbage_is_one_line(name, text, tmp_path, tables):
    shutil.copytree(RECORDED / "two_rtx3090", tmp_path / "bad")
    (tmp_path / "bad" / name).write_bytes(text.encode("utf-16" if text == "\ufffd" else "utf-8"))
    try:
        detect(tables, ReplaySource(tmp_path / "bad"))
    except LlmfitError as error:
        assert str(error).startswith(f"{tmp_path}/bad/{name}: ") and "\n" not in str(error)
    else:
        assert name in ("nvml.json", "psutil.json") and text == '{"a": 1}'  # an unknown key is none that is read


@pytest.mark.parametrize("target", ["/nowhere", "/etc/hostname", "/proc"])
def test_what_is_no_recording(target):
    with pytest.raises(LlmfitError, match="this is no recording"):
        ReplaySource(target)


def test_a_recording_leads_nowhere_else(tmp_path, tables):
    files = tmp_path / "r/files/proc"
    files.mkdir(parents=True)
    (tmp_path / "secret").write_text("MemTotal: 1 kB\n")
    (files / "meminfo").symlink_to(tmp_path / "secret")
    (files / "loop").symlink_to("loop")
    os.mkfifo(files / "cpuinfo")
    source = ReplaySource(tmp_path / "r")
    assert (source.text("/proc/meminfo"), source.text("/proc/cpuinfo"), source.text("/proc/loop")) == (None, None, None)
    assert source.text("/../../secret") is None and source.names("/../..") == () and source.text("/a\0b") is None


def test_damaged_recordings_never_end_detection(tables, tmp_path):
    rng = random.Random(5)
    for number in range(60):
        folder = tmp_path / str(number)
        shutil.copytree(RECORDED / rng.choice(NAMES), folder)
        paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "expected.json")
        for path in rng.sample(paths, min(3, len(paths))):
            data = bytearray(path.read_bytes()) or bytearray(b"x")
            for _ in range(rng.randrange(1, 8)):
                data[rng.randrange(len(data))] = rng.choice(b"\0\n\"{}[]:,-9a\xff\xb2 ")
            path.write_bytes(data)
        try:
            machine = detect(tables, ReplaySource(folder))
        except LlmfitError as error:
            assert "\n" not in str(error)
        else:
            assert machine.cpu_cores >= 1 and not any("\n" in text for text in machine.warnings)
