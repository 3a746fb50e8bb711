"""/api/v1/models/{name}: a text filter that knows its own model."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from contract import RIG, SMALL, TINY, haystack, names
from wire import MODELS, Response, Server, url


@pytest.fixture(scope="module")
def tight(server: Server) -> str:
    """A model that the tiny machine can't run."""
    rows = server.ok(MODELS, **TINY, include_too_tight=True, search="70B", limit=1000)["models"]
    for row in rows:
        if row["fit_level"] == "too_tight":
            return row["name"]
    raise AssertionError(f"{TINY}: every 70B model runs")


@pytest.fixture(scope="module")
def shared(everything: dict[str, Any]) -> str:
    """An id that other ids contain, and that isn't the best of them."""
    rows = [row for row in everything["models"] if row["fit_level"] != "too_tight"]
    ids = "\n".join(row["name"].lower() for row in rows)
    for row in reversed(rows):
        first = next(r["name"] for r in rows if row["name"].lower() in r["name"].lower())
        if ids.count(row["name"].lower()) > 1 and first != row["name"]:
            return row["name"]
    raise AssertionError("no id contains another one")


def _one(server: Server, name: str, **params: object) -> Response:
    answer = server.get(url(f"{MODELS}/{name}", params))
    assert answer.status == 200, f"{answer.asked}: wanted 200, came {answer.status} {answer.body[:200]!r}"
    return answer


def test_the_envelope_and_defaults_of_models(server: Server) -> None:
    page = server.ok(MODELS + "/llama", **SMALL)
    plain = server.ok(MODELS, **SMALL, search="llama")
    assert page.keys() == plain.keys(), f"{sorted(page.keys() ^ plain.keys())}"
    assert len(names(page)) > 100 and set(names(page)) == set(names(plain)), (
        f"models/llama: {len(names(page))} rows, models?search=llama: {len(names(plain))}"
    )
    assert page["filters"]["limit"] is None, f"models/llama: filters {page['filters']}"


@pytest.mark.parametrize("name", ["meta", "8B", "Multimodal", "deepseek-ai/DeepSeek-R1"])
def test_the_name_is_looked_for_where_search_looks(
    server: Server, everything: dict[str, Any], name: str
) -> None:
    wanted = {r["name"] for r in everything["models"] if any(name.lower() in field for field in haystack(r))}
    got = set(names(server.ok(f"{MODELS}/{name}", **RIG, include_too_tight=True)))
    assert wanted and got == wanted, f"models/{name}: {len(got)} rows, wanted {len(wanted)}"


def test_an_encoded_and_a_raw_slash_are_one(server: Server, shared: str) -> None:
    raw = _one(server, shared, **RIG).json()
    coded = _one(server, quote(shared, safe=""), **RIG).json()
    small = _one(server, shared.replace("/", "%2f"), **RIG).json()
    assert raw["models"] and raw["models"] == coded["models"] == small["models"], (
        f"{shared}: raw slash {names(raw)[:3]}, %2F {names(coded)[:3]}, %2f {names(small)[:3]}"
    )


@pytest.mark.parametrize("shape", [str, str.upper, str.lower])
def test_the_model_itself_comes_first(server: Server, shared: str, shape: Any) -> None:
    asked = shape(shared)
    for more in ({}, {"sort": "date"}, {"sort": "mem"}, {"limit": 1}):
        rows = names(_one(server, asked, **RIG, **more).json())
        assert rows[:1] == [shared], (
            f"models/{asked} {more}: first row of {len(rows)} is {rows[:1]}, wanted {shared}"
        )
        assert more.get("limit") == 1 or len(rows) > 1, (
            f"models/{asked}: the other ids with this text are missing"
        )
        assert rows.count(shared) == 1, f"models/{asked}: it comes {rows.count(shared)} times"


def test_it_is_returned_even_if_too_tight(server: Server, tight: str) -> None:
    page = _one(server, tight, **TINY).json()
    first = page["models"][0] if page["models"] else {}
    assert (first.get("name"), first.get("fit_level")) == (tight, "too_tight"), (
        f"models/{tight} with {TINY}: first {first.get('name')} {first.get('fit_level')}"
    )
    others = [r["name"] for r in page["models"][1:] if r["fit_level"] == "too_tight"]
    assert not others, f"models/{tight} with {TINY}: too tight, and another model: {others[:3]}"
    assert page["total_models"] == len(page["models"]), f"models/{tight}: total {page['total_models']}"


@pytest.mark.parametrize(
    ("name", "value", "there"),
    [
        ("min_fit", "marginal", False),
        ("min_fit", "good", False),
        ("min_fit", "too_tight", True),
        ("perfect", "true", False),
        ("include_too_tight", "false", False),
        ("include_too_tight", "true", True),
    ],
)
def test_unless_the_request_sets_the_level(
    server: Server, tight: str, name: str, value: str, there: bool
) -> None:
    rows = names(_one(server, tight, **TINY, **{name: value}).json())
    assert (tight in rows) is there, f"models/{tight}?{name}={value} with {TINY}: {rows[:3]}"


@pytest.mark.parametrize(
    "name", ["zzz-no-such-model", "no/such/model", "%00", "..%2F..%2Fetc%2Fpasswd", "%FF%FE"]
)
def test_no_match_is_no_error(server: Server, name: str) -> None:
    answer = server.get(f"{MODELS}/{name}")
    if name in ("%00", "%FF%FE"):  # neither is a text: 400 and 404 are fine too
        assert answer.status in (200, 400, 404), f"{answer.asked}: {answer.status}"
        answer.json()
        return
    page = _one(server, name).json()
    assert (page["total_models"], page["returned_models"], page["models"]) == (0, 0, []), (
        f"models/{name}: {page}"
    )


def test_exact(server: Server, shared: str, tight: str) -> None:
    for asked in (shared, shared.upper(), quote(shared, safe="")):
        rows = names(_one(server, asked, **RIG, exact="true").json())
        assert rows == [shared], f"models/{asked}?exact=true: {rows[:4]}, wanted {shared} alone"
    rows = names(_one(server, tight, **TINY, exact="true").json())
    assert rows == [tight], f"models/{tight}?exact=true with {TINY}: {rows[:4]}"
    text = server.bad(f"{MODELS}/no/such-model", status=404, exact=True)
    assert text, "exact=true of an unknown id: no text"
    part = shared.split("/")[1]
    server.bad(f"{MODELS}/{part}", status=404, exact=True)
