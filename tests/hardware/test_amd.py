"""AMD GPUs out of recorded DRM and KFD files."""

from __future__ import annotations

import pytest

from llmfit.hardware.probes.amd import gfx_name
from llmfit.machine import GIB


def test_desktop_card_named_by_libdrm(machine):
    result = machine("rx7900xtx")
    (gpu,) = result.devices
    assert (gpu.name, gpu.vendor, gpu.backend) == ("AMD Radeon RX 7900 XTX", "amd", "rocm")
    assert (gpu.total_bytes, gpu.free_bytes) == (25753026560, 25753026560 - GIB)
    assert (gpu.bandwidth_gbps, gpu.bandwidth_source) == (959.2, "driver")
    assert (gpu.arch, gpu.fp32_tflops, gpu.pci_address) == ("rdna3", 30.7, "0000:03:00.0")
    assert result.warnings == ()


def test_chip_and_memory_tell_an_unnamed_card(machine):
    result = machine("rx7900xtx_no_list")
    (gpu,) = result.devices
    assert (gpu.name, gpu.fp32_tflops) == ("AMD GPU [1002:744c]", 30.7)
    assert "taken for Radeon RX 7900 XTX" in result.warnings[0]


def test_old_card_without_kfd(machine):
    (gpu,) = machine("rx580_old_kernel").devices
    assert (gpu.backend, gpu.bandwidth_gbps, gpu.bandwidth_source) == ("vulkan", 256, "table")


@pytest.mark.parametrize(
    ("name", "total", "free"),
    [
        (
            "strix_halo_carve_512mb",
            103079215104,  # ROCm allocates in the larger of the carve-out and GTT, not in both
            103079215104 - 209715200,
        ),
        ("strix_halo_carve_96gb", 103079215104, 103079215104 - 104857600),
    ],
)
def test_pool_of_an_apu(machine, name, total, free):
    (gpu,) = machine(name).devices
    assert (gpu.name, gpu.backend, gpu.unified) == ("Radeon 8060S", "rocm", True)
    assert (gpu.total_bytes, gpu.free_bytes, gpu.bandwidth_gbps) == (total, free, 256)


def test_hip_visible_devices(machine):
    result = machine("two_mi300x_one_visible")
    assert [(gpu.pci_address, gpu.visible) for gpu in result.devices] == [
        ("0000:05:00.0", False),
        ("0000:15:00.0", True),
    ]
    assert "HIP_VISIBLE_DEVICES hides 1 of 2 AMD devices" in result.warnings
    assert result.devices[0].bandwidth_gbps == pytest.approx(5324.8)


def test_integrated_part_is_listed_but_not_used_beside_a_card(machine):
    result = machine("rtx4090_beside_radeon_610m")
    assert [(gpu.name, gpu.visible) for gpu in result.devices] == [
        ("NVIDIA GeForce RTX 4090", True),
        ("AMD Radeon 610M", False),
    ]
    assert result.warnings == ("AMD Radeon 610M is integrated: it is not used beside a discrete GPU",)


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("90006", "gfx906"),
        ("90010", "gfx90a"),
        ("90402", "gfx942"),
        ("100300", "gfx1030"),
        ("110501", "gfx1151"),
        ("120001", "gfx1201"),
        ("0", None),
        ("", None),
    ],
)
def test_gfx_names(version, name):
    assert gfx_name(version) == name
