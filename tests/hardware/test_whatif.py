"""What-ifs, and each way in which they contradict themselves or the machine."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from llmfit.errors import BadParam
from llmfit.hardware.what_ifs import WhatIf, apply_whatif
from llmfit.machine import GIB

MIB = 1 << 20
BARE, RTX, PAIR = "raspberry_pi_5", "rtx4090_desktop", "two_rtx3090"


@pytest.fixture
def what(machine, tables):
    """``what(machine name, parameter=value...)``: the machine after the what-if."""
    return lambda name, **parameters: apply_whatif(machine(name), WhatIf(**parameters), tables)


def test_nothing_asked_is_the_same_machine(machine, tables):
    assert apply_whatif(machine(RTX), WhatIf(), tables) is machine(RTX)
    assert hash(WhatIf(gpu="a")) == hash(WhatIf(gpu="a"))


def test_gpu_sets_memory_and_bandwidth(what):
    result = what(BARE, gpu="4090")
    (gpu,) = result.devices
    assert (gpu.name, gpu.backend, gpu.arch) == ("GeForce RTX 4090", "cuda", "ada")
    assert (gpu.total_bytes, gpu.free_bytes) == (24564 * MIB, 24564 * MIB)
    assert (gpu.bandwidth_gbps, gpu.bandwidth_source, gpu.fp32_tflops) == (1008, "table", 82.6)
    assert result.ram_total_bytes == 8256000 * 1024


def test_gpu_replaces_what_is_there(what):
    assert [gpu.name for gpu in what(PAIR, gpu="T4", gpu_count=3).devices] == ["Tesla T4"] * 3


@pytest.mark.parametrize(
    ("gpu", "names"),
    [
        ("2x RTX 3090", ["GeForce RTX 3090"] * 2),
        ("2 x rtx 3090", ["GeForce RTX 3090"] * 2),
        ("8\u00d7H100", ["H100 SXM"] * 8),
        ("RTX 4090 + RTX 3060 12GB", ["GeForce RTX 4090", "GeForce RTX 3060 12GB"]),
        ("RTX 4090 + 2x T4", ["GeForce RTX 4090", "Tesla T4", "Tesla T4"]),
        ("RTX 4090 + RX 7900 XTX", ["GeForce RTX 4090", "Radeon RX 7900 XTX"]),
        ("AMD Ryzen AI MAX+ 395", ["Radeon 8060S"]),
    ],
)
def test_several_gpus_by_name(what, gpu, names):
    result = what(BARE, gpu=gpu)
    assert [device.name for device in result.devices] == names
    assert all(device.free_bytes == device.total_bytes > 0 for device in result.devices)


def test_vram_is_shared_out_among_mixed_cards(what):
    sizes = [gpu.total_bytes for gpu in what(BARE, gpu="RTX 4090 + RTX 3060 12GB", vram_gb=18).devices]
    assert sizes == [pytest.approx(12 * GIB, rel=0.01), pytest.approx(6 * GIB, rel=0.01)]
    assert sum(sizes) <= 18 * GIB


def test_default_variant_is_a_warning(what):
    assert "gpu: 3060 is taken for GeForce RTX 3060 12GB; it could also be GeForce RTX 3060 8GB" in (
        what(BARE, gpu="3060").warnings
    )


def test_gpu_count_multiplies_the_detected_gpu(what):
    devices = what(RTX, gpu_count=4).devices
    assert len(devices) == 4
    assert all(gpu.free_bytes == gpu.total_bytes == 24564 * MIB for gpu in devices)
    assert {gpu.uuid for gpu in devices} | {gpu.pci_address for gpu in devices} == {None}
    assert len(what(PAIR, gpu_count=1).devices) == 1


@pytest.mark.parametrize(
    "parameters", [{"gpu_count": 0}, {"vram_gb": 0}, {"backend": "cpu"}, {"backend": "cpu", "gpu_count": 0}]
)
def test_gpus_are_removed(what, parameters):
    assert what(PAIR, **parameters).devices == ()


def test_vram_replaces_the_total(what):
    devices = what(PAIR, vram_gb=96).devices
    assert [gpu.total_bytes for gpu in devices] == [48 * GIB, 48 * GIB]
    assert [gpu.bandwidth_gbps for gpu in devices] == [936.1, 936.1]
    assert [gpu.total_bytes for gpu in what(RTX, gpu="H100", gpu_count=2, vram_gb=64).devices] == [32 * GIB] * 2


def test_vram_without_a_gpu_makes_one_up(what):
    result = what(BARE, vram_gb=24)
    (gpu,) = result.devices
    assert (gpu.name, gpu.backend, gpu.bandwidth_gbps) == ("User-specified GPU", "cuda", None)
    assert (gpu.total_bytes, gpu.free_bytes, gpu.bandwidth_source) == (24 * GIB, 24 * GIB, None)
    assert any("give gpu_bandwidth_gbps" in warning for warning in result.warnings)
    (gpu,) = what(BARE, vram_gb=24, backend="rocm", gpu_bandwidth_gbps=800).devices
    assert (gpu.backend, gpu.bandwidth_gbps, gpu.bandwidth_source) == ("rocm", 800, "request")
    assert [gpu.total_bytes for gpu in what(BARE, vram_gb=48, gpu_count=2).devices] == [24 * GIB] * 2


def test_gpu_bandwidth_of_a_detected_gpu(what):
    (gpu,) = what(RTX, gpu_bandwidth_gbps=500).devices
    assert (gpu.bandwidth_gbps, gpu.bandwidth_source, gpu.free_bytes) == (500, "request", 23010 * MIB)


def test_ram(what):
    result = what(RTX, ram_gb=128, ram_bandwidth_gbps=120)
    assert (result.ram_total_bytes, result.ram_available_bytes) == (128 * GIB, 128 * GIB)
    assert (result.ram_bandwidth_gbps, result.ram_bandwidth_max_gbps) == (120, 120)
    assert result.ram_bandwidth_source == "request"
    assert result.devices[0].free_bytes == 23010 * MIB


def test_cpu_cores_scale_compute(what, machine):
    before = machine(RTX)
    result = what(RTX, cpu_cores=8)
    assert result.cpu_cores == 8
    assert result.cpu_fp32_tflops == pytest.approx(before.cpu_fp32_tflops / 2)
    assert result.ram_bandwidth_gbps == before.ram_bandwidth_gbps


@pytest.mark.parametrize(
    ("gpu", "ram_gb", "ram", "pool", "bandwidth"),
    [
        ("M4 Pro", None, 24, 24 * 0.74, 273),
        ("M4 Max", 36, 36, 36 * 0.78, 410),
        ("M4 Max", 64, 64, 64 * 0.81, 546),
        ("M4 Max 128GB", None, 128, 128 * 0.84, 546),
        ("M2", 8, 8, 8 * 2 / 3, 100),
        ("GB10", None, 128, 128, 273.1),
        ("Strix Halo", 128, 128, 96, 256),
        ("Orin Nano", 4, 4, 4, 34.1),
    ],
)
def test_unified_gpu_by_name_brings_its_ram(what, gpu, ram_gb, ram, pool, bandwidth):
    result = what(BARE, gpu=gpu, ram_gb=ram_gb)
    (device,) = result.devices
    assert device.unified
    assert (result.ram_total_bytes, result.ram_available_bytes) == (ram * GIB, ram * GIB)
    assert device.total_bytes == device.free_bytes == int(pool * GIB)
    assert device.bandwidth_gbps == pytest.approx(bandwidth, rel=0.01)
    assert result.ram_bandwidth_gbps == device.bandwidth_gbps


def test_unified_part_without_a_size_keeps_the_machines_ram(what, machine):
    result = what(RTX, gpu="780M")
    assert result.ram_total_bytes == machine(RTX).ram_total_bytes
    assert result.devices[0].total_bytes == int(result.ram_total_bytes * 0.75)


def test_ram_moves_a_detected_unified_pool(what):
    result = what("gb10", ram_gb=64)
    assert result.devices[0].total_bytes == result.devices[0].free_bytes == 64 * GIB


def test_unified_memory(what):
    (gpu,) = what(BARE, vram_gb=4, unified_memory=True).devices
    assert (gpu.unified, gpu.total_bytes) == (True, 4 * GIB)
    (gpu,) = what(RTX, unified_memory=True).devices
    assert gpu.unified
    assert what("gb10", unified_memory=False).devices[0].unified is False


def test_backend_of_a_named_gpu(what):
    assert what(BARE, gpu="4090", backend="vulkan").devices[0].backend == "vulkan"


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        (
            BARE,
            {"gpu": "M4 Ultra"},
            'invalid gpu value: no such GPU "M4 Ultra"; nearest: Apple M3 Ultra, Apple M2',
        ),
        (BARE, {"gpu": "x" * 101}, "invalid gpu value: use a name of at most 100 characters"),
        (BARE, {"gpu": "a\nb"}, 'invalid gpu value: no such GPU "a b"'),
        (BARE, {"gpu": ""}, 'invalid gpu value: no such GPU ""'),
        (
            BARE,
            {"gpu": "MI300"},
            'invalid gpu value: "MI300" fits several GPUs; use one of: Instinct MI300A, Ins',
        ),
        (
            BARE,
            {"gpu": "4090 48GB"},
            "invalid gpu value: GeForce RTX 4090 comes with 24 GB; give another size as",
        ),
        (BARE, {"gpu": "2x RTX 9999"}, 'invalid gpu value: no such GPU "RTX 9999"; nearest: '),
        (BARE, {"gpu": "RTX 4090 + foo"}, 'invalid gpu value: no such GPU "foo"; nearest: '),
        (BARE, {"gpu": "RTX 4090 + "}, 'invalid gpu value: no such GPU ""'),
        (BARE, {"gpu": "2x RTX 3090", "gpu_count": 2}, "invalid gpu_count value: gpu says how many already"),
        (BARE, {"gpu": "T4 + L4", "gpu_count": 2}, "invalid gpu_count value: gpu says how many already"),
        (BARE, {"gpu": "0x T4"}, "invalid gpu value: use 1 to 64 GPUs"),
        (BARE, {"gpu": "65x T4"}, "invalid gpu value: use 1 to 64 GPUs"),
        (BARE, {"gpu": "40x T4 + 40x L4"}, "invalid gpu value: use at most 64 GPUs"),
        (
            BARE,
            {"gpu": " + ".join(("T4", "L4", "L40S", "A10G", "P40", "P4", "H200", "B200", "V100S"))},
            "invalid gpu value: use at most 8 kinds of GPU",
        ),
        (BARE, {"gpu": "2x GB10"}, "invalid gpu value: unified memory is one pool; name GB10 alone"),
        (BARE, {"gpu": "RTX 4090 + M4 Pro"}, "invalid gpu value: unified memory is one pool; name Apple M4 Pro"),
        (BARE, {"gpu_count": 2}, "invalid gpu_count value: this machine has no GPU to multiply"),
        (BARE, {"gpu": "GB10", "gpu_count": 2}, "invalid gpu_count value: unified memory is one pool"),
        (PAIR, {"unified_memory": True}, "invalid unified_memory value: unified memory is one pool"),
        (BARE, {"gpu_bandwidth_gbps": 100}, "invalid gpu_bandwidth_gbps value: there is no GPU"),
        (BARE, {"unified_memory": True}, "invalid unified_memory value: there is no GPU"),
        (BARE, {"backend": "cuda"}, "invalid backend value: this machine has no GPU"),
        (RTX, {"backend": "metal"}, "invalid backend value: no GPU here runs metal; use cuda|vulkan|cpu"),
        (
            BARE,
            {"gpu": "RX 6600", "backend": "cuda"},
            "invalid backend value: no GPU here runs cuda; use rocm|vul",
        ),
        (RTX, {"backend": "cpu", "vram_gb": 8}, "invalid backend value: cpu uses no GPU; leave out vram_gb"),
        (RTX, {"backend": "cpu", "gpu": "T4"}, "invalid backend value: cpu uses no GPU; leave out gpu"),
        (
            RTX,
            {"backend": "cpu", "gpu_count": 1},
            "invalid backend value: cpu uses no GPU; leave out gpu_count",
        ),
        (RTX, {"backend": "cpu", "unified_memory": True}, "invalid backend value: cpu uses no GPU"),
        (RTX, {"vram_gb": 0, "gpu": "T4"}, "invalid vram_gb value: 0 removes the GPUs; leave out gpu"),
        (
            RTX,
            {"gpu_count": 0, "vram_gb": 8},
            "invalid gpu_count value: 0 removes the GPUs; leave out vram_gb",
        ),
        (RTX, {"gpu_count": 0, "backend": "cuda"}, "invalid gpu_count value: 0 removes the GPUs"),
        (RTX, {"backend": "npu"}, "invalid backend value: use cuda|rocm|metal|vulkan|sycl|cpu"),
        ("gb10", {"vram_gb": 256}, "invalid vram_gb value: unified memory is a part of RAM"),
        (RTX, {"ram_gb": 0}, "invalid ram_gb value: use a positive number"),
        (RTX, {"ram_gb": float("nan")}, "invalid ram_gb value: use a positive number"),
        (RTX, {"vram_gb": float("inf")}, "invalid vram_gb value: use a non-negative number"),
        (RTX, {"gpu_count": 10**9}, "invalid gpu_count value: use a non-negative number up to 128"),
        (RTX, {"cpu_cores": 0}, "invalid cpu_cores value: use a positive number"),
    ],
)
def test_contradictions(what, name, parameters, message):
    with pytest.raises(BadParam) as error:
        what(name, **parameters)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_several_kinds_of_gpu_are_not_multiplied(what, machine, tables):
    mixed = apply_whatif(machine(RTX), WhatIf(gpu="3060"), tables)
    both = replace(mixed, devices=(*machine(RTX).devices, *mixed.devices))
    with pytest.raises(BadParam, match="GPUs of several kinds"):
        apply_whatif(both, WhatIf(gpu_count=2), tables)
    sizes = [gpu.total_bytes for gpu in apply_whatif(both, WhatIf(vram_gb=18), tables).devices]
    assert sizes == [pytest.approx(12 * GIB, rel=0.01), pytest.approx(6 * GIB, rel=0.01)]
