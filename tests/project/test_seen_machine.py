"""What tests see of the computer that they run on: nothing, unless they ask for it (CONTRIBUTING.md)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORES = "from llmfit.api import detect; machine = detect(); print(machine.cpu_cores, len(machine.devices), machine.os)"
sys.path.insert(0, str(ROOT / "tests" / "host"))

import llmfit_test_machine as seen  # noqa: E402

from llmfit.api import detect  # noqa: E402


def python(code: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd="/", env={**os.environ, **more})


def looks() -> str:
    """What was noted of looks at the real computer; this test was to look, so that it is forgotten."""
    path = Path(os.environ[seen.READS])
    text = path.read_text() if path.exists() else ""
    path.unlink(missing_ok=True)
    return text


@pytest.mark.machine("altra_64_cores_l4")
def test_a_test_and_what_it_starts_see_the_machine_of_its_mark() -> None:
    machine = detect()
    assert (machine.cpu_cores, machine.cpu_arch, [gpu.name for gpu in machine.devices]) == (64, "arm", ["NVIDIA L4"])
    assert python(CORES).stdout == "64 1 linux\n"


@pytest.mark.machine("windows_rtx4070_nvml")
def test_one_of_another_system() -> None:
    assert python(CORES).stdout == "8 2 windows\n"


def test_a_look_at_the_computer_fails_and_is_noted() -> None:
    for path in ("/proc/meminfo", "/sys/devices/system/cpu/cpu0/topology/core_id", "/dev/nvidiactl"):
        with pytest.raises(seen.RealMachine, match=path):
            Path(path).read_text()
    with pytest.raises(seen.RealMachine, match="nvidia-smi"):
        subprocess.run(["nvidia-smi"])
    assert looks().count("\n") == 4


def test_so_does_that_of_a_program() -> None:
    done = python("import llmfit, psutil; psutil.virtual_memory()")
    assert done.returncode == 1 and "RealMachine: a look at the computer that the tests run on: /proc" in done.stderr
    assert looks() == "/proc/meminfo (open)\n"


def test_who_asks_sees_it(this_computer: None) -> None:
    assert detect().cpu_cores >= 1 and not looks()


@pytest.mark.machine("container_2gb")
def test_moving_memory_is_another_each_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(seen.MOVING, "1")
    free = set()
    for second in range(10):
        monkeypatch.setattr(time, "time", lambda second=second: 1000.0 + second)
        machine = detect()
        assert machine.ram_total_bytes == 2 << 30
        free.add(machine.ram_available_bytes)
    assert len(free) >= 5


def test_what_tests_take_from_the_environment_is_left_there(request: pytest.FixtureRequest) -> None:
    (needed,) = {one.NEEDED for one in request.config.pluginmanager.get_plugins() if hasattr(one, "NEEDED")}
    read = re.compile(r"environ\.get\(\"(LLMFIT_\w+)")
    names = {name for path in (ROOT / "tests").rglob("*.py") for name in read.findall(path.read_text(encoding="utf-8"))}
    assert len(names) > 5 and [name for name in sorted(names) if not needed.fullmatch(name)] == []


def test_nothing_of_the_users_settings_is_there(tmp_path: Path) -> None:
    """In a pytest of its own, whose environment would change most of what llmfit says."""
    test = tmp_path / "test_environment.py"
    out = tmp_path / "out.json"
    test.write_text(f"import json, os\ndef test_it():\n    json.dump(dict(os.environ), open({str(out)!r}, 'w'))\n")
    odd = {
        "COLUMNS": "7", "NO_COLOR": "1", "LLMFIT_PORT": "1", "CUDA_VISIBLE_DEVICES": "9", "LC_ALL": "de_DE.UTF-8",
        "HF_HOME": "/x", "XDG_CONFIG_HOME": "/x", "HOME": "/nonexistent", "TZ": "Asia/Tokyo", "HOSTNAME": "odd",
    }  # fmt: skip
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-c", str(ROOT / "pyproject.toml"),
               "-p", "conftest", f"--rootdir={tmp_path}", str(test)]  # fmt: skip
    path = os.pathsep.join((str(ROOT / "tests"), os.environ["PYTHONPATH"]))
    words = {**os.environ, **odd, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=words)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())
    assert [name for name, value in odd.items() if found.get(name) == value] == []
