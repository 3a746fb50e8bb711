"""Many machines at once from Python, and a few rows of the catalog alone."""

from __future__ import annotations

import msgspec
import pytest

import llmfit
from llmfit import codes
from llmfit._core import Estimates, Ranking, fill_all
from llmfit.catalog import catalog
from llmfit.hardware.host import host_of
from llmfit.machine import GIB, Machine
from llmfit.placement.many import KEYS, USUAL, gathered, template

RIG = Machine(
    cpu_name="x", cpu_cores=8, cpu_arch="x86", ram_total_bytes=64 * GIB, ram_available_bytes=48 * GIB,
    ram_bandwidth_gbps=60.0,
)  # fmt: skip


def test_every_key_is_written_or_filled_in() -> None:
    assert set(KEYS) == {*codes.BRIEF, "machine", "context", "concurrency"} and set(USUAL) < set(KEYS)


def test_a_few_rows_are_as_in_the_whole() -> None:
    core = catalog.default().core
    host = host_of(RIG, catalog.default())
    chosen = [0, 7, 4000, 12_000]
    few = Estimates(core, host, later=True, rows=chosen)
    fill_all([few])
    whole = Ranking(Estimates(core, host))
    assert Ranking(few).encode(chosen) == whole.encode(chosen)
    parts, tail = template(("name", "score", "total_memory_gb"), {}, "ndjson")
    assert Ranking(few).write(chosen, parts, tail) == whole.write(chosen, parts, tail)
    for index in (1, -1, 1 << 20):
        with pytest.raises(IndexError):
            Ranking(few).encode([index])
        with pytest.raises(IndexError):
            Ranking(few).write([index], parts, tail)
    with pytest.raises(ValueError, match="a few rows"):
        Ranking(few).select()
    with pytest.raises(IndexError):
        Estimates(core, host, rows=[1 << 20])


def test_rows_in_brief_are_the_rows() -> None:
    core = catalog.default().core
    ranking = Ranking(Estimates(core, host_of(RIG, catalog.default())))
    indices = list(range(0, 12_000, 7))
    parts, tail = template(codes.BRIEF, {}, "ndjson")
    brief = [msgspec.json.decode(line) for line in ranking.write(indices, parts, tail).splitlines()]
    rows = msgspec.json.decode(ranking.encode(indices))
    assert brief == [{key: row[key] for key in codes.BRIEF} for row in rows]
    assert {row["fit_level"] for row in brief} > {"too_tight", "good"}


def test_from_python() -> None:
    names = ["Qwen/Qwen3-8B", "microsoft/phi-4"]
    small = llmfit.describe(RIG, ram_gb=8)
    found = list(llmfit.fit_many((RIG, small), names, contexts=(4096, 8192), concurrency=[2], use_case="chat"))
    assert [(row.machine, row.context, row.name) for row in found] == [
        (at, context, name) for at in range(2) for context in (4096, 8192) for name in names
    ]
    for row in found:
        machine = (RIG, small)[row.machine]
        other = llmfit.estimate(row.name, machine, max_context=row.context, concurrency=2, use_case="chat")
        assert (row.fit_level, row.score, row.total_memory_gb) == (other.fit_level, other.score, other.total_memory_gb)
    best = llmfit.rank(RIG, limit=5)
    assert [row.name for row in llmfit.fit_many([RIG], limit=5, fields=["name"])] == [row.name for row in best]
    assert list(llmfit.fit_many([])) == []
    with pytest.raises(llmfit.BadParam, match="invalid contexts value"):
        llmfit.fit_many([RIG], contexts=[0])
    with pytest.raises(llmfit.UnknownModel):
        llmfit.fit_many([RIG], ["no-such-model"])


def test_machines_are_taken_as_they_come() -> None:
    taken = []

    def machines() -> object:
        for at in range(1000):
            taken.append(at)
            yield RIG

    rows = llmfit.fit_many(machines(), limit=5000, include_too_tight=True)  # type: ignore[arg-type]
    assert next(rows).machine == 0 and len(taken) < 5


def test_small_pieces_go_out_together() -> None:
    assert list(gathered(iter([b"a", b"b", b"c"]))) == [b"a", b"bc"]
    assert list(gathered(iter([]))) == []
