"""From printed and typed names to records."""

from __future__ import annotations

import pytest

from llmfit.codes import BACKENDS
from llmfit.hardware.names.lookup import Hints, backend_of, is_gpu, nearest, nominal_mib, resolve, resolve_typed


def test_every_alias_is_its_own_record_or_a_listed_variant(tables):
    for row in tables.accelerators:
        for alias in row.aliases:
            match = resolve(alias, tables, row.vendor)
            assert match.row is not None, alias
            assert row in match.candidates, alias
            assert match.row is row or match.warning, alias


def test_every_typed_name_is_its_own_record(tables):
    for row in filter(is_gpu, tables.accelerators):
        match = resolve_typed(row.name, tables)
        assert row in match.candidates, row.name
        assert match.row is row or match.warning, row.name


def test_no_vendor_mistakes_another_vendors_card(tables):
    for row in filter(is_gpu, tables.accelerators):
        for alias in row.aliases:
            match = resolve_typed(alias, tables)
            assert match.row is not None, alias
            assert match.row.vendor == row.vendor, alias


@pytest.mark.parametrize(
    ("typed", "name", "size"),
    [
        ("RTX 4090", "GeForce RTX 4090", 24),
        ("rtx4090", "GeForce RTX 4090", 24),
        ("4090 laptop", "GeForce RTX 4090 Laptop GPU", 16),
        ("4070ti super", "GeForce RTX 4070 Ti SUPER", 16),
        ("4060 Ti 16 GB", "GeForce RTX 4060 Ti", 16),
        ("3060", "GeForce RTX 3060 12GB", 12),
        ("RTX 3060 8GB", "GeForce RTX 3060 8GB", 8),
        ("1650", "GeForce GTX 1650 GDDR5", 4),
        ("6800 XT", "Radeon RX 6800 XT", 16),
        ("rx7900xtx", "Radeon RX 7900 XTX", 24),
        ("A770", "Arc A770 16GB", 16),
        ("Arc Pro A40", "Arc Pro A40", 6),
        ("m3max", "Apple M3 Max (40-core GPU)", 48),
        ("M4 Max 36GB", "Apple M4 Max (32-core GPU)", 36),
        ("M4 Max 128GB", "Apple M4 Max (40-core GPU)", 128),
        ("h100", "H100 SXM", 80),
        ("H100 PCIe", "H100 PCIe", 80),
        ("a100 40gb", "A100 SXM 40GB", 40),
        ("orin nano super", "Jetson Orin Nano SUPER 8GB", 8),
        ("DGX Spark", "GB10", 128),
        ("strix halo", "Radeon 8060S", None),
        ("strix halo 128gb", "Radeon 8060S", 128),
        ("NVIDIA GH200 480GB", "GH200 480GB", 96),
    ],
)
def test_typed_names(tables, typed, name, size):
    match = resolve_typed(typed, tables)
    assert match.row is not None
    assert (match.row.name, match.memory_gb, match.odd_size_gb) == (name, size, None)


@pytest.mark.parametrize("typed", ["RTX 4000", "RTX 5000", "RTX 6000", "Titan", "7900", "MI300", "Vega"])
def test_ambiguous_names_are_asked_about(tables, typed):
    match = resolve_typed(typed, tables)
    assert match.row is None
    assert len(match.candidates) > 1


@pytest.mark.parametrize(
    "typed", ["", "xyz", "M4 Ultra", "tpu v5p", "raspberry pi 5", "(", "Radeon Graphics", "Arc Graphics"]
)
def test_unknown_names(tables, typed):
    match = resolve_typed(typed, tables)
    assert match.row is None
    assert len(match.candidates) < 2


@pytest.mark.parametrize(
    ("name", "hints", "expected"),
    [
        ("NVIDIA GeForce RTX 3060", Hints(memory_mib=8192), "nvidia-rtx-3060-8gb"),
        ("NVIDIA GeForce RTX 3080", Hints(memory_mib=12288), "nvidia-rtx-3080-12gb"),
        ("NVIDIA GeForce RTX 3060 Ti", Hints(mem_clock_mhz=9501), "nvidia-rtx-3060-ti-gddr6x"),
        ("NVIDIA GeForce GTX 1650", Hints(mem_clock_mhz=6001), "nvidia-gtx-1650-gddr6"),
        ("NVIDIA A100-SXM4-40GB", Hints(memory_mib=40960), "nvidia-a100-sxm-40gb"),
        ("NVIDIA Thor", Hints(memory_mib=61 * 1024), "nvidia-thor-t4000-64gb"),
    ],
)
def test_hints_tell_variants_apart(tables, name, hints, expected):
    match = resolve(name, tables, "nvidia", hints)
    assert match.row is not None
    assert (match.row.id, match.warning) == (expected, None)


def test_gpu_cores_tell_apple_variants_apart(tables):
    match = resolve("Apple M3 Max", tables, "apple", Hints(gpu_cores=30))
    assert match.row is not None
    assert match.row.memory_bandwidth_gbps == 300


def test_default_names_the_others(tables):
    assert resolve("NVIDIA GeForce RTX 3060", tables, "nvidia").warning == (
        "taken for GeForce RTX 3060 12GB; it could also be GeForce RTX 3060 8GB"
    )


def test_a_size_that_is_not_sold(tables):
    assert resolve_typed("RTX 4090 48GB", tables).odd_size_gb == 48


def test_nearest(tables):
    assert nearest("rtx 4095", tables)[0] == "GeForce RTX 4090"
    assert nearest("M4 Ultra", tables, 3) == ["Apple M3 Ultra", "Apple M2 Ultra", "Apple M1 Ultra"]
    assert len(nearest("", tables, 5)) == 5


def test_reported_size(tables):
    rows = {row.id: row for row in tables.accelerators}
    assert nominal_mib(rows["nvidia-rtx-4090"], 24) == 24564
    assert nominal_mib(rows["nvidia-tesla-v100-sxm"], 32) == 32768
    assert nominal_mib(rows["nvidia-rtx-a2000"], 12) == 12282
    assert nominal_mib(rows["amd-rx-6600"], 8) in (8 * 1024, 8176)
    assert nominal_mib(rows["amd-radeon-8060s"], None) is None


@pytest.mark.parametrize(
    ("row_id", "backend"),
    [
        ("nvidia-gtx-970", "cuda"),
        ("amd-rx-6600", "rocm"),
        ("amd-rx-7900-xtx", "rocm"),
        ("amd-mi300x", "rocm"),
        ("amd-rx-470", "vulkan"),
        ("amd-rx-5500-xt", "vulkan"),
        ("amd-mi25", "vulkan"),
        ("amd-radeon-780m", "vulkan"),
        ("amd-radeon-8060s", "rocm"),
        ("intel-arc-b580", "sycl"),
        ("intel-iris-xe-graphics", "vulkan"),
        ("apple-m1-ultra", "metal"),
        ("huawei-910b3", "ascend"),
        ("google-tpu-v5p", None),
    ],
)
def test_backends(tables, row_id, backend):
    row = next(row for row in tables.accelerators if row.id == row_id)
    assert backend_of(row) == backend
    assert backend is None or backend in BACKENDS


def hints_of(row):
    """What a probe would report of it: each size with the clock and each core count."""
    sizes = [size * 1024 for size in row.memory_gb] + list(row.reported_mib)
    clock = row.mem_clock_hint_mhz
    for size in sizes or [None]:
        for cores in row.gpu_cores or [None]:
            yield Hints(memory_mib=size, gpu_cores=cores, mem_clock_mhz=clock)


def test_every_alias_with_what_a_probe_reports_is_its_own_record(tables):
    tried = 0
    for row in tables.accelerators:
        for alias in row.aliases:
            for hints in hints_of(row):
                match = resolve(alias, tables, row.vendor, hints)
                assert match.row is row, (alias, hints, match.row and match.row.id)
                # an id that both have: nothing tells them apart
                listed = row.id == "intel-arc-140v" and "130V /" in alias
                assert (match.warning is not None) == listed, (alias, hints)
                tried += 1
    assert tried > 700


def test_a_bare_ambiguous_name_is_the_default_with_the_others_named(tables):
    ambiguous = 0
    for row in filter(lambda row: row.default, tables.accelerators):
        for alias in row.aliases:
            match = resolve(alias, tables, row.vendor)
            if len(match.candidates) > 1:
                ambiguous += 1
                assert match.row is not None and match.row.default, alias
                for other in match.candidates:
                    assert other is match.row or other.name in (match.warning or ""), alias
    assert ambiguous > 10
