"""Holds the accuracy that was reached, with a small margin: figures of bench/accuracy.py, cross-validated ones too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench/accuracy.py"


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    command = [sys.executable, str(BENCH), "--cross-validate", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/", timeout=300)
    return json.loads(done.stdout)


# (part, group kind, group, figure, highest value)
LIMITS = [
    ("decode_machines_out", None, None, "median_ape_pct", 10.0),
    ("decode_machines_out", None, None, "macro_median_ape_pct", 10.0),
    ("decode_families_out", None, None, "median_ape_pct", 8.0),
    ("decode_families_out", None, None, "macro_median_ape_pct", 10.0),
    ("decode_families_out", "vendor", "cpu cpu", "macro_median_ape_pct", 18.0),
    ("decode_families_out", "moe", "moe", "median_ape_pct", 12.0),
    ("decode_families_out", "context", ">= 16384 tokens", "median_ape_pct", 15.5),
    ("decode_families_out", "size", "< 2 B active", "median_ape_pct", 10.0),
    ("decode_architectures_out", None, None, "median_ape_pct", 10.0),
    ("prefill", None, None, "median_ape_pct", 20.0),
    ("prefill_machines_out", None, None, "median_ape_pct", 30.0),
    ("weights", "standard_current", "yes", "median_ape_pct", 0.05),
    ("weights", "standard_current", "yes", "mean_ape_pct", 0.6),
    ("weights", "standard_current", "yes", "p90_ape_pct", 1.0),
    ("weights", "format", "gguf", "median_ape_pct", 0.1),
    ("weights", "format", "gptq", "median_ape_pct", 0.5),
    ("kv_cache", None, None, "mean_ape_pct", 0.1),
    ("recurrent_state", None, None, "mean_ape_pct", 0.1),
    ("compute_buffer", None, None, "median_ape_pct", 4.0),
    ("total", None, None, "median_ape_pct", 3.0),
]
FLOORS = [("decode_machines_out", 62.0), ("decode_families_out", 70.0), ("decode_architectures_out", 63.0)]


@pytest.mark.parametrize(("part", "kind", "group", "figure", "most"), LIMITS)
def test_error(
    results: dict[str, Any], part: str, kind: str | None, group: str | None, figure: str, most: float
) -> None:
    own = results[part] if kind is None else results[part]["groups"][kind][group]
    assert own[figure] <= most


@pytest.mark.parametrize(("part", "least"), FLOORS)
def test_share_within_15_percent(results: dict[str, Any], part: str, least: float) -> None:
    assert results[part]["within_15_pct"] >= least


@pytest.mark.parametrize("part", ["decode_machines_out", "decode_families_out"])
def test_ranges_hold_four_in_five(results: dict[str, Any], part: str) -> None:
    assert 75 <= results[part]["interval_coverage_pct"] <= 85


def test_the_table_of_the_page_is_what_the_benchmark_says(results: dict[str, Any], monkeypatch: Any) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import accuracy_page

    page = (ROOT / "docs/accuracy.md").read_text(encoding="utf-8")
    assert accuracy_page.rewritten(page, results) == page, "run `python bench/accuracy.py --markdown`"
    other = {**results, "total": {**results["total"], "median_ape_pct": 99.0}}
    assert "| 99.0 |" in accuracy_page.table(other)


def test_every_row_is_scored(results: dict[str, Any]) -> None:
    """What is left out of a fold is in another: no row is absent."""
    assert results["decode"]["n"] == 772
    assert all(results[part]["n"] == 772 for part, _ in FLOORS)
    assert results["weights"]["n"] == 1053


def test_a_row_that_cannot_be_estimated_is_a_hundred_percent_off(tmp_path: Path) -> None:
    table = (ROOT / "bench/data/weights.csv").read_text(encoding="utf-8").splitlines()
    header = table[0].split(",")
    row = dict.fromkeys(header, "") | {"id": "x", "quant": "NO_SUCH", "size_bytes": "5", "precision_bytes": "0",
                                       "params_total": "1000000000", "format": "gguf"}  # fmt: skip
    file = tmp_path / "weights.csv"
    file.write_text("\n".join([table[0], ",".join(row[name] for name in header)]) + "\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(BENCH), "--weights", str(file), "--json"], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert set(found) == {"weights"}
    assert found["weights"]["n"] == 1
    assert found["weights"]["median_ape_pct"] == 100
