"""Benchmark scores and models as the fit and the check read them. Standard library only."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parent / "data"
USE_CASES = ("general", "coding", "reasoning", "chat", "multimodal", "embedding")
TERMS = (
    "c0", "size", "date", "size2", "date2", "sparsity", "size_date", "reasoning", "coder", "vision", "distill",
)  # fmt: skip
LEAST_MODELS = 5  # a benchmark with fewer models tells nothing of an order
BAND = 1.6  # a size band: total parameters within this factor
Scores = dict[str, dict[str, float]]  # by benchmark and model


class Model(NamedTuple):
    """One line of quality_models.csv."""

    model: str
    line: str
    year: float  # year + (month - 0.5) / 12
    params_b: float
    active_b: float
    tags: frozenset[str]

    @property
    def vendor(self) -> str:
        return self.model.split("/")[0].lower()


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_models(path: Path) -> dict[str, Model]:
    found = {}
    for row in read(path):
        year, month = [*row["released"].split("-"), "7"][:2]
        found[row["model"]] = Model(
            row["model"], row["line"], int(year) + (int(month) - 0.5) / 12, float(row["total_params_b"]),
            float(row["active_params_b"] or row["total_params_b"]), frozenset(row["tags"].split()),
        )  # fmt: skip
    return found


def on_line(score: float, unit: str) -> float:
    """The score on a scale without ends: percentages as logits, ratings as they are."""
    if unit != "pct":
        return score
    share = min(max(score / 100, 0.01), 0.99)
    return math.log(share / (1 - share))


def read_scores(path: Path) -> Scores:
    """Of several settings the best: a model is judged at the mode that its user would choose."""
    scores: Scores = defaultdict(dict)
    for row in read(path):
        value = on_line(float(row["score"]), row["unit"])
        held = scores[row["benchmark"]]
        held[row["model"]] = max(held.get(row["model"], -math.inf), value)
    return scores


def use_cases_of(benchmarks: Mapping[str, object]) -> dict[str, list[str]]:
    """Which use cases a benchmark tells of: the first pattern of benchmarks.csv that fits its name."""
    patterns = read(DATA / "benchmarks.csv")
    return {
        name: next(row["use_cases"].split() for row in patterns if fnmatchcase(name, row["benchmark"]))
        for name in benchmarks
    }


def terms(model: Model) -> tuple[float, ...]:
    """The terms of score/score.pxd's ability, in the order of TERMS."""
    size, date = math.log2(model.params_b), min(model.year - 2024.5, 2.2)
    sparsity = math.log2(model.params_b / min(model.active_b, model.params_b))
    thinks = bool(model.tags & {"reasoning", "hybrid"})
    return (
        1.0, size, date, size * size / 10, date * date / 2, sparsity, date * size / 5, thinks, "coder" in model.tags,
        "vision" in model.tags, "distill" in model.tags,
    )  # fmt: skip


def ranks(values: list[float]) -> list[float]:
    """Ranks from 1, ties sharing their mean."""
    order = sorted(range(len(values)), key=values.__getitem__)
    result, start = [0.0] * len(values), 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for index in order[start:end]:
            result[index] = (start + end + 1) / 2
        start = end
    return result


def spearman(a: list[float], b: list[float]) -> float:
    x, y = ranks(a), ranks(b)
    mx, my = sum(x) / len(x), sum(y) / len(y)
    cov = sum((p - mx) * (q - my) for p, q in zip(x, y, strict=True))
    sd = math.sqrt(sum((p - mx) ** 2 for p in x) * sum((q - my) ** 2 for q in y))
    return cov / sd if sd else 0.0


def pairs(held: dict[str, float], predicted: Mapping[str, float]) -> Iterator[tuple[str, str, float]]:
    """Each pair of models with different scores, and 1, 0.5 or 0: whether the prediction orders it so."""
    names = [name for name in held if name in predicted]
    for i, a in enumerate(names):
        for b in names[:i]:
            if held[a] != held[b]:
                sign = (held[a] - held[b]) * (predicted[a] - predicted[b])
                yield a, b, 0.5 if sign == 0 else float(sign > 0)


def figures(
    use_case: str, scores: Scores, models: Mapping[str, Model], predicted: Mapping[str, float]
) -> dict[str, float | int | None]:
    """Spearman within each benchmark (mean weighted by its models), share of pairs right, and so inside a size band."""
    cases = use_cases_of(scores)
    rhos, right, in_band, seen = [], [], [], set()
    for name, held in sorted(scores.items()):
        both = [model for model in held if model in predicted and model in models]
        if use_case not in cases[name] or len(both) < 2:
            continue
        seen.update(both)
        if len(both) >= LEAST_MODELS:
            rhos.append((len(both), spearman([held[m] for m in both], [predicted[m] for m in both])))
        for a, b, is_right in pairs({m: held[m] for m in both}, predicted):
            right.append(is_right)
            if 1 / BAND <= models[a].params_b / models[b].params_b <= BAND:
                in_band.append(is_right)
    weight = sum(n for n, _ in rhos)
    return {
        "spearman": round(sum(n * rho for n, rho in rhos) / weight, 4) if weight else None,
        "pairwise": round(sum(right) / len(right), 4) if right else None,
        "pairwise_in_band": round(sum(in_band) / len(in_band), 4) if in_band else None,
        "n_models": len(seen),
        "n_pairs": len(right),
    }
