"""What llmfit says of well-known models, to the last digit. A change of any rule or datum shows here."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "golden"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_golden", FOLDER / "make.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = load()


@pytest.mark.parametrize("name", make.MACHINES)
def test_golden_rows(name: str) -> None:
    text = make.lines(name)
    held = (FOLDER / f"{name}.json").read_bytes()
    if text == held:
        return
    changes = []
    for row, old in zip(json.loads(text), json.loads(held), strict=False):
        changes += [f"{row['name']}: {key} {old.get(key)} -> {row[key]}" for key in row if row[key] != old.get(key)]
    changes.insert(0, f"{len(changes)} figures changed; if that is meant, run tests/golden/make.py")
    pytest.fail("\n".join(changes[:40]))


def test_no_file_is_left_over() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(make.MACHINES)
    assert len(make.MODELS) >= 30 and list(make.MODELS) == sorted(make.MODELS)
