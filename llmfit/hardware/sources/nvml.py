"""A snapshot of NVIDIA's management library (NVML): plain facts, and the name of each call that failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from llmfit.hardware.sources.time_limit import SECONDS, Attempt

TIMEOUT = "TIMEOUT"


class NvmlMig(msgspec.Struct, frozen=True, kw_only=True):
    """One MIG device. Memory in bytes."""

    name: str | None = None
    uuid: str | None = None
    memory_total: int | None = None
    memory_free: int | None = None


class NvmlDevice(msgspec.Struct, frozen=True, kw_only=True):
    """One physical GPU. Memory in bytes; ``errors`` maps a fact that was refused to NVML's error name."""

    name: str | None = None
    uuid: str | None = None
    pci: str | None = None
    memory_total: int | None = None
    memory_free: int | None = None
    bus_bits: int | None = None
    mem_clock_mhz: int | None = None
    compute_capability: tuple[int, int] | None = None
    mig_mode: int | None = None  # 1 = on
    mig: tuple[NvmlMig, ...] = ()
    errors: dict[str, str] = {}


class NvmlSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All GPUs in PCI order, or the error that kept NVML from listing them."""

    driver: str | None = None
    error: str | None = None
    devices: tuple[NvmlDevice, ...] = ()


def collect(seconds: float = SECONDS, read: Callable[[], NvmlSnapshot] | None = None) -> NvmlSnapshot:
    """Takes a snapshot, and gives up after ``seconds``."""
    try:
        return Attempt("nvml", read or _read, seconds).result()
    except TimeoutError:
        return NvmlSnapshot(error=TIMEOUT)
    except Exception as error:  # an old or broken binding: a warning, never a crash
        return NvmlSnapshot(error=f"{type(error).__name__}: {error}")


def _read() -> NvmlSnapshot:
    try:
        import pynvml as nv  # type: ignore[import-untyped]
    except ImportError:
        return NvmlSnapshot(error="BINDING_NOT_INSTALLED")
    names = {
        value: name for name, value in vars(nv).items() if name.startswith("NVML_ERROR_") and isinstance(value, int)
    }
    try:
        nv.nvmlInit()
    except nv.NVMLError as error:
        return NvmlSnapshot(error=names.get(error.value, str(error)))
    try:
        driver = _text(nv.nvmlSystemGetDriverVersion())
        devices = tuple(_device(nv, names, index) for index in range(nv.nvmlDeviceGetCount()))
        return NvmlSnapshot(driver=driver, devices=devices)
    except nv.NVMLError as error:
        return NvmlSnapshot(error=names.get(error.value, str(error)))
    finally:
        nv.nvmlShutdown()


def _device(nv: Any, names: dict[int, str], index: int) -> NvmlDevice:
    errors: dict[str, str] = {}

    def ask(fact: str, call: str, *arguments: Any) -> Any:
        try:
            return getattr(nv, call)(*arguments)
        except nv.NVMLError as error:
            errors[fact] = names.get(error.value, str(error))
        except AttributeError:
            errors[fact] = "NVML_ERROR_FUNCTION_NOT_FOUND"
        return None

    handle = ask("handle", "nvmlDeviceGetHandleByIndex", index)
    if handle is None:
        return NvmlDevice(errors=errors)
    memory = ask("memory", "nvmlDeviceGetMemoryInfo", handle)
    pci = ask("pci", "nvmlDeviceGetPciInfo", handle)
    mode = ask("mig_mode", "nvmlDeviceGetMigMode", handle)
    mig = []
    for slot in range((ask("mig", "nvmlDeviceGetMaxMigDeviceCount", handle) or 0) if mode and mode[0] else 0):
        try:
            part = nv.nvmlDeviceGetMigDeviceHandleByIndex(handle, slot)
        except nv.NVMLError:  # an empty slot
            continue
        space = ask(f"mig{slot}.memory", "nvmlDeviceGetMemoryInfo", part)
        mig.append(
            NvmlMig(
                name=_text(ask(f"mig{slot}.name", "nvmlDeviceGetName", part)),
                uuid=_text(ask(f"mig{slot}.uuid", "nvmlDeviceGetUUID", part)),
                memory_total=space and int(space.total),
                memory_free=space and int(space.free),
            )
        )
    return NvmlDevice(
        name=_text(ask("name", "nvmlDeviceGetName", handle)),
        uuid=_text(ask("uuid", "nvmlDeviceGetUUID", handle)),
        pci=pci and _text(pci.busId),
        memory_total=memory and int(memory.total),
        memory_free=memory and int(memory.free),
        bus_bits=ask("bus_bits", "nvmlDeviceGetMemoryBusWidth", handle),
        mem_clock_mhz=ask("mem_clock_mhz", "nvmlDeviceGetMaxClockInfo", handle, nv.NVML_CLOCK_MEM),
        compute_capability=ask("compute_capability", "nvmlDeviceGetCudaComputeCapability", handle),
        mig_mode=mode and int(mode[0]),
        mig=tuple(mig),
        errors=errors,
    )


def _text(value: Any) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
