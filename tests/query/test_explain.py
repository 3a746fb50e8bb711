"""The derivation of a row is the row's own: its parts add up to what the row says, on every kind of machine."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from llmfit import codes
from llmfit.catalog.catalog import Catalog
from llmfit.machine import Machine
from llmfit.query import params
from llmfit.query.engine import Engine, Page
from llmfit.query.explain import explain
from llmfit.wire.explanation import Derivation
from llmfit.wire.rows import Row

import msgspec  # isort: skip

MACHINES = ("cpu-laptop-16gb", "rtx-3060-12gb", "rtx-3090-x2", "h100-x8", "apple-m4-pro-24gb", "dgx-spark-128gb")
MODELS = (
    "Qwen/Qwen3-8B", "Qwen/Qwen3.6-35B-A3B", "openai/gpt-oss-120b", "google/gemma-4-26B-A4B-it", "BAAI/bge-m3",
    "Qwen/Qwen2.5-72B-Instruct-AWQ", "deepseek-ai/DeepSeek-V3", "google/functiongemma-270m-it", "Qwen/Qwen3.5-9B-Base",
    "bartowski/Llama-3.2-3B-Instruct-GGUF",
)  # fmt: skip


class Explained(msgspec.Struct):
    page: Page
    rows: list[Row]
    derived: tuple[Derivation, ...]


@pytest.fixture(scope="module", params=MACHINES)
def explained(request: pytest.FixtureRequest, catalog: Catalog, machine_of: Callable[[str], Machine]) -> Explained:
    engine = Engine(catalog, machine_of(request.param))
    query = params.parse([("explain", "true"), ("include_too_tight", "true")], "models").query
    page = engine.run(query)
    known = [catalog.core.index_of(model) for model in MODELS]
    page = msgspec.structs.replace(page, indices=[row for row in known if row >= 0])
    assert len(page.indices) > 7
    rows = msgspec.json.decode(page.ranking.encode(page.indices), type=list[Row])
    return Explained(page, rows, explain(catalog, page, query).rows)


def test_the_score_adds_up(explained: Explained) -> None:
    for row, of in zip(explained.rows, explained.derived, strict=True):
        s = of.score
        assert (of.name, of.fit_level, s.score) == (row.name, row.fit_level, row.score)
        assert {c.name: c.points for c in s.components} == msgspec.structs.asdict(row.score_components)
        if row.fit_level == "too_tight":
            assert s.score == pytest.approx(0.1 * s.components[0].points, abs=0.06)
            continue
        rest = s.weighted - s.off_slow_or_strained - s.off_files
        floored = rest if rest >= 20 else 400 / (40 - rest)
        assert s.score == pytest.approx(floored * s.factor, abs=0.15), of.name
        assert sum(c.weight for c in s.components) == pytest.approx(1)


def test_the_quality_adds_up(explained: Explained) -> None:
    for of in explained.derived:
        q = of.quality
        assert sum(t.adds for t in q.terms) + q.vendor_and_line == pytest.approx(q.predicted, abs=2e-3)
        own = 0.0 if q.own is None else q.own
        pooled = (q.own_weight * own + q.prediction_weight * q.predicted) / (q.own_weight + q.prediction_weight)
        assert pooled == pytest.approx(q.pooled, abs=2e-3)
        assert q.pooled + q.personal + q.unproven + q.narrow == pytest.approx(q.theta, abs=2e-3)
        assert 100 / (1 + math.exp(-0.85 * q.theta)) + q.newer_than_lift == pytest.approx(q.quality, abs=0.05)
        loss = of.score.components[0].inputs
        points = max(q.quality - loss["loss_weight"] * loss["quantization_loss"], 0)
        assert points == pytest.approx(of.score.components[0].points, abs=0.06)


def test_memory_and_speed_add_up(explained: Explained) -> None:
    for row, of in zip(explained.rows, explained.derived, strict=True):
        m = of.memory
        assert m.weights_gb + m.kv_cache_gb + m.compute_buffer_gb + m.overhead_gb == pytest.approx(m.total_gb, abs=1e-6)
        assert (m.total_gb, m.context) == (row.total_memory_gb, row.effective_context_length)
        if row.fit_level != "too_tight":
            assert 1000 / of.speed.token_ms == pytest.approx(row.estimated_tps, abs=0.01, rel=1e-3)
            assert sum(part.ms for part in of.speed.parts) == pytest.approx(of.speed.token_ms, abs=1e-3)
            assert all(part.ms >= -1e-6 for part in of.speed.parts)
            in_ram = next(part.ms for part in of.speed.parts if part.name == "weights_in_ram")
            assert (in_ram > 0) == (row.run_mode in ("cpu_only", "cpu_offload", "moe_offload"))


def test_what_was_chosen_is_the_row_and_beats_the_rest(explained: Explained) -> None:
    for row, of in zip(explained.rows, explained.derived, strict=True):
        chosen = [way for way in of.considered if way.outcome == "chosen"]
        if row.fit_level == "too_tight":
            assert not chosen and all(way.outcome == "does_not_fit" for way in of.considered)
            continue
        (way,) = chosen
        assert (way.runtime, way.run_mode, way.quant) == (row.runtime, row.run_mode, row.best_quant)
        assert (way.fit_level, way.score, way.total_memory_gb) == (row.fit_level, row.score, row.total_memory_gb)
        best = max(codes.FIT_LEVELS.index(other.fit_level) for other in of.considered)
        assert best == codes.FIT_LEVELS.index(row.fit_level), "a way with a higher level was left"


def test_the_limits_give_the_level(explained: Explained) -> None:
    for row, of in zip(explained.rows, explained.derived, strict=True):
        if row.fit_level == "too_tight":
            assert of.limits == ()
            continue
        failed = {limit.needed_for for limit in of.limits if not limit.holds}
        level = "marginal" if "good" in failed else "good" if "perfect" in failed else "perfect"
        assert level == row.fit_level, of


def test_all_that_is_needed_to_ask_again(catalog: Catalog, machine_of: Callable[[str], Machine]) -> None:
    """The parameters, the machine and the server's context of an explanation give the same page."""
    engine = Engine(catalog, machine_of("rtx-3060-12gb"), max_context=16384)
    pairs = [("explain", "true"), ("use_case", "coding"), ("min_tps", "20"), ("ram_gb", "48"), ("limit", "3")]
    query = params.parse(pairs, "top").query
    page = engine.run(query)
    asked = explain(catalog, page, query).asked
    assert (asked.catalog_digest, asked.generation) == (catalog.name.digest, page.generation)
    again = Engine(catalog, asked.machine, asked.server_max_context)
    replayed: Any = params.Query(
        **asked.parameters, name=asked.name, levels_given=asked.levels_given, endpoint=asked.endpoint
    )
    assert replayed == query
    assert again.run(replayed).indices == page.indices


def test_ways_too_big_at_a_glance_have_no_figures(explained: Explained) -> None:
    """Not whatever lay in memory."""
    for of in explained.derived:
        for way in of.considered:
            assert way.total_memory_gb is None or way.total_memory_gb > 0.1, (of.name, way)
            assert way.utilization_pct is None or 0 <= way.utilization_pct < 1e7, (of.name, way)
