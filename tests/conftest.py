"""The shipped catalog and the machines of tests/machines, for all tests below this folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec
import pytest

from llmfit._core import Estimates, Ranking
from llmfit.answers.encode import system_of
from llmfit.catalog import catalog as catalogs
from llmfit.catalog.catalog import Catalog
from llmfit.hardware.host import host_of
from llmfit.machine import Machine
from llmfit.wire.rows import Row
from llmfit.wire.system import System

os.environ["LLMFIT_NO_PROBE"] = "1"  # no test, and no program it starts, measures unless it says so
HERE = Path(__file__).parent
FOLDER = HERE / "machines"
sys.path[:0] = [str(HERE / room) for room in ("cli", "golden", "http", "page")]  # what tests of several rooms share
# Nor do the models and lists of whoever runs the tests count: a folder that holds none.
os.environ.update(LLMFIT_MODELS_DIR=str(FOLDER), LLMFIT_DATA_DIR=str(FOLDER))
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


class Simulated(msgspec.Struct):
    """All rows of the catalog on one machine of tests/machines."""

    name: str
    machine: Machine
    system: System
    ranking: Ranking
    encoded: bytes
    rows: list[Row]


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return catalogs.default()


@pytest.fixture(scope="session")
def machine_of() -> Callable[[str], Machine]:
    """The machine of a file in tests/machines."""

    @cache
    def read(name: str) -> Machine:
        return msgspec.json.decode((FOLDER / f"{name}.json").read_bytes(), type=Machine)

    return read


@pytest.fixture(scope="session", params=NAMES)
def simulated(request: pytest.FixtureRequest, catalog: Catalog, machine_of: Callable[[str], Machine]) -> Simulated:
    """One machine after the other; pytest runs all tests of one together, so that each list is decoded once."""
    machine = machine_of(request.param)
    ranking = Ranking(Estimates(catalog.core, host_of(machine, catalog)))
    encoded = ranking.encode(list(range(catalog.size)))
    rows = msgspec.json.decode(encoded, type=list[Row])
    return Simulated(request.param, machine, system_of(machine), ranking, encoded, rows)
