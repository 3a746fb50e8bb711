"""The NVML binding itself, in place of which a made-up one answers, or refuses, as the real one does."""

from __future__ import annotations

import sys
import types

import pytest

from llmfit.hardware.detect import detect
from llmfit.hardware.facts import facts_of
from llmfit.hardware.sources.nvml import NvmlDevice, collect
from llmfit.hardware.sources.source import ReplaySource

CODES = {
    "NVML_ERROR_NOT_SUPPORTED": 3,
    "NVML_ERROR_NO_PERMISSION": 4,
    "NVML_ERROR_NOT_FOUND": 6,
    "NVML_ERROR_DRIVER_NOT_LOADED": 9,
    "NVML_ERROR_LIBRARY_NOT_FOUND": 12,
    "NVML_ERROR_FUNCTION_NOT_FOUND": 13,
    "NVML_ERROR_GPU_IS_LOST": 15,
    "NVML_ERROR_LIB_RM_VERSION_MISMATCH": 18,
    "NVML_ERROR_UNKNOWN": 999,
}


class NVMLError(Exception):
    def __init__(self, value):
        super().__init__(value)
        self.value = value


class Info:
    def __init__(self, **facts):
        self.__dict__.update(facts)


@pytest.fixture
def binding(monkeypatch):
    """A made-up pynvml with one GPU; the functions given replace its own, a string is an error to raise."""

    def make(**functions):
        module = types.ModuleType("pynvml")
        vars(module).update(CODES, NVMLError=NVMLError, NVML_CLOCK_MEM=2)
        vars(module).update(
            nvmlInit=None,
            nvmlShutdown=None,
            nvmlSystemGetDriverVersion=b"580.126.09",
            nvmlDeviceGetCount=1,
            nvmlDeviceGetHandleByIndex="handle",
            nvmlDeviceGetName=b"NVIDIA GeForce RTX 4090",
            nvmlDeviceGetUUID="GPU-1",
            nvmlDeviceGetPciInfo=Info(busId=b"00000000:01:00.0"),
            nvmlDeviceGetMemoryInfo=Info(total=24564 << 20, free=23000 << 20),
            nvmlDeviceGetMemoryBusWidth=384,
            nvmlDeviceGetMaxClockInfo=10501,
            nvmlDeviceGetCudaComputeCapability=(8, 9),
            nvmlDeviceGetMigMode="NVML_ERROR_NOT_SUPPORTED",
        )
        vars(module).update(functions)
        for name, answer in list(vars(module).items()):
            if name.startswith("nvml") and not callable(answer):

                def call(*_, answer=answer):
                    if isinstance(answer, str) and answer in CODES:
                        raise NVMLError(CODES[answer])
                    return answer

                setattr(module, name, call)
        monkeypatch.setitem(sys.modules, "pynvml", module)
        return collect()

    return make


@pytest.mark.parametrize(
    "error", ["LIBRARY_NOT_FOUND", "DRIVER_NOT_LOADED", "LIB_RM_VERSION_MISMATCH", "NO_PERMISSION", "UNKNOWN"]
)
def test_init_fails(binding, error):
    assert binding(nvmlInit=f"NVML_ERROR_{error}").error == f"NVML_ERROR_{error}"


def test_old_bindings_return_bytes(binding):
    (device,) = binding().devices
    assert device == NvmlDevice(
        name="NVIDIA GeForce RTX 4090",
        uuid="GPU-1",
        pci="00000000:01:00.0",
        memory_total=24564 << 20,
        memory_free=23000 << 20,
        bus_bits=384,
        mem_clock_mhz=10501,
        compute_capability=(8, 9),
        errors={"mig_mode": "NVML_ERROR_NOT_SUPPORTED"},
    )


def test_each_fact_fails_alone(binding):
    (device,) = binding(
        nvmlDeviceGetMemoryInfo="NVML_ERROR_NOT_SUPPORTED", nvmlDeviceGetMemoryBusWidth="NVML_ERROR_UNKNOWN"
    ).devices
    assert (device.name, device.memory_total, device.bus_bits) == ("NVIDIA GeForce RTX 4090", None, None)
    assert device.errors["memory"] == "NVML_ERROR_NOT_SUPPORTED"
    assert device.errors["bus_bits"] == "NVML_ERROR_UNKNOWN"


def test_a_lost_gpu(binding):
    (device,) = binding(nvmlDeviceGetHandleByIndex="NVML_ERROR_GPU_IS_LOST").devices
    assert device == NvmlDevice(errors={"handle": "NVML_ERROR_GPU_IS_LOST"})


def test_empty_mig_slots(binding):
    def slot(_, index):
        if index != 2:
            raise NVMLError(6)
        return "part"

    (device,) = binding(
        nvmlDeviceGetMigMode=(1, 1), nvmlDeviceGetMaxMigDeviceCount=7, nvmlDeviceGetMigDeviceHandleByIndex=slot
    ).devices
    assert device.mig_mode == 1
    assert [part.uuid for part in device.mig] == ["GPU-1"]


def test_a_function_that_the_library_lacks(binding, monkeypatch):
    binding()
    monkeypatch.delattr(sys.modules["pynvml"], "nvmlDeviceGetMigMode")
    assert collect().devices[0].errors["mig_mode"] == "NVML_ERROR_FUNCTION_NOT_FOUND"


def test_no_binding(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert collect().error == "BINDING_NOT_INSTALLED"


def test_facts_have_unit_source_and_confidence(machine):
    (gpu,) = machine("rtx4090_desktop").devices
    total, free, bandwidth, fp32, fp16 = facts_of(gpu)
    assert (total.value, total.unit, total.source, total.confidence) == (24564 << 20, "bytes", "driver", "read")
    assert (bandwidth.unit, bandwidth.source, bandwidth.confidence) == ("GB/s", "driver", "read")
    assert (fp32.value, fp32.unit, fp32.source, fp32.confidence) == (82.6, "TFLOPS", "table", "two sources agree")
    assert free.value <= total.value
    assert fp16.name == "FP16 rate"
    inherited = facts_of(machine("intel_unknown_integrated").devices[0])[2]
    assert (inherited.value, inherited.source, inherited.confidence) == (76.8, "table", None)
    unknown = facts_of(machine("vulkan_unknown_vendor").devices[0])[2]
    assert (unknown.value, unknown.source, unknown.confidence) == (None, None, None)
    assert facts_of(machine("lunar_lake_140v").devices[0])[0].confidence == "derived"


def test_detect_with_the_binding(binding, tables, tmp_path):
    snapshot = binding()

    class Source(ReplaySource):
        def nvml(self):
            return snapshot

    (tmp_path / "files/dev").mkdir(parents=True)
    (tmp_path / "files/dev/nvidia0").touch()
    (gpu,) = detect(tables, Source(tmp_path)).devices
    assert (gpu.record, gpu.bandwidth_gbps, gpu.seen_by) == ("nvidia-rtx-4090", 1008.1, "nvml")
