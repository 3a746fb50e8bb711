"""`fields` and `capability`, alone and with what else a request may ask for."""

from __future__ import annotations

from typing import Any

import pytest
from contract import RIG, ROW
from wire import MODELS, TOP, Server

PATHS = [MODELS, TOP, MODELS + "/qwen"]
CAPABILITIES = ["tool_use", "vision", "audio", "reasoning", "embedding"]


def cut(rows: list[dict[str, Any]], fields: str) -> list[dict[str, Any]]:
    """The rows with these keys alone, in the row's own order."""
    wanted = fields.split(",")
    return [{key: value for key, value in row.items() if key in wanted} for row in rows]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "fields",
    ["name", "score,name", "verify_command", "notes,gguf_sources,score_components", "provider,runtime,context_length"],
)
def test_rows_have_the_named_keys_alone_in_their_own_order(server: Server, path: str, fields: str) -> None:
    whole = server.ok(path, **RIG, limit=20)
    some = server.ok(path, **RIG, limit=20, fields=fields)
    wanted = cut(whole["models"], fields)
    assert some["models"] == wanted, f"{path}?fields={fields}: {some['models'][:1]}, wanted {wanted[:1]}"
    assert [list(row) for row in some["models"]] == [list(row) for row in wanted], "the order of the keys"
    assert sorted(some["filters"]["fields"]) == sorted(fields.split(",")) and whole["filters"]["fields"] is None
    rest = {key: value for key, value in whole.items() if key not in ("models", "filters")}
    assert {key: some[key] for key in rest} == rest, "the envelope changed"


def test_every_key_of_a_row_may_be_asked_for(server: Server) -> None:
    for key in ROW:
        rows = server.ok(TOP, **RIG, fields=key)["models"]
        assert len(rows) == 5 and all(list(row) == [key] for row in rows), f"fields={key}: {rows[:1]}"
    rows = server.ok(TOP, **RIG, concurrency=4, fields="aggregate_tps,name")["models"]
    assert all(list(row) == ["name", "aggregate_tps"] for row in rows), rows
    assert server.ok(TOP, **RIG, fields="aggregate_tps", limit=1)["models"] == [{}], "one session has no aggregate"


@pytest.mark.parametrize(
    "more",
    [
        {"limit": 0},
        {"offset": 7, "limit": 3},
        {"sort": "tps", "order": "asc", "limit": 4},
        {"search": "llama", "min_tps": 10, "max_mem_gb": 20},
        {"basis": "total", "use_case": "coding", "limit": 6},
        {"perfect": True, "distinct": True, "concurrency": 2},
    ],
)
def test_fields_change_neither_selection_nor_order(server: Server, more: dict[str, object]) -> None:
    whole = server.ok(MODELS, **RIG, **more)
    some = server.ok(MODELS, **RIG, **more, fields="name,estimated_tps")
    assert some["models"] == cut(whole["models"], "name,estimated_tps"), f"{more}: other rows"
    assert (some["total_models"], some["returned_models"]) == (whole["total_models"], whole["returned_models"])


def test_the_whole_list_with_few_keys(server: Server, everything: dict[str, Any]) -> None:
    asked = {**RIG, "include_too_tight": True, "fields": "name,fit_level,score"}
    assert server.ok(MODELS, **asked)["models"] == cut(everything["models"], "name,fit_level,score")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("", "use a comma-separated list of keys of a row"),
        ("name,", "use a comma-separated list of keys of a row"),
        ("*", "unknown '*'"),
        ("scroe", "unknown 'scroe' (did you mean 'score'?)"),
        ("name,best_qant", "unknown 'best_qant' (did you mean 'best_quant'?)"),
        ("models", "unknown 'models'"),
        ("score_components.quality", "unknown 'score_components.quality' (did you mean 'score_components'?)"),
    ],
)
def test_a_bad_list_of_fields(server: Server, fields: str, said: str) -> None:
    text = server.bad(MODELS, fields=fields)
    assert text.startswith(f"invalid fields value: {said}"), text
    assert "given more than once" in server.bad(MODELS + "?fields=name&fields=score")


def test_system_has_no_fields(server: Server) -> None:
    warnings = server.ok("/api/v1/system", fields="name")["system"]["warnings"]
    assert any("unknown parameter 'fields'" in text for text in warnings), warnings


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("wanted", [*CAPABILITIES, "vision,tool_use", "reasoning,tool_use,vision", "embedding,audio"])
def test_capability_keeps_what_has_all_of_them(
    server: Server, everything: dict[str, Any], path: str, wanted: str
) -> None:
    has = {row["name"] for row in everything["models"] if set(wanted.split(",")) <= set(row["capability_ids"])}
    page = server.ok(path, **RIG, capability=wanted, include_too_tight=True, distinct=False, limit=99999)
    names = {row["name"] for row in page["models"]}
    asked = {name for name in has if "qwen" in name.lower()} if path.endswith("qwen") else has
    assert asked <= names <= has, f"{path}, capability={wanted}: {len(names)} rows, {len(asked)} have them"
    assert page["total_models"] == len(names) and sorted(page["filters"]["capability"]) == sorted(wanted.split(","))


def test_capability_with_other_filters(server: Server) -> None:
    asked = {**RIG, "use_case": "multimodal", "min_fit": "good", "sort": "tps"}
    rows = server.ok(MODELS, **asked)["models"]
    wanted = [row["name"] for row in rows if "tool_use" in row["capabilities"]]
    got = server.ok(MODELS, **asked, capability="Tool_Use", fields="name")["models"]
    assert got == [{"name": name} for name in wanted] and 0 < len(wanted) < len(rows)


def test_a_bad_capability_is_told_all_that_there_are(server: Server) -> None:
    for bad in ("tools", "vision,tools", "vision|audio"):
        text = server.bad(TOP, capability=bad)
        assert text.startswith("invalid capability value: ") and text.endswith("|".join(CAPABILITIES)), text
