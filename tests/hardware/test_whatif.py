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


def test_another_cpu_brings_its_cores_speed_and_ram(what):
    result = what(BARE, cpu="AMD Ryzen 9 7950X", cpu_cores=16)
    assert (result.cpu_name, result.cpu_cores, result.cpu_arch) == ("AMD Ryzen 9 7950X", 16, "x86")
    assert (result.ram_bandwidth_gbps, result.ram_bandwidth_source) == (83.2, "table")
    assert result.cpu_fp32_tflops == pytest.approx(16 * 32 * (4.5 + 5.4) / 2 / 1000, abs=0.001)
    assert not any("CPU" in text for text in result.warnings)
    assert any("as is common" in text for text in what(BARE, cpu="EPYC 9654").warnings)
    assert what(BARE, cpu="EPYC 9654", ram_bandwidth_gbps=300).ram_bandwidth_gbps == 300
    assert what(BARE, profile="desktop-rtx-3090", cpu="i9-14900K").devices[0].name == "GeForce RTX 3090"
    assert what(BARE, cpu="Ryzen 7 7840U", gpu="Radeon 780M").devices[0].bandwidth_gbps == 89.6


@pytest.mark.parametrize("name", ["nonsense", " ", "x" * 101])
def test_a_cpu_that_is_not_known_is_refused(what, name):
    with pytest.raises(BadParam, match="invalid cpu value: "):
        what(BARE, cpu=name)


@pytest.mark.parametrize(
    ("typed", "record", "count"),
    [
        ("7900 xtx", "amd-rx-7900-xtx", 1),
        ("7900xtx", "amd-rx-7900-xtx", 1),
        ("6800xt", "amd-rx-6800-xt", 1),
        ("9070xt", "amd-rx-9070-xt", 1),
        ("rx 9070xt", "amd-rx-9070-xt", 1),
        ("3090 x2", "nvidia-rtx-3090", 2),
        ("3090ti x4", "nvidia-rtx-3090-ti", 4),
        ("(2x) rtx 4090", "nvidia-rtx-4090", 2),
        ("rtx 4090 (x2)", "nvidia-rtx-4090", 2),
        ("2\u00d7 RTX 3090", "nvidia-rtx-3090", 2),
        ("4x MI300A", "amd-mi300a", 4),
        ("MI250X", "amd-mi250x", 1),
        ("MI250X / MI250", "amd-mi250", 1),
        ("4080S", "nvidia-rtx-4080-super", 1),
        ("4070TiS", "nvidia-rtx-4070-ti-super", 1),
        ("RTX PRO 6000 blackwell max-q", "nvidia-rtx-pro-6000-blackwell-max-q", 1),
        ("rtx pro 6000 server", "nvidia-rtx-pro-6000-blackwell-server", 1),
        ("rtx pro 2000 laptop", "nvidia-rtx-pro-2000-blackwell-laptop", 1),
        ("b50", "intel-arc-pro-b50", 1),
        ("arc b60", "intel-arc-pro-b60", 1),
        ("RTX Spark", "nvidia-rtx-spark-n1x", 1),
        ("4090d", "nvidia-rtx-4090-d", 1),
        ("V100-SXM3-32GB", "nvidia-tesla-v100-sxm3", 1),
        ("A800 40GB Active", "nvidia-a800-40gb-active", 1),
        ("Adreno X2-90", "qualcomm-snapdragon-x2-elite", 1),
        ("Tesla-T4-SHARED", "nvidia-tesla-t4", 1),
    ],
)
def test_names_as_people_and_clusters_write_them(what, typed, record, count):
    devices = what(BARE, gpu=typed).devices
    assert [device.record for device in devices] == [record] * count


@pytest.mark.parametrize(
    "typed", ["RTX 5090 Ti", "RTX 5080 SUPER", "RTX 3090 SUPER", "RX 9070 XTX", "Arc B770", "M4 Ultra", "nano super"]
)
def test_a_variant_that_no_record_has_is_unknown(what, typed):
    with pytest.raises(BadParam, match=r"no such GPU|fits several"):
        what(BARE, gpu=typed)


@pytest.mark.parametrize("text", ["4090+3090", "4090 + 3090", "rtx 4090, rtx 3090", "rtx 4090 and rtx 3090"])
def test_several_kinds(what, text):
    assert [device.record for device in what(BARE, gpu=text).devices] == ["nvidia-rtx-4090", "nvidia-rtx-3090"]
    assert what(BARE, gpu="Ryzen AI Max+ 395").devices[0].record == "amd-radeon-8060s"


@pytest.mark.parametrize(
    ("label", "record", "gigabytes", "memory", "compute"),
    [
        ("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "nvidia-a100-sxm-40gb", 5, 1 / 8, 1 / 7),
        ("NVIDIA-H100-80GB-HBM3-MIG-1g.10gb.me", "nvidia-h100-sxm", 10, 1 / 8, 1 / 7),
        ("NVIDIA H200 MIG 1c.3g.71gb", "nvidia-h200", 71, 4 / 8, 1 / 7),
        ("A30-MIG-2g.12gb", "nvidia-a30", 12, 4 / 8, 2 / 4),
        (
            "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition-MIG-1g.24gb",
            "nvidia-rtx-pro-6000-blackwell-server", 24, 2 / 8, 1 / 4,
        ),
    ],
)  # fmt: skip
def test_a_part_of_a_card(what, tables, label, record, gigabytes, memory, compute):
    (device,) = what(BARE, gpu=label).devices
    card = next(row for row in tables.accelerators if row.id == record)
    assert (device.record, device.total_bytes) == (record, gigabytes * 10**9)
    assert device.bandwidth_gbps == pytest.approx(card.memory_bandwidth_gbps * memory, rel=0.001)
    assert device.fp32_tflops == pytest.approx(card.fp32_tflops * compute, rel=0.005)


@pytest.mark.parametrize(
    ("gib", "share", "known"),
    [(16, 0.74, True), (18, 0.74, True), (36, 0.78, True), (64, 0.81, True), (128, 0.84, True), (8, 2 / 3, False),
     (96, 0.75, False), (512, 0.75, False)],
)  # fmt: skip
def test_what_metal_allows_since_macos_26(what, gib, share, known):
    result = what(BARE, gpu="Apple M3 Max", ram_gb=gib)
    assert result.devices[0].total_bytes == pytest.approx(gib * GIB * share, abs=1)
    assert any("Metal" in text for text in result.warnings) is not known
