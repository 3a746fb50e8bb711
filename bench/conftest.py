"""What the benchmarks run on: the shipped catalog and one machine of tests/machines."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from llmfit.catalog import catalog as catalogs
from llmfit.catalog.catalog import Catalog
from llmfit.machine import Machine

MACHINES = Path(__file__).parents[1] / "tests/machines"


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return catalogs.default()


@pytest.fixture(scope="session")
def machine() -> Machine:
    return msgspec.json.decode((MACHINES / "rtx-4090-24gb.json").read_bytes(), type=Machine)
