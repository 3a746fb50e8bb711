"""Writes the machines of this folder from the tables: ``PYTHONPATH=. python tests/machines/make.py``.

Each is a :class:`llmfit.machine.Machine` as JSON: a CPU by name, RAM of which nine tenths are free, and
GPUs by name of which all but 400 MiB is free.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec.structs import replace

from llmfit.catalog.tables import Accelerator, CpuFamily, Tables, read_csv
from llmfit.hardware.probes.cpu import Topology, find_family, fp32_tflops, ram_bandwidth
from llmfit.hardware.what_ifs import WhatIf, apply_whatif
from llmfit.machine import GIB, Device, Machine

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "src/data"
USED_BY_DESKTOP = 400 << 20
AVX512 = frozenset(("avx", "avx2", "fma", "avx512f"))
AVX2 = AVX512 - {"avx512f"}

# CPU name, cores, flags
XEON = ("Intel(R) Xeon(R) Platinum 8480+", 112, AVX512)
EPYC = ("AMD EPYC 9554 64-Core Processor", 64, AVX512)
RYZEN = ("AMD Ryzen 9 7950X 16-Core Processor", 16, AVX512)
RYZEN5 = ("AMD Ryzen 5 5600X 6-Core Processor", 6, AVX2)
RYZEN7 = ("AMD Ryzen 7 7700X 8-Core Processor", 8, AVX512)
THREADRIPPER = ("AMD Ryzen Threadripper 3960X 24-Core Processor", 24, AVX2)
LAPTOP = ("13th Gen Intel(R) Core(TM) i7-13700H", 14, AVX2)
CLOUD = ("Intel(R) Xeon(R) Platinum 8375C", 4, AVX512)

# file name: CPU, RAM in GiB, GPU names
MACHINES: dict[str, tuple[tuple[str, int, frozenset[str] | None], float, tuple[str, ...]]] = {
    "cpu-2core-24gb": (("AMD EPYC-Genoa Processor", 2, AVX512), 24, ()),
    "cpu-raspberry-pi-5-8gb": (("Raspberry Pi 5 Model B Rev 1.0", 4, None), 8, ()),
    "cpu-laptop-16gb": (LAPTOP, 16, ()),
    "cpu-desktop-64gb": (RYZEN, 64, ()),
    "cpu-dual-epyc-512gb": (("AMD EPYC 7763 64-Core Processor", 128, AVX2), 512, ()),
    "gtx-1650-4gb": (RYZEN5, 16, ("GTX 1650",)),
    "rtx-3060-12gb": (RYZEN5, 32, ("RTX 3060",)),
    "rtx-4060-laptop-8gb": (LAPTOP, 16, ("RTX 4060 Laptop",)),
    "rtx-4070-12gb": (RYZEN7, 32, ("RTX 4070",)),
    "rtx-4090-24gb": (RYZEN, 64, ("RTX 4090",)),
    "rtx-4090-busy": (RYZEN, 64, ("RTX 4090",)),
    "rtx-3090-x2": (THREADRIPPER, 128, ("RTX 3090", "RTX 3090")),
    "rtx-4090-and-3060": (RYZEN, 64, ("RTX 4090", "RTX 3060")),
    "rtx-5090-32gb": (RYZEN, 96, ("RTX 5090",)),
    "rtx-pro-6000-96gb": (EPYC, 256, ("RTX PRO 6000",)),
    "a100-80gb": (EPYC, 256, ("A100 80GB",)),
    "h100-x8": (XEON, 1024, ("H100",) * 8),
    "h200-x8": (XEON, 2048, ("H200",) * 8),
    "l4-24gb": (CLOUD, 48, ("L4",)),
    "t4-16gb": (CLOUD, 16, ("T4",)),
    "rx-7900-xtx-24gb": (RYZEN7, 32, ("RX 7900 XTX",)),
    "rx-6600-8gb": (RYZEN5, 16, ("RX 6600",)),
    "mi300x-192gb": (EPYC, 256, ("MI300X",)),
    "strix-halo-128gb": (("AMD RYZEN AI MAX+ 395 w/ Radeon 8060S", 16, AVX512), 128, ("Strix Halo",)),
    "arc-b580-12gb": (RYZEN7, 32, ("Arc B580",)),
    "apple-m1-8gb": (("Apple M1", 8, None), 8, ("Apple M1",)),
    "apple-m2-8gb": (("Apple M2", 8, None), 8, ("Apple M2",)),
    "apple-m4-pro-24gb": (("Apple M4 Pro", 14, None), 24, ("Apple M4 Pro",)),
    "apple-m4-max-128gb": (("Apple M4 Max", 16, None), 128, ("Apple M4 Max",)),
    "apple-m3-ultra-256gb": (("Apple M3 Ultra", 28, None), 256, ("Apple M3 Ultra",)),
    "apple-m3-ultra-512gb": (("Apple M3 Ultra", 32, None), 512, ("Apple M3 Ultra",)),
    "dgx-spark-128gb": (("Cortex-X925, Cortex-A725", 20, None), 128, ("GB10",)),
    "jetson-orin-nano-8gb": (("NVIDIA Jetson Orin Nano Developer Kit", 6, None), 8, ("Orin Nano 8GB",)),
    "vram-24gb-unknown-bandwidth": (LAPTOP, 16, ()),
}
TWO_SOCKETS = ("cpu-dual-epyc-512gb", "h100-x8", "h200-x8")
GUESTS = ("cpu-2core-24gb", "l4-24gb", "t4-16gb")


def read_tables() -> Tables:
    """The tables from their text."""
    return Tables(
        accelerators=tuple(read_csv(DATA / "accelerators.csv", Accelerator)),
        cpus=tuple(read_csv(DATA / "cpus.csv", CpuFamily)),
    )


def make(name: str, tables: Tables) -> Machine:
    """One machine of the list."""
    (cpu_name, cores, flags), ram_gb, gpus = MACHINES[name]
    sockets = 2 if name in TWO_SOCKETS else 1
    topology = Topology(cores=cores, sockets=sockets, guest=name in GUESTS, flags=flags)
    family = find_family(cpu_name, tables)
    assert family is not None, cpu_name
    typical, peak = ram_bandwidth(family, topology)
    ram = int(ram_gb * GIB)
    host = Machine(
        cpu_name=cpu_name,
        cpu_cores=cores,
        cpu_arch="arm" if flags is None else "x86",
        ram_total_bytes=ram,
        ram_available_bytes=ram * 9 // 10,
        os="macos" if cpu_name.startswith("Apple") else "linux",
        ram_bandwidth_gbps=typical,
        ram_bandwidth_max_gbps=peak,
        ram_bandwidth_source="table",
        cpu_fp32_tflops=fp32_tflops(family, topology),
        cpu_has_avx=None if flags is None else "avx" in flags,
        observed_at="2026-01-01T00:00:00Z",
    )
    if name.startswith("vram"):
        return apply_whatif(host, WhatIf(vram_gb=24), tables)
    devices: list[Device] = []
    for gpu in gpus:
        (device,) = apply_whatif(host, WhatIf(gpu=gpu, ram_gb=ram_gb), tables).devices
        limit = host.ram_available_bytes if device.unified else device.total_bytes - USED_BY_DESKTOP
        free = 3 * GIB if name == "rtx-4090-busy" else min(device.total_bytes, limit)
        address = None if device.unified else f"0000:{len(devices) + 1:02x}:00.0"
        devices.append(replace(device, free_bytes=free, pci_address=address))
    return replace(host, devices=tuple(devices))


def as_json(machine: Machine) -> str:
    """The machine as the files hold it."""
    return msgspec.json.format(msgspec.json.encode(machine), indent=2).decode() + "\n"


if __name__ == "__main__":
    read = read_tables()
    for machine_name in MACHINES:
        (HERE / f"{machine_name}.json").write_text(as_json(make(machine_name, read)), encoding="utf-8")
