"""Rules that come before any weighting, each on lists that would break it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "bench"
sys.path.append(str(BENCH))
import hard_rules  # noqa: E402
from lists import accepted, context_of, engine_for, read_facts, read_picks, rows_of  # noqa: E402

from llmfit import codes  # noqa: E402

Row = dict[str, Any]
MACHINES = tuple(dict.fromkeys(machine for machine, _ in read_picks()))
facts = cache(read_facts)
engine = cache(engine_for)


@cache
def ranked(machine: str, use_case: str) -> list[Row]:
    return rows_of(engine(machine), use_case=use_case, limit=400)


@cache
def everything(machine: str) -> list[Row]:
    return rows_of(engine(machine), limit=20000, distinct="false", include_too_tight="true")


@pytest.mark.parametrize("rule", hard_rules.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("machine", MACHINES)
def test_no_list_breaks_a_rule(machine: str, rule: Callable[..., Iterator[str]]) -> None:
    broken = []
    for use_case in codes.USE_CASES:
        rows = ranked(machine, use_case)
        assert len(rows) >= 5
        context = context_of(engine(machine), use_case, rows, facts())
        broken += [f"{use_case}: {text}" for text in rule(rows[:5], context)]
    assert not broken


def test_most_first_picks_are_an_experts() -> None:
    picks = read_picks()
    good = [accepted(ranked(machine, use_case)[0], patterns) for (machine, use_case), patterns in picks.items()]
    assert len(good) == 14 * 6 and sum(good) >= 0.85 * len(good)


@pytest.mark.parametrize(
    ("machine", "formats"),
    [
        ("cpu-2core-24gb", {"nvfp4", "mxfp8", "awq", "gptq", "exl2", "exl3", "mlx", "onnx", "bnb", "autoround", "int"}),
        ("apple-m4-max-128gb", {"nvfp4", "mxfp8", "awq", "gptq", "exl2", "exl3", "onnx", "bnb", "autoround", "int"}),
        ("rx-7900-xtx-24gb", {"nvfp4", "mxfp8", "exl2", "exl3", "mlx", "onnx"}),
        ("strix-halo-128gb", {"nvfp4", "mxfp8", "awq", "gptq", "exl2", "exl3", "mlx", "onnx"}),
        ("rtx-4090-24gb", {"exl2", "exl3", "mlx", "onnx"}),
    ],
)
def test_formats_that_the_machine_cannot_run_are_not_runnable(machine: str, formats: set[str]) -> None:
    """But for an original of a vendor that llama.cpp reads from GGUF files."""
    rows = [row for row in everything(machine) if facts()[row["name"]]["format"] in formats]
    runs = [
        r["name"]
        for r in rows
        if r["fit_level"] != "too_tight" and not (r["runtime"] == "llamacpp" and r["gguf_sources"])
    ]
    assert rows and not runs


def test_mlx_files_of_every_configuration_are_mlx() -> None:
    wrong = [
        f["id"] for f in facts().values() if f["id"].startswith("mlx-community/") and f["format"] not in ("mlx", "gguf")
    ]
    assert not wrong


def test_below_three_tokens_a_second_nothing_stands_before_what_is_usable() -> None:
    rows = [
        row
        for row in rows_of(engine("cpu-2core-24gb"), use_case="general", limit=20000)
        if row["fit_level"] != "too_tight"
    ]
    slow = [row for row in rows if row["estimated_tps"] < 3]
    assert slow and max(row["score"] for row in slow) < min(row["score"] for row in rows[:20])


def test_the_fine_tune_that_topped_the_old_list_is_far_down() -> None:
    rows = rows_of(engine("cpu-2core-24gb"), limit=20000, distinct="false", include_too_tight="true")
    first = next(i for i, row in enumerate(rows) if row["origin"] == "community")
    assert first > 50


def test_without_a_use_case_a_row_has_the_score_of_its_main_one() -> None:
    mixed = {row["name"]: row for row in everything("rtx-4090-24gb")}
    for use_case in codes.USE_CASES:
        for row in rows_of(engine("rtx-4090-24gb"), use_case=use_case, limit=300):
            if mixed[row["name"]]["category"] == row["category"]:
                assert mixed[row["name"]]["score"] == row["score"]


def test_heavy_quantization_and_a_slow_machine_are_marginal_at_best() -> None:
    for machine in ("cpu-laptop-16gb", "gtx-1650-4gb", "rtx-4090-24gb"):
        for row in everything(machine):
            if row["fit_level"] in ("good", "perfect"):
                assert row["estimated_tps"] >= 8, row["name"]
                heavy = row["best_quant"] in ("Q2_K", "IQ2_M", "IQ3_XXS") and row["params_b"] < 30
                assert not heavy, (row["name"], row["best_quant"])


def test_one_row_of_each_base_model() -> None:
    for machine in ("rtx-4090-24gb", "apple-m4-pro-24gb"):
        bases = [row["base_model"] or row["name"] for row in ranked(machine, "general")]
        assert len(bases) == len(set(bases))


def test_narrow_models_do_not_stand_among_the_general() -> None:
    for machine in ("rtx-4090-24gb", "cpu-laptop-16gb"):
        head = rows_of(engine(machine), use_case="general", limit=60)
        assert not [row["name"] for row in head if "special" in facts()[row["name"]]["flags"]]


def test_a_use_case_rescores_every_model_that_serves_it() -> None:
    name = "Qwen/Qwen3.6-35B-A3B"
    seen = {
        use_case: next(row for row in ranked("rtx-4090-24gb", use_case) if row["name"] == name)
        for use_case in ("general", "chat", "coding", "reasoning", "multimodal")
    }
    assert {row["category"].lower() for row in seen.values()} == set(seen)
    assert len({row["score_components"]["quality"] for row in seen.values()}) > 3
