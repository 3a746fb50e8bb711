"""Single NVML answers that are odd, without a folder for each."""

from __future__ import annotations

import pytest

from llmfit.hardware.probes import nvidia
from llmfit.hardware.sources.nvml import NvmlDevice, NvmlSnapshot
from llmfit.hardware.sources.source import Facts

MIB = 1 << 20


class Fake:
    """A source that knows a driver, RAM and one NVML snapshot."""

    def __init__(self, *devices: NvmlDevice, env: dict[str, str] | None = None) -> None:
        self.snapshot = NvmlSnapshot(devices=devices)
        self.variables = env or {}

    def text(self, path):
        return "MemTotal: 64000000 kB\nMemAvailable: 60000000 kB" if path == "/proc/meminfo" else None

    def names(self, folder):
        return ("nvidia0",) if folder == "/dev" else ()

    def command(self, *argv):
        return None

    def env(self, name):
        return self.variables.get(name)

    def nvml(self):
        return self.snapshot

    def platform(self):
        return Facts()

    psutil = platform


def card(name="NVIDIA GeForce RTX 4090", mib=24564, index=0, **facts):
    memory = {"memory_total": mib and mib * MIB, "memory_free": mib and mib * MIB}
    return NvmlDevice(name=name, uuid=f"GPU-{index}aaa", **{**memory, **facts})


@pytest.mark.parametrize(
    ("facts", "bandwidth", "source"),
    [
        ({"name": "NVIDIA H200", "mib": 143771, "mem_clock_mhz": 3201, "bus_bits": 6144}, 4800, "table"),
        (
            {"name": "NVIDIA GeForce GTX 1650", "mib": 4096, "mem_clock_mhz": 6001, "bus_bits": 128},
            192,
            "driver",
        ),
        ({"name": "NVIDIA GeForce GTX 1650", "mib": 4096}, 128, "table"),
        ({"name": "NVIDIA A40-48Q", "mib": 49152}, 695.8, "table"),
        ({"name": "NVIDIA Prototype", "mib": 8192, "mem_clock_mhz": 5000, "bus_bits": 128}, 160, "driver"),
        ({"name": "NVIDIA Prototype", "mib": 8192}, None, None),
    ],
)
def test_bandwidth(tables, facts, bandwidth, source):
    (device,), warnings = nvidia.probe(Fake(card(**facts)), tables)
    assert device.bandwidth_source == source
    assert device.bandwidth_gbps == (bandwidth and pytest.approx(bandwidth, rel=0.002))
    assert any("bandwidth of NVIDIA Prototype is unknown" in text for text in warnings) == (bandwidth is None)


def test_memory_clock_tells_variants_apart(tables):
    facts = {"name": "NVIDIA GeForce RTX 4070", "mib": 12282, "bus_bits": 192}
    (device,), warnings = nvidia.probe(Fake(card(mem_clock_mhz=10001, **facts)), tables)
    assert device.bandwidth_gbps == 480.0
    assert warnings == []
    (device,), warnings = nvidia.probe(Fake(card(**facts)), tables)
    assert device.bandwidth_gbps == 504
    assert "it could also be GeForce RTX 4070 GDDR6" in warnings[0]


def test_unknown_card_has_its_architecture_from_the_driver(tables):
    (device,), warnings = nvidia.probe(Fake(card("NVIDIA Prototype", 8192, compute_capability=(8, 9))), tables)
    assert (device.arch, device.compute_capability, device.fp32_tflops) == ("ada", 8.9, None)
    assert any("not in the accelerator table" in text for text in warnings)


def test_lost_gpu_is_left_out_with_a_warning(tables):
    lost = NvmlDevice(errors={"handle": "NVML_ERROR_GPU_IS_LOST"})
    odd = card(mib=None, index=2, errors={"memory": "NVML_ERROR_NOT_SUPPORTED"})
    devices, warnings = nvidia.probe(Fake(lost, card(index=1), odd), tables)
    assert [device.uuid for device in devices] == ["GPU-1aaa"]
    assert len(warnings) == 2
    assert "GPU_IS_LOST" in warnings[0]
    assert "NOT_SUPPORTED" in warnings[1]


def test_mig_on_without_a_mig_device(tables):
    devices, warnings = nvidia.probe(Fake(card("NVIDIA H100 80GB HBM3", 81559, mig_mode=1)), tables)
    assert devices == []
    assert "no MIG device" in warnings[-1]


@pytest.mark.parametrize(
    ("value", "visible"),
    [
        ("", []),
        ("-1", []),
        ("1", [1]),
        ("1,0", [0, 1]),
        ("GPU-0", [0]),
        ("0,7,1", [0]),
        ("GPU-1aaa,GPU-0aaa", [0, 1]),
    ],
)
def test_cuda_visible_devices(tables, value, visible):
    source = Fake(card(index=0), card(index=1), env={"CUDA_VISIBLE_DEVICES": value})
    devices, _ = nvidia.probe(source, tables)
    assert [index for index, device in enumerate(devices) if device.visible] == visible


def test_no_driver_no_library(tables, monkeypatch):
    source = Fake()
    source.names = lambda folder: ()
    source.nvml = lambda: pytest.fail("NVML was loaded where no driver can be")
    assert nvidia.probe(source, tables) == ([], [])
