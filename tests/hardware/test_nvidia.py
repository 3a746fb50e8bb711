"""NVIDIA GPUs out of recorded snapshots."""

from __future__ import annotations

import threading
import time

import pytest

from llmfit.hardware.sources import nvml, time_limit
from llmfit.hardware.sources.nvml import NvmlSnapshot, collect

MIB = 1 << 20
GPU2 = "GPU-5f3c1e1a-0000-4000-8000-000000000002"


def only(machine):
    (device,) = machine.devices
    return device


def test_desktop(machine):
    gpu = only(machine("rtx4090_desktop"))
    assert (gpu.name, gpu.vendor, gpu.backend) == ("NVIDIA GeForce RTX 4090", "nvidia", "cuda")
    assert (gpu.total_bytes, gpu.free_bytes) == (24564 * MIB, 23010 * MIB)
    assert (gpu.bandwidth_gbps, gpu.bandwidth_source) == (1008.1, "driver")
    assert (gpu.arch, gpu.compute_capability, gpu.fp32_tflops, gpu.fp16_tflops) == ("ada", 8.9, 82.6, 165.2)
    assert (gpu.pci_address, gpu.uuid) == ("0000:01:00.0", "GPU-5f3c1e1a-0000-4000-8000-000000000001")
    assert gpu.visible
    assert not gpu.unified
    assert machine("rtx4090_desktop").warnings == ()


def test_laptop_part_is_not_the_desktop_part(machine):
    gpu = only(machine("laptop_rtx4060"))
    assert (gpu.bandwidth_gbps, gpu.fp32_tflops) == (256.0, 11.6)


def test_two_equal_cards(machine):
    devices = machine("two_rtx3090").devices
    assert [gpu.bandwidth_gbps for gpu in devices] == [936.1, 936.1]
    assert len({gpu.uuid for gpu in devices}) == 2
    assert all(gpu.visible for gpu in devices)


def test_hidden_cards_stay_listed(machine):
    result = machine("two_rtx3090_one_hidden")
    assert [(gpu.uuid == GPU2, gpu.visible) for gpu in result.devices] == [(False, False), (True, True)]
    assert result.warnings == ("CUDA_VISIBLE_DEVICES hides 1 of 2 NVIDIA devices",)


def test_mig_devices_replace_their_parent_with_their_share(machine):
    result = machine("h100_mig")
    big, small = result.devices
    assert (big.total_bytes, small.total_bytes) == (40448 * MIB, 9984 * MIB)
    assert big.bandwidth_gbps == pytest.approx(3352.3 * 4 / 8, abs=0.1)
    assert small.bandwidth_gbps == pytest.approx(3352.3 / 8, abs=0.1)
    assert big.fp32_tflops == pytest.approx(66.9 * 3 / 7, abs=0.01)
    assert (big.visible, small.visible) == (True, False)
    assert "a process can use one MIG device: 1 of 2 are not counted" in result.warnings


def test_gb10_has_the_memory_of_the_machine(machine):
    result = machine("gb10")
    gpu = only(result)
    assert gpu.unified
    assert (gpu.total_bytes, gpu.free_bytes) == (result.ram_total_bytes, result.ram_available_bytes)
    assert gpu.total_bytes == 127600748 * 1024
    assert (gpu.bandwidth_gbps, gpu.bandwidth_source) == (273.1, "table")
    assert gpu.compute_capability == 12.1


def test_jetson_is_told_by_its_board(machine):
    gpu = only(machine("jetson_orin_nx"))
    assert (gpu.unified, gpu.bandwidth_gbps, gpu.fp32_tflops) == (True, 102.4, 1.88)


def test_old_jetson_without_nvml(machine):
    result = machine("jetson_agx_xavier_old")
    assert (only(result).name, only(result).bandwidth_gbps) == ("Jetson AGX Xavier", 136.5)
    assert any("known by the board's name alone" in warning for warning in result.warnings)


def test_wsl(machine):
    gpu = only(machine("wsl"))
    assert (gpu.total_bytes, gpu.free_bytes, gpu.bandwidth_gbps) == (10240 * MIB, 8400 * MIB, 760.1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("driver_mismatch", "driver and library are of different versions"),
        ("nvml_hang", "the driver did not answer within 2 s"),
        ("library_missing", "no NVIDIA GPU is used (NVIDIA GeForce RTX 3090)"),
    ],
)
def test_a_failure_is_one_warning(machine, name, text):
    result = machine(name)
    assert not any(gpu.visible for gpu in result.devices)
    (warning,) = result.warnings
    assert text in warning
    assert "\n" not in warning


def test_nvidia_smi_stands_in_and_a_shorter_query_is_tried(machine):
    result = machine("smi_fallback")
    assert [(gpu.name, gpu.bandwidth_gbps, gpu.bandwidth_source) for gpu in result.devices] == [
        ("NVIDIA GeForce RTX 3060", 360.0, "table"),
        ("NVIDIA H200", 4800.0, "table"),
    ]
    assert result.devices[1].total_bytes == 143771 * MIB
    assert len(result.warnings) == 2


def test_a_hanging_library_does_not_hang_us():
    released = threading.Event()

    def hang() -> NvmlSnapshot:
        released.wait(30)
        return NvmlSnapshot()

    started = time.monotonic()
    assert collect(0.05, hang).error == nvml.TIMEOUT
    assert collect(0.05, NvmlSnapshot).error == nvml.TIMEOUT  # none is started beside one that hangs
    assert time.monotonic() - started < 10
    thread, _ = time_limit._last["nvml"]
    released.set()
    thread.join(30)
    assert collect(30, NvmlSnapshot).error is None


def test_a_broken_binding_is_an_error_name():
    def broken() -> NvmlSnapshot:
        raise OSError("no such symbol")

    assert collect(1, broken).error == "OSError: no such symbol"


def test_hidden_devices_are_reported_but_not_counted(machine):
    from llmfit.answers.encode import system_of

    system = system_of(machine("two_rtx3090_one_hidden"))
    assert (system.gpu_count, [gpu.count for gpu in system.gpus]) == (1, [1])
    (hidden,) = system.hidden_gpus
    assert (hidden.name, hidden.count) == ("NVIDIA GeForce RTX 3090", 1)
    assert hidden.pci_address != system.gpus[0].pci_address
    beside = system_of(machine("rtx4090_beside_radeon_610m"))
    assert [gpu.unified_memory for gpu in beside.gpus + beside.hidden_gpus] == [False, True]
    assert beside.gpu_count == 1 and beside.gpus[0].memory_bandwidth_source == "driver"
