"""Sorts are total orders: the key, the score, the name; too-tight rows and unknown dates come last."""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import Any

import pytest
from contract import SMALL, level, names
from wire import MODELS, TOP, Server

Row = dict[str, Any]

SORTS = ("score", "tps", "params", "mem", "ctx", "date", "use_case")
PART: dict[str, object] = {**SMALL, "search": "llama", "include_too_tight": True}


def key(sort: str, row: Row) -> Any:
    """Ascending in the order of the sort, from the numbers that are sent."""
    date = row["release_date"]
    return {
        "score": -row["score"],
        "tps": -row["estimated_tps"],
        "params": -row["params_b"],
        "mem": row["utilization_pct"],
        "ctx": (-row["context_length"], -row["usable_context"]),
        "date": (date is None, [-int(part) for part in date.split("-")] if date else []),
        "use_case": row["category"],
    }[sort]


@pytest.fixture(scope="module", params=SORTS)
def sort(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def rows(server: Server, sort: str) -> list[Row]:
    return server.ok(MODELS, **PART, sort=sort)["models"]


def told(row: Row) -> str:
    keys = ("name", "fit_level", "score", "estimated_tps", "params_b", "utilization_pct", "context_length")
    return str({key: row[key] for key in (*keys, "usable_context", "release_date", "category")})


def in_order(rows: list[Row], what: str, sort: str, of: Any) -> None:
    for one, two in pairwise(rows):
        assert of(one) <= of(two), f"sort={sort} with {PART}: {what} out of order:\n{told(one)}\n{told(two)}"


def test_the_rows_show_what_is_tested(rows: list[Row], sort: str) -> None:
    levels = {row["fit_level"] for row in rows}
    assert len(levels) >= 3 and "too_tight" in levels, f"sort={sort} with {PART}: only {levels} came"
    dated = {row["release_date"] is not None for row in rows}
    assert dated == {True, False}, f"sort={sort} with {PART}: wants known and unknown dates, came {dated}"


def test_too_tight_last(rows: list[Row], sort: str) -> None:
    in_order(rows, "too_tight", sort, lambda r: level(r) == 0)


@pytest.mark.parametrize("runnable", [True, False], ids=["runnable", "too_tight"])
def test_primary_key(rows: list[Row], sort: str, runnable: bool) -> None:
    part = [r for r in rows if (level(r) > 0) is runnable]
    assert part, f"sort={sort} with {PART}: no such rows"
    in_order(part, sort, sort, lambda r: key(sort, r))


@pytest.mark.parametrize("runnable", [True, False], ids=["runnable", "too_tight"])
def test_ties_by_score(rows: list[Row], sort: str, runnable: bool) -> None:
    if sort == "mem" or (sort == "tps" and runnable):
        pytest.skip("what is sent is rounded: equal numbers need not be ties")
    part = [r for r in rows if (level(r) > 0) is runnable]
    for _, tied in groupby(part, key=lambda r: key(sort, r)):
        in_order(list(tied), "score of a tie", sort, lambda r: -r["score"])


def test_ties_by_name(rows: list[Row], sort: str) -> None:
    """Rows that are alike in every number sent are taken for true ties.

    The contract leaves open whether case counts; one of the two orders must hold throughout.
    """

    def alike(row: Row) -> Any:
        numbers = [v for k, v in row.items() if isinstance(v, (int, float)) and k != "disk_size_gb"]
        return row["fit_level"], row["category"], row["release_date"], numbers, row["score_components"]

    ties = [list(tied) for _, tied in groupby(rows, key=alike)]
    pairs = [(a["name"], b["name"]) for tied in ties for a, b in pairwise(tied)]
    by_code = [p for p in pairs if p[0] > p[1]]
    by_letter = [p for p in pairs if p[0].lower() > p[1].lower()]
    assert not by_code or not by_letter, (
        f"sort={sort} with {PART}: of {len(pairs)} ties {len(by_code)} are out of order by name "
        f"({len(by_letter)} when case is ignored): {by_letter[:3]}"
    )


def test_limit_takes_the_first(server: Server, rows: list[Row], sort: str) -> None:
    wanted = [r["name"] for r in rows[:25]]
    got = names(server.ok(MODELS, **PART, sort=sort, limit=25))
    assert got == wanted, f"sort={sort}&limit=25: {got}, the whole list begins with {wanted}"
    top = names(server.ok(TOP, **PART, sort=sort, limit=25, distinct=False))
    assert top == wanted, f"/top?sort={sort}&limit=25&distinct=false: {top}, /models begins with {wanted}"


def test_the_same_question_has_the_same_answer(server: Server, rows: list[Row], sort: str) -> None:
    again = names(server.ok(MODELS, **PART, sort=sort))
    assert again == [r["name"] for r in rows], f"sort={sort}: asked twice, two orders"


def test_the_whole_list_is_sorted_by_score(everything: dict[str, Any]) -> None:
    rows = everything["models"]
    for one, two in pairwise(rows):
        assert (level(one) == 0, -one["score"]) <= (level(two) == 0, -two["score"]), (
            f"no sort asked:\n{told(one)}\n{told(two)}"
        )


@pytest.mark.parametrize("use_case", ["coding", "embedding"])
def test_sort_use_case_with_one_use_case_is_sort_score(server: Server, use_case: str) -> None:
    asked = {**SMALL, "use_case": use_case, "limit": 40}
    by_case, by_score = (names(server.ok(MODELS, **asked, sort=s)) for s in ("use_case", "score"))
    assert by_case == by_score, f"{asked}: all rows have one category, yet {by_case[:5]} and {by_score[:5]}"
