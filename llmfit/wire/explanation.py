"""What ``explain=true`` adds to an answer: how each row came about, and all that is needed to ask again.

``*_gb`` are GiB, ``*_bytes`` bytes, ``*_ms`` milliseconds; points are those of the score (0 to 100), an
ability is theta of docs/ranking.md.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from llmfit.machine import Machine

Struct = msgspec.Struct


class Component(Struct, frozen=True):
    """A part of the score: `points` of 100, its weight, and what the points follow from.

    name: quality, speed, fit or context.
    points: 0 to 100.
    weight: Of the use case.
    contribution: points x weight.
    inputs: What the points follow from.
    """

    name: Literal["quality", "speed", "fit", "context"]
    points: float
    weight: float
    contribution: float
    inputs: dict[str, float]


class ScoreParts(Struct, frozen=True):
    """score = soft_floor(weighted - off_slow_or_strained - off_files) x factor; 0.1 quality of what cannot run.

    `off_files`: files to convert, a copy where the original would do; `factor`: personal, off the task, too slow.

    use_case: What the row was scored for.
    components: The four parts.
    weighted: Their sum.
    off_slow_or_strained: Points off for what is too slow or barely fits.
    off_files: Points off for files to convert and for copies.
    factor: Of what is personal, off the task or too slow to use.
    score: The score of the row.
    """

    use_case: str
    components: tuple[Component, ...]
    weighted: float
    off_slow_or_strained: float
    off_files: float
    factor: float
    score: float


class Term(Struct, frozen=True):
    """One term of the predicted ability: its coefficient, and what it adds here.

    name: What the coefficient is for.
    coefficient: As fitted.
    adds: coefficient x value, in theta.
    """

    name: str
    coefficient: float
    adds: float


class QualityParts(Struct, frozen=True):
    """quality = 100 / (1 + exp(-0.85 theta)), theta = pooled + personal + unproven + narrow.

    pooled = (own_weight own + prediction_weight predicted) / (own_weight + prediction_weight); predicted = terms +
    vendor_and_line. `judged_by`: the model whose facts and scores count, the base of a copy. `newer_than_lift`: points
    added so that it stands above the generation before it.

    judged_by: The model whose facts and scores count, the base of a copy.
    params_b: Its parameters, in billions.
    year: Its release as a year.
    sparsity: log2 of all parameters over active ones.
    terms: The terms of the prediction.
    vendor_and_line: What its maker and its line add.
    predicted: The predicted ability, theta.
    own: The ability that its own published scores say; null without any.
    own_weight: The weight of its own scores.
    prediction_weight: The weight of the prediction.
    pooled: Both, weighed.
    proof: How well its scores prove the ability, 0 to 1.
    personal: Theta off for a personal fine-tune or re-upload.
    unproven: Theta off for want of scores.
    narrow: Theta off for a narrow purpose.
    theta: The ability.
    newer_than_lift: Points that keep it above the generation before it.
    quality: The component, 0 to 100.
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
    """total = weights + kv_cache + compute_buffer + overhead, each rounded up; and what they follow from.

    weights_gb: The weights, GiB.
    kv_cache_gb: The cache of all sessions, GiB.
    compute_buffer_gb: GiB.
    overhead_gb: Of runtime and driver, GiB.
    total_gb: The sum, GiB.
    required_gb: What is charged to the primary pool, GiB.
    available_gb: That pool, GiB.
    params_b: Parameters of the text weights, in billions.
    bits_per_weight: On average, of the chosen quantization.
    context: Tokens of each session.
    sessions: How many.
    micro_batch: Tokens computed at once in a prompt.
    cache_bytes_per_token: Of layers that keep the whole context.
    window_cache_bytes_per_token: Of layers with a sliding window.
    window: That window, tokens.
    state_bytes: Recurrent state of a session.
    shape_known: Whether the cache follows from the model's own shape.
    """

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
    """A part of a token's time.

    name: What the time goes into.
    ms: Milliseconds.
    """

    name: Literal["cache", "weights_on_gpu", "weights_in_ram", "compute", "layers", "fixed"]
    ms: float


class SpeedParts(Struct, frozen=True):
    """A token's time (`token_ms`, of all sessions together): each part is what it loses without that.

    token_ms: Milliseconds a token.
    parts: What they go into.
    """

    token_ms: float
    parts: tuple[SpeedPart, ...]


class Limit(Struct, frozen=True):
    """A rule of the fit level: `needed_for` that level and those above, and whether it holds here.

    rule: What is compared.
    needed_for: The fit level that needs it.
    value: What it is here.
    limit: What it may be.
    holds: Whether it holds.
    """

    rule: str
    needed_for: str
    value: float
    limit: float
    holds: bool


class Way(Struct, frozen=True):
    """One quantization in one mode under one runtime, and why it was not taken.

    outcome: chosen; does_not_fit; lower_fit_level; worse_trade_off (of speed, loss, headroom, at the same level);
    not_needed (a larger quantization or a better mode was good enough already).

    runtime: As in rows.
    run_mode: As in rows.
    quant: The quantization.
    devices: GPUs used.
    fit_level: As in rows.
    estimated_tps: Tokens/s; null where it does not fit.
    total_memory_gb: GiB; null where it was not tried.
    utilization_pct: Of the tightest pool.
    quantization_loss: Points of quality lost.
    score: The score of the row, had this been chosen.
    outcome: chosen; does_not_fit; lower_fit_level; worse_trade_off; not_needed.
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
    """With this one parameter more the same request has another fit level; the nearest such value in its direction.

    parameter: What would be given.
    value: Its value.
    fit_level: What the row would then be.
    """

    parameter: str
    value: float | int | str
    fit_level: str


class Derivation(Struct, frozen=True):
    """How one row came about.

    name: The row's model.
    fit_level: Its fit level.
    limits: The rules of fit levels, and which hold.
    would_change: The nearest values of single parameters that give another fit level.
    score: How the score came about.
    quality: How the quality came about.
    memory: How the memory came about.
    speed: How the speed came about.
    considered: Every quantization and mode that was tried.
    """

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
    """The request with every parameter at its effective value, and the state it was answered in.

    llmfit_version: Of the program.
    catalog_version: Of the facts.
    catalog_digest: A hash of the facts.
    generation: As in the envelope.
    endpoint: What was asked.
    name: The model named in the path.
    parameters: Effective values.
    levels_given: Whether the request said something about fit levels.
    server_max_context: The server's --max-context.
    machine: Before the what-ifs of the parameters.
    """

    llmfit_version: str
    catalog_version: str
    catalog_digest: str
    generation: str
    endpoint: str
    name: str | None
    parameters: dict[str, Any]
    levels_given: bool
    server_max_context: int | None
    machine: Machine


class Explanation(Struct, frozen=True):
    """What `explain=true` adds to an answer.

    asked: All that is needed to ask again.
    rows: Of the first rows of `models`, in their order.
    """

    asked: Asked
    rows: tuple[Derivation, ...]
