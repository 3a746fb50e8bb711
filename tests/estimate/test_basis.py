"""Tokens/s of a row, recomputed from its own JSON: the parts of a token's time, and the reading among them."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llmfit.answers.encode import answer
from llmfit.catalog.catalog import Catalog
from llmfit.machine import Machine
from llmfit.query import params
from llmfit.query.engine import Engine
from llmfit.wire.rows import EstimateBasis, Row

ROOT = Path(__file__).parents[2]
Simulated = Any  # of conftest.py
POLICY = {
    row["name"]: float(row["value"])
    for row in csv.DictReader((ROOT / "src/data/policy.csv").read_text(encoding="utf-8").splitlines())
}
PARTS = (
    "weights_read_mb", "cache_read_mb", "ram_read_mb", "ddr_efficiency", "fp32_tflops", "read_ms", "compute_ms",
    "layers_ms", "fixed_ms",
)  # fmt: skip
ROUNDING = 0.0005  # of each part, ms


def token_ms(basis: EstimateBasis) -> float:
    """What the documentation says: the parts add up."""
    assert basis.read_ms is not None and basis.compute_ms is not None
    assert basis.layers_ms is not None and basis.fixed_ms is not None
    return basis.read_ms + basis.compute_ms + basis.layers_ms + basis.fixed_ms


def near_speed(row: Row) -> bool:
    ms = token_ms(row.estimate_basis)
    return math.isclose(1000 / ms, row.estimated_tps, abs_tol=0.006 + row.estimated_tps * 4 * ROUNDING / ms)


def test_the_parts_make_the_speed(simulated: Simulated) -> None:
    runnable = [row for row in simulated.rows if row.fit_level != "too_tight"]
    assert [row for row in runnable if not near_speed(row)] == []
    rest = [row for row in simulated.rows if row.fit_level == "too_tight"]
    assert all(getattr(row.estimate_basis, part) is None for row in rest for part in PARTS)


def read_by_hand(basis: EstimateBasis) -> float:
    """ms of reading, where each memory is one device of known bandwidth: MB / (efficiency x GB/s) = ms."""
    assert basis.weights_read_mb is not None and basis.cache_read_mb is not None
    bytes_read = basis.weights_read_mb + basis.cache_read_mb / POLICY["cache_efficiency"]
    ram = basis.ram_read_mb or 0.0
    reading, least = 0.0, 0.0
    if basis.gpu_bandwidth_gbps and basis.efficiency:
        reading += (bytes_read - ram) / (basis.efficiency * basis.gpu_bandwidth_gbps)
    if basis.ddr_bandwidth_gbps and basis.ddr_efficiency:
        reading += ram / (basis.ddr_efficiency * basis.ddr_bandwidth_gbps)
    if basis.ram_read_mb is None and basis.gpu_bandwidth_gbps:  # a single memory: never faster than the roofline
        least = basis.weights_read_mb / (POLICY["roofline_cap"] * basis.gpu_bandwidth_gbps)
    elif basis.method == "cpu_roofline" and basis.ddr_bandwidth_gbps:
        least = basis.weights_read_mb / (POLICY["roofline_cap"] * basis.ddr_bandwidth_gbps)
    return max(reading, least - token_ms(basis) + (basis.read_ms or 0.0))


def test_reading_is_bytes_over_bandwidth(simulated: Simulated) -> None:
    checked = 0
    for row in simulated.rows:
        basis = row.estimate_basis
        if row.fit_level == "too_tight" or basis.method == "backend_default" or row.estimate_confidence == "low":
            continue
        if sum(map(bool, row.per_device_gb)) > 1:
            continue
        assert basis.read_ms is not None and basis.weights_read_mb
        # figures are rounded to 0.1 MB, 0.1 GB/s, 0.001 of efficiency and of a millisecond
        rates = [(basis.gpu_bandwidth_gbps, basis.efficiency), (basis.ddr_bandwidth_gbps, basis.ddr_efficiency)]
        error = 0.1 / basis.weights_read_mb + 0.0005 / basis.read_ms + 0.0005
        error += max(0.05 / bandwidth + 0.0005 / share for bandwidth, share in rates if bandwidth and share)
        assert math.isclose(read_by_hand(basis), basis.read_ms, rel_tol=1.1 * error), row
        checked += 1
    assert checked or simulated.name not in ("rtx-4090-24gb", "cpu-laptop-16gb")


def documented() -> list[tuple[str, str, dict[str, Any], str]]:
    """(machine, model, basis, tokens/s) of every row that docs/accuracy.md works by hand from its JSON."""
    text = (ROOT / "docs/accuracy.md").read_text(encoding="utf-8")
    pattern = r"`([\w/.-]+)` on `tests/machines/([\w-]+)\.json`.*?```json\n(.*?)\n```.*?\*\*([\d.]+) tokens/s\*\*"
    return [
        (found[2], found[1], json.loads(found[3]), found[4]) for found in re.finditer(pattern, text, flags=re.DOTALL)
    ]


def test_three_rows_are_documented() -> None:
    assert {basis["method"] for _, _, basis, _ in documented()} == {"roofline", "cpu_roofline", "offload_roofline"}


@pytest.mark.parametrize(("machine", "model", "shown", "speed"), documented(), ids=lambda value: str(value)[:40])
def test_the_documented_rows_hold(
    machine: str, model: str, shown: dict[str, Any], speed: str, catalog: Catalog, machine_of: Callable[[str], Machine]
) -> None:
    query = params.parse([("exact", "true")], "name", model).query
    text = answer(catalog, Engine(catalog, machine_of(machine)).run(query), query)
    (row,) = json.loads(text)["models"]
    assert row["estimate_basis"] == shown
    basis = msgspec.convert(shown, EstimateBasis)
    assert f"{row['estimated_tps']:.2f}" == speed
    assert math.isclose(1000 / token_ms(basis), float(speed), rel_tol=0.001)
    assert basis.read_ms and math.isclose(read_by_hand(basis), basis.read_ms, rel_tol=0.002)
