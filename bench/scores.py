"""Error statistics of the accuracy benchmark: what is printed, by which groups."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import Any, NamedTuple

import rows as bench

Cells = dict[str, str]
FIELDS = (
    "n", "median_ape_pct", "mean_ape_pct", "p90_ape_pct", "bias_pct", "within_15_pct", "within_25_pct", "within_50_pct",
    "macro_median_ape_pct", "interval_coverage_pct",
)  # fmt: skip


class Error(NamedTuple):
    """One predicted and one measured figure; `precision`: half the last digit that the source printed."""

    predicted: float
    measured: float
    precision: float
    groups: dict[str, str]
    unit: str  # hardware, or model: what the macro median runs over
    covered: bool | None
    id: str
    failed: str

    @property
    def ape(self) -> float:
        """Absolute percentage error beyond the source's own rounding; 100 where there is no estimate."""
        if self.failed or self.predicted <= 0:
            return 100.0 if self.measured else 0.0
        off = max(0.0, abs(self.predicted - self.measured) - self.precision)
        return 100.0 * off / self.measured if self.measured else 0.0


def step(value: float, edges: tuple[float, ...], unit: str) -> str:
    for edge in edges:
        if value < edge:
            return f"< {edge:g}{unit}"
    return f">= {edges[-1]:g}{unit}"


def decode_groups(row: Cells, facts: dict[str, Any]) -> dict[str, str]:
    active = float(row.get("active_params_b") or row.get("params_b") or 0)
    return {
        "vendor": f"{row.get('vendor', '')} {row.get('hw_class', '')}".strip(),
        "engine": row.get("engine", "") or "unknown",
        "moe": "moe" if row.get("is_moe") == "1" else "dense",
        "size": step(active, (2, 4, 8, 16, 40), " B active"),
        "context": step(float(row.get("context_tokens") or 0), (1024, 4096, 16384), " tokens"),
        "quant": row.get("quant", ""),
        "attention": str(facts.get("attention", "")) or "unknown",
    }


def memory_groups(row: Cells) -> dict[str, str]:
    groups = {
        "attention": row.get("attention_class", ""),
        "quant": row.get("quant", ""),
        "moe": "moe" if row.get("n_experts") else "dense",
        "size": step(float(row.get("params_total") or 0) / 1e9, (2, 4, 8, 16, 40), " B"),
        "engine": row.get("engine", ""),
    }
    if "recipe" in row:
        standard = row["format"] == "gguf" and row["recipe"] == "standard" and row["rules_era"] == "current"
        groups |= {"format": row["format"], "recipe": row["recipe"], "rules_era": row["rules_era"]}
        groups["standard_current"] = "yes" if standard else "no"
    return groups


def group_of(row: Cells, axis: str) -> str:
    """What a cross-validation leaves out together with this row."""
    if axis == "machines":
        return row["hardware_name"]
    facts = bench.catalog_facts(row["model"]) | ({"model_type": row["arch"]} if row.get("arch") else {})
    return bench.family(row["model"], facts) if axis == "families" else bench.stem(facts, row)


def statistics_of(errors: list[Error]) -> dict[str, float | int | None]:
    ape = sorted(error.ape for error in errors)
    n = len(ape)
    units = defaultdict(list)
    for error in errors:
        units[error.unit].append(error.ape)
    ratios = [100 * (e.predicted / e.measured - 1) for e in errors if e.measured and not e.failed]
    covered = [error.covered for error in errors if error.covered is not None]
    return {
        "n": n,
        "median_ape_pct": round(statistics.median(ape), 3),
        "mean_ape_pct": round(statistics.fmean(ape), 3),
        "p90_ape_pct": round(ape[min(n - 1, int(0.9 * n))], 3),
        "max_ape_pct": round(ape[-1], 3),
        "bias_pct": round(statistics.median(ratios), 3) if ratios else None,
        **{f"within_{limit}_pct": round(100 * sum(e <= limit for e in ape) / n, 2) for limit in (15, 25, 50)},
        "macro_median_ape_pct": round(statistics.median(statistics.median(own) for own in units.values()), 3),
        "interval_coverage_pct": round(100 * sum(covered) / len(covered), 2) if covered else None,
    }


def summary(errors: list[Error]) -> dict[str, Any]:
    groups: dict[str, dict[str, list[Error]]] = defaultdict(lambda: defaultdict(list))
    for error in errors:
        for kind, name in error.groups.items():
            groups[kind][name].append(error)
    return statistics_of(errors) | {
        "groups": {
            kind: {name: statistics_of(own) for name, own in sorted(names.items())} for kind, names in groups.items()
        }
    }


def print_report(results: dict[str, Any], errors: dict[str, list[Error]], worst: int) -> None:
    titles = (
        ("median", 8),
        ("mean", 8),
        ("p90", 8),
        ("bias", 8),
        ("<15%", 7),
        ("<25%", 7),
        ("<50%", 7),
        ("macro", 8),
        ("range", 7),
    )
    head = f"{'':44}{'n':>5} " + "".join(f"{title:>{width}}" for title, width in titles)
    for part, result in results.items():
        print(f"\n{head}")
        print(line(part, result))
        for kind, names in result["groups"].items():
            for name, own in names.items():
                print(line(f"  {kind}: {name}", own))
        for error in sorted(errors[part], key=lambda e: -e.ape)[:worst]:
            print(
                f"    {error.id} {error.ape:9.2f} %  predicted {error.predicted:g} measured {error.measured:g}",
                error.failed,
            )


def line(name: str, own: dict[str, Any]) -> str:
    cells = [own[field] for field in FIELDS]
    text = f"{name[:43]:44}{cells[0]:>5} "
    for value, width in zip(cells[1:], (8, 8, 8, 8, 7, 7, 7, 8, 7), strict=True):
        text += (
            " " * (width - 1) + "-"
            if value is None
            else f"{value:>{width}.2f}"
            if width == 8
            else f"{value:>{width}.1f}"
        )
    return text
