"""use_case, runtime, force_runtime, license and distinct."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from contract import LEVELS, RIG, USE_CASES, level, names
from wire import MODELS, TOP, Server

APPLE: dict[str, object] = {"gpu": "Apple M3 Max", "ram_gb": 64}
CPU: dict[str, object] = {"vram_gb": 0, "ram_gb": 64}


@pytest.mark.parametrize("path", [MODELS, TOP, MODELS + "/qwen"])
@pytest.mark.parametrize("use_case", USE_CASES)
def test_the_category_is_the_use_case_asked_for(server: Server, path: str, use_case: str) -> None:
    limit = 5 if use_case == "embedding" else 30
    rows = server.ok(path, **RIG, use_case=use_case, limit=limit)["models"]
    got = {row["category"] for row in rows}
    assert got == {USE_CASES[use_case]}, (
        f"{path}?use_case={use_case}: {len(rows)} rows of the categories {got}"
    )


@pytest.mark.parametrize("use_case", ["coding", "reasoning", "multimodal"])
def test_a_use_case_has_the_models_that_are_mainly_for_it(
    server: Server, everything: dict[str, Any], use_case: str
) -> None:
    """Nearly all of them: a guard or a reranker may bear the label and serve nothing."""
    main = {
        row["name"]
        for row in everything["models"]
        if row["category"] == USE_CASES[use_case] and "qwen" in row["name"].lower()
    }
    asked: dict[str, object] = {**RIG, "use_case": use_case, "search": "qwen", "include_too_tight": True}
    got = set(names(server.ok(MODELS, **asked)))
    assert main and len(main - got) <= 0.15 * len(main), (
        f"{asked}: {len(got)} rows, but of {len(main)} rows of this main category {len(main - got)} are "
        f"missing: {sorted(main - got)[:5]}"
    )


def test_every_row_has_one_category_and_it_is_scored_for_it(
    server: Server, everything: dict[str, Any]
) -> None:
    """Asking for a row's main use case changes nothing in it."""
    known = {row["name"]: row for row in everything["models"]}
    for use_case, label in USE_CASES.items():
        rows = server.ok(MODELS, **RIG, use_case=use_case, limit=60)["models"]
        for row in rows:
            main = known[row["name"]]
            if main["category"] == label:
                assert (row["score"], row["score_components"]) == (main["score"], main["score_components"]), (
                    f"{row['name']}: its main use case is {label}, use_case={use_case} scores it "
                    f"{row['score']}, no use case {main['score']}"
                )


@pytest.mark.parametrize(
    ("what", "runtime", "some"),
    [
        (RIG, "llamacpp", True),
        (RIG, "vllm", True),
        (RIG, "mlx", False),
        (APPLE, "mlx", True),
        (APPLE, "llamacpp", True),
        (CPU, "llamacpp", True),
        (CPU, "mlx", False),
    ],
)
def test_runtime_keeps_what_it_can_run_here(
    server: Server, what: dict[str, object], runtime: str, some: bool
) -> None:
    page = server.ok(MODELS, **what, runtime=runtime, limit=60)
    got = {row["runtime"] for row in page["models"]}
    assert got == ({runtime} if some else set()), (
        f"{what} runtime={runtime}: {page['total_models']} rows on {got}"
    )
    tight = {
        row["runtime"]
        for row in server.ok(MODELS, **what, runtime=runtime, limit=60, min_fit="tight")["models"]
    }
    assert tight <= {runtime}, f"{what} runtime={runtime}, too tight ones too: rows on {tight}"
    alone = server.ok(MODELS, **what, limit=0)["total_models"]
    assert page["total_models"] <= alone, (
        f"{what} runtime={runtime}: {page['total_models']} rows, any: {alone}"
    )


@pytest.mark.parametrize("runtime", ["llamacpp", "mlx", "vllm"])
def test_force_runtime_computes_every_row_for_it(
    server: Server, everything: dict[str, Any], runtime: str
) -> None:
    asked: dict[str, object] = {**RIG, "force_runtime": runtime, "include_too_tight": True}
    total = server.ok(MODELS, **asked, limit=0)["total_models"]
    assert total == everything["total_models"], (
        f"{asked}: {total} rows, wanted all {everything['total_models']}"
    )
    rows = server.ok(MODELS, **asked, search="qwen")["models"]
    got = {row["runtime"] for row in rows}
    assert rows and got == {runtime}, f"{asked}: runtimes {got}"
    if runtime == "mlx":
        levels = {row["fit_level"] for row in rows}
        assert levels == {"too_tight"}, f"{asked}: no Apple machine, yet {levels}"
    kept = server.ok(MODELS, **RIG, runtime=runtime, search="qwen")["models"]
    forced = [row["name"] for row in rows if level(row) > 0]
    assert set(names({"models": kept})) == set(forced), (
        f"runtime={runtime} keeps {len(kept)} rows, force_runtime={runtime} has {len(forced)} runnable ones"
    )


@pytest.mark.parametrize("asked", ["gemma", "gemma,llama3.1", "llama3.1,gemma", "no-such-license"])
def test_license_is_a_comma_list(server: Server, everything: dict[str, Any], asked: str) -> None:
    named = set(asked.split(","))
    wanted = {  # of a model under two licences both must be named
        row["name"] for row in everything["models"] if row["license"] and set(row["license"].split(",")) <= named
    }
    if asked == "no-such-license":
        answer = server.get(f"{MODELS}?license={asked}")
        assert answer.status in (200, 400), f"license={asked}: {answer.status}"
        assert answer.status == 400 or answer.json()["models"] == [], f"license={asked}: rows came"
        return
    got = set(names(server.ok(MODELS, **RIG, license=asked, include_too_tight=True)))
    assert wanted and got == wanted, f"license={asked}: {len(got)} rows, wanted {len(wanted)}"


def _base(row: dict[str, Any]) -> str:
    return (row["base_model"] or row["name"]).lower()


@pytest.mark.parametrize(
    "more", [{"search": "llama"}, {"search": "qwen3", "min_fit": "good"}, {"provider": "e"}]
)
def test_distinct_has_one_row_of_each_base_model(server: Server, more: dict[str, object]) -> None:
    asked: dict[str, object] = {**RIG, "limit": 3000, **more}
    groups = defaultdict(list)
    for row in server.ok(MODELS, **asked)["models"]:
        groups[_base(row)].append(row)
    page = server.ok(MODELS, **asked, distinct=True)
    bases = [_base(row) for row in page["models"]]
    assert len(set(bases)) == len(bases), (
        f"{asked} distinct: {len(bases) - len(set(bases))} base models come twice"
    )
    if len(groups) and sum(map(len, groups.values())) < 3000:
        assert set(bases) == set(groups), f"{asked} distinct: {sorted(set(bases) ^ set(groups))[:5]} differ"
        assert page["total_models"] == len(groups), f"{asked} distinct: total {page['total_models']}"
        for row in page["models"]:
            group = groups[_base(row)]
            proper = [r for r in group if r["origin"] != "community"] or group
            assert row["name"] in names({"models": proper}), (
                f"{asked} distinct: {row['name']} ({row['origin']}) stands for {_base(row)}, "
                f"though {proper[0]['name']} ({proper[0]['origin']}) survives"
            )
            best = max(r["score"] for r in proper)
            assert row["score"] == best, f"{asked} distinct: {row['name']} has {row['score']}, best is {best}"


def test_distinct_is_the_default_of_top_alone(server: Server) -> None:
    for path, value in ((TOP, True), (MODELS, False), (MODELS + "/llama", False)):
        page = server.ok(path, **RIG, search="llama", limit=50)
        asked = server.ok(path, **RIG, search="llama", limit=50, distinct=value)
        assert page["filters"]["distinct"] is value, (
            f"{path}: filters.distinct {page['filters']['distinct']!r}"
        )
        assert names(page) == names(asked), f"{path}: distinct={value} isn't its default"


def test_levels_exist_for_the_other_tests(everything: dict[str, Any]) -> None:
    got = {row["fit_level"] for row in everything["models"]}
    assert got == set(LEVELS), f"{RIG}: levels {got}"
