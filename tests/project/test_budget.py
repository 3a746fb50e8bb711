"""Every benchmark has a budget, and a breach is noticed."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from llmfit._catalog import Catalog
from llmfit.catalog import catalog as catalogs

BENCH = Path(__file__).parents[2] / "bench"
FIXED = {"test_yardstick": 0.005, "test_fast": 0.001}


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gate", BENCH / "gate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check = load()


def results(**seconds: float) -> dict[str, object]:
    return {"benchmarks": [{"name": name, "stats": {"min": least}} for name, least in seconds.items()]}


@pytest.mark.parametrize(
    ("seconds", "budget", "lines"),
    [
        (FIXED, {"test_fast": 0.25}, []),
        (FIXED, {"test_fast": 0.1}, ["test_fast: 0.2000 yardsticks, the budget is 0.1"]),
        (FIXED, {}, ["test_fast: no budget"]),
        (FIXED, {"test_fast": 1, "test_other": 1}, ["test_other: not run"]),
        ({"test_fast": 1}, {"test_fast": 1}, ["test_yardstick was not run: there is nothing to compare with"]),
    ],
)
def test_breaches(seconds: dict[str, float], budget: dict[str, float], lines: list[str]) -> None:
    assert check.breaches(results(**seconds), budget) == lines


def test_the_command_fails_on_a_breach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results").write_text(json.dumps(results(**FIXED)))
    (tmp_path / "budget").write_text('{"ratio_to_yardstick": {"test_fast": 0.1}}')
    monkeypatch.setattr(check, "BUDGET", tmp_path / "budget")
    assert check.main([str(tmp_path / "results")]) == 1
    (tmp_path / "budget").write_text('{"ratio_to_yardstick": {"test_fast": 0.3}}')
    assert check.main([str(tmp_path / "results")]) == 0


def test_every_benchmark_has_a_budget() -> None:
    names = {
        name for path in BENCH.glob("bench_*.py") for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
    }
    budgets = json.loads((BENCH / "budget.json").read_text())["ratio_to_yardstick"]
    assert {name.partition("[")[0] for name in budgets} | {check.YARDSTICK} == names
    assert all(ratio > 0 for ratio in budgets.values())


def test_a_catalog_of_several_copies_opens() -> None:
    """What bench/growth.py measures: it names every text of a packed catalog."""
    spec = importlib.util.spec_from_file_location("growth", BENCH / "growth.py")
    assert spec and spec.loader
    growth = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(growth)
    opened = catalogs.default()
    twice = Catalog(growth.repeated(opened._packed, 2), growth.wire_words(), growth.POLICY_NAMES)
    assert twice.name_of(opened.size) == twice.name_of(0) and twice.n_shapes == 2 * opened.core.n_shapes
