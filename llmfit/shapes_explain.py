"""What ``explain=true`` adds to an answer: how each row came about, and all that is needed to ask again.

``*_gb`` are GiB, ``*_bytes`` bytes, ``*_ms`` milliseconds; points are those of the score (0 to 100), an
ability is theta of docs/ranking.md.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from llmfit.machine import Machine

Struct = msgspec.Struct


class Component(Struct, frozen=True):
    """A part of the score: `points` of 100, its weight, and what the points follow from."""

    name: Literal["quality", "speed", "fit", "context"]
    points: float
    weight: float
    contribution: float
    inputs: dict[str, float]


class ScoreParts(Struct, frozen=True):
    """score = soft_floor(weighted - off_slow_or_strained - off_files) x factor; 0.1 quality of what cannot run.

    `off_files`: files to convert, a copy where the original would do; `factor`: personal, off the task, too slow.
    """

    use_case: str
    components: tuple[Component, ...]
    weighted: float
    off_slow_or_strained: float
    off_files: float
    factor: float
    score: float


class Term(Struct, frozen=True):
    """One term of the predicted ability: its coefficient, and what it adds here."""

    name: str
    coefficient: float
    adds: float


class QualityParts(Struct, frozen=True):
    """quality = 100 / (1 + exp(-0.85 theta)), theta = pooled + personal + unproven + narrow.

    pooled = (own_weight own + prediction_weight predicted) / (own_weight + prediction_weight); predicted = terms +
    vendor_and_line. `judged_by`: the model whose facts and scores count, the base of a copy. `newer_than_lift`: points
    added so that it stands above the generation before it.
    """

    judged_by: str
    params_b: float
    year: float
    sparsity: float
    terms: tuple[Term, ...]
    vendor_and_line: float
    predicted: float
    own: float | None
    own_weight: float
    prediction_weight: float
    pooled: float
    proof: float
    personal: float
    unproven: float
    narrow: float
    theta: float
    newer_than_lift: float
    quality: float


class MemoryParts(Struct, frozen=True):
    """total = weights + kv_cache + compute_buffer + overhead, each rounded up; and what they follow from."""

    weights_gb: float
    kv_cache_gb: float
    compute_buffer_gb: float
    overhead_gb: float
    total_gb: float
    required_gb: float
    available_gb: float
    params_b: float
    bits_per_weight: float
    context: int
    sessions: int
    micro_batch: int
    cache_bytes_per_token: float
    window_cache_bytes_per_token: float
    window: int
    state_bytes: float
    shape_known: bool


class SpeedPart(Struct, frozen=True):
    name: Literal["cache", "weights_on_gpu", "weights_in_ram", "compute", "layers", "fixed"]
    ms: float


class SpeedParts(Struct, frozen=True):
    """A token's time (`token_ms`, of all sessions together): each part is what it loses without that."""

    token_ms: float
    parts: tuple[SpeedPart, ...]


class Limit(Struct, frozen=True):
    """A rule of the fit level: `needed_for` that level and those above, and whether it holds here."""

    rule: str
    needed_for: str
    value: float
    limit: float
    holds: bool


class Way(Struct, frozen=True):
    """One quantization in one mode under one runtime, and why it was not taken.

    outcome: chosen; does_not_fit; lower_fit_level; worse_trade_off (of speed, loss, headroom, at the same level);
    not_needed (a larger quantization or a better mode was good enough already).
    """

    runtime: str
    run_mode: str
    quant: str
    devices: int
    fit_level: str
    estimated_tps: float | None
    total_memory_gb: float | None
    utilization_pct: float | None
    quantization_loss: float | None
    score: float | None
    outcome: Literal["chosen", "does_not_fit", "lower_fit_level", "worse_trade_off", "not_needed"]


class Flip(Struct, frozen=True):
    """With this one parameter more the same request has another fit level; the nearest such value in its direction."""

    parameter: str
    value: float | int | str
    fit_level: str


class Derivation(Struct, frozen=True):
    """How one row came about."""

    name: str
    fit_level: str
    limits: tuple[Limit, ...]
    would_change: tuple[Flip, ...]
    score: ScoreParts
    quality: QualityParts
    memory: MemoryParts
    speed: SpeedParts
    considered: tuple[Way, ...]


class Asked(Struct, frozen=True):
    """The request with every parameter at its effective value, and the state it was answered in."""

    llmfit_version: str
    catalog_version: str
    catalog_digest: str
    generation: str
    endpoint: str
    name: str | None
    parameters: dict[str, object]
    levels_given: bool
    server_max_context: int | None
    machine: Machine  # before the what-ifs of the parameters


class Explanation(Struct, frozen=True):
    asked: Asked
    rows: tuple[Derivation, ...]  # of the first rows of `models`, in their order
