"""explain=true, and what an empty answer says."""

from __future__ import annotations

import re
from typing import Any

import pytest
from contract import RIG
from wire import MODELS, TOP, Server

MODEL = "Qwen/Qwen3.6-35B-A3B"
CPU: dict[str, object] = {"vram_gb": 0, "ram_gb": 21, "cpu_cores": 8, "ram_bandwidth_gbps": 50}
APPLE: dict[str, object] = {"gpu": "Apple M4 Pro", "ram_gb": 24, "cpu_cores": 12}


@pytest.mark.parametrize("path", [MODELS, TOP, f"{MODELS}/qwen3-8b"])
def test_without_it_nothing_changes(server: Server, path: str) -> None:
    asked = {**RIG, "limit": 3}
    plain = server.ok(path, **asked)
    with_it = server.ok(path, **asked, explain=True)
    assert "explanation" not in plain
    assert with_it["models"] == plain["models"]
    assert [row["name"] for row in with_it["explanation"]["rows"]] == [row["name"] for row in plain["models"]]


def test_it_names_all_that_the_answer_depends_on(server: Server) -> None:
    answer = server.ok(f"{MODELS}/{MODEL}", **RIG, explain=True, exact=True, max_context=16384)
    asked = answer["explanation"]["asked"]
    assert (asked["catalog_digest"], asked["generation"]) == (answer["catalog"]["digest"], answer["generation"])
    assert (asked["endpoint"], asked["name"], asked["parameters"]["max_context"]) == ("name", MODEL, 16384)
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", asked["llmfit_version"])
    assert asked["parameters"]["gpu"] == RIG["gpu"] and asked["machine"]["ram_total_bytes"] > 1 << 30


@pytest.mark.parametrize("machine", [RIG, CPU, APPLE], ids=["rig", "cpu", "apple"])
@pytest.mark.parametrize("model", [MODEL, "Qwen/Qwen3-8B", "meta-llama/Llama-3.3-70B-Instruct"])
def test_what_would_change_the_level_does(server: Server, machine: dict[str, object], model: str) -> None:
    """The same request with that one parameter more has that level; one step nearer it has not."""
    path = f"{MODELS}/{model}"

    def level(**more: object) -> Any:
        return server.ok(path, exact=True, **{**machine, **more})["models"][0]["fit_level"]

    answer = server.ok(path, **machine, exact=True, explain=True)
    (row,) = answer["explanation"]["rows"]
    now = answer["models"][0]["fit_level"]
    assert row["fit_level"] == now and row["would_change"]
    for flip in row["would_change"]:
        name, value = flip["parameter"], flip["value"]
        assert level(**{name: value}) == flip["fit_level"] != now, flip
        if name in ("vram_gb", "ram_gb"):
            before = answer["system"]["gpu_available_gb" if name == "vram_gb" else "available_ram_gb"]
            nearer = round(value - 0.1 if value > before else value + 0.1, 1)
            assert level(**{name: nearer}) == now, (flip, nearer)


def test_at_most_twenty_rows_are_explained(server: Server) -> None:
    answer = server.ok(MODELS, **RIG, limit=25, explain=True)
    assert len(answer["explanation"]["rows"]) == 20 and len(answer["models"]) == 25
    assert "explain: only the first 20 of 25 models are explained" in answer["warnings"]


def test_a_model_that_cannot_run_here_is_explained(server: Server) -> None:
    path = f"{MODELS}/Qwen/Qwen2.5-72B-Instruct-AWQ"
    (row,) = server.ok(path, **CPU, exact=True, explain=True)["explanation"]["rows"]
    assert row["fit_level"] == "too_tight" and row["considered"] == [] and row["speed"]["parts"] == []


def test_a_bad_value_is_refused(server: Server) -> None:
    assert "explain" in server.bad(MODELS, explain="perhaps")


def test_an_empty_answer_says_what_each_filter_removed(server: Server) -> None:
    asked = {**RIG, "min_tps": 100000, "use_case": "coding", "provider": "Qwen"}
    answer = server.ok(MODELS, **asked)
    assert (answer["total_models"], answer["models"]) == (0, [])
    n = server.ok(MODELS, **RIG, include_too_tight=True, limit=0)["total_models"]
    left = server.ok(MODELS, **{**asked, "min_tps": 0}, limit=0)["total_models"]
    assert f"min_tps=100000 removed {n} of {n} models; {left} are left without it" in answer["warnings"]
    qwen = server.ok(MODELS, **RIG, provider="Qwen", include_too_tight=True, limit=0)["total_models"]
    assert f"provider=Qwen removed {n - qwen} of {n} models; 0 are left without it" in answer["warnings"]
    coding = server.ok(MODELS, **RIG, use_case="coding", include_too_tight=True, limit=0)["total_models"]
    assert f"use_case=coding removed {n - coding} of {n} models; 0 are left without it" in answer["warnings"]


def test_other_answers_say_nothing_of_filters(server: Server) -> None:
    assert server.ok(MODELS, **RIG, limit=0, min_tps=1)["warnings"] == []
    assert server.ok(MODELS, **RIG, offset=100000)["warnings"] == []


def test_a_name_that_nothing_contains(server: Server) -> None:
    warnings = server.ok(f"{MODELS}/no-such-model-anywhere", **RIG)["warnings"]
    assert any(re.match(r"name=no-such-model-anywhere removed (\d+) of \1 models", text) for text in warnings)
