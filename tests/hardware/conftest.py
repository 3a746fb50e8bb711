"""The tables from their text, and recorded machines: no test here needs hardware or a built extension."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from llmfit.catalog.tables import Accelerator, CpuFamily, Profile, Tables, read_csv
from llmfit.hardware.detect import detect
from llmfit.hardware.sources.source import ReplaySource
from llmfit.machine import Machine

ROOT = Path(__file__).parents[2]
RECORDED = Path(__file__).parent / "recorded"
X86 = "processor: 0\nmodel name: AMD Ryzen 5 5600 6-Core Processor\nphysical id: 0\ncore id: 0\nflags: fma avx avx2\n"
MEMINFO = "MemTotal: 32800000 kB\nMemAvailable: 29520000 kB\n"


@pytest.fixture(scope="session")
def tables() -> Tables:
    return Tables(
        accelerators=tuple(read_csv(ROOT / "src/data/accelerators.csv", Accelerator)),
        cpus=tuple(read_csv(ROOT / "src/data/cpus.csv", CpuFamily)),
        machines=tuple(read_csv(ROOT / "src/data/machines.csv", Profile)),
    )


@pytest.fixture(scope="session")
def machine(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Machine]:
    """The machine detected in a recorded folder; `empty` is one where nothing could be read."""

    @cache
    def read(name: str) -> Machine:
        folder = RECORDED / name
        if name == "empty":
            folder = tmp_path_factory.mktemp(name)
            (folder / "files").mkdir()
        return detect(tables, ReplaySource(folder))

    return read


@pytest.fixture
def seen(tables, tmp_path):
    """What is detected where these files are, and these answers: of commands, NVML, the environment, psutil."""

    def detected(files=(), **parts):
        content = {"/proc/cpuinfo": X86, "/proc/meminfo": MEMINFO, **dict(files)}
        for path, text in content.items():
            file = tmp_path / "files" / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        for name, value in parts.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(value))
        return detect(tables, ReplaySource(tmp_path))

    return detected
