"""How well the shipped quality prediction orders models.

``python bench/quality.py [--scores FILE --models FILE] [--json]``

A model's own scores are left out: a model that the prediction was fitted on is predicted by the coefficients fitted
without its whole line (bench/data/quality_folds.csv), any other by the shipped ones (src/data/quality.csv and the
effects of its vendor and line). FILEs have the columns of bench/data/quality_scores.csv and quality_models.csv.
Standard library and llmfit only.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
from quality_data import DATA, TERMS, USE_CASES, Model, figures, read, read_models, read_scores, terms

from llmfit._rules_ranking import ability
from llmfit.catalog import records
from llmfit.catalog.tables import read_csv

SOURCE = DATA.parents[1] / "src/data"


class Prediction:
    """The shipped prediction, and the same fitted without each line."""

    def __init__(self) -> None:
        self.shipped = {row.use_case: row for row in read_csv(SOURCE / "quality.csv", records.Quality)}
        self.effects = {row.name: row for row in read_csv(SOURCE / "line_effects.csv", records.LineEffect)}
        self.fitted_on = {row["model"] for row in read(SOURCE / "abilities.csv")}
        self.folds: dict[tuple[str, str], tuple[records.Quality, dict[str, float]]] = {}
        for row in read(DATA / "quality_folds.csv"):
            quality = records.Quality(
                use_case=row["use_case"], source="", **{term: float(row[term]) for term in TERMS}
            )
            vendors = dict(pair.rsplit(":", 1) for pair in row["vendors"].split("|") if pair)
            self.folds[row["line"], row["use_case"]] = quality, {name: float(v) for name, v in vendors.items()}

    def theta(self, model: Model, use_case: str) -> float:
        fold = self.folds.get((model.line, use_case)) if model.model in self.fitted_on else None
        if fold is not None:
            return self.by(fold[0], model) + fold[1].get(model.vendor, 0.0)
        theta = self.by(self.shipped[use_case], model)
        for name in (f"vendor:{model.vendor}", f"line:{model.line}"):
            if name in self.effects:
                theta += getattr(self.effects[name], use_case)
        return theta

    @staticmethod
    def by(quality: records.Quality, model: Model) -> float:
        of = dict(zip(TERMS, terms(model), strict=True))
        return ability(
            coefficients={term: getattr(quality, term) for term in TERMS}, params=model.params_b * 1e9, year=model.year,
            sparsity=2.0 ** of["sparsity"], thinks=bool(of["reasoning"]), coder=bool(of["coder"]),
            vision=bool(of["vision"]), distill=bool(of["distill"]),
        )  # fmt: skip


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, default=DATA / "quality_scores.csv")
    parser.add_argument("--models", type=Path, default=DATA / "quality_models.csv")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    scores, models, prediction = read_scores(given.scores), read_models(given.models), Prediction()
    report = {
        u: figures(u, scores, models, {name: prediction.theta(m, u) for name, m in models.items()}) for u in USE_CASES
    }
    if given.json:
        print(json.dumps(report, indent=1))
        return 0
    print(f"{'use case':12}{'spearman':>10}{'pairs':>8}{'in band':>9}{'models':>8}{'pairs':>8}")
    for name, of in report.items():
        keys = ("spearman", "pairwise", "pairwise_in_band")
        shown = ["-" if of[key] is None else f"{of[key]:.3f}" for key in keys]
        print(f"{name:12}{shown[0]:>10}{shown[1]:>8}{shown[2]:>9}{of['n_models']:>8}{of['n_pairs']:>8}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
