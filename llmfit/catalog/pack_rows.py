"""The row of a model in the packed catalog: what ranking and filters see of it, in the order of ROW_COLUMNS."""

from __future__ import annotations

import re

from llmfit import codes
from llmfit.catalog import records
from llmfit.catalog.evidence import Reader, sparsity

ROW_COLUMNS = (
    "shape", "use_case", "serves", "origin", "role", "tuning", "params_total", "date", "quality_date", "sparsity",
    "thinks", "coder", "vision", "distill", "finetune", "provider", "license", "group", "gguf", "name_rank",
    "context_length", "special", "proof", "older",
    *(f"{part}_{use_case}" for part in ("effect", "own", "weight") for use_case in codes.USE_CASES), "newer",
    "capabilities",
)  # fmt: skip


def quality_year(date: str | None, undated: float) -> float:
    """Release date as a year with a fraction: year + (month - 0.5) / 12."""
    return int(date[:4]) + (int(date[5:7]) - 0.5) / 12 if date else undated


def numbered(words: set[str]) -> dict[str, int]:
    return {word: index for index, word in enumerate(sorted(words))}


class Rows:
    """Makes the rows; ``providers`` and ``licenses`` are numbered by it."""

    def __init__(
        self, models: list[records.Model], abilities: list[records.Ability], effects: list[records.LineEffect],
        undated_year: float,
    ) -> None:  # fmt: skip
        self.by_id = {model.id: model for model in models}
        self.groups = numbered({m.base_id or m.id for m in models})
        self.providers = numbered({m.provider for m in models})
        self.licenses = numbered({m.license for m in models if m.license})
        self.name_rank = numbered(set(self.by_id))
        self.undated_year = undated_year
        self.known = Reader(models, abilities, effects)

    def of(self, model: records.Model, shape: int) -> tuple[float, ...]:
        """The ability of a copy or a fine-tune is judged by what is known of its base."""
        like = self.by_id.get(model.base_id or "", model)
        personal = model.origin == "community"
        capable = {*like.capabilities, *model.capabilities}
        facts = self.known.of(like)
        return (
            shape, codes.USE_CASES.index(model.use_case),
            sum(1 << codes.USE_CASES.index(name) for name in model.serves), codes.ORIGINS.index(model.origin),
            codes.ROLES.index(model.role), codes.TUNINGS.index(model.tuning), model.params_total,
            int((model.release_date or "0").replace("-", "")), quality_year(like.release_date, self.undated_year),
            sparsity(like), "reasoning" in capable or model.tuning == "reasoning", like.use_case == "coding",
            "vision" in capable, bool(re.search("distill", model.id, re.IGNORECASE)), personal,
            self.providers[model.provider], self.licenses[model.license] if model.license else -1,
            self.groups[model.base_id or model.id], bool(model.gguf_repos) or model.format == "gguf",
            self.name_rank[model.id], model.context_length or 0, "special" in {*model.flags, *like.flags},
            0.0 if personal else facts.proof * self.known.trust(model, like),
            -1 if personal else self.known.older.get(like.id, -1), *facts.effects, *facts.own, *facts.weights,
            self.known.newer.get(like.id, -1),
            sum(1 << codes.CAPABILITIES.index(name) for name in {*model.capabilities} & {*codes.CAPABILITIES}),
        )  # fmt: skip
