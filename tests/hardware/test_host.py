"""CPU and RAM out of recorded files."""

from __future__ import annotations

import pytest

from llmfit.hardware.detect import detect
from llmfit.hardware.probes.memory import read_memory
from llmfit.hardware.sources.source import LiveSource, ReplaySource
from llmfit.machine import GIB


@pytest.mark.parametrize(
    ("name", "cores", "total_gib", "available_gib"),
    [
        ("cgroup_v1", 4, 8, 6),  # 8 GiB less 4 used, of which 2 can be dropped; quota of 4 CPUs
        ("cgroup_v2", 2, 16, 14),
        ("cgroup_nested", 6, 32, 1),  # the pod's limit, but its parent is nearly full
    ],
)
def test_control_groups(machine, name, cores, total_gib, available_gib):
    result = machine(name)
    assert (result.cpu_cores, result.ram_total_bytes) == (cores, total_gib * GIB)
    assert result.ram_available_bytes == available_gib * GIB
    assert result.warnings == (f"RAM is limited to {total_gib}.0 of 62.0 GiB by a control group",)


def test_unlimited_groups_change_nothing(machine):
    result = machine("cgroup_v1_unlimited")
    assert (result.ram_total_bytes, result.ram_available_bytes) == (65000000 * 1024, 60000000 * 1024)
    assert result.cpu_cores == 16
    assert result.warnings == ()


def test_threads_are_not_cores_and_affinity_counts(tables, tmp_path, machine):
    assert machine("rtx4090_desktop").cpu_cores == 16
    (tmp_path / "files/proc").mkdir(parents=True)
    text = "\n\n".join(f"processor: {i}\nmodel name: X\nphysical id: 0\ncore id: {i % 4}" for i in range(8))
    (tmp_path / "files/proc/cpuinfo").write_text(text)
    assert detect(tables, ReplaySource(tmp_path)).cpu_cores == 4
    (tmp_path / "psutil.json").write_text('{"affinity": [0, 1, 4]}')
    assert detect(tables, ReplaySource(tmp_path)).cpu_cores == 2


def test_hidden_epyc_is_told_by_its_numbers(machine):
    result = machine("hidden_epyc_guest")
    assert (result.cpu_name, result.cpu_cores, result.cpu_has_avx) == ("AMD EPYC", 2, True)
    assert (result.ram_bandwidth_gbps, result.ram_bandwidth_max_gbps) == (25.0, 30.0)
    assert result.ram_bandwidth_source == "table"
    assert result.cpu_fp32_tflops == pytest.approx(2 * 32 * (2.7 + 3.7) / 2 / 1000, abs=0.001)
    assert "EPYC 9004" in result.warnings[0]


def test_cloud_shape_is_told_by_its_instance_type(machine):
    result = machine("aws_m7i")
    assert (result.cpu_cores, result.ram_bandwidth_gbps, result.ram_bandwidth_max_gbps) == (4, 50, 60)
    assert result.cpu_fp32_tflops == pytest.approx(4 * 64 * (2.4 + 3.8) / 2 / 1000, abs=0.001)
    assert result.warnings == ()


def test_two_sockets_add_up(machine):
    result = machine("dual_epyc")
    assert (result.cpu_cores, result.ram_bandwidth_gbps) == (128, 2 * 204.8)


def test_raspberry_pi_5(machine):
    result = machine("raspberry_pi_5")
    assert (result.cpu_name, result.cpu_arch) == ("Raspberry Pi 5 Model B Rev 1.0", "arm")
    assert (result.cpu_cores, result.ram_bandwidth_gbps, result.cpu_has_avx) == (4, 17.1, None)
    assert result.cpu_fp32_tflops == pytest.approx(0.154, abs=0.001)
    assert result.warnings == ()


def test_desktop_takes_the_table(machine):
    result = machine("rtx4090_desktop")
    assert (result.ram_bandwidth_gbps, result.ram_bandwidth_source) == (83.2, "table")


def test_guest_without_avx(machine):
    result = machine("kvm_no_avx")
    assert result.cpu_has_avx is False
    assert any("no AVX" in warning for warning in result.warnings)


def test_arm_cores_are_named(machine):
    assert machine("gb10").cpu_name == "Cortex-X925, Cortex-A725"
    assert machine("gb10").cpu_cores == 20


def test_macos(machine):
    result = machine("macbook_m3_pro")
    assert (result.cpu_name, result.os, result.cpu_arch, result.cpu_cores) == (
        "Apple M3 Pro",
        "macos",
        "arm",
        11,
    )
    assert (result.ram_total_bytes, result.ram_bandwidth_gbps) == (18 * GIB, 153.6)


def test_nothing_known_is_said_not_guessed(machine):
    result = machine("empty")
    assert (result.ram_total_bytes, result.ram_bandwidth_gbps, result.cpu_fp32_tflops) == (0, None, None)
    assert len(result.warnings) == 2


def test_this_machine(tables, this_computer):
    result = detect(tables, LiveSource())
    assert result.cpu_cores >= 1
    assert 0 < result.ram_available_bytes <= result.ram_total_bytes
    assert result.observed_at.endswith("Z")


def test_live_source_never_raises(this_computer):
    source = LiveSource()
    assert source.text("/no/such/file") is None
    assert source.names("/no/such/folder") == ()
    assert source.command("llmfit-no-such-program") is None
    assert source.command("sh", "-c", "exit 3").status == 3
    assert read_memory(source).host_total_bytes > 0
