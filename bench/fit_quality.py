"""Fits the quality of a model on published scores: ``python bench/fit_quality.py [--check]`` (needs the extra `fit`).

Every benchmark is a straight line of one ability theta per model and use case, with its own offset, slope and noise;
theta is predicted from size, date, sparsity and kind, plus a small effect of vendor and line, both shrunk towards 0.
Alternating: theta from the scores and the prediction; the prediction from theta (ridge, outliers weighted down); the
benchmarks' lines from theta. Writes src/data/quality.csv, abilities.csv, line_effects.csv and
bench/data/quality_folds.csv (the coefficients fitted without each line, for bench/quality.py).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")  # many small systems
import numpy as np
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).parent))
from quality_data import DATA, TERMS, USE_CASES, Model, Scores, figures, read_models, read_scores, terms, use_cases_of

SOURCE = DATA.parents[1] / "src/data"
Array = NDArray[np.float64]
TEXT = ("general", "coding", "reasoning", "chat")
# deviations of what is not seen, in units of theta: chosen by leaving lines out
VENDOR, LINE, MODEL = 0.15, 0.3, 0.3
RIDGE, POOLED_RIDGE = 6.0, 30.0  # of a coefficient towards 0, towards the mean of the text use cases
# What is known before the scores: of 539 fine-tunes on a public leaderboard the median stands below the official model
# of the same base, by about this; a model distilled into another's weights is a fine-tune of it.
KNOWN = {"distill": -0.3}
LEFT_OUT = ("date2", "vision")  # terms that leaving lines out did not justify
FEW = {"embedding": ("c0", "size", "date")}  # seventeen models carry no more
ROUNDS = 12
EMBEDDING_OFFSET = -0.6  # nothing is scored for both: below the answering models in a list of all
DATE_RIDGE = {"embedding": 8.0}  # few models: a year is not worth what the newest of them suggest


class Fit(NamedTuple):
    beta: Array
    vendors: dict[str, float]
    lines: dict[str, float]
    scored: dict[str, tuple[float, float]]  # theta from a model's own scores alone, and their weight

    def predicted(self, model: Model, line: bool = False) -> float:
        theta = float(np.dot(terms(model), self.beta)) + self.vendors.get(model.vendor, 0.0)
        return theta + (self.lines.get(model.line, 0.0) if line else 0.0)


def fit(
    use_case: str, scores: Scores, models: dict[str, Model], prior: Array | None = None, rounds: int = ROUNDS
) -> Fit:
    """One use case, on the models given."""
    cases = use_cases_of(scores)
    held = {
        name: {m: y for m, y in of.items() if m in models}
        for name, of in scores.items() if use_case in cases[name]
    }  # fmt: skip
    held = {name: of for name, of in held.items() if len(of) >= 4}
    names = sorted({m for of in held.values() for m in of})
    place = {name: i for i, name in enumerate(names)}
    allowed = FEW.get(use_case, TERMS)
    x = np.array([terms(models[m]) for m in names], float)
    x *= [t in allowed and t not in LEFT_OUT for t in TERMS]
    vendors, lines = sorted({models[m].vendor for m in names}), sorted({models[m].line for m in names})
    groups = np.zeros((len(names), len(vendors) + len(lines)))
    for m in names:
        groups[place[m], vendors.index(models[m].vendor)] = 1
        groups[place[m], len(vendors) + lines.index(models[m].line)] = 1
    x_all, k = np.hstack([x, groups]), len(TERMS)
    ridge = np.concatenate([
        [1e-6], np.full(k - 1, RIDGE if prior is None else POOLED_RIDGE),
        np.full(len(vendors), VENDOR**-2), np.full(len(lines), LINE**-2),
    ])  # fmt: skip
    ridge[TERMS.index("date")] += DATE_RIDGE.get(use_case, 0.0)
    towards = np.zeros(len(ridge))
    towards[:k] = ridge[:k] * ([KNOWN.get(t, 0.0) * (t in allowed) for t in TERMS] if prior is None else prior)
    data = [(np.array([place[m] for m in of]), np.array(list(of.values()))) for of in held.values()]
    line_of = [(y.mean(), y.std() + 1e-9, 0.5 * y.std() + 1e-9) for _, y in data]  # offset, slope, noise
    for step in range(rounds):
        total, weight = np.zeros(len(names)), np.zeros(len(names))
        for (at, y), (offset, slope, noise) in zip(data, line_of, strict=True):
            np.add.at(total, at, slope * (y - offset) / noise**2)
            np.add.at(weight, at, (slope / noise) ** 2)
        own, variance = total / weight, MODEL**2 + 1 / weight
        trust = np.ones(len(names))
        for _ in range(3):  # Huber's weights
            w = trust / variance
            beta = np.linalg.solve((x_all.T * w) @ x_all + np.diag(ridge), x_all.T @ (w * own) + towards)
            error = np.abs(own - x_all @ beta) / np.sqrt(variance)
            trust = np.where(error < 1.5, 1.0, 1.5 / np.maximum(error, 1e-9))
        theta = (total + x_all @ beta / MODEL**2) / (weight + MODEL**-2)
        if step < rounds - 1:
            theta = (theta - theta.mean()) / theta.std()
            line_of = [straight_line(theta[at], y) for at, y in data]
    return Fit(
        beta[:k], dict(zip(vendors, beta[k:], strict=False)), dict(zip(lines, beta[k + len(vendors):], strict=True)),
        {m: (float(own[i]), float(weight[i] * MODEL**2)) for m, i in place.items()},
    )  # fmt: skip


def straight_line(x: Array, y: Array) -> tuple[float, float, float]:
    """Offset, slope and noise of one benchmark, held near those of a good one where it has few models."""
    spread = y.std() + 1e-9
    away = x - x.mean()
    slope = max(((away * (y - y.mean())).sum() + 1.8 * spread) / ((away**2).sum() + 2), 0.1 * spread)
    offset = y.mean() - slope * x.mean()
    left = ((y - offset - slope * x) ** 2).sum() + 3 * (0.45 * spread) ** 2
    return offset, slope, float(np.sqrt(left / (len(y) + 3)) + 0.1 * spread)


def fit_all(scores: Scores, models: dict[str, Model]) -> dict[str, Fit]:
    """Every use case; those of text are held near their mean, but for what tells the kinds of models apart."""
    alone = {u: fit(u, scores, models, rounds=8) for u in TEXT}
    mean = np.mean([f.beta for f in alone.values()], axis=0)
    found = {}
    for use_case in USE_CASES:
        prior = None
        if use_case in TEXT:
            prior = np.concatenate([mean[:7], alone[use_case].beta[7:]])
        found[use_case] = fit(use_case, scores, models, prior)
    return found


def folds(scores: Scores, models: dict[str, Model]) -> dict[str, dict[str, Fit]]:
    """By line: the fits without it."""
    lines = sorted({m.line for m in models.values()})
    return {line: fit_all(scores, {k: m for k, m in models.items() if m.line != line}) for line in lines}


def common_scale(fits: dict[str, Fit], models: dict[str, Model]) -> dict[str, tuple[float, float]]:
    """(slope, offset) that put a use case's theta on the scale of `general`, over the models that both know."""
    result = {"general": (1.0, 0.0), "embedding": (1.0, EMBEDDING_OFFSET)}
    for use_case in USE_CASES[1:-1]:
        both = [m for m in fits[use_case].scored if m in fits["general"].scored]
        here = np.array([fits[use_case].predicted(models[m], line=True) for m in both])
        there = np.array([fits["general"].predicted(models[m], line=True) for m in both])
        slope = float(there.std() / here.std())
        result[use_case] = (slope, float(there.mean() - slope * here.mean()))
    return result


def write(path: Path, header: list[str], rows: list[list[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([[f"{cell:.4g}" if isinstance(cell, float) else cell for cell in row] for row in rows])


def write_all(fits: dict[str, Fit], without: dict[str, dict[str, Fit]], models: dict[str, Model]) -> None:
    scale = common_scale(fits, models)

    def scaled(use_case: str, beta: Array) -> list[float]:
        slope, offset = scale[use_case]
        return [float(b) * slope + (offset if i == 0 else 0.0) for i, b in enumerate(beta)]

    source = "bench/fit_quality.py on bench/data/quality_scores.csv"
    betas = [[u, *scaled(u, fits[u].beta), source] for u in USE_CASES]
    write(SOURCE / "quality.csv", ["use_case", *TERMS, "source"], betas)
    effects = []
    for kind in ("vendors", "lines"):
        for name in sorted({n for f in fits.values() for n in getattr(f, kind)}):
            values = [getattr(fits[u], kind).get(name, 0.0) * scale[u][0] for u in USE_CASES]
            effects.append([f"{kind[:-1]}:{name}", *map(float, values)])
    write(SOURCE / "line_effects.csv", ["name", *USE_CASES], effects)
    rows = []
    for name in sorted(models):
        row: list[Any] = [name, models[name].line]
        for u in USE_CASES:
            theta, weight = fits[u].scored.get(name, (0.0, 0.0))
            row += [theta * scale[u][0] + scale[u][1] if weight else "", min(weight, 40.0) if weight else ""]
        rows.append(row)
    columns = [f"{u}{end}" for u in USE_CASES for end in ("", "_weight")]
    write(SOURCE / "abilities.csv", ["model", "line", *columns], rows)
    table = []
    for line, of in without.items():
        for u in USE_CASES:
            vendor = {m.vendor for m in models.values() if m.line == line}
            effect = "|".join(f"{v}:{of[u].vendors.get(v, 0.0) * scale[u][0]:.4g}" for v in sorted(vendor))
            table.append([line, u, *scaled(u, of[u].beta), effect])
    write(DATA / "quality_folds.csv", ["line", "use_case", *TERMS, "vendors"], table)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="print the figures with lines left out, write nothing")
    given = parser.parse_args(arguments)
    scores, models = read_scores(DATA / "quality_scores.csv"), read_models(DATA / "quality_models.csv")
    without = folds(scores, models)
    report = {}
    for u in USE_CASES:
        left_out = {name: without[m.line][u].predicted(m) for name, m in models.items()}
        report[u] = figures(u, scores, models, left_out)
    print(json.dumps(report, indent=1))
    if not given.check:
        write_all(fit_all(scores, models), without, models)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
