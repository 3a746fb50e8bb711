"""The reference of query parameters, line by line: values, aliases, defaults and every example."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from contract import FILTERS, LEVELS, RIG, USE_CASES, haystack, level, names
from wire import MODELS, SYSTEM, TOP, Server, url

Row = dict[str, Any]
Check = Callable[[Row], bool]

ENDPOINTS = [MODELS, TOP, MODELS + "/qwen"]


def at_least(lowest: str) -> Check:
    return lambda row: level(row) >= LEVELS.index(lowest)


def serves(use_case: str) -> Check:
    return lambda row: row["category"] == USE_CASES[use_case]


def by(provider: str) -> Check:
    return lambda row: provider.lower() in row["provider"].lower()


def found(text: str) -> Check:
    return lambda row: any(text.lower() in field for field in haystack(row))


def runs_on(runtime: str) -> Check:
    return lambda row: row["runtime"] == runtime


def computed_at(context: int) -> Check:
    return lambda row: (
        not row["context_length"] or row["effective_context_length"] == min(context, row["context_length"])
    )


def anything(row: Row) -> bool:
    return True


# every curl of the reference: the question, what each row must be, the most rows
EXAMPLES: list[tuple[str, list[Check], int | None]] = [
    ("models?perfect=true", [at_least("perfect")], None),
    ("models?min_fit=good", [at_least("good")], None),
    ("models?min_fit=marginal", [at_least("marginal")], None),
    ("models?include_too_tight=false", [at_least("marginal")], None),
    ("models?runtime=llamacpp", [runs_on("llamacpp")], None),
    ("models?runtime=mlx", [runs_on("mlx")], None),
    ("models?use_case=coding", [serves("coding")], None),
    ("models?use_case=reasoning", [serves("reasoning")], None),
    ("models?provider=Meta", [by("meta")], None),
    ("models?provider=qwen", [by("qwen")], None),
    ("models?search=llama", [found("llama")], None),
    ("models?search=7B", [found("7b")], None),
    ("models?search=coding", [found("coding")], None),
    ("models?sort=tps", [anything], None),
    ("models?sort=ctx", [anything], None),
    ("models?sort=params", [anything], None),
    ("models?max_context=8192", [computed_at(8192)], None),
    ("models?max_context=32768", [computed_at(32768)], None),
    ("models/top?limit=5&min_fit=good&include_too_tight=false&sort=score", [at_least("good")], 5),
    ("models/top?use_case=coding&min_fit=good&limit=10", [serves("coding"), at_least("good")], 10),
    ("models?sort=tps&min_fit=good&limit=20", [at_least("good")], 20),
    ("models?max_context=32768&sort=ctx&min_fit=good", [computed_at(32768), at_least("good")], None),
    ("models?provider=Meta&min_fit=marginal", [by("meta"), at_least("marginal")], None),
    ("models/top?runtime=llamacpp&limit=10", [runs_on("llamacpp")], 10),
]


@pytest.mark.parametrize(("question", "checks", "most"), EXAMPLES, ids=[e[0] for e in EXAMPLES])
def test_example(server: Server, question: str, checks: list[Check], most: int | None) -> None:
    page = server.ok("/api/v1/" + question, **RIG, **({} if most else {"limit": 150}))
    rows = page["models"]
    apple_only = "runtime=mlx" in question
    assert bool(rows) is not apple_only, f"{question} with {RIG}: {len(rows)} rows"
    assert most is None or len(rows) <= most, f"{question}: {len(rows)} rows, at most {most} were asked for"
    wrong = [row["name"] for row in rows if not all(check(row) for check in checks)]
    assert not wrong, f"{question} with {RIG}: {len(wrong)} of {len(rows)} rows don't belong: {wrong[:5]}"


@pytest.mark.parametrize("question", [e[0] for e in EXAMPLES])
def test_example_on_this_machine(server: Server, question: str) -> None:
    page = server.ok("/api/v1/" + question + ("" if "limit=" in question else "&limit=3"))
    assert page["returned_models"] == len(page["models"]), (
        f"{question}: returned_models {page['returned_models']}"
    )


def test_provider_is_a_substring_of_the_provider_alone(server: Server, everything: dict[str, Any]) -> None:
    for asked in ("qwen", "QWEN", "Meta", "a"):
        wanted = {row["name"] for row in everything["models"] if asked.lower() in row["provider"].lower()}
        params = {**RIG, "provider": asked, "include_too_tight": True}
        if asked == "a":  # most of the list: the count will do
            total = server.ok(MODELS, **params, limit=0)["total_models"]
            assert total == len(wanted), f"provider=a: total {total}, wanted {len(wanted)}"
            continue
        got = set(names(server.ok(MODELS, **params)))
        assert got == wanted, (
            f"provider={asked}: {len(got)} rows, wanted {len(wanted)}; {sorted(got ^ wanted)[:5]}"
        )
        assert asked == "Meta" or len(got) > 100, f"provider={asked}: only {len(got)} rows"


@pytest.mark.parametrize(
    "asked", ["70B", "llama", "LLaMA-3", "coding", "Multimodal", "code gen", "meta-llama/"]
)
def test_search_looks_in_five_fields(server: Server, everything: dict[str, Any], asked: str) -> None:
    wanted = {row["name"] for row in everything["models"] if found(asked)(row)}
    assert asked == "code gen" or wanted, f"search={asked}: the list should have such rows"
    got = set(names(server.ok(MODELS, **RIG, search=asked, include_too_tight=True)))
    assert got == wanted, f"search={asked}: {len(got)} rows, wanted {len(wanted)}; {sorted(got ^ wanted)[:5]}"


@pytest.mark.parametrize("asked", ["%", "_", ".", "*", "\\", "'", "[", "zzz-no-such-model", "é", "b"])
def test_search_takes_characters_as_they_are(server: Server, everything: dict[str, Any], asked: str) -> None:
    wanted = sum(found(asked)(row) for row in everything["models"])
    got = server.ok(MODELS, **RIG, search=asked, include_too_tight=True, limit=0)["total_models"]
    assert got == wanted, f"search={asked!r}: total {got}, wanted {wanted}"


def test_search_70b_finds_70b_models(server: Server) -> None:
    rows = server.ok(MODELS, **RIG, search="70B", include_too_tight=True)["models"]
    sized = [row for row in rows if 55 <= row["params_b"] <= 90]
    assert len(sized) > 20 and len(sized) >= 0.8 * len(rows), (
        f"search=70B: {len(sized)} of {len(rows)} are 70B"
    )


ALIASES = [
    ("limit=7", "n=7"), ("limit=7", "top=7"),
    ("runtime=llamacpp", "runtime=llama.cpp"), ("runtime=llamacpp", "runtime=llama_cpp"),
    ("use_case=coding", "use_case=code"), ("use_case=reasoning", "use_case=reason"),
    ("use_case=multimodal", "use_case=vision"), ("use_case=embedding", "use_case=embed"),
    ("sort=tps", "sort=tokens"), ("sort=tps", "sort=throughput"), ("sort=params", "sort=parameters"),
    ("sort=mem", "sort=memory"), ("sort=mem", "sort=mem_pct"), ("sort=mem", "sort=utilization"),
    ("sort=ctx", "sort=context"), ("sort=date", "sort=release"), ("sort=date", "sort=released"),
    ("sort=use_case", "sort=use"), ("sort=use_case", "sort=usecase"),
    ("min_fit=too_tight", "min_fit=tight"), ("min_fit=too_tight", "min_fit=tootight"),
    ("sort=tps", "sort=TPS"), ("sort=tps", "sort=%20tps%20"), ("min_fit=good", "min_fit=Good"),
    ("use_case=coding", "use_case=CODE"), ("runtime=llamacpp", "runtime=%20Llama.CPP"),
    ("runtime=any", "runtime=ANY"),
]  # fmt: skip


@pytest.mark.parametrize(("plain", "alias"), ALIASES, ids=[b for _, b in ALIASES])
def test_alias(server: Server, plain: str, alias: str) -> None:
    more = {**RIG} if "=7" in plain else {**RIG, "limit": 12}
    one, two = (server.ok(url(f"{MODELS}?{asked}", more)) for asked in (plain, alias))
    for key in ("total_models", "returned_models", "filters", "models", "warnings"):
        assert one[key] == two[key], (
            f"{key} differs between {plain} and {alias}: {one[key]!r:.300} {two[key]!r:.300}"
        )
    assert two["models"], f"{alias} with {more}: no rows"


@pytest.mark.parametrize(("alias", "name"), [("ram", "ram_gb"), ("memory", "vram_gb")])
def test_alias_of_the_hardware(server: Server, alias: str, name: str) -> None:
    one, two = (server.ok(SYSTEM, **{key: 16})["system"] for key in (alias, name))
    for system in (one, two):
        system.pop("observed_at", None)
    assert one == two, f"{alias}=16 gives {one}, {name}=16 gives {two}"


VALUES = {
    "min_fit": LEVELS,
    "runtime": ("any", "mlx", "llamacpp", "vllm"),
    "use_case": tuple(USE_CASES),
    "sort": ("score", "tps", "params", "mem", "ctx", "date", "use_case"),
    "perfect": ("true", "false"),
    "include_too_tight": ("true", "false"),
    "limit": ("0", "1", "10"),
    "max_context": ("1", "512", "8192", "1000000"),
    "provider": ("x",),
    "search": ("x",),
}
CASES = [(name, value) for name, values in VALUES.items() for value in values]


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(("name", "value"), CASES, ids=["=".join(c) for c in CASES])
def test_every_value_on_every_endpoint(server: Server, path: str, name: str, value: str) -> None:
    page = server.ok(path, **RIG, **{"limit": 2, name: value})
    echo = page["filters"][name]
    if isinstance(echo, bool):
        echo = str(echo).lower()
    if name == "search" and path == ENDPOINTS[2]:
        return  # how the name joins `search` in the echo is open
    if name == "min_fit" and value == "too_tight" and path == TOP:
        return  # include_too_tight=false beats it there: which of the two is echoed is open
    assert str(echo) == value, f"{path}?{name}={value}: filters.{name} is {echo!r}"


BOOLEANS = [(w, True) for w in ("true", "TRUE", "True", "1", "yes", "on", "On")]
BOOLEANS += [(w, False) for w in ("false", "FALSE", "0", "no", "No", "off")]


@pytest.mark.parametrize("name", ["perfect", "include_too_tight", "distinct", "unified_memory"])
@pytest.mark.parametrize(("word", "value"), BOOLEANS, ids=[w for w, _ in BOOLEANS])
def test_boolean_words(server: Server, name: str, word: str, value: bool) -> None:
    params = {"ram_gb": 32, "gpu": "Apple M2 Ultra"} if name == "unified_memory" and value else RIG
    echo = server.ok(MODELS, **params, limit=0, **{name: word})["filters"][name]
    assert echo is value, f"{name}={word}: filters.{name} is {echo!r}, wanted {value}"


@pytest.mark.parametrize(
    ("path", "limit", "too_tight", "distinct"), [(MODELS, None, True, False), (TOP, 5, False, True)]
)
def test_defaults(server: Server, path: str, limit: int | None, too_tight: bool, distinct: bool) -> None:
    # a filter keeps the unlimited answer small, and is no default itself
    page = server.ok(path, **RIG, provider="meta")
    wanted = {
        "limit": limit, "perfect": False, "min_fit": "marginal", "include_too_tight": too_tight,
        "sort": "score", "runtime": "any", "use_case": None, "search": None, "provider": "meta",
        "distinct": distinct,
    }  # fmt: skip
    got = {key: page["filters"].get(key, "missing") for key in wanted}
    assert got == wanted, f"{path}: filters {got}, wanted {wanted}"
    said = {"limit": limit} if limit else {}
    spelled = {**said, "perfect": False, "min_fit": "marginal", "sort": "score", "runtime": "any"}
    if path == TOP:
        spelled["include_too_tight"] = False
    again = server.ok(path, **RIG, provider="meta", distinct=distinct, **spelled)
    assert again["models"] == page["models"], f"{path}: the defaults spelled out give other rows"
    assert limit is None or len(page["models"]) == limit, (
        f"{path}: {len(page['models'])} rows, wanted {limit}"
    )


def test_filters_echo_every_parameter(server: Server) -> None:
    for path, top in ((MODELS, False), (TOP, True)):
        filters = server.ok(path, limit=0)["filters"]
        missing = [key for key in FILTERS if key not in filters]
        assert not missing, f"{path}: filters lack {missing}"
        assert filters["top_only"] is top, f"{path}: filters.top_only is {filters['top_only']!r}"


def test_max_context_scores_again(server: Server) -> None:
    asked = {**RIG, "provider": "qwen", "include_too_tight": True}
    short, long = (
        {r["name"]: r for r in server.ok(MODELS, **asked, max_context=context)["models"]}
        for context in (8192, 32768)
    )
    assert short.keys() == long.keys(), f"{asked}: max_context changes which models are listed"
    grown = 0
    for name, one in short.items():
        two = long[name]
        if one["context_length"] < 32768 or one["best_quant"] != two["best_quant"]:
            continue
        if (one["run_mode"], one["runtime"]) != (two["run_mode"], two["runtime"]):
            continue
        a, b = (row["memory_breakdown_gb"]["kv_cache"] for row in (one, two))
        assert b >= a, f"{name}: kv_cache {a} GiB at 8192 and {b} at 32768"
        assert level(two) <= level(one), f"{name}: {one['fit_level']} at 8192, {two['fit_level']} at 32768"
        grown += b > a
    assert grown > 20, f"{asked}: the cache of only {grown} models grows from 8192 to 32768"
