"""Apple GPUs out of recorded command output."""

from __future__ import annotations

import pytest

from llmfit.machine import GIB


def test_core_count_scales_compute(machine):
    result = machine("macbook_m3_pro")
    (gpu,) = result.devices
    assert (gpu.name, gpu.backend, gpu.unified, gpu.bandwidth_gbps) == ("Apple M3 Pro", "metal", True, 150)
    assert gpu.total_bytes == 12 * GIB
    assert gpu.free_bytes == 11 * GIB
    assert gpu.fp32_tflops == pytest.approx(7.4 * 14 / 18, rel=0.02)
    assert result.warnings == ()


def test_wired_limit_is_the_pool_and_cores_tell_the_variant(machine):
    (gpu,) = machine("macbook_m3_max_30core").devices
    assert (gpu.total_bytes, gpu.free_bytes, gpu.bandwidth_gbps) == (88 * GIB, 80 * GIB, 300)


def test_rosetta_hides_the_chip_from_sysctl_only(machine):
    (gpu,) = machine("macbook_m1_rosetta").devices
    assert gpu.name == "Apple M1"
    assert gpu.fp32_tflops == pytest.approx(2.6 * 7 / 8, abs=0.01)


def test_intel_mac(machine):
    assert machine("macbook_intel").devices == ()
