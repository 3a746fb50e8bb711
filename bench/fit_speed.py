"""Fits the decode coefficients: ``python bench/fit_speed.py [--write]`` (needs the extra `fit`).

Writes src/data/engines.csv (eta, per_layer_us, spread), the speed constants of src/data/policy.csv, and
bench/data/folds.json: the coefficients of every cross-validation fold, which bench/accuracy.py --cross-validate feeds
to the compiled estimator to judge rows that they have not seen.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import rows as bench
from speed_model import Table, folds

from llmfit.query.estimator import Estimator

DATA = bench.ROOT / "src/data"
AXES = {"machines": 14, "families": 14, "architectures": 14}
SHARE = 0.80  # of measurements that a range is to hold
SHRINK = 25  # rows at which an engine's own spread counts as much as everyone's
LIKE = {"llamacpp_other": "llamacpp_amd_vulkan", "vllm_nvidia_unified": "vllm_nvidia", "vllm_amd_rocm": "vllm_nvidia"}


def cross_validate(table: Table, axis: str) -> tuple[Any, list[dict[str, Any]]]:
    """(log errors of rows left out, the coefficients of every fold)."""
    errors, records = np.zeros(len(table)), []
    labels = getattr(table, axis)
    for left in folds(labels, AXES[axis]):
        out = np.isin(labels, left)
        p = table.fit(~out)
        errors[out] = np.log(table.predict(p, out) / table.ms[out])
        records.append({"left_out": left, "rows": out, "p": p})
        print(f"{axis}: {len(records)} of {AXES[axis]} folds", file=sys.stderr)
    return errors, records


def spreads(table: Table, errors: list[Any], rows: Any) -> tuple[dict[str, float], float]:
    """(half-width by engine, factor of a MoE) that hold SHARE of the errors of `rows`, shrunk towards everyone's."""
    size = np.abs(np.array(errors))  # one line for each way of leaving out
    moe = table.moe > 0
    plain = float(np.quantile(size[:, rows & ~moe], SHARE))
    by_engine = {}
    for index, engine in enumerate(table.engines):
        own = size[:, rows & ~moe & (table.group == index)]
        n = own.shape[1]
        width = (n * np.quantile(own, SHARE) + SHRINK * plain) / (n + SHRINK) if n else 1.3 * plain
        by_engine[engine] = float(width)
    ratio = size[:, rows & moe] / np.array([by_engine[table.engines[g]] for g in table.group[rows & moe]])
    factor = max(1.0, float(np.quantile(ratio, SHARE)))
    # a last step so that the whole holds SHARE
    width = np.array([by_engine[table.engines[g]] for g in table.group]) * np.where(moe, factor, 1.0)
    scale = float(np.quantile(size[:, rows] / width[rows], SHARE))
    return {engine: float(np.expm1(width * scale)) for engine, width in by_engine.items()}, factor


def record(table: Table, p: Any, spread: dict[str, float], moe_spread: float) -> dict[str, Any]:
    """Coefficients as the tables name them."""
    eta, layer, shared = table.unpack(p)
    engines = {
        engine: {
            "eta": round(float(eta[i]), 4), "per_layer_us": round(float(layer[i]), 2),
            "spread": round(spread[engine], 3),
        }
        for i, engine in enumerate(table.engines)
    }  # fmt: skip
    for engine, like in LIKE.items():
        if engine not in engines and like in engines:
            engines[engine] = {**engines[like], "spread": round(1.3 * engines[like]["spread"], 3)}
    return {
        "policy": {name: round(value, 4) for name, value in shared.items()} | {"moe_spread": round(moe_spread, 3)},
        "engines": engines,
    }


def write_tables(fitted: dict[str, Any]) -> None:
    for name, key, values in (
        ("engines.csv", "engine", fitted["engines"]),
        ("policy.csv", "name", {name: {"value": value} for name, value in fitted["policy"].items()}),
    ):
        lines = bench.read(DATA / name)
        for line in lines:
            line.update({column: f"{value:g}" for column, value in values.get(line[key], {}).items()})
        with (DATA / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decode", type=Path, default=bench.ROOT / "bench/data/decode_speed.csv")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    table = Table(bench.read(options.decode), Estimator())
    everything = np.ones(len(table), bool)
    p = table.fit(everything)
    left = {axis: cross_validate(table, axis) for axis in AXES}
    errors = [left["machines"][0], left["families"][0]]
    fitted = record(table, p, *spreads(table, errors, everything))
    stored = {
        axis: [
            {"left_out": f["left_out"]} | record(table, f["p"], *spreads(table, errors, ~f["rows"])) for f in records
        ]
        for axis, (_, records) in left.items()
    }
    for axis, (error, _) in left.items():
        size = np.abs(np.expm1(-error))
        print(f"{axis}: median {100 * np.median(size):.1f} %, within 15 % {100 * np.mean(size < 0.15):.0f} %")
    print(json.dumps(fitted, indent=1))
    if options.write:
        write_tables(fitted)
        text = json.dumps(stored, indent=None, separators=(",", ":")).replace('{"left_out"', '\n{"left_out"')
        (bench.ROOT / "bench/data/folds.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
