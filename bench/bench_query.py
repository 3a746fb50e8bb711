"""From parsed text to bytes, without HTTP: queries that were asked before, never asked, and the full list."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from llmfit.answers import encode
from llmfit.catalog.catalog import Catalog
from llmfit.machine import Machine
from llmfit.placement import many
from llmfit.query.engine import Engine
from llmfit.query.params import parse


@pytest.fixture(scope="module")
def engine(catalog: Catalog, machine: Machine) -> Engine:
    return Engine(catalog, machine)


def answer(engine: Engine, endpoint: str, **given: str) -> bytes:
    parsed = parse(list(given.items()), endpoint)
    return encode.answer(engine.catalog, engine.run(parsed.query), parsed.query, parsed.warnings)


def test_top_asked_before(benchmark: Any, engine: Engine) -> None:
    assert benchmark(answer, engine, "top").startswith(b"{")


def test_top_never_asked(benchmark: Any, engine: Engine) -> None:
    """A context that no analysis has seen yet, each time."""
    contexts = itertools.count(2048)
    assert benchmark(lambda: answer(engine, "top", max_context=str(next(contexts)))).startswith(b"{")


def test_what_if_never_asked(benchmark: Any, engine: Engine) -> None:
    sizes = itertools.count(8000)
    assert benchmark(lambda: answer(engine, "top", gpu="RTX 4090", vram_gb=f"{next(sizes) / 1000}")).startswith(b"{")


def test_few_fields_of_the_full_list(benchmark: Any, engine: Engine) -> None:
    """Two keys of each row: it is written, and read up to the second of them, half of it."""
    answer(engine, "models", min_fit="too_tight")
    body = benchmark(answer, engine, "models", min_fit="too_tight", fields="name,score")
    assert 500_000 < len(body) < 1_000_000


def test_rows_in_brief_of_five_machines(benchmark: Any, engine: Engine) -> None:
    """The whole catalog on five machines, never asked: estimated, ranked, ordered and written."""
    asked = many.question(engine, {"models": {"include_too_tight": True}})
    size = benchmark(lambda: sum(map(len, many.pieces(engine, asked, [engine.machine] * 5))))
    assert size > 5 * 2_000_000


def test_full_list_never_asked(benchmark: Any, engine: Engine) -> None:
    contexts = itertools.count(4096)
    assert (
        len(benchmark(lambda: answer(engine, "models", min_fit="too_tight", max_context=str(next(contexts)))))
        > 10_000_000
    )
