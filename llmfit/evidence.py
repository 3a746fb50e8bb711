"""What is known of a model's quality besides its size and date, counted from the tables when the catalog is packed.

Its own published scores (or, of a copy, its base's), the effects of its vendor and its line, and how well it is
proven: scored, part of a scored line, on the hand-checked list, in use (copies, GGUF repositories, an ollama tag).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import NamedTuple

from llmfit import records

# Where the size or the kind begins in a name: `Qwen3.6` of `Qwen3.6-27B`, `gemma-4` of `gemma-4-E4B-it`.
SIZE_OR_KIND = re.compile(
    r"(?i)[-_](?:[ae]?\d+(?:\.\d+)?x?\d*[bmt]\b|instruct|chat|it\b|base|thinking|reasoning|coder|vl\b|flash|pro\b|air\b|large|mini).*$"
)
MANY_COPIES = 5.0  # log2(1 + copies) at which use proves as much as it can
SHARE = {"listed": 0.45, "used": 0.35, "line": 0.20}  # of a proof without scores of its own


class Evidence(NamedTuple):
    """Of one model: per use case the effect of vendor and line, theta of its scores and their weight; its proof, 0..1."""

    effects: tuple[float, ...]
    own: tuple[float, ...]
    weights: tuple[float, ...]
    proof: float


def line_key(name: str) -> str:
    """Vendor and line as a name shows them: ``qwen/qwen3.6`` of ``Qwen/Qwen3.6-27B``."""
    return SIZE_OR_KIND.sub("", name.lower())


class Reader:
    """Evidence of each model of the catalog, from the tables of abilities and effects."""

    def __init__(
        self, models: list[records.Model], abilities: list[records.Ability], effects: list[records.LineEffect]
    ) -> None:
        self.abilities = {ability.model: ability for ability in abilities}
        self.effects = {effect.name: effect.values for effect in effects}
        self.lines = {line_key(ability.model): ability.line for ability in abilities}
        self.copies = Counter(model.base_id for model in models if model.base_id)

    def proof(self, model: records.Model) -> float:
        """1 for a model with scores of its own; else what the list, its use and its line tell."""
        if model.id in self.abilities:
            return 1.0
        used = self.copies[model.id] + len(model.gguf_repos) + 3 * bool(model.ollama_tag)
        return (
            SHARE["listed"] * ("curated" in model.flags)
            + SHARE["used"] * min(1.0, math.log2(1 + used) / MANY_COPIES)
            + SHARE["line"] * (line_key(model.id) in self.lines)
        )

    def of(self, model: records.Model) -> Evidence:
        """Evidence of an original; a copy or a fine-tune asks for its base's."""
        none = (0.0,) * len(next(iter(self.effects.values())))
        own = self.abilities.get(model.id)
        line = own.line if own else self.lines.get(line_key(model.id), "")
        vendor = self.effects.get(f"vendor:{model.id.split('/')[0].lower()}", none)
        of_line = self.effects.get(f"line:{line}", none)
        return Evidence(
            tuple(a + b for a, b in zip(vendor, of_line, strict=True)),
            own.thetas if own else none,
            own.weights if own else none,
            self.proof(model),
        )
