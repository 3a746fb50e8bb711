"""A few hundred broken inputs of every kind; `python bench/reliability.py files --long` reads many more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmfit.errors import LlmfitError

from . import catalogs, models, own_models, tokens
from .driver import Target, run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each batch runs in a process of its own")
# What is fed, how many inputs as a test, and how many of a thousand in a long run: more where one takes less time.
TARGETS: dict[str, tuple[Target, int, int]] = {
    "packed_fields": (catalogs.packed_fields, 400, 40),
    "packed_bytes": (catalogs.packed_bytes, 400, 40),
    "checked": (catalogs.checked, 200, 10),
    "csv_tables": (catalogs.csv_tables, 40, 2),
    "gguf_headers": (models.gguf_headers, 200, 200),
    "configs": (models.configs, 200, 150),
    "safetensors_headers": (models.safetensors_headers, 160, 140),
    "profiles": (models.profiles, 300, 160),
    "own_models": (own_models.own_models, 200, 50),
    "recordings": (models.recordings, 150, 8),
    "token_files": (tokens.token_files, 300, 100),
    "headers": (tokens.headers, 500, 75),
    "flags": (tokens.flags, 500, 25),
}


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_ends_hangs_or_swells_it(name: str, tmp_path: Path) -> None:
    target, count, _ = TARGETS[name]
    found = run(target, name, 0, count, tmp_path)
    assert not found.failures, "\n".join(found.failures)
    assert found.inputs == count and found.refused and found.accepted


def test_what_an_error_quotes_stays_on_its_line() -> None:
    error = LlmfitError("unknown field `a\nb\x1b[31m\u202e` é 模型")
    assert str(error) == "unknown field `a b [31m ` é 模型" and f"{error}" == str(error)
