"""Other machines of the kinds that public reports showed: each right, or unknown with a warning."""

from __future__ import annotations

import json

import pytest

GIB, MIB = 1 << 30, 1 << 20
X86 = "processor: 0\nmodel name: AMD Ryzen 5 5600 6-Core Processor\nphysical id: 0\ncore id: 0\nflags: fma avx avx2\n"


def card(vendor, device, revision="0x00", **more):
    folder = "/sys/class/drm/card1/device"
    facts = {"vendor": vendor, "device": device, "class": "0x030000", "revision": revision, **more}
    files = {f"{folder}/{name}": text for name, text in facts.items()}
    return files | {f"{folder}/uevent": "PCI_SLOT_NAME=0000:29:00.0", "/dev/dri/renderD128": ""}


def window(gib):
    end = 0x6000000000 + int(gib * GIB) - 1
    return f"0xf6000000 0xf6ffffff 0x140204\n0x0 0x0 0x0\n0x0000006000000000 {end:#018x} 0x14220c\n"


@pytest.mark.parametrize(
    ("device", "bar", "record", "gib"),
    [
        ("0xe20c", 16, "intel-arc-b570", 10),
        ("0xe212", 16, "intel-arc-pro-b50", 16),
        ("0x56a6", 4, "intel-arc-a310", 4),
        ("0x56a1", 8, "intel-arc-a750", 8),
        ("0x56a0", 8, "intel-arc-a770-8gb", 8),
        ("0xe20b", 8, "intel-arc-b580", 12),  # the firmware opens less than there is
    ],
)
def test_a_window_on_the_bus_is_a_bound(seen, device, bar, record, gib):
    result = seen(card("0x8086", device, resource=window(bar)))
    (gpu,) = result.devices
    assert (gpu.record, gpu.total_bytes, gpu.memory_source) == (record, gib * GIB, "table")
    assert any("nominal size" in text for text in result.warnings)


def test_the_tool_is_surer_than_the_window(seen):
    found = {"device_id": 0, "pci_bdf_address": "0000:29:00.0", "device_name": "Intel(R) Arc(TM) B580 Graphics"}
    full = {**found, "memory_physical_size_byte": "12168933376", "memory_free_size_byte": "12000000000"}
    commands = {
        "xpu-smi discovery -j": {"status": 0, "stdout": json.dumps({"device_list": [found]})},
        "xpu-smi discovery -d 0 -j": {"status": 0, "stdout": json.dumps(full)},
    }
    (gpu,) = seen(card("0x8086", "0xe20b", resource=window(16)), commands=commands).devices
    assert (gpu.total_bytes, gpu.free_bytes, gpu.memory_source) == (12168933376, 12000000000, "driver")


def test_an_unknown_card_with_a_window_has_no_size(seen):
    result = seen(card("0x8086", "0xffff", resource=window(16)))
    assert result.devices == ()
    assert any("could not be read" in text for text in result.warnings)


@pytest.mark.parametrize(
    ("device", "revision", "record", "bandwidth"),
    [
        ("0x7550", "0xc0", "amd-rx-9070-xt", 640),
        ("0x7550", "0xc3", "amd-rx-9070", 640),
        ("0x7590", "0xc0", "amd-rx-9060-xt", 320),
    ],
)
def test_radeons_without_any_list_of_names(seen, device, revision, record, bandwidth):
    files = card("0x1002", device, revision, mem_info_vram_total=str(16304 * MIB), mem_info_vram_used="0")
    (gpu,) = seen(files).devices
    assert (gpu.record, gpu.bandwidth_gbps) == (record, bandwidth)


@pytest.mark.parametrize(
    ("cpu", "device", "isa", "record", "bandwidth"),
    [
        ("AMD Ryzen 7 8845HS w/ Radeon 780M Graphics", "0x1900", 110003, "amd-radeon-780m", 89.6),
        ("AMD Ryzen AI 9 HX 370 w/ Radeon 890M", "0x150e", 110500, "amd-radeon-890m", 120),
        ("AMD Ryzen 5 7600 6-Core Processor", "0x164e", 100306, "amd-radeon-610m", 83.2),
        ("AMD Ryzen 7 PRO 8700GE w/ no name", "0x15bf", 110003, None, None),
    ],
)
def test_integrated_radeons_are_as_fast_as_ram(seen, cpu, device, isa, record, bandwidth):
    node = "/sys/class/kfd/kfd/topology/nodes/1"
    files = card("0x1002", device, mem_info_vram_total=str(512 * MIB), mem_info_gtt_total=str(16 * GIB))
    files |= {
        f"{node}/properties": f"simd_count 24\ngfx_target_version {isa}\nlocation_id {0x2900}\ndomain 0\n",
        f"{node}/mem_banks/0/properties": "heap_type 1\nsize_in_bytes 536870912\n",
        "/proc/cpuinfo": X86.replace("AMD Ryzen 5 5600 6-Core Processor", cpu),
    }
    result = seen(files)
    (gpu,) = result.devices
    assert (gpu.record, gpu.unified) == (record, True)
    assert gpu.bandwidth_gbps == (result.ram_bandwidth_gbps if bandwidth is None else pytest.approx(bandwidth))
    assert gpu.bandwidth_gbps <= result.ram_bandwidth_gbps


def arm(count, part, implementer="0x41"):
    lines = [f"processor: {n}\nCPU implementer: {implementer}\nCPU part: {part}\n" for n in range(count)]
    return {"/proc/cpuinfo": "\n".join(lines)}


def topology(count, sockets, threads=1):
    files = {}
    for n in range(count):
        folder = f"/sys/devices/system/cpu/cpu{n}/topology"
        first = n // threads * threads
        files[f"{folder}/physical_package_id"] = str(n * sockets // count * 36)
        files[f"{folder}/thread_siblings_list"] = f"{first}-{first + threads - 1}" if threads > 1 else str(n)
    return files


@pytest.mark.parametrize(
    ("implementer", "part", "count", "sockets", "threads", "cores", "gbps"),
    [
        ("0x41", "0xd0c", 160, 2, 1, 160, 409.6),  # Altra
        ("0xc0", "0xac3", 64, 2, 1, 64, 665.6),  # AmpereOne
        ("0x41", "0xd4f", 144, 2, 1, 144, 1075.2),  # Neoverse V2, no word of NVIDIA
        ("0x43", "0x0af", 128, 2, 2, 64, 341.4),  # ThunderX2 with two threads
        ("0x48", "0xd01", 96, 2, 1, 96, 341.2),  # Kunpeng 920
    ],
)
def test_sockets_and_threads_of_arm_servers(seen, implementer, part, count, sockets, threads, cores, gbps):
    result = seen(arm(count, part, implementer) | topology(count, sockets, threads), psutil={"arch": "aarch64"})
    assert (result.cpu_cores, result.ram_bandwidth_gbps) == (cores, pytest.approx(gbps, rel=0.001))


def test_clusters_of_a_phone_are_no_sockets(seen):
    cores = arm(4, "0xd05")["/proc/cpuinfo"] + "\n" + arm(4, "0xd0b")["/proc/cpuinfo"]
    for n in range(4):
        own = "\nCPU implementer: 0x41\nCPU part: 0xd0b"
        cores = cores.replace(f"processor: {n}{own}", f"processor: {n + 4}{own}")
    result = seen({"/proc/cpuinfo": cores} | topology(8, 2), psutil={"arch": "aarch64"})
    assert (result.cpu_cores, result.ram_bandwidth_gbps) == (8, 33.8)
    assert any("RK3588" in text for text in result.warnings)


@pytest.mark.parametrize(
    "parts", [(("0xd0b", 2), ("0xd05", 6)), (("0xd41", 4), ("0xd05", 4)), (("0xd81", 4), ("0xd80", 4))]
)
def test_a_set_of_cores_that_no_chip_has_is_unknown(seen, parts):
    lines, n = [], 0
    for part, count in parts:
        for _ in range(count):
            lines.append(f"processor: {n}\nCPU implementer: 0x41\nCPU part: {part}\n")
            n += 1
    result = seen({"/proc/cpuinfo": "\n".join(lines)}, psutil={"arch": "aarch64"})
    assert (result.cpu_cores, result.ram_bandwidth_gbps) == (8, None)
    assert "its memory bandwidth is unknown" in result.warnings[0]


@pytest.mark.parametrize(
    ("arch", "label"), [("ppc64le", "power"), ("riscv64", "riscv"), ("loongarch64", "loongarch"), ("s390x", "other")]
)
def test_other_kinds_of_cpu(seen, arch, label):
    assert seen({"/proc/cpuinfo": "processor: 0\nisa: rv64\n"}, psutil={"arch": arch}).cpu_arch == label


def gpu_node(number, kib, cpus=""):
    folder = f"/sys/devices/system/node/node{number}"
    text = f"Node {number} MemTotal: {kib} kB\nNode {number} MemFree: {kib - 64} kB\n"
    return {f"{folder}/cpulist": cpus, f"{folder}/meminfo": text}


def test_gpu_memory_of_a_grace_is_no_ram_and_cxl_is(seen):
    nodes = gpu_node(0, 500_000_000, "0-71") | gpu_node(1, 98_000_000)
    files = {"/proc/meminfo": "MemTotal: 598000000 kB\nMemAvailable: 590000000 kB\n", "/dev/nvidiactl": "", **nodes}
    grace = seen(arm(72, "0xd4f") | files, psutil={"arch": "aarch64"})
    assert grace.ram_total_bytes == 500_000_000 * 1024
    assert grace.ram_available_bytes == (590_000_000 - 98_000_000 + 64) * 1024


def test_memory_without_a_cpu_beside_x86_is_ram(seen):
    files = {"/proc/meminfo": "MemTotal: 598000000 kB\nMemAvailable: 590000000 kB\n", "/dev/nvidiactl": ""}
    assert seen(files | gpu_node(1, 98_000_000)).ram_total_bytes == 598_000_000 * 1024


ROCM = """
*******
Agent 1
*******
  Name:                    AMD Ryzen 7 7700 8-Core Processor
  Marketing Name:          AMD Ryzen 7 7700 8-Core Processor
  Pool Info:
    Pool 1
      Size:                    16000000(0xf42400) KB
*******
Agent 2
*******
  Name:                    gfx1201
  Marketing Name:          AMD Radeon RX 9070 XT
  Pool Info:
    Pool 1
      Segment:                 GLOBAL; FLAGS: COARSE GRAINED
      Size:                    16695296(0xfec000) KB
"""


def test_a_radeon_behind_wsl(seen):
    result = seen({"/dev/dxg": ""}, commands={"rocminfo": {"status": 0, "stdout": ROCM}})
    (gpu,) = result.devices
    assert (gpu.record, gpu.backend, gpu.total_bytes) == ("amd-rx-9070-xt", "rocm", 16695296 * 1024)
    assert any("/dev/dxg" in text for text in result.warnings)


def test_a_gpu_of_windows_that_nothing_can_ask(seen):
    result = seen({"/dev/dxg": ""})
    assert result.devices == ()
    assert any("behind /dev/dxg" in text for text in result.warnings)


@pytest.mark.parametrize("version", ["26.0", "27.1"])
@pytest.mark.parametrize(("gib", "share"), [(24, 0.74), (32, 0.78), (64, 0.81), (96, 0.75), (8, 2 / 3)])
def test_metal_by_the_system(seen, version, gib, share):
    def macos(number, limit="0"):
        answers = {"machdep.cpu.brand_string": "Apple M4", "iogpu.wired_limit_mb": limit}
        answers |= {"kern.osproductversion": number}
        facts = {"os": "macos", "arch": "arm64", "ram_total_bytes": gib * GIB, "ram_available_bytes": gib * GIB}
        commands = {f"sysctl -n {key}": {"status": 0, "stdout": f"{text}\n"} for key, text in answers.items()}
        commands["ioreg -rc AGXAccelerator"] = {"status": 0, "stdout": '"gpu-core-count" = 10\n'}
        return seen({"/proc/cpuinfo": "", "/proc/meminfo": ""}, commands=commands, psutil=facts)

    assert macos(version).devices[0].total_bytes == int(gib * GIB * share)
    assert any("Metal" in text for text in macos(version).warnings) is (gib in (8, 96))
    assert macos("15.6").devices[0].total_bytes == int(gib * GIB * (0.75 if gib >= 36 else 2 / 3))
    assert not any("Metal" in text for text in macos("15.6").warnings)
    assert macos(version, "4096").devices[0].total_bytes == 4 * GIB


@pytest.mark.parametrize(
    ("name", "gbps"),
    [
        ("Hygon C86 7285 32-core Processor", 12.5),  # of one core
        ("Hygon C86-4G (OPN:7490)", None),
        ("Intel(R) Xeon(R) 6369P", 12.5),
        ("Intel(R) Xeon(R) 698X", 409.6),
        ("AMD Ryzen AI Z2 Extreme", 128),
        ("AMD Ryzen 7 170 w/ Radeon Graphics", 76.8),
        ("AMD Ryzen 5 40 w/ Radeon Graphics", 44),
        ("AMD Ryzen 9 8940HX with Radeon Graphics", 83.2),
        ("Intel(R) Core(TM) 5 120F", 76.8),
        ("Intel(R) Core(TM) Ultra 7 270K Plus", 102.4),
        ("ZHAOXIN KaiXian KX-7000/8", 76.8),
    ],
)
def test_names_of_newer_cpus(seen, name, gbps):
    result = seen({"/proc/cpuinfo": X86.replace("AMD Ryzen 5 5600 6-Core Processor", name)})
    assert result.ram_bandwidth_gbps == gbps
    if gbps is None:
        assert "its memory bandwidth is unknown" in result.warnings[0]
