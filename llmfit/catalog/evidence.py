"""What is known of a model's quality besides its size and date, counted from the tables when the catalog is packed.

Its own published scores (or, of a copy, its base's), the effects of its vendor and its line, and how well it is
proven: scored, part of a scored line, on the hand-checked list, in use (copies, GGUF repositories, an ollama tag).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import NamedTuple

from llmfit import codes
from llmfit.catalog import records

# Where the size or the kind begins in a name: `Qwen3.6` of `Qwen3.6-27B`, `gemma-4` of `gemma-4-E4B-it`.
SIZE_OR_KIND = re.compile(
    r"(?i)[-_](?:[ae]?\d+(?:\.\d+)?x?\d*[bmt]\b|instruct|chat|it\b|base|thinking|reasoning|coder|vl\b|flash|pro\b|air\b|large|mini).*$"
)
MANY_COPIES = 5.0  # log2(1 + copies) at which use proves as much as it can
SHARE = {"listed": 0.45, "used": 0.35, "line": 0.20}  # of a proof without scores of its own


# `Qwen3.5-9B`: line `Qwen`, version 3.5, the rest; a number before B, M or T is a size.
VERSION = re.compile(r"(?i)^([a-z][a-z-]*?)[-_]?[vk]?(\d+(?:[._]\d+)?)(?![\d.]*[bmt]\b)(.*)$")
SIZES = re.compile(r"(?i)\b[ae]?\d+(?:\.\d+)?(?:x\d+)?[bmt]\b")
SAME = re.compile(r"(?i)\b(?:instruct|it|chat|bf16|fp8|hf|\d{4})\b")
EQUAL_SIZE, EQUAL_SPARSITY = 1.18, 1.6


class Evidence(NamedTuple):
    """Of one model: per use case the effect of vendor and line, theta of its scores and its weight; its proof, 0..1."""

    effects: tuple[float, ...]
    own: tuple[float, ...]
    weights: tuple[float, ...]
    proof: float


def line_key(name: str) -> str:
    """Vendor and line as a name shows them: ``qwen/qwen3.6`` of ``Qwen/Qwen3.6-27B``."""
    return SIZE_OR_KIND.sub("", name.lower())


def generation(name: str) -> tuple[str, tuple[float, int]] | None:
    """(vendor, line and kind without size; version and date code) of an id; None where no version is written."""
    vendor, _, bare = name.partition("/")
    found = VERSION.match(bare)
    if not found or float(found[2].replace("_", ".")) >= 1000:
        return None
    rest = found[3].replace("-", " ").replace("_", " ")
    code = re.search(r"\b2[345]\d\d\b", rest)
    kind = " ".join(SAME.sub("", SIZES.sub("", rest)).split())
    version = float(found[2].replace("_", "."))
    return f"{vendor} {found[1]} {kind}".strip().lower(), (version, int(code[0]) if code else 0)


def sparsity(model: records.Model) -> float:
    return model.params_total / min(model.params_active or model.params_total, model.params_total)


def equal_size(a: records.Model, b: records.Model) -> bool:
    return (
        1 / EQUAL_SIZE < a.params_total / b.params_total < EQUAL_SIZE
        and 1 / EQUAL_SPARSITY < sparsity(a) / sparsity(b) < EQUAL_SPARSITY
    )


def predecessors(models: list[records.Model]) -> dict[str, int]:
    """By id: the place of the newest older generation of the same vendor, line, kind and size, where there is one."""
    by_line: dict[str, list[tuple[tuple[float, int], int]]] = {}
    for place, model in enumerate(models):
        born = generation(model.id) if model.origin == "official" and model.format != "gguf" else None
        if born:
            by_line.setdefault(born[0], []).append((born[1], place))
    found = {}
    for line in by_line.values():
        line.sort()
        for at, (version, place) in enumerate(line):
            for older, other in reversed(line[:at]):
                if older < version and equal_size(models[place], models[other]):
                    found[models[place].id] = other
                    break
    return found


def successors(models: list[records.Model], older: dict[str, int]) -> dict[str, int]:
    """By id: the place of the newest generation that stands before it, from :func:`predecessors`."""
    place = {model.id: at for at, model in enumerate(models)}
    newer = {models[old].id: place[new] for new, old in older.items()}
    newest = {}
    for name, at in newer.items():
        while models[at].id in newer:
            at = newer[models[at].id]
        newest[name] = at
    return newest


class Reader:
    """Evidence of each model of the catalog, from the tables of abilities and effects."""

    def __init__(
        self, models: list[records.Model], abilities: list[records.Ability], effects: list[records.LineEffect]
    ) -> None:
        self.abilities = {ability.model: ability for ability in abilities}
        self.effects = {effect.name: effect.values for effect in effects}
        self.lines = {line_key(ability.model): ability.line for ability in abilities}
        self.copies = Counter(model.base_id for model in models if model.base_id)
        self.packed = Counter(model.id.split("/")[0] for model in models if model.origin == "quantized")
        self.older = predecessors(models)
        self.newer = successors(models, self.older)

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

    def trust(self, copy: records.Model, base: records.Model) -> float:
        """Of a copy: 1 from the vendor itself, else by the number of copies that its owner has made."""
        owner = copy.id.split("/")[0]
        if copy is base or owner == base.id.split("/")[0]:
            return 1.0
        return 0.6 + 0.4 * min(1.0, math.log2(1 + self.packed[owner]) / MANY_COPIES)

    def of(self, model: records.Model) -> Evidence:
        """Evidence of an original; a copy or a fine-tune asks for its base's."""
        none = (0.0,) * len(codes.USE_CASES)
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
