"""A real control group on this host limits what is reported; where none can be made, the test says why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path("/sys/fs/cgroup")
MIB = 1 << 20
CODE = """
import os, sys
for path in sys.argv[1:]:
    open(path, "w").write(str(os.getpid()))
from llmfit.hardware.sources.source import LiveSource
from llmfit.hardware.probes.memory import read_memory
from llmfit.hardware.probes.topology import read_quota
memory = read_memory(LiveSource())
print(memory.total_bytes, memory.available_bytes, read_quota(LiveSource()))
"""


def make(files: dict[Path, str]) -> list[Path]:
    """New groups with limits in them; skips, with the reason, where this host does not allow it."""
    made = []
    try:
        for path, value in files.items():
            if not path.parent.exists():
                path.parent.mkdir()
                made.append(path.parent)
            path.write_text(value)
    except OSError as error:
        for folder in made:
            folder.rmdir()
        pytest.skip(f"no control group can be limited here: {error}")
    return made


@pytest.fixture(params=["v1", "v2"])
def group(request, this_computer):
    name = f"llmfit-test-{os.getpid()}"
    if request.param == "v1":
        if not (ROOT / "memory/memory.limit_in_bytes").exists():
            pytest.skip("this host has no cgroup v1 memory controller")
        memory, cpu = ROOT / "memory" / name, ROOT / "cpu" / name
        files = {memory / "memory.limit_in_bytes": str(512 * MIB)}
        if (ROOT / "cpu/cpu.cfs_quota_us").exists():
            files |= {cpu / "cpu.cfs_period_us": "100000", cpu / "cpu.cfs_quota_us": "100000"}
    else:
        if not (ROOT / "cgroup.controllers").exists():
            pytest.skip("this host has no cgroup v2 at /sys/fs/cgroup")
        own = ROOT / name
        files = {own / "memory.max": str(512 * MIB), own / "cpu.max": "100000 100000"}
    made = make(files)
    yield made
    for folder in made:
        folder.rmdir()


def test_a_limited_process_reports_its_limit(group):
    procs = [str(folder / "cgroup.procs") for folder in group]
    done = subprocess.run([sys.executable, "-c", CODE, *procs], capture_output=True, text=True, cwd="/", timeout=60)
    if "Read-only" in done.stderr or "Permission" in done.stderr:
        pytest.skip("this process may not be moved into a control group")
    assert done.returncode == 0, done.stderr
    total, available, quota = done.stdout.split()
    assert int(total) == 512 * MIB
    assert 300 * MIB < int(available) <= 512 * MIB
    assert quota in ("1", "None")


def test_detection_costs_little(this_computer):
    """CPU time, which other programs on the host do not change much: the target is 150 ms for the whole."""
    code = (
        "import time; from llmfit.catalog import catalog; from llmfit.hardware.detect import detect\n"
        "tables = catalog.default().tables; detect(tables); start = time.process_time(); detect(tables)\n"
        "print(time.process_time() - start)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/", timeout=60)
    assert float(done.stdout) < 0.075, done.stderr


def test_affinity_limits_cores(this_computer):
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("no affinity on this system")
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from llmfit.catalog import catalog; from llmfit.hardware.detect import detect\n"
        "print(detect(catalog.default().tables).cpu_cores)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/", timeout=60)
    assert done.stdout.split() == ["1"], done.stderr
