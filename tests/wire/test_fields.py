"""Members cut out of a row: what a JSON parser would keep, in the row's own order, whatever the values hold."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from llmfit._core import Estimates, Ranking
from llmfit.catalog.catalog import Catalog
from llmfit.hardware.host import host_of
from llmfit.machine import Machine
from llmfit.wire.rows import Row

KEYS = Row.__struct_fields__


def kept(rows: list[dict[str, Any]], keys: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{key: row[key] for key in keys if key in row} for row in rows]


def test_random_keys_of_random_rows(simulated: Any) -> None:
    draw = random.Random(simulated.name)
    some = draw.sample(range(simulated.ranking.estimates.catalog.n_rows), 1500)
    rows = json.loads(simulated.ranking.encode(some))
    for size in (1, 2, 7, len(KEYS) - 1):
        keys = tuple(sorted(draw.sample(KEYS, size), key=KEYS.index))
        cut = simulated.ranking.encode(some, keys=tuple(key.encode() for key in keys))
        assert json.loads(cut) == kept(rows, keys), keys


@pytest.fixture(scope="module")
def crowd(catalog: Catalog, machine_of: Callable[[str], Machine]) -> Ranking:
    """Rows for eight sessions: the only ones with aggregate_tps."""
    return Ranking(Estimates(catalog.core, host_of(machine_of("rtx-4090-24gb"), catalog), n_seq=8))


@pytest.mark.parametrize("key", KEYS)
def test_each_key(crowd: Ranking, key: str) -> None:
    some = list(range(0, crowd.estimates.catalog.n_rows, 997))
    rows = json.loads(crowd.encode(some))
    assert all(key in row for row in rows)
    assert json.loads(crowd.encode(some, keys=(key.encode(),))) == kept(rows, (key,))


def test_all_keys_are_the_row(crowd: Ranking) -> None:
    some = list(range(200))
    assert crowd.encode(some, keys=tuple(key.encode() for key in KEYS)) == crowd.encode(some)


def test_a_key_that_the_row_lacks_is_left_out(simulated: Any) -> None:
    keys = (b"aggregate_tps", b"runtime")
    rows = json.loads(simulated.ranking.encode([0, 1]))
    assert json.loads(simulated.ranking.encode([0, 1], keys=keys)) == kept(rows, ("runtime",))
    assert simulated.ranking.encode([0, 1], keys=(b"aggregate_tps",)) == b"[{},{}]"
    assert simulated.ranking.encode([0], keys=()) == b"[{}]"


def test_head_comma_and_tail_of_any_number_of_rows(crowd: Ranking) -> None:
    for keys in (None, (b"name",), (b"name", b"notes")):
        for some in ([], [3], [5, 3, 5]):
            lines = crowd.encode(some, b"<<", b">>", b"\n", keys)
            rows = json.loads(crowd.encode(some, keys=keys))
            assert lines.startswith(b"<<") and lines.endswith(b">>")
            assert [json.loads(line) for line in lines[2:-2].split(b"\n") if line] == rows
