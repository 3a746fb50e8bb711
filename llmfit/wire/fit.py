"""Many machines, many models: the answer of POST /api/v1/fit."""

from __future__ import annotations

import msgspec

from llmfit.wire.common import CatalogName, Node

Struct = msgspec.Struct
Unset = msgspec.UnsetType
UNSET = msgspec.UNSET


class FitRow(Struct, frozen=True, kw_only=True):
    """One combination, with the keys that `fields` names; those that a row of a list has too mean the same there.

    machine: The place of the machine among `machines`, from 0.
    name: The id of the model.
    context: The context that was asked for, tokens.
    concurrency: Sessions at once.
    fit_level: too_tight, marginal, good or perfect.
    run_mode: gpu, tensor_parallel, moe_offload, cpu_offload or cpu_only.
    runtime: llamacpp, mlx or vllm.
    best_quant: The quantization that is best here.
    total_memory_gb: All that the model occupies, GiB.
    memory_required_gb: The part in the primary pool, GiB.
    memory_available_gb: That pool, GiB.
    utilization_pct: Of the tightest pool used.
    estimated_tps: Tokens/s of a session.
    score: 0 to 100.
    effective_context_length: The context that the row was computed at, tokens.
    usable_context: How much of the window fits beside the weights, tokens.
    """

    machine: int | Unset = UNSET
    name: str | Unset = UNSET
    context: int | Unset = UNSET
    concurrency: int | Unset = UNSET
    fit_level: str | Unset = UNSET
    run_mode: str | Unset = UNSET
    runtime: str | Unset = UNSET
    best_quant: str | Unset = UNSET
    total_memory_gb: float | Unset = UNSET
    memory_required_gb: float | Unset = UNSET
    memory_available_gb: float | Unset = UNSET
    utilization_pct: float | Unset = UNSET
    estimated_tps: float | Unset = UNSET
    score: float | Unset = UNSET
    effective_context_length: int | Unset = UNSET
    usable_context: int | Unset = UNSET


class FitMachine(Struct, frozen=True):
    """One of the machines that were asked about.

    generation: A hash of the machine's facts and the catalog, as in a list answer about it.
    warnings: What is not known of it.
    """

    generation: str
    warnings: tuple[str, ...]


class FitAnswer(Struct, frozen=True, kw_only=True):
    """The answer of `POST /api/v1/fit`: one row for each combination.

    node: Who answers.
    catalog: Which facts the answer is made from.
    machines: The machines, in the order of the request.
    contexts: The contexts, tokens.
    concurrency: The numbers of sessions.
    fields: The keys of each row.
    rows: By machine, then context, then concurrency; within these in the order of `models`, or best first.
    """

    node: Node
    catalog: CatalogName
    machines: tuple[FitMachine, ...]
    contexts: tuple[int, ...]
    concurrency: tuple[int, ...]
    fields: tuple[str, ...]
    rows: tuple[FitRow, ...] = ()
