"""Parts and shares of NVIDIA cards, and the RTX Spark by its names: other ones than public reports showed."""

from __future__ import annotations

import pytest

from llmfit.hardware.probes.nvidia_smi import parse_list, parse_sizes
from llmfit.hardware.probes.sharing import size_of

GIB, MIB = 1 << 30, 1 << 20
SMI = "--query-gpu=name,memory.total,memory.free,uuid,pci.bus_id,compute_cap,mig.mode.current,clocks.max.memory"


def mig(name, record_total, *parts):
    return {
        "devices": [
            {
                "name": name, "uuid": "GPU-1", "pci": "00000000:01:00.0", "memory_total": record_total,
                "memory_free": record_total, "mig_mode": 1,
                "mig": [
                    {"name": f"{name} MIG {profile}", "uuid": f"MIG-{at}", "memory_total": size, "memory_free": size}
                    for at, (profile, size) in enumerate(parts)
                ],
            }
        ]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "total", "profile", "size", "memory", "compute"),
    [
        ("NVIDIA A30", 24576 * MIB, "1g.6gb", 5952 * MIB, 2 / 8, 1 / 4),
        ("NVIDIA A30", 24576 * MIB, "2g.12gb+me", 11968 * MIB, 4 / 8, 2 / 4),
        ("NVIDIA A100-SXM4-80GB", 81920 * MIB, "1g.20gb", 19968 * MIB, 2 / 8, 1 / 7),
        ("NVIDIA H100 80GB HBM3", 81559 * MIB, "1c.2g.20gb", 20096 * MIB, 2 / 8, 1 / 7),
        ("NVIDIA H100 80GB HBM3", 81559 * MIB, "7g.80gb", 80896 * MIB, 8 / 8, 7 / 7),
        ("NVIDIA RTX PRO 5000 Blackwell", 48935 * MIB, "1g.24gb", 24192 * MIB, 4 / 8, 1 / 2),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", 97887 * MIB, "2g.48gb", 48512 * MIB, 4 / 8, 2 / 4),
    ],
)
def test_slices_of_other_cards(seen, tables, name, total, profile, size, memory, compute):
    (part,) = seen({"/dev/nvidia0": "", "/dev/nvidiactl": ""}, nvml=mig(name, total, (profile, size))).devices
    whole = next(row for row in tables.accelerators if row.id == part.record)
    assert part.bandwidth_gbps == pytest.approx(whole.memory_bandwidth_gbps * memory, rel=0.001)
    assert part.fp32_tflops == pytest.approx(whole.fp32_tflops * compute, rel=0.005)


LIST = (
    "GPU 0: NVIDIA A30 (UUID: GPU-1)\n"
    "  MIG 1g.6gb      Device  0: (UUID: MIG-0)\n  MIG 2g.12gb     Device  1: (UUID: MIG-1)\n"
)
QUERY = """
GPU 00000000:01:00.0
    MIG Mode
        Current                           : Enabled
    MIG Device
        Index                             : 0
        GPU Instance ID                   : 3
        FB Memory Usage
            Total                         : 5952 MiB
            Reserved                      : 0 MiB
            Used                          : 12 MiB
            Free                          : 5940 MiB
    MIG Device
        Index                             : 1
        FB Memory Usage
            Total                         : 11968 MiB
            Used                          : 0 MiB
            Free                          : 11968 MiB
    FB Memory Usage
        Total                             : 24576 MiB
"""


def test_mig_through_nvidia_smi_with_its_sizes(seen):
    row = "NVIDIA A30, 24576, 24000, GPU-1, 00000000:01:00.0, 8.0, Enabled, 1215\n"
    commands = {
        f"nvidia-smi {SMI} --format=csv,noheader,nounits": {"status": 0, "stdout": row},
        "nvidia-smi -L": {"status": 0, "stdout": LIST},
        "nvidia-smi -q": {"status": 0, "stdout": QUERY},
    }
    result = seen({"/dev/nvidia0": ""}, commands=commands, nvml={"error": "BINDING_NOT_INSTALLED"})
    assert [(part.name, part.uuid, part.total_bytes, part.free_bytes, part.visible) for part in result.devices] == [
        ("NVIDIA A30 MIG 1g.6gb", "MIG-0", 5952 * MIB, 5940 * MIB, True),
        ("NVIDIA A30 MIG 2g.12gb", "MIG-1", 11968 * MIB, 11968 * MIB, False),
    ]
    assert not any("nominal" in text for text in result.warnings)


def test_what_nvidia_smi_prints_else_is_nothing():
    assert parse_list("No devices found.\n") == {}
    assert parse_sizes("GPU 00000000:01:00.0\n    MIG Device\n        Index : N/A\n") == {"0000:01:00.0": {}}
    assert [size_of(text) for text in ("3000m", "16G", "1048576", "", "much")] == [3000 * MIB, 16 * GIB, MIB, 0, 0]


def rtx(**more):
    known = {"name": "NVIDIA GeForce RTX 3090", "uuid": "GPU-1", "pci": "00000000:01:00.0"}
    return {"devices": [{**known, "memory_total": 24576 * MIB, "memory_free": 24000 * MIB, **more}]}


def test_a_schedulers_limit_is_the_memory(seen):
    result = seen({"/dev/nvidia0": ""}, nvml=rtx(), env={"CUDA_DEVICE_MEMORY_LIMIT_0": "8000m"})
    assert (result.devices[0].total_bytes, result.devices[0].free_bytes) == (8000 * MIB, 8000 * MIB)
    assert any("a scheduler shares the GPU (CUDA_DEVICE_MEMORY_LIMIT_0=8000m)" in text for text in result.warnings)


def test_less_memory_than_the_card_is_sold_with_is_a_share(seen):
    result = seen({"/dev/nvidia0": ""}, nvml=rtx(memory_total=6144 * MIB, memory_free=6000 * MIB))
    assert result.devices[0].total_bytes == 6144 * MIB
    assert any("a share of it" in text for text in result.warnings)


@pytest.mark.parametrize("free", [(1 << 64) - 5, -(1 << 20), 24577 * MIB])
def test_a_figure_of_free_memory_that_cannot_be(seen, free):
    if free > (1 << 63):
        free -= 1 << 64
    result = seen({"/dev/nvidia0": ""}, nvml=rtx(memory_free=free))
    assert any("that is no figure" in text for text in result.warnings)


@pytest.mark.parametrize("name", ["NVIDIA RTX Spark N1X", "NVIDIA N1X", "NVIDIA RTX Spark (6144-core RTX GPU)"])
def test_names_of_the_rtx_spark(seen, name):
    facts = {"os": "windows", "arch": "ARM64", "physical_cores": 20, "logical_cores": 20}
    facts |= {"ram_total_bytes": 100 * GIB, "ram_available_bytes": 80 * GIB}
    nvml = {"devices": [{"name": name, "uuid": "GPU-1", "memory_total": 24 * GIB, "memory_free": 23 * GIB}]}
    result = seen({"/proc/cpuinfo": "", "/proc/meminfo": ""}, psutil=facts, nvml=nvml)
    (gpu,) = result.devices
    assert (gpu.record, gpu.unified, gpu.bandwidth_gbps) == ("nvidia-rtx-spark-n1x", True, 300)
    assert (gpu.total_bytes, result.ram_bandwidth_gbps) == (93 * GIB, 300)
