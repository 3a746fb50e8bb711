"""A few hundred broken inputs of every kind; `python bench/reliability.py files --long` reads many more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from . import catalogs, models
from .driver import Target, run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each batch runs in a process of its own")
TARGETS: dict[str, tuple[Target, int]] = {
    "packed_fields": (catalogs.packed_fields, 400),
    "packed_bytes": (catalogs.packed_bytes, 400),
    "checked": (catalogs.checked, 200),
    "csv_tables": (catalogs.csv_tables, 40),
    "gguf_headers": (models.gguf_headers, 100),
    "configs": (models.configs, 100),
    "safetensors_headers": (models.safetensors_headers, 80),
    "profiles": (models.profiles, 300),
    "recordings": (models.recordings, 150),
}


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_ends_hangs_or_swells_it(name: str, tmp_path: Path) -> None:
    target, count = TARGETS[name]
    found = run(target, name, 0, count, tmp_path)
    assert not found.failures, "\n".join(found.failures)
    assert found.inputs == count and found.refused and found.accepted
