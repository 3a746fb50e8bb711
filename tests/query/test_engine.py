"""Inputs of every estimate beyond the reference: quant, kv_quant, concurrency; and what a query refuses."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from llmfit.answers import encode
from llmfit.catalog.catalog import Catalog
from llmfit.errors import BadParam
from llmfit.machine import Machine
from llmfit.query.engine import Engine
from llmfit.query.params import parse
from llmfit.wire.models import Envelope
from llmfit.wire.rows import Row


@pytest.fixture(scope="module")
def engine(catalog: Catalog, machine_of: Callable[[str], Machine]) -> Engine:
    return Engine(catalog, machine_of("rtx-4090-24gb"))


def answer(engine: Engine, **given: str) -> bytes:
    query = parse(list(given.items()), "models").query
    return encode.answer(engine.catalog, engine.run(query), query)


def rows(engine: Engine, **given: str) -> list[Row]:
    return list(msgspec.json.decode(answer(engine, **given), type=Envelope).models)


def one(engine: Engine, name: str = "Qwen/Qwen3-8B", **given: str) -> Row:
    query = parse([*given.items(), ("exact", "true")], "name", name).query
    return msgspec.json.decode(encode.answer(engine.catalog, engine.run(query), query), type=Envelope).models[0]


@pytest.mark.parametrize("quant", ["Q8_0", "Q4_K_M", "q4_k_s", "Q2_K"])
def test_every_row_that_runs_is_at_the_asked_quantization(engine: Engine, quant: str) -> None:
    found = rows(engine, quant=quant, limit="400")
    assert len(found) == 400
    assert {(row.best_quant or "").lower() for row in found} == {quant.lower()}


def test_a_repository_that_lacks_the_quantization_is_too_tight_and_says_so(engine: Engine) -> None:
    row = one(engine, "Qwen/Qwen2.5-72B-Instruct-AWQ", quant="Q4_K_M")
    assert row.fit_level == "too_tight" and any("quantization" in note for note in row.notes), row.notes


def test_an_unknown_quantization_names_the_nearest(engine: Engine) -> None:
    with pytest.raises(BadParam, match=r'^invalid quant value: no such quantization "Q4_K_X"; nearest: .*Q4_K_M'):
        rows(engine, quant="Q4_K_X")


def test_a_quantized_cache_is_smaller_in_proportion(engine: Engine) -> None:
    given = {"quant": "Q4_K_M", "max_context": "32768"}
    full, half, quarter = (one(engine, kv_quant=kind, **given) for kind in ("f16", "q8_0", "q4_0"))
    cache = full.memory_breakdown_gb.kv_cache
    assert half.memory_breakdown_gb.kv_cache == pytest.approx(cache * 34 / 64, abs=0.002)
    assert quarter.memory_breakdown_gb.kv_cache == pytest.approx(cache * 18 / 64, abs=0.002)
    assert quarter.memory_breakdown_gb.weights == full.memory_breakdown_gb.weights


def test_sessions_share_the_weights_and_have_a_cache_each(engine: Engine) -> None:
    alone, four = one(engine, quant="Q4_K_M"), one(engine, quant="Q4_K_M", concurrency="4")
    assert four.memory_breakdown_gb.weights == alone.memory_breakdown_gb.weights
    assert four.memory_breakdown_gb.kv_cache == pytest.approx(4 * alone.memory_breakdown_gb.kv_cache, abs=0.005)
    assert four.estimated_tps < alone.estimated_tps
    assert four.aggregate_tps == pytest.approx(4 * four.estimated_tps, abs=0.03)
    assert alone.estimated_tps < four.aggregate_tps < 4 * alone.estimated_tps
    assert alone.aggregate_tps is msgspec.UNSET


def test_long_lists_are_not_kept(engine: Engine) -> None:
    """Each is 25 MB: the rankings of one machine after another must not add up, however they are read."""
    for ram in range(20, 24):
        answer(engine, min_fit="too_tight", ram_gb=str(ram))
        query = parse([("ram_gb", str(ram))], "models").query
        assert sum(map(len, encode.lines(engine.run(query), query))) > 10_000_000
    held = [ranking.kept_bytes for ranking in engine._rankings._held.values()]
    assert len(held) > 3 and max(held) < 1 << 20


def test_rows_are_copied_from_pages_that_hold_them(engine: Engine) -> None:
    """Overlapping pages, in any order and cut by fields, are the same as each alone."""
    pages = (("limit", "40"), ("offset", "20"), ("sort", "tps"), ("fields", "name,score"), ("limit", "3"))
    for name, value in pages:
        given = {"limit": "30", name: value}
        alone = Engine(engine.catalog, engine.machine)
        assert answer(engine, **given) == answer(alone, **given)


def test_a_list_that_was_written_before_takes_no_more_memory(engine: Engine) -> None:
    ranking = engine.run(parse([("limit", "100")], "models").query).ranking
    first = ranking.encode(list(range(100)))
    kept = ranking.kept_bytes
    assert ranking.encode(list(range(100))) == first
    assert ranking.encode(list(range(50, 149))) == ranking.encode(list(range(50, 149)))
    assert ranking.kept_bytes == kept >= len(first) - 2
