"""The tables as text: what is accepted, and how each mistake is reported."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llmfit.catalog.tables import Accelerator, CpuFamily, normalise_cpu, normalise_device, read_csv
from llmfit.errors import CatalogError

DATA = Path(__file__).parents[2] / "src/data"


def edit(tmp_path, change):
    """The first lines of the accelerator table after ``change``, a function of the list of lines."""
    lines = (DATA / "accelerators.csv").read_text(encoding="utf-8").split("\n")[:3]
    path = tmp_path / "accelerators.csv"
    path.write_text("\n".join(change(lines)) + "\n", encoding="utf-8")
    return path


def replaced(old, new):
    return lambda lines: [lines[0], re.sub(old, new, lines[1], count=1), lines[2]]


def test_every_record_is_there(tables):
    assert (len(tables.accelerators), len(tables.cpus)) == (396, 188)
    assert all(a.id < b.id for a, b in zip(tables.accelerators, tables.accelerators[1:], strict=False))


def test_types(tables):
    row = next(row for row in tables.accelerators if row.id == "nvidia-tesla-v100-sxm")
    assert row.memory_gb == (16, 32)
    assert row.reported_mib == (16384, 16160, 32768, 32510)
    assert (row.compute_capability, row.default, row.unified, row.fp8_tflops) == (7.0, True, False, None)


def test_cpu_bandwidth_is_channels_times_rate(tables):
    for cpu in tables.cpus:
        if cpu.channels_64bit and cpu.max_mts:
            assert cpu.peak_gbps == pytest.approx(cpu.channels_64bit * 8 * cpu.max_mts / 1000, rel=0.01), cpu.family
        assert cpu.typical_gbps <= cpu.peak_gbps, cpu.family


def test_text_is_plain():
    for name in ("accelerators.csv", "cpus.csv"):
        data = (DATA / name).read_bytes()
        data.decode("utf-8")
        assert b"\r" not in data
        assert data.endswith(b"\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replaced(",256,", ",wide,"), r"accelerators\.csv:2: .*bus_bits"),
        (replaced(",256,", ",-1,"), r"accelerators\.csv:2: .*bus_bits"),
        (replaced(",2025,32,", ",2025,nan,"), r"accelerators\.csv:2: .*memory_gb"),
        (replaced("^[^,]+", ""), r"accelerators\.csv:2: .*missing required field `id`"),
        (replaced("$", ",more"), r"accelerators\.csv:2: 29 cells, expected 28"),
        (replaced(r"\\bai pro [^,]*", "("), r"accelerators\.csv:2: match does not compile"),
        (
            replaced(r"\\bai pro [^,]*", "xyz"),
            r"accelerators\.csv:2: match does not find the alias 'AMD Radeon AI",
        ),
        (
            lambda lines: [lines[0], lines[1], lines[1]],
            r"accelerators\.csv:3: duplicate id 'amd-ai-pro-9600d'",
        ),
        (lambda lines: [lines[0] + ",more", *lines[1:]], r"accelerators\.csv:1: unknown column 'more'"),
        (
            lambda lines: [lines[0].replace("arch,", ""), *lines[1:]],
            r"accelerators\.csv:1: missing column 'arch'",
        ),
        (lambda lines: [], r"accelerators\.csv:1: (?:unknown|missing) column"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, change, message):
    with pytest.raises(CatalogError, match=message):
        read_csv(edit(tmp_path, change), Accelerator)


def test_cpu_pattern_is_checked(tmp_path):
    text = (DATA / "cpus.csv").read_text(encoding="utf-8").split("\n")
    path = tmp_path / "cpus.csv"
    path.write_text("\n".join([text[0], text[1].replace("^(?:", "^(?:(")]), encoding="utf-8")
    with pytest.raises(CatalogError, match=r"cpus\.csv:2: match does not compile"):
        read_csv(path, CpuFamily)


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("NVIDIA GeForce RTX 4090", "geforce rtx 4090"),
        ("Intel(R) Arc(TM) A770 Graphics", "arc a770 graphics"),
        ("NVIDIA A100-SXM4-80GB", "a100 sxm4 80gb"),
        ("Tesla P100-PCIE-16 GB", "tesla p100 pcie 16gb"),
        (
            "Advanced Micro Devices, Inc. [AMD/ATI] Navi 31 [Radeon RX 7900 XT/7900 XTX]",
            "navi 31 radeon rx 7900 xt / 7900 xtx",
        ),
    ],
)
def test_device_names(name, normal):
    assert normalise_device(name) == normal


def test_cpu_names():
    assert normalise_cpu("Intel(R) Core(TM)  i7-13700K\0") == "intel core i7-13700k"
