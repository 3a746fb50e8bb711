"""select() against a slow reference in Python over the decoded rows: filters, sorts with ties, limits, distinct."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import msgspec
import pytest

from llmfit import codes
from llmfit._core import Estimates, Ranking
from llmfit.catalog.catalog import Catalog
from llmfit.catalog.corrections import read_models
from llmfit.hardware.host import host_of
from llmfit.machine import Machine
from llmfit.query.engine import found_mask, license_mask, provider_mask
from llmfit.wire.rows import Row

DATA = Path(__file__).parents[2] / "src/data"
Key = tuple[object, ...]
KEYS: dict[str, Callable[[Row], Key]] = {
    "score": lambda row: (),
    "tps": lambda row: (-row.estimated_tps,),
    "params": lambda row: (-row.params_b,),
    "mem": lambda row: (row.utilization_pct,),
    "ctx": lambda row: (-row.context_length, -row.usable_context),
    "date": lambda row: (
        row.release_date is None,
        *(-int(part) for part in (row.release_date or "").split("-") if part),
    ),
    "use_case": lambda row: (row.category,),
}
# A row that another runtime or other hardware is needed for says so in its first note.
FOREIGN = tuple(codes.NOTES[name] for name in codes.BLOCKERS[2:])


def place(row: Row, sort: str, turned: bool = False) -> Key:
    return (row.fit_level == "too_tight", *(turn(row, sort) if turned else KEYS[sort](row)), -row.score, row.name)


def turn(row: Row, sort: str) -> Key:
    """The key of the other direction: unknown dates stay last, ties are broken as ever."""
    if sort == "score":
        return (row.score,)
    if sort == "use_case":
        return tuple(-ord(letter) for letter in row.category)
    if sort == "date":
        return (row.release_date is None, row.release_date or "")
    return tuple(-part for part in KEYS[sort](row))  # type: ignore[operator]


class Reference:
    """All rows of one ranking, and what `select` ought to answer."""

    def __init__(self, catalog: Catalog, machine: Machine, use_case: int = -1, runtime: int = -1) -> None:
        self.catalog = catalog
        self.use_case = use_case
        self.ranking = Ranking(Estimates(catalog.core, host_of(machine, catalog), runtime=runtime), use_case)
        encoded = self.ranking.encode(list(range(catalog.size)))
        self.rows = msgspec.json.decode(encoded, type=list[Row])

    def passing(
        self,
        min_level: int = 0,
        drop_foreign: bool = False,
        first: int = -1,
        exempt: bool = False,
        only: int = -1,
        keep: Callable[[Row], bool] = lambda row: True,
    ) -> Iterator[int]:
        for at, row in enumerate(self.rows):
            level = codes.FIT_LEVELS.index(row.fit_level)
            if (
                (only < 0 or at == only)
                and (level >= min_level or (exempt and at == first))
                and (self.use_case < 0 or codes.USE_CASES[self.use_case] in serves()[row.name])
                and not (drop_foreign and level == 0 and row.notes[0] in FOREIGN)
                and keep(row)
            ):
                yield at

    def ordered(self, indices: list[int], sort: str = "score", first: int = -1, turned: bool = False) -> list[int]:
        return sorted(indices, key=lambda at: (at != first, place(self.rows[at], sort, turned)))

    def distinct(self, indices: list[int], first: int = -1) -> list[int]:
        best: dict[str, int] = {}
        for at in indices:
            row = self.rows[at]
            group = row.base_model or row.name
            held = best.get(group)
            if held is None or self.stands_before(at, held, first):
                best[group] = at
        return list(best.values())

    def stands_before(self, at: int, held: int, first: int) -> bool:
        def rank(index: int) -> Key:
            row = self.rows[index]
            return (index != first, row.origin == "community", *place(row, "score"))

        return rank(at) < rank(held)


@cache
def serves() -> dict[str, tuple[str, ...]]:
    return {model.id: model.serves for model in read_models(DATA)}


@pytest.fixture(scope="module")
def one(catalog: Catalog, machine_of: Callable[[str], Machine]) -> Reference:
    return Reference(catalog, machine_of("rtx-3060-12gb"))


@pytest.mark.parametrize("sort", codes.SORT_KEYS)
@pytest.mark.parametrize("min_level", range(4))
def test_sort(one: Reference, sort: str, min_level: int) -> None:
    wanted = one.ordered(list(one.passing(min_level)), sort)
    total, found = one.ranking.select(min_level=min_level, sort=codes.SORT_KEYS.index(sort))
    assert total == len(found) == len(wanted)
    assert found == wanted


@pytest.mark.parametrize("sort", codes.SORT_KEYS)
def test_there_are_ties_to_break(one: Reference, sort: str) -> None:
    values = [KEYS[sort](row) if sort != "score" else (row.score,) for row in one.rows]
    assert len(set(values)) < len(values) - 100


@pytest.mark.parametrize("sort", codes.SORT_KEYS)
@pytest.mark.parametrize("limit", [0, 1, 2, 5, 100, 1000, 1500, 3000, 10**6, 2**70])
def test_a_limit_is_the_beginning_of_all(one: Reference, sort: str, limit: int) -> None:
    total, everything = one.ranking.select(sort=codes.SORT_KEYS.index(sort))
    assert one.ranking.select(sort=codes.SORT_KEYS.index(sort), limit=limit) == (total, everything[:limit])


@pytest.mark.parametrize("min_level", range(4))
@pytest.mark.parametrize("sort", ["score", "tps", "date"])
def test_distinct(one: Reference, sort: str, min_level: int) -> None:
    wanted = one.ordered(one.distinct(list(one.passing(min_level))), sort)
    total, found = one.ranking.select(min_level=min_level, distinct=True, sort=codes.SORT_KEYS.index(sort))
    assert (total, found) == (len(wanted), wanted)
    assert one.ranking.select(min_level=min_level, distinct=True, sort=codes.SORT_KEYS.index(sort), limit=5) == (
        total, wanted[:5]
    )  # fmt: skip


def test_first_exempt_and_only(one: Reference) -> None:
    generator = random.Random(7)
    tight = [at for at, row in enumerate(one.rows) if row.fit_level == "too_tight"]
    runs = [at for at, row in enumerate(one.rows) if row.fit_level != "too_tight"]
    for first in (*generator.sample(tight, 5), *generator.sample(runs, 5)):
        for exempt in (False, True):
            for distinct in (False, True):
                indices = list(one.passing(1, first=first, exempt=exempt))
                indices = one.distinct(indices, first) if distinct else indices
                wanted = one.ordered(indices, "score", first if first in indices else -1)
                for limit in (None, 1, 10):
                    found = one.ranking.select(min_level=1, first=first, exempt=exempt, distinct=distinct, limit=limit)
                    assert found == (len(wanted), wanted[:limit])
            assert (first in one.passing(1, first=first, exempt=exempt)) is (exempt or first in runs)
        assert one.ranking.select(only=first) == (1, [first])
        assert one.ranking.select(only=first, min_level=1) == ((1, [first]) if first in runs else (0, []))


@pytest.mark.parametrize("part", ["meta", "qwen", "o", "no such provider"])
def test_provider_mask(one: Reference, part: str) -> None:
    wanted = one.ordered(list(one.passing(keep=lambda row: part in row.provider.lower())))
    found = one.ranking.select(providers=provider_mask(one.catalog, part))
    assert found == (len(wanted), wanted)


@pytest.mark.parametrize("names", [("mit",), ("mit", "apache-2.0"), ("no-such-licence",)])
def test_license_mask(one: Reference, names: tuple[str, ...]) -> None:
    def keep(row: Row) -> bool:
        return row.license is not None and all(name.lower() in names for name in row.license.split(","))

    wanted = one.ordered(list(one.passing(keep=keep)))
    assert one.ranking.select(licenses=license_mask(one.catalog, names)) == (len(wanted), wanted)


@pytest.mark.parametrize(
    "needles", [("llama",), ("qwen", "8b"), ("code generation",), ("embedding", "embedding"), ("\u00e9",)]
)
def test_search_mask(one: Reference, needles: tuple[str, ...]) -> None:
    def keep(row: Row) -> bool:
        # the category of the search is that of the model's main use case, as the ranking is
        fields = (row.name, row.provider, row.parameter_count, row.use_case, row.category)
        return all(any(needle in field.lower() for field in fields) for needle in needles)

    wanted = one.ordered(list(one.passing(keep=keep)))
    found = one.ranking.select(found=found_mask(one.catalog, needles), searches=len(needles))
    assert found == (len(wanted), wanted)


@pytest.mark.parametrize("bits", range(1 << len(codes.CAPABILITIES)))
def test_capabilities(one: Reference, bits: int) -> None:
    names = {name for at, name in enumerate(codes.CAPABILITIES) if bits >> at & 1}
    wanted = one.ordered(list(one.passing(keep=lambda row: names <= set(row.capabilities))))
    assert one.ranking.select(capabilities=bits) == (len(wanted), wanted)
    assert bool(wanted) == any(names <= set(row.capabilities) for row in one.rows)


@pytest.mark.parametrize("use_case", range(len(codes.USE_CASES)))
def test_use_case(catalog: Catalog, machine_of: Callable[[str], Machine], use_case: int) -> None:
    one = Reference(catalog, machine_of("apple-m4-max-128gb"), use_case)
    assert {row.category for row in one.rows} == {codes.LABELS["use_case"][use_case]}
    wanted = one.ordered(list(one.passing(1)), "mem")
    assert one.ranking.select(min_level=1, sort=codes.SORT_KEYS.index("mem")) == (len(wanted), wanted)
    assert len(wanted) > 10


@pytest.mark.parametrize("runtime", range(len(codes.RUNTIMES)))
def test_rows_that_a_runtime_cannot_execute(
    catalog: Catalog, machine_of: Callable[[str], Machine], runtime: int
) -> None:
    one = Reference(catalog, machine_of("rtx-4090-24gb"), runtime=runtime)
    wanted = one.ordered(list(one.passing(drop_foreign=True)))
    assert one.ranking.select(drop_foreign=True) == (len(wanted), wanted)
    assert len(wanted) < catalog.size


def test_all_filters_at_once(one: Reference) -> None:
    first = one.catalog.core.index_of("Qwen/Qwen3-8B")
    wanted = list(
        one.passing(
            2, first=first, exempt=True, keep=lambda r: "qwen" in r.provider.lower() and r.license == "apache-2.0"
        )
    )
    wanted = one.ordered(one.distinct(wanted, first), "tps", first)
    total, found = one.ranking.select(
        min_level=2, first=first, exempt=True, providers=provider_mask(one.catalog, "qwen"),
        licenses=license_mask(one.catalog, ("apache-2.0",)), distinct=True, sort=codes.SORT_KEYS.index("tps"), limit=7,
    )  # fmt: skip
    assert (total, found) == (len(wanted), wanted[:7])
    assert found[0] == first


@pytest.mark.parametrize("sort", codes.SORT_KEYS)
def test_the_other_direction(one: Reference, sort: str) -> None:
    wanted = one.ordered(list(one.passing()), sort, turned=True)
    assert one.ranking.select(sort=codes.SORT_KEYS.index(sort), turned=True) == (len(wanted), wanted)


@pytest.mark.parametrize(("offset", "limit"), [(0, 5), (3, 5), (3, None), (3, 0), (10**5, 5), (1234, 4321), (5, 10**6)])
def test_offset(one: Reference, offset: int, limit: int | None) -> None:
    total, everything = one.ranking.select()
    wanted = everything[offset:] if limit is None else everything[offset : offset + limit]
    assert one.ranking.select(offset=offset, limit=limit) == (total, wanted)


@pytest.mark.parametrize(
    ("given", "keep"),
    [
        ({"min_tps": 30.0}, lambda row: row.estimated_tps >= 30),
        ({"min_tps": 12.34}, lambda row: row.estimated_tps >= 12.34),
        ({"max_mem_gb": 6.5}, lambda row: row.total_memory_gb <= 6.5),
        ({"min_params": 7e9, "max_params": 9e9}, lambda row: 7 <= row.params_b <= 9),
        ({"released_after": 20260599}, lambda row: (row.release_date or "") > "2026-05-99"),
        ({"released_after": 20250131}, lambda row: (row.release_date or "") > "2025-01-31"),
    ],
)
def test_ranges(one: Reference, given: dict[str, float], keep: Callable[[Row], bool]) -> None:
    wanted = one.ordered(list(one.passing(keep=keep)))
    assert one.ranking.select(**given) == (len(wanted), wanted)  # type: ignore[arg-type]
    assert 10 < len(wanted) < one.catalog.size
