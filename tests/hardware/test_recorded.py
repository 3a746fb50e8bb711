"""Every recorded machine is what its folder expects; and each way in which detection fails has a recording.

`expected.json` holds the whole machine (make.py writes it). What matters of it is written out here by hand, from the
documents that the recording was made from, so that a mistake in both cannot pass.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

RECORDED = Path(__file__).parent / "recorded"
SPEC = importlib.util.spec_from_file_location("make_expected", RECORDED.parent / "make.py")
make = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(make)
NAMES = sorted(path.name for path in RECORDED.iterdir())
GIB, MIB = 1 << 30, 1 << 20


def test_there_are_enough_and_each_says_where_it_is_from():
    assert len(NAMES) >= 100
    for name in NAMES:
        about = json.loads((RECORDED / name / "recording.json").read_text())
        assert about["origin"] in ("documentation", "recorded", "public report"), name
        assert about["note"], name


@pytest.mark.parametrize("name", NAMES)
def test_expected_machine(machine, name):
    assert make.as_json(machine(name)) == (RECORDED / name / "expected.json").read_text(), "run tests/hardware/make.py"


@pytest.mark.parametrize("name", NAMES)
def test_whatever_happens_the_facts_hold_together(machine, name):
    result = machine(name)
    assert 0 <= result.ram_available_bytes <= result.ram_total_bytes
    assert result.cpu_cores >= 1
    assert len(set(result.warnings)) == len(result.warnings)
    for text in result.warnings:
        assert "\n" not in text
        assert "the probe failed" not in text
    for device in result.devices:
        assert 0 <= device.free_bytes <= device.total_bytes
        assert (device.bandwidth_gbps is None) == (device.bandwidth_source is None)
        assert (device.record is None) == (device.confidence is None)
        assert device.seen_by
        assert device.memory_source in ("driver", "table", "ram")
        if device.bandwidth_gbps is None:
            assert any(device.name in text for text in result.warnings)
    discrete = [device for device in result.devices if device.visible and not device.unified]
    assert not (discrete and any(device.visible and device.unified for device in result.devices))


# name: (record of the accelerator table, MiB in all, MiB free or None, GB/s, whether it is used) of each device
FACTS = {
    # NVML: clock and bus tell variants of a name apart; the table caps a clock that is never reached
    "gtx1650_gddr6": [("nvidia-gtx-1650-gddr6", 4096, 3900, 192, True)],
    "rtx3060_8gb": [("nvidia-rtx-3060-8gb", 8192, 7900, 240, True)],
    "h100_pcie": [("nvidia-h100-pcie", 81559, 80900, 2039, True)],
    "h200_clock_above_spec": [("nvidia-h200", 143771, 143000, 4800, True)],
    "l40s_ecc": [("nvidia-l40s", 46068, 45000, 864, True)],
    "rtx4090_and_rtx3060_partly_used": [
        ("nvidia-rtx-4090", 24564, 11000, 1008, True),
        ("nvidia-rtx-3060-12gb", 12288, 11900, 360, True),
    ],
    "gh200": [("nvidia-gh200-480gb", 97871, 97000, 4000, True)],
    # MIG and vGPU
    "a100_mig_parent_refused": [("nvidia-a100-sxm-80gb", 19968, 19968, 2039 / 4, True)],
    "h100_mig_one_chosen": [
        ("nvidia-h100-sxm", 40448, None, 3352 / 2, False),
        ("nvidia-h100-sxm", 9984, 9984, 3352 / 8, True),
    ],
    "vgpu_a40_48q": [("nvidia-a40", 49152, 47000, 696, True)],
    "vgpu_grid_a100_10c": [("nvidia-a100-sxm-80gb", 10240, 9800, 2039, True)],
    # unified NVIDIA parts: the memory of the machine
    "jetson_thor": [("nvidia-thor-t5000-128gb", 128750000 // 1024, None, 273, True)],
    "gb10_container_without_library": [("nvidia-gb10", 127600748 // 1024, None, 273, False)],
    # broken NVIDIA drivers lose a fact, a card, or the use of it
    "gpu_lost": [("nvidia-rtx-3090", 24576, 24100, 936, True)],
    "gtx1080_odd_not_supported": [],
    "driver_not_loaded": [],
    "container_visible_void": [],
    "nvml_no_permission": [("nvidia-rtx-4090", 24564, 23000, 1008, True)],
    "nvml_unknown_error": [("nvidia-rtx-3080-ti", 12288, None, 912, False)],
    "smi_every_cell_refused": [("nvidia-rtx-4090", 24564, 23000, 1008, True)],
    "binding_missing": [("nvidia-rtx-4070-ti", 12282, 12282, 504, True)],
    "library_missing": [("nvidia-rtx-3090", 24576, None, 936, False)],
    "wsl_small_ram": [("nvidia-rtx-4090", 24564, 20111, 1008, True)],
    "nvidia_hidden_by_empty_variable": [("nvidia-rtx-4090", 24564, None, 1008, False)],
    "nvidia_without_driver": [],
    "nouveau_vulkan": [("nvidia-rtx-3060-12gb", 12288, 12000000000 // MIB, 360, True)],
    # AMD
    "mi350x": [("amd-mi350x", 294896, 294896, 7782, True)],
    "mi300x_cpx": [("amd-mi300x", 206141652992 // 8 // MIB, None, 5300 / 8, True)] * 8,
    "mi250x_two_dies": [("amd-mi250x", 65520, 65520, 1638, True)] * 2,
    "mi50_generic_name": [("amd-mi50", 32752, 32752, 1024, True)],
    "rx7900xt_slash_list": [("amd-rx-7900-xt", 20464, 20437, 800, True)],
    "strix_halo_carve_4gb": [("amd-radeon-8060s", 96 * 1024, 98104, 256, True)],
    "strix_halo_gtt_above_ram": [("amd-radeon-8060s", 65000000 // 1024, None, 256, True)],
    "radeon_780m_laptop": [("amd-radeon-780m", 512 + 15625, None, 89.6, True)],
    "raphael_alone": [("amd-radeon-610m", 512 + 33280000000 // MIB, None, 83.2, True)],
    "amd_memory_unreadable": [],
    "amd_smi_list": [("amd-mi350x", 294896, 294896, 8000, True)],
    "amd_smi_gpu_data": [("amd-mi350x", 294896, 294896, 8000, True)],
    "rocm_smi_warning_first": [("amd-rx-7900-xt", 20464, 20437, 800, True)],
    "rocm_smi_old_keys": [("amd-mi50", 34208743424 // MIB, 32597, 1024, True)],
    "rocr_and_hip": [("amd-mi300x", 196592, None, 5325, used) for used in (False, True, False)],
    "gpu_device_ordinal": [("amd-rx-9070-xt", 16304, None, 644, used) for used in (True, False)],
    # Intel
    "arc_b580_xe": [("intel-arc-b580", 12288, 12288, 456, True)],
    "arc_a770_i915": [("intel-arc-a770-16gb", 16253, 16253, 560, True)],
    "arc_a770_i915_partly_used": [("intel-arc-a770-16gb", 16253, 12288, 560, True)],
    "arc_a770_8gb_bar": [("intel-arc-a770-8gb", 8192, 8192, 512, True)],
    "arc_a380_small_bar": [("intel-arc-a380", 6144, 6144, 186, True)],
    "arc_pro_b65_xpu_smi": [("intel-arc-pro-b65", 32656, 33000000000 // MIB, 608, True)],
    "max_1550_two_tiles": [("intel-data-center-gpu-max-1550", 131072, 131072, 3277, True)],
    "lunar_lake_140v": [("intel-arc-140v", 32500000 * 3 // 4 // 1024, None, 136.5, True)],
    "iris_xe_laptop": [("intel-iris-xe-alder-lake", 16200000 * 3 // 4 // 1024, None, 76.8, True)],
    "intel_unknown_integrated": [(None, 16200000 * 3 // 4 // 1024, None, 76.8, True)],
    "uhd770_beside_rtx4090": [
        ("nvidia-rtx-4090", 24564, 23000, 1008, True),
        ("intel-uhd-graphics-770", 64000000 * 3 // 4 // 1024, None, 76.8, False),
    ],
    "two_arc_ze_affinity": [("intel-arc-b580", 12288, None, 456, used) for used in (False, True)],
    # Ascend
    "ascend_910b3": [("huawei-910b3", 65536, 65536 - 3369, 1600, False), ("huawei-910b3", 65536, 11553, 1600, True)],
    "ascend_910c": [("huawei-910c", 65536, 65536 - 3372, 1600, True), ("huawei-910c", 65536, 62448, 1600, True)],
    "ascend_310p": [("huawei-310p3", 44280, 44280 - 1853, 204.8, True)],
    "ascend_tool_missing": [],
    # Vulkan as the last resort
    "vulkan_llvmpipe_only": [],
    "vulkan_unknown_vendor": [(None, 16384, 16000000000 // MIB, None, True)],
    "asahi_macbook_air_m2": [("apple-m2", int(16000000 * 2 / 3 / 1024), None, 100, True)],
    "vulkan_turnip_snapdragon": [("qualcomm-snapdragon-x-elite", 31900000 * 3 // 4 // 1024, None, 135, True)],
    # Windows
    "windows_rx7900xt": [
        ("amd-radeon-610m", int(31.7 * 768), None, 83.2, False),
        ("amd-rx-7900-xt", 20464, 20464, 800, True),
    ],
    "windows_rtx4070_nvml": [
        ("nvidia-rtx-4070-gddr6x", 12282, 11000, 504, True),
        ("amd-radeon-610m", int(31.7 * 768), None, 83.2, False),
    ],
    "windows_arc_a770": [("intel-arc-a770-16gb", 16384, 16384, 560, True)],
    "windows_wmi_capped": [("amd-rx-7900-xtx", 24560, 24560, 960, True)],
    "windows_strix_halo_96gb": [("amd-radeon-8060s", 98304, 98304, 256, True)],
    "windows_snapdragon_x": [("qualcomm-snapdragon-x-elite", int(31.6 * 768), None, 135, True)],
    "windows_virtual_only": [],
    # Apple
    "macbook_air_m1_macos11": [("apple-m1", int(8192 * 2 / 3), None, 68.2, True)],
    "mac_m4_max_36gb": [("apple-m4-max-32c", 27 * 1024, None, 410, True)],
    "mac_m2_ultra_old_limit": [("apple-m2-ultra", 184320, None, 800, True)],
    "mac_unknown_chip": [(None, 49152, None, None, True)],
    # Android
    "android_sm8650": [("qualcomm-snapdragon-8-gen-3", 15600000 * 3 // 4 // 1024, None, 76.8, True)],
    "android_tensor_g3": [],
}  # fmt: skip


@pytest.mark.parametrize("name", FACTS)
def test_devices(machine, name):
    devices = machine(name).devices
    assert len(devices) == len(FACTS[name])
    for device, (record, total, free, bandwidth, used) in zip(devices, FACTS[name], strict=True):
        assert device.record == record
        assert device.total_bytes // MIB == pytest.approx(total, abs=1)
        assert free is None or device.free_bytes // MIB == pytest.approx(free, abs=1)
        assert device.bandwidth_gbps == (bandwidth and pytest.approx(bandwidth, rel=0.01))
        assert device.visible is used


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nvml_unknown_error", "NVML failed: NVML_ERROR_UNKNOWN; no NVIDIA GPU is used (NVIDIA GeForce RTX 3080 Ti)"),
        ("gb10_container_without_library", "no NVIDIA GPU is used (NVIDIA GB10)"),
        ("container_visible_void", "NVIDIA_VISIBLE_DEVICES=void keeps GPUs out of this container"),
        ("address_space_limited", "a process may map only 8.0 GiB here (ulimit -v)"),
        ("nvidia_without_driver", "NVIDIA AD102 [GeForce RTX 4090] at 0000:01:00.0 has no driver"),
        ("wsl_small_ram", "WSL has less RAM than the GPU has memory"),
        ("vgpu_a40_48q", "share of a card (vGPU)"),
        ("mi300x_cpx", "split into 8 partitions"),
        ("rocr_and_hip", "HIP_VISIBLE_DEVICES counts the devices that ROCR_VISIBLE_DEVICES leaves"),
        ("amd_memory_unreadable", "the memory of the GPU at 0000:03:00.0 could not be read"),
        ("arc_a380_small_bar", "its nominal size is assumed"),
        ("arc_b580_xe", "does not publish how much memory of Intel Arc B580 is free"),
        ("lunar_lake_140v", "taken for Arc 140V; it could also be Arc 130V"),
        ("intel_unknown_integrated", "Intel GPU [8086:ffff] is not in the accelerator table"),
        ("ascend_910c", "the health of Ascend910 at 0000:9f:00.0 Warning"),
        ("ascend_tool_missing", "npu-smi does not list it"),
        ("windows_wmi_capped", "the size of its memory is not known: the nominal size is assumed"),
        ("mac_unknown_chip", "Apple: the memory bandwidth of Apple M9 Pro is unknown"),
    ],
)
def test_warnings(machine, name, text):
    assert any(text in warning for warning in machine(name).warnings), machine(name).warnings


@pytest.mark.parametrize(
    ("name", "cores", "total_gib", "available_gib"),
    [
        ("cgroup_v2_high", 16, 12, 11),
        ("cgroup_hybrid", 1, 4, 3),
        ("lxc_lxcfs", 4, 4, 3.5),
    ],
)
def test_containers(machine, name, cores, total_gib, available_gib):
    result = machine(name)
    assert (result.cpu_cores, result.ram_total_bytes) == (cores, total_gib * GIB)
    assert result.ram_available_bytes == available_gib * GIB


def test_unreadable_limits_limit_nothing(machine):
    assert machine("cgroup_garbage").ram_total_bytes == 65000000 * 1024
    assert machine("affinity_two_cores").cpu_cores == 2
    assert machine("address_space_limited").ram_total_bytes == 8 * GIB


def test_android_names_its_chip(machine):
    assert (machine("android_sm8650").cpu_name, machine("android_sm8650").ram_bandwidth_gbps) == ("SM8650", 76.8)
