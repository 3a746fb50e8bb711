"""Broken drivers lose a fact, never the answer: every recording again, its files and tools cut short or gone mad."""

from __future__ import annotations

import random
import string
import threading
import time
from pathlib import Path

import pytest

from llmfit.hardware.detect import detect
from llmfit.hardware.probes import amd_tools, ascend, intel, nvidia_smi, pci, vulkan, windows
from llmfit.hardware.probes.cpu import cpuinfo
from llmfit.hardware.probes.memory import meminfo, number
from llmfit.hardware.sources import source as source_module
from llmfit.hardware.sources import time_limit
from llmfit.hardware.sources.nvml import NvmlDevice, NvmlSnapshot
from llmfit.hardware.sources.source import MAX_BYTES, Facts, LiveSource, Output, ReplaySource

RECORDED = Path(__file__).parent / "recorded"
NAMES = sorted(path.name for path in RECORDED.iterdir())
ODD = string.printable + "\0\x1b²٣é\ufffd\U0001f600" + '|:/=[]{}",.0123456789' * 4


class Broken(ReplaySource):
    """A recorded machine; ``spoil`` makes of each text what its driver prints instead."""

    def __init__(self, name, spoil):
        super().__init__(RECORDED / name)
        self.spoil = spoil

    def text(self, path):
        text = super().text(path)
        return None if text is None else self.spoil(text)

    def command(self, *argv):
        output = super().command(*argv)
        return output and Output(output.status, self.spoil(output.stdout))

    def env(self, name):
        value = super().env(name)
        return value and self.spoil(value)


def halved(chance):
    return lambda text: text[: chance.randrange(len(text) + 1)]


def sprinkled(chance):
    def spoil(text):
        letters = list(text)
        for _ in range(max(1, len(letters) // 20)):
            letters.insert(chance.randrange(len(letters) + 1), chance.choice(ODD))
        return "".join(letters)

    return spoil


def replaced(chance):
    return lambda text: "".join(chance.choices(ODD, k=chance.randrange(200)))


def larger(chance):
    return lambda text: text.replace("1", "9" * chance.randrange(1, 30))


def mixed_up(chance):
    def spoil(text):
        lines = text.splitlines(keepends=True)
        chance.shuffle(lines)
        return "".join(lines)

    return spoil


@pytest.mark.parametrize("kind", [halved, sprinkled, replaced, larger, mixed_up])
@pytest.mark.parametrize("name", NAMES)
def test_an_answer_all_the_same(tables, name, kind):
    for seed in range(3):
        result = detect(tables, Broken(name, kind(random.Random(f"{name}{seed}"))))
        assert not [text for text in result.warnings if "the probe failed" in text]
        assert 0 <= result.ram_available_bytes <= result.ram_total_bytes
        for device in result.devices:
            assert 0 <= device.free_bytes <= device.total_bytes
            assert device.bandwidth_gbps is None or 0 < device.bandwidth_gbps < 1e6


def test_a_superscript_is_a_digit_but_no_number(tables):
    """str.isdigit() takes them, int() does not."""
    result = detect(tables, Broken("rtx4090_desktop", lambda text: text.replace("processor\t: ", "processor\t: ²")))
    assert result.cpu_cores >= 1 and result.devices

    class Chosen(ReplaySource):
        def env(self, name):
            return "²" if name == "CUDA_VISIBLE_DEVICES" else super().env(name)

    hidden = detect(tables, Chosen(RECORDED / "rtx4090_desktop"))
    assert not any(device.visible for device in hidden.devices)
    assert any("no GPU '²'" in text for text in hidden.warnings)
    assert intel._whole("²") is None and intel._whole("4294967296.0") == 1 << 32


@pytest.mark.parametrize(
    "parse",
    [
        pci.parse_lspci,
        ascend.parse_npu_smi,
        vulkan.parse_vulkaninfo,
        amd_tools.parse_amd_smi,
        amd_tools.parse_rocm_smi,
        meminfo,
        cpuinfo,
        number,
    ],
)
def test_parsers_take_anything(parse):
    chance = random.Random(7)
    samples = ["", "\0", "{", "[", "{}", "[]", "null", "[null]", '{"gpu_data": 1}', '[{"vram": []}]', '{"card0": 1}']
    samples += ["".join(chance.choices(ODD, k=chance.randrange(300))) for _ in range(300)]
    for text in samples:
        parse(text)


class Tools:
    """A source whose every tool prints the same."""

    def __init__(self, stdout, status=0):
        self.output = Output(status, stdout)

    def command(self, *argv):
        return self.output


TOOLS = [nvidia_smi.read_smi, intel.xpu_smi, windows.registry, windows.wmi, amd_tools.read_tools]


@pytest.mark.parametrize("read", TOOLS)
def test_tools_print_anything(read):
    chance = random.Random(7)
    samples = ["", "null", "[]", "{}", '{"device_list": [{"device_id": 0}, 1, null]}', "[1]", "GPU-,,,,,,,", "²," * 8]
    samples += ["".join(chance.choices(ODD, k=chance.randrange(300))) for _ in range(200)]
    for text in samples:
        for status in (0, 1):
            found = read(Tools(text, status))
            assert not found or not any(entry.name for entry in getattr(found, "devices", found))


def test_a_probe_that_fails_loses_its_own_devices_only(tables, monkeypatch):
    monkeypatch.setattr("llmfit.hardware.detect.PROBES", {"AMD": lambda *_: 1 // 0, "Intel": intel.probe})
    result = detect(tables, ReplaySource(RECORDED / "arc_b580_xe"))
    assert [device.record for device in result.devices] == ["intel-arc-b580"]
    assert "AMD: the probe failed (ZeroDivisionError: integer division or modulo by zero): GPUs may be missing" in (
        result.warnings
    )


class Hanging(ReplaySource):
    """A recorded machine where reading one thing takes longer than anybody waits."""

    def __init__(self, name, where):
        super().__init__(RECORDED / name)
        self.where, self.released = where, threading.Event()

    def text(self, path):
        self.hang(path)
        return super().text(path)

    def names(self, folder):
        self.hang(folder)
        return super().names(folder)

    def hang(self, path):
        if self.where in path:
            self.released.wait(30)


@pytest.mark.parametrize(
    ("name", "where", "label", "left"),
    [
        ("uhd770_beside_rtx4090", "/usr/lib/wsl/lib", "NVIDIA", ["intel-uhd-graphics-770"]),
        ("rtx4090_beside_radeon_610m", "mem_info_vram_used", "AMD", ["nvidia-rtx-4090"]),
    ],
)
def test_a_hanging_file_is_cut_off(tables, name, where, label, left):
    source = Hanging(name, where)
    started = time.monotonic()
    result = detect(tables, source)
    took = time.monotonic() - started
    assert 1.9 < took < 15
    times = []
    for _ in range(3):  # at once: none is started beside one that hangs
        started = time.monotonic()
        again = detect(tables, source)
        times.append(time.monotonic() - started)
    assert min(times) < 1, times
    source.released.set()
    for thread, _ in time_limit._last.values():
        thread.join(10)
    assert again.devices == result.devices
    assert [device.record for device in result.devices] == left
    assert f"{label}: no answer within 2 s: GPUs may be missing" in result.warnings


@pytest.fixture
def tool(tmp_path, monkeypatch, this_computer):
    """Puts a program of that name and script first on the path."""
    source_module._kept.clear()

    def put(name, script):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        return name

    return put


@pytest.mark.parametrize(
    "script",
    ["sleep 30", "sleep 30 & sleep 30", "trap '' TERM INT; yes; sleep 30", "exec >&-; sleep 30", "echo half; sleep 30"],
)
def test_a_hanging_tool_is_cut_off_with_its_children(tool, script):
    started = time.monotonic()
    assert LiveSource().command(tool(f"hang{abs(hash(script))}", script)) is None
    assert time.monotonic() - started < 15  # 2, where nothing else runs


def test_a_tool_that_ends_is_heard(tool):
    assert LiveSource().command(tool("speaks", 'printf "\\377ok"; exit 3')) == Output(3, "\ufffdok")
    assert LiveSource().command(tool("asks", "cat; echo done")) == Output(0, "done\n")
    assert LiveSource().command(tool("empty", "")) == Output(0, "")
    assert LiveSource().command("/dev/null") is None
    assert len(LiveSource().command(tool("babbles", "yes")).stdout) == MAX_BYTES


class OneTool(LiveSource):
    """A Linux machine with an Ascend device node, whose npu-smi is the live one."""

    def names(self, folder):
        return ("davinci0",) if folder == "/dev" else ()

    def text(self, path):
        return None

    def platform(self):
        return Facts()


@pytest.mark.parametrize("script", ["sleep 30", "exit 1", "echo garbage", "echo '| 0 910B3 | OK | 1 |'", "kill -9 $$"])
def test_a_live_probe_with_a_broken_tool(tables, tool, script):
    tool("npu-smi", script)
    started = time.monotonic()
    assert ascend.probe(OneTool(), tables) == (
        [],
        ["Ascend: there is a device, but npu-smi does not list it; it is not counted"],
    )
    assert time.monotonic() - started < 15  # 2, where nothing else runs


def test_nvml_snapshot_with_nonsense(tables):
    class Nonsense(ReplaySource):
        def nvml(self):
            odd = NvmlDevice(name="\0²|", pci="x", memory_total=-5, bus_bits=-1, mem_clock_mhz=10**9, mig_mode=7)
            return NvmlSnapshot(devices=(odd, NvmlDevice(), NvmlDevice(name="", memory_total=1)))

    result = detect(tables, Nonsense(RECORDED / "rtx4090_desktop"))
    assert not [text for text in result.warnings if "the probe failed" in text]
    assert all(0 <= device.free_bytes <= device.total_bytes for device in result.devices)


def test_a_tool_that_says_nothing_new_is_not_run_every_few_seconds(tool, tmp_path):
    count = tmp_path / "count"
    tool("vulkaninfo", f"echo x >> {count}; echo once")
    assert [LiveSource().command("vulkaninfo").stdout for _ in range(3)] == ["once\n"] * 3
    assert count.read_text() == "x\n"
    tool("rocm-smi", f"echo y >> {count}")  # tells what is free
    assert [LiveSource().command("rocm-smi").status for _ in range(2)] == [0, 0]
    assert count.read_text() == "x\ny\ny\n"
