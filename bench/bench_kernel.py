"""The kernel alone: estimates and verdicts of the whole catalog, and selections over them."""

from __future__ import annotations

from typing import Any

import pytest

from llmfit import codes
from llmfit._core import Estimates, Ranking
from llmfit.catalog.catalog import Catalog
from llmfit.hardware.host import host_of
from llmfit.machine import Machine


@pytest.fixture(scope="module")
def host(catalog: Catalog, machine: Machine) -> Any:
    return host_of(machine, catalog)


@pytest.fixture(scope="module")
def ranking(catalog: Catalog, host: Any) -> Ranking:
    return Ranking(Estimates(catalog.core, host))


def test_estimates(benchmark: Any, catalog: Catalog, host: Any) -> None:
    benchmark(Estimates, catalog.core, host)
    benchmark.extra_info["ns_per_model"] = round(benchmark.stats.stats.min * 1e9 / catalog.size, 1)


def test_ranking(benchmark: Any, catalog: Catalog, ranking: Ranking) -> None:
    benchmark(Ranking, ranking.estimates)
    benchmark.extra_info["ns_per_model"] = round(benchmark.stats.stats.min * 1e9 / catalog.size, 1)


def test_select_top(benchmark: Any, ranking: Ranking) -> None:
    assert len(benchmark(ranking.select, min_level=1, limit=5, distinct=True)[1]) == 5


@pytest.mark.parametrize("sort", ["score", "tps"])
def test_select_all(benchmark: Any, catalog: Catalog, ranking: Ranking, sort: str) -> None:
    assert len(benchmark(ranking.select, sort=codes.SORT_KEYS.index(sort))[1]) == catalog.size
