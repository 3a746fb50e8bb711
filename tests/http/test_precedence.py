"""What wins when parameters meet: min_fit, include_too_tight, perfect, limit, the path, max_context."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from contract import LEVELS, RIG, SMALL, level, names
from wire import MODELS, TOP, Server

LOWEST: dict[tuple[str | None, bool | None], str] = {
    (None, None): "marginal",
    (None, True): "too_tight",
    (None, False): "marginal",
    ("too_tight", False): "marginal",
    ("marginal", False): "marginal",
    ("good", False): "good",
    ("perfect", False): "perfect",
    **{(fit, tight): fit for fit in LEVELS for tight in (None, True)},
}


@pytest.fixture(scope="module")
def tally(everything: dict[str, Any]) -> Counter[str]:
    """How many rows of each level the known machine has."""
    count = Counter(row["fit_level"] for row in everything["models"])
    assert set(count) == set(LEVELS), f"{RIG} should show every level: {count}"
    return count


def _asked(**params: object) -> dict[str, object]:
    return {key: value for key, value in params.items() if value is not None}


@pytest.mark.parametrize("path", [MODELS, TOP])
@pytest.mark.parametrize("perfect", [None, False, True])
@pytest.mark.parametrize(("fit", "tight"), LOWEST)
def test_the_table(
    server: Server, tally: Counter[str], path: str, fit: str | None, tight: bool | None, perfect: bool | None
) -> None:
    key = ("perfect" if perfect else fit, tight)
    if path == TOP and tight is None:
        key = (key[0], False)
    lowest = LOWEST[key]
    wanted = sum(tally[word] for word in LEVELS[LEVELS.index(lowest) :])
    asked = _asked(min_fit=fit, include_too_tight=tight, perfect=perfect, distinct=False)
    page = server.ok(path, **RIG, **asked, limit=0)
    assert page["total_models"] == wanted, (
        f"{path} {asked}: total {page['total_models']}, wanted {wanted}, all rows down to {lowest}; {tally}"
    )
    rows = server.ok(path, **RIG, **asked, limit=40, sort="use_case")["models"]
    wrong = [row["name"] for row in rows if level(row) < LEVELS.index(lowest)]
    assert not wrong, f"{path} {asked}: below {lowest}: {wrong[:5]}"


def test_perfect_is_echoed_as_the_effective_min_fit(server: Server) -> None:
    filters = server.ok(MODELS, **RIG, perfect=True, min_fit="marginal", limit=0)["filters"]
    assert (filters["perfect"], filters["min_fit"]) == (True, "perfect"), f"perfect=true: filters {filters}"


@pytest.mark.parametrize("perfect", ["true", "false"])
def test_a_bad_min_fit_stays_bad_beside_perfect(server: Server, perfect: str) -> None:
    text = server.bad(MODELS, min_fit="excellent", perfect=perfect)
    assert text == "invalid min_fit value: use perfect|good|marginal|too_tight", (
        f"perfect={perfect}: {text!r}"
    )


@pytest.mark.parametrize("path", [MODELS, TOP, MODELS + "/llama"])
def test_limit_comes_after_filters_and_sort(server: Server, path: str) -> None:
    asked: dict[str, object] = {**RIG, "provider": "meta", "sort": "params", "min_fit": "good"}
    whole = server.ok(path, **asked, limit=100000)
    assert whole["total_models"] == whole["returned_models"] == len(whole["models"]) > 8, (
        f"{path} {asked}: total {whole['total_models']}, returned {whole['returned_models']}, "
        f"{len(whole['models'])} rows"
    )
    for limit in (0, 1, 8, len(whole["models"]) + 1):
        page = server.ok(path, **asked, limit=limit)
        assert page["total_models"] == whole["total_models"], (
            f"{path} limit={limit}: total {page['total_models']}"
        )
        assert page["returned_models"] == len(page["models"]), (
            f"{path} limit={limit}: {page['returned_models']}"
        )
        assert names(page) == names(whole)[:limit], f"{path} limit={limit}: {names(page)}, wanted the first"


def test_the_name_in_the_path_is_one_more_filter(server: Server) -> None:
    asked: dict[str, object] = {**RIG, "include_too_tight": True}
    left, right, both = (
        set(names(server.ok(path, **asked, **search)))
        for path, search in (
            (MODELS, {"search": "coder"}),
            (MODELS + "/14B", {}),
            (MODELS + "/14B", {"search": "coder"}),
        )
    )
    assert both, "models/14B?search=coder: no rows"
    assert both == left & right, (
        f"models/14B?search=coder: {len(both)} rows, wanted the {len(left & right)} that both filters find; "
        f"{sorted(both ^ (left & right))[:5]}"
    )


def test_max_context_of_the_request_beats_that_of_the_server(start_server: Callable[..., Any]) -> None:
    try:
        own = start_server("--max-context", "4096")
    except AssertionError:  # a global flag may also have to stand before the command
        own = start_server(before=("--max-context", "4096"))
    for asked, wanted in (({}, 4096), ({"max_context": 16384}, 16384), ({"max_context": 2048}, 2048)):
        rows = own.ok(MODELS, **SMALL, provider="qwen", limit=60, **asked)["models"]
        wrong = [
            (row["name"], row["context_length"], row["effective_context_length"])
            for row in rows
            if row["context_length"] and row["effective_context_length"] != min(wanted, row["context_length"])
        ]
        assert rows and not wrong, f"--max-context 4096, asked {asked}: effective context of {wrong[:5]}"
