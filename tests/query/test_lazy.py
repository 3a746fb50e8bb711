"""A lazy analysis answers as one that estimates everything, and estimates far less."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from llmfit import codes
from llmfit._core import Estimates, Ranking
from llmfit.catalog.catalog import Catalog
from llmfit.hardware.host import host_of
from llmfit.machine import Machine
from llmfit.query.engine import Engine, provider_mask
from llmfit.query.params import parse
from llmfit.server.routes.page_cache import pairs_of

from ..conftest import NAMES

TOP: dict[str, Any] = {"min_level": 1, "limit": 5, "distinct": True}


def asked(catalog: Catalog) -> list[dict[str, Any]]:
    """Selections that bounds serve, and some that they do not."""
    return [
        TOP,
        {**TOP, "limit": 40, "offset": 3},
        {**TOP, "distinct": False, "limit": 200},
        {**TOP, "limit": 0},
        {**TOP, "providers": provider_mask(catalog, "qwen")},
        {**TOP, "max_params": 4e9, "capabilities": 1},
        {**TOP, "only": 17},
        {**TOP, "first": 4000, "exempt": True},
        {**TOP, "min_level": 2},
        {**TOP, "min_tps": 30.0},
        {**TOP, "max_mem_gb": 6.0},
        {**TOP, "sort": codes.SORT_KEYS.index("tps")},
        {**TOP, "turned": True},
        {"limit": 9},
        {},
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_answers(catalog: Catalog, machine_of: Callable[[str], Machine], name: str) -> None:
    chance = random.Random(name)
    host = host_of(machine_of(name), catalog)
    for use_case in (-1, chance.randrange(len(codes.USE_CASES))):
        settings = {"context": chance.choice((0, 2048, 32768)), "n_seq": chance.choice((1, 1, 8))}
        every = Ranking(Estimates(catalog.core, host, **settings), use_case)
        questions = asked(catalog)
        for order in (questions[:8], chance.sample(questions, len(questions))):
            some = Ranking(Estimates(catalog.core, host, lazy=True, **settings), use_case)
            for question in order:
                total, rows = every.select(**question)
                assert some.select(**question) == (total, rows), question
                assert some.encode(rows[:50]) == every.encode(rows[:50])


@pytest.mark.parametrize("name", NAMES)
def test_few_shapes_are_estimated(catalog: Catalog, machine_of: Callable[[str], Machine], name: str) -> None:
    estimates = Estimates(catalog.core, host_of(machine_of(name), catalog), lazy=True)
    Ranking(estimates).select(**TOP)
    assert 5 <= estimates.n_known < catalog.core.n_shapes / 4
    Ranking(estimates).select()
    assert estimates.n_known == catalog.core.n_shapes


def test_rankings_of_one_analysis_in_threads(catalog: Catalog, machine_of: Callable[[str], Machine]) -> None:
    host = host_of(machine_of("rtx-3060-12gb"), catalog)
    wanted = [Ranking(Estimates(catalog.core, host), u).select(**TOP) for u in range(6)]
    estimates = Estimates(catalog.core, host, lazy=True)
    found: list[object] = [None] * 6

    def ask(use_case: int) -> None:
        ranking = Ranking(estimates, use_case)
        found[use_case] = ranking.select(**TOP)
        ranking.select()

    threads = [threading.Thread(target=ask, args=(u,)) for u in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == wanted


def test_the_machine_as_it_is_is_analysed_at_once(catalog: Catalog, machine_of: Callable[[str], Machine]) -> None:
    """Its filters and sorts are asked for next; what-ifs and other contexts are asked about once."""
    engine = Engine(catalog, machine_of("rtx-3060-12gb"))
    known = {
        text: engine.run(parse(pairs_of(text), "top").query).ranking.estimates.n_known
        for text in ("", "use_case=coding", "ram_gb=31.5", "max_context=5000", "vram_gb=9", "kv_quant=q8_0")
    }
    assert known.pop("") == known.pop("use_case=coding") == catalog.core.n_shapes
    assert all(n < catalog.core.n_shapes / 4 for n in known.values())
