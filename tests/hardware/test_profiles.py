"""Machines by name and by file: each shipped one is what it says, and what is wrong with a file is one line."""

from __future__ import annotations

import pytest

from llmfit.catalog.tables import KINDS
from llmfit.errors import BadParam, LlmfitError
from llmfit.hardware.probes.cpu import find_family
from llmfit.hardware.profile_file import is_path, load_profile
from llmfit.hardware.what_ifs import WhatIf, apply_whatif, profile_machine
from llmfit.machine import GIB

GOOD = 'cpu = "AMD Ryzen 9 7950X 16-Core Processor"\ncpu_cores = 16\nram_gb = 64\n'


@pytest.fixture
def what(machine, tables):
    """``what(parameter=value...)``: a small machine after the what-if."""
    return lambda **parameters: apply_whatif(machine("raspberry_pi_5"), WhatIf(**parameters), tables)


@pytest.fixture
def loaded(tmp_path, tables):
    """``loaded(text)``: the machine of a file that holds the text."""

    def load(text):
        path = tmp_path / "rig.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return profile_machine(load_profile(str(path), tables), tables)

    return load


def test_the_shipped_set_covers_what_it_should(tables):
    names = [profile.name for profile in tables.machines]
    assert names == sorted(names) and all(names)
    assert {profile.kind for profile in tables.machines} == set(KINDS)
    assert {profile.year for profile in tables.machines} >= set(range(2020, 2026))
    assert len(names) >= 60
    assert all(profile.title and profile.sources and profile.cpu_cores for profile in tables.machines)
    assert not any(is_path(name) for name in names)


def test_every_shipped_machine_is_known_to_the_tables(tables):
    for profile in tables.machines:
        machine = profile_machine(profile, tables)
        # what Metal lets the GPU have is not known for every size of RAM
        assert all("Metal" in text for text in machine.warnings), (profile.name, machine.warnings)
        assert machine.ram_bandwidth_gbps and (machine.cpu_fp32_tflops or "RTX Spark" in profile.cpu), profile.name
        assert machine.ram_total_bytes == machine.ram_available_bytes == profile.ram_gb * GIB, profile.name
        assert bool(profile.gpu) == bool(machine.devices), profile.name
        for device in machine.devices:
            no_source = device.record in ("nvidia-rtx-spark-n1x", "nvidia-rtx-pro-4500-blackwell-server")
            assert device.bandwidth_gbps and bool(device.fp32_tflops) is not no_source, profile.name
            assert device.free_bytes == device.total_bytes <= (machine.ram_total_bytes if device.unified else 1 << 60)
        family = find_family(profile.cpu, tables)
        assert family.segment != "generic", profile.name
        most = (family.max_cores or 1) * profile.sockets
        # of a cloud's sockets the table has the cores that one shape gets
        assert profile.kind == "cloud" or profile.cpu_cores <= most, (profile.name, most)
        assert (profile.os == "macos") == (profile.kind == "mac") == (family.vendor == "apple"), profile.name
        assert not family.release_year or profile.year >= family.release_year - 1, profile.name


@pytest.mark.parametrize(
    ("name", "cores", "ram", "gpus", "pool", "gpu_rate", "ram_rate"),
    [
        ("mac-studio-m3-ultra-512gb", 32, 512, 1, 384, 819, 819),
        ("macbook-pro-m3-max-36gb", 14, 36, 1, 36 * 0.78, 300, 300),
        ("framework-desktop-128gb", 16, 128, 1, 96, 256, 256),
        ("dgx-spark-128gb", 20, 128, 1, 128, 273.1, 273.1),
        ("dgx-h100", 112, 2048, 8, 81559 / 1024, 3352, 614.4),
        ("desktop-2x-rtx-3090", 24, 128, 2, 24, 936, 102.4),
        ("aws-g5.xlarge", 2, 16, 1, 22.5, 600, 25),
        ("raspberry-pi-5-8gb", 4, 8, 0, None, None, 17.1),
    ],
)
def test_a_profile_is_the_whole_machine(what, name, cores, ram, gpus, pool, gpu_rate, ram_rate):
    result = what(profile=name)
    assert (result.cpu_cores, result.ram_total_bytes, len(result.devices)) == (cores, ram * GIB, gpus)
    assert result.ram_bandwidth_gbps == pytest.approx(ram_rate, rel=0.001)
    assert all(device.total_bytes == pytest.approx(pool * GIB, rel=0.002) for device in result.devices)
    assert all(device.bandwidth_gbps == gpu_rate for device in result.devices)


def test_the_machine_beneath_leaves_no_trace(what, machine):
    result = what(profile="dgx-h100")
    assert result.warnings == () and result.cpu_name == "Intel(R) Xeon(R) Platinum 8480C"
    assert result.observed_at == machine("raspberry_pi_5").observed_at


def test_the_other_what_ifs_change_the_profile(what):
    assert len(what(profile="desktop-rtx-3090", gpu_count=3).devices) == 3
    assert what(profile="desktop-rtx-3090", ram_gb=128).ram_total_bytes == 128 * GIB
    assert what(profile="desktop-rtx-3090", vram_gb=0).devices == ()
    replaced = what(profile="desktop-rtx-3090", gpu="2x T4")
    assert [device.name for device in replaced.devices] == ["Tesla T4"] * 2
    assert replaced.cpu_name == "AMD Ryzen 9 5900X 12-Core Processor"
    grown = what(profile="mac-studio-m4-max-64gb", ram_gb=128)
    assert grown.devices[0].total_bytes == int(128 * GIB * 0.84)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"profile": "mac-studio"}, 'invalid profile value: no such machine "mac-studio"; nearest: mac-studio-m'),
        ({"profile": "desktop rtx 4090"}, 'invalid profile value: no such machine "desktop rtx 4090"; nearest: '),
        ({"profile": "/etc/passwd"}, 'invalid profile value: no such machine "/etc/passwd"; nearest: '),
        ({"profile": "dgx-h100", "backend": "metal"}, "invalid backend value: no GPU here runs metal"),
        ({"profile": "raspberry-pi-5-8gb", "gpu_count": 2}, "invalid gpu_count value: this machine has no GPU"),
        ({"profile": "mac-mini-m4-16gb", "gpu_count": 2}, "invalid gpu_count value: unified memory is one pool"),
        ({"profile": "mac-mini-m4-16gb", "vram_gb": 32}, "invalid vram_gb value: unified memory is a part of RAM"),
        ({"profile": "desktop-rtx-3090", "backend": "cpu", "vram_gb": 8}, "invalid backend value: cpu uses no GPU"),
    ],
)  # fmt: skip
def test_contradictions(what, parameters, message):
    with pytest.raises(BadParam) as error:
        what(**parameters)
    assert str(error.value).startswith(message)


def test_names_ignore_case_and_blanks(what):
    assert what(profile=" DGX-H100 ") == what(profile="dgx-h100")


def test_a_file(loaded):
    machine = loaded(GOOD + 'gpu = "2x RTX 3090 + RTX 4090"\nram_bandwidth_gbps = 70\n')
    assert [device.name for device in machine.devices] == ["GeForce RTX 3090"] * 2 + ["GeForce RTX 4090"]
    assert (machine.cpu_cores, machine.ram_bandwidth_gbps, machine.cpu_arch) == (16, 70, "x86")


def test_a_file_for_hardware_that_no_table_knows(loaded):
    gpu = 'vram_gb = 20\ngpu_bandwidth_gbps = 400\nbackend = "vulkan"'
    machine = loaded(f'cpu = "Zyx 1"\ncpu_cores = 8\nram_gb = 32\n{gpu}')
    (device,) = machine.devices
    assert (device.total_bytes, device.bandwidth_gbps, device.backend) == (20 * GIB, 400, "vulkan")
    assert (machine.ram_bandwidth_gbps, machine.cpu_fp32_tflops) == (None, None)
    assert machine.warnings == ("CPU: Zyx 1 is not in the CPU table: its memory bandwidth is unknown",)


def test_cores_that_are_assumed_are_a_warning(loaded):
    assert loaded('cpu = "AMD Ryzen 9 7950X"\nram_gb = 64').warnings == (
        "CPU: AMD Ryzen 9 7950X is taken to have 8 cores, as is common; give cpu_cores",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cpu: is missing"),
        ('cpu = "x"', "ram_gb: is missing"),
        ('cpu = "x"\nram_gb = 8', "cpu_cores: use a positive integer, as x is not in the CPU table"),
        (GOOD + "ram_gbb = 1", "ram_gbb: unknown key (did you mean ram_gb?); use title|kind|"),
        (GOOD + 'kind = "laptopp"', "kind: use desktop|laptop|mini|mac|workstation|server|sbc|cloud"),
        (GOOD + 'backend = "cpu"', "backend: use cuda|rocm|metal|vulkan|sycl"),
        (GOOD + "sockets = 0", "sockets: expected a whole number >= 1"),
        (GOOD + "vram_gb = -1", "vram_gb: expected a number above 0"),
        (GOOD + 'vram_gb = "a"', "vram_gb: expected a number, got a text"),
        (GOOD + 'gpu = "RTX 9999"', 'gpu: no such GPU "RTX 9999"; nearest: GeForce RTX'),
        (GOOD + 'gpu = "RTX 4000"', 'gpu: "RTX 4000" fits several GPUs; use one of: '),
        (GOOD + "unified_memory = true", "unified_memory: there is no GPU"),
        (GOOD + "cpu_cores = 1", ":4: "),
        ("cpu =", ":1: "),
        (b"\xff\xfe", ":1: this is not UTF-8"),
        ("x = " + "[" * 5000, ":1: it is nested too deeply"),
        ("#" * 70000, "too large: a profile has at most 64 KiB"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_one_line(loaded, tmp_path, text, message):
    with pytest.raises(LlmfitError) as error:
        loaded(text)
    found = str(error.value)
    message = message if message.startswith(":") else f": {message}"
    assert found.startswith(f"{tmp_path / 'rig.toml'}{message}"), found
    assert "\n" not in found and "`" not in found, found


@pytest.mark.parametrize("name", ["", "missing.toml", "a\0b.toml"])
def test_a_file_that_cannot_be_read(tmp_path, tables, name):
    with pytest.raises(LlmfitError, match="cannot be read: "):
        load_profile(f"{tmp_path}/{name}", tables)
