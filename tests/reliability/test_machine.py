"""A machine that changes while it is served: GPUs that go, NVML that fails, hangs or lies, a limit that shrinks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from wire import MODELS, SYSTEM, Server, free_port

RECORDED = Path(__file__).parents[1] / "hardware" / "recorded" / "two_rtx3090"
GIB = 1 << 30
NVML = json.loads((RECORDED / "nvml.json").read_text())


class Changed(Server):
    """A server, and the folder that it takes for its machine."""

    folder: Path

    def put(self, name: str, text: str) -> None:
        """A file, in one step."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(path.name + ".new")
        draft.write_text(text)
        os.replace(draft, path)

    def nvml(self, **changes: Any) -> None:
        self.put("nvml.json", json.dumps({**NVML, **changes}))

    def until(self, holds: Callable[[dict[str, Any]], object], seconds: float = 60) -> dict[str, Any]:
        """The system as soon as it is so."""
        end = time.monotonic() + seconds
        while True:
            begun = time.monotonic()
            found: dict[str, Any] = self.ok(SYSTEM)["system"]
            assert time.monotonic() - begun < 1, "an answer waited for the machine"
            if holds(found):
                return found
            assert time.monotonic() < end, found
            time.sleep(0.05)

    def hold(self, system: dict[str, Any]) -> None:
        """Nothing that runs takes more than there is."""
        assert 0 <= system["available_ram_gb"] <= system["total_ram_gb"]
        assert all(0 <= gpu["free_vram_gb"] <= gpu["vram_gb"] for gpu in system["gpus"]), system["gpus"]
        for row in self.ok(MODELS, limit=40)["models"]:
            assert row["memory_required_gb"] <= row["memory_available_gb"]
            assert row["memory_available_gb"] <= max(system["gpu_available_gb"] or 0, system["available_ram_gb"]) + 0.01


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changed]:
    folder, port = tmp_path_factory.mktemp("machine"), free_port()
    shutil.copytree(RECORDED, folder, dirs_exist_ok=True)
    log = folder.parent / "machine.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("replayed.py")), str(folder), "1", str(port)],
            stdout=sink, stderr=sink, cwd="/",
        )  # fmt: skip
    one = Changed(process, log, port=port)
    one.folder = folder
    try:
        one._await("/readyz")
        yield one
    finally:
        assert one.stop() == 0, one.said()
    assert "Traceback" not in one.said(), one.said()


@pytest.fixture(autouse=True)
def whole(server: Changed) -> Iterator[None]:
    """Each test begins with both GPUs, and they come back after it."""
    yield
    server.nvml()
    found = server.until(lambda system: system["gpu_count"] == 2)
    assert not [text for text in found["warnings"] if "NVIDIA" in text or "NVML" in text], found["warnings"]


def test_a_gpu_that_disappears_and_comes_back(server: Changed) -> None:
    before = server.ok(MODELS, limit=1)["generation"]
    server.nvml(devices=NVML["devices"][:1])
    server.hold(server.until(lambda system: system["gpu_count"] == 1))
    assert server.ok(MODELS, limit=1)["generation"] != before
    server.nvml()
    server.until(lambda system: system["gpu_count"] == 2)
    assert server.ok(MODELS, limit=1)["generation"] == before


@pytest.mark.parametrize("error", ["NVML_ERROR_GPU_IS_LOST", "NVML_ERROR_UNKNOWN", "NVML_ERROR_DRIVER_NOT_LOADED"])
def test_nvml_that_begins_to_fail(server: Changed, error: str) -> None:
    """No GPU is counted that nobody saw; the answer says so, and goes on being one."""
    server.nvml(error=error, devices=[])
    found = server.until(lambda system: system["gpu_count"] == 0)
    assert [text for text in found["warnings"] if "NVIDIA" in text or "NVML" in text], found["warnings"]
    server.hold(found)


def test_nvml_that_loses_one_gpu_half_way(server: Changed) -> None:
    first = NVML["devices"][0]
    server.nvml(devices=[first, {"errors": {"handle": "NVML_ERROR_GPU_IS_LOST"}}])
    found = server.until(lambda system: system["gpu_count"] == 1)
    assert found["warnings"]
    server.hold(found)


@pytest.mark.parametrize(
    "lie",
    [{"memory_free": 1 << 62}, {"memory_free": (1 << 64) - 1}, {"memory_free": -1}, {"memory_total": 0},
     {"memory_total": -1}, {"memory_total": (1 << 64) - 1, "memory_free": (1 << 64) - 1}, {"bus_bits": 1 << 40},
     {"mem_clock_mhz": -5}, {"name": ""}, {"name": "\0" * 100}, {"compute_capability": [1 << 60, -1]}],
    ids=json.dumps,
)  # fmt: skip
def test_nvml_that_lies(server: Changed, lie: dict[str, Any]) -> None:
    """What cannot be is not passed on: free memory stays within the total, both within reason, and all is answered."""
    server.nvml(devices=[{**NVML["devices"][0], **lie}])
    found = server.until(lambda system: system["gpu_count"] <= 1)
    assert sum(gpu["vram_gb"] or 0 for gpu in found["gpus"]) < 1 << 20
    server.hold(found)


def test_nvml_that_hangs(server: Changed) -> None:
    """Every look is cut off, none leaves a thread behind beside the one that hangs, and no answer waits for it."""
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    threads = process.num_threads()
    (server.folder / "hang").touch()
    try:
        found = server.until(lambda system: system["gpu_count"] == 0)
        assert [text for text in found["warnings"] if "NVIDIA" in text or "NVML" in text], found["warnings"]
        server.hold(found)
        time.sleep(1)  # ten more looks
        assert process.num_threads() <= threads + 8, (threads, process.num_threads())
    finally:
        (server.folder / "hang").unlink()


def test_a_limit_of_memory_that_shrinks(server: Changed) -> None:
    """It is the machine's memory from the next look on; when it is lifted, so is the answer."""
    free = server.ok(SYSTEM)["system"]["total_ram_gb"]
    server.put("files/proc/self/cgroup", "0::/\n")
    group = "files/sys/fs/cgroup/"
    server.put(group + "memory.current", str(GIB))
    for limit in (8, 4, 1):  # the last is below what is used
        server.put(group + "memory.max", str(limit * GIB))
        found = server.until(lambda system, limit=limit: system["total_ram_gb"] == limit)
        assert found["available_ram_gb"] <= limit - 1
        assert [text for text in found["warnings"] if "control group" in text]
        server.hold(found)
    server.put(group + "memory.max", "max\n")
    assert server.until(lambda system: system["total_ram_gb"] > 8)["total_ram_gb"] == free
