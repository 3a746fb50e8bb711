"""The tables from their text, and recorded machines: no test here needs hardware or a built extension."""

from __future__ import annotations

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
