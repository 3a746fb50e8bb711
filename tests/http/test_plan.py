"""POST /api/v1/plan and GET /api/v1/compare over the wire."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from contract import RIG
from wire import Server, url

PLAN, COMPARE = "/api/v1/plan", "/api/v1/compare"
MODEL = "Qwen/Qwen3-8B"
# What clients of the existing tool read.
OLD_KEYS = {
    "context", "current", "disk_size_gb", "estimate_notice", "kv_alternatives", "kv_quant", "minimum", "model_name",
    "provider", "quantization", "recommended", "run_paths", "target_tps", "upgrade_deltas",
}  # fmt: skip


def post(server: Server, body: object, kind: str | None = "application/json") -> tuple[int, Any]:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    link = http.client.HTTPConnection(server.host, server.port, timeout=30)
    link.request("POST", PLAN, text, {"Content-Type": kind} if kind else {})
    answer = link.getresponse()
    assert answer.headers["content-type"] == "application/json"
    found = json.loads(answer.read())
    link.close()
    if answer.status != 200:
        assert set(found) == {"error"}
    return answer.status, found


def test_the_request_of_the_existing_tool(server: Server) -> None:
    body = {
        "model": MODEL, "context": 8192, "quant": "Q4_K_M", "kv_quant": "fp16", "target_tps": 5, "ram_gb": 64,
        "vram_gb": 24, "cpu_cores": 8,
    }  # fmt: skip
    status, plan = post(server, body)
    assert status == 200 and set(plan) >= OLD_KEYS
    assert (plan["model_name"], plan["context"], plan["quantization"]) == (MODEL, 8192, "Q4_K_M")
    assert set(plan["minimum"]) == set(plan["recommended"]) == {"vram_gb", "ram_gb", "cpu_cores"}
    assert plan["minimum"]["cpu_cores"] == 8
    keys = {"path", "feasible", "minimum", "recommended", "estimated_tps", "fit_level", "notes"}
    assert [path["path"] for path in plan["run_paths"]] == ["gpu", "cpu_offload", "cpu_only"]
    assert all(set(path) >= keys for path in plan["run_paths"])
    assert plan["current"]["fit_level"] in ("Perfect", "Good", "Marginal", "TooTight")
    assert plan["current"]["run_mode"] == "Gpu" and plan["warnings"] == []
    keys = {"kv_quant", "kv_cache_gb", "memory_required_gb", "savings_fraction", "supported", "note"}
    assert all(set(other) == keys for other in plan["kv_alternatives"])


def test_deltas_have_the_keys_of_the_existing_tool(server: Server) -> None:
    status, plan = post(server, {"model": MODEL, "vram_gb": 4, "ram_gb": 8})
    assert status == 200 and plan["upgrade_deltas"]
    keys = {"resource", "add_gb", "add_cores", "target_fit", "path", "description"}
    assert all(set(delta) >= keys for delta in plan["upgrade_deltas"])


def test_over_a_unix_socket(start_server: Callable[..., Server], tmp_path: Path) -> None:
    own = start_server("--unix-socket", str(tmp_path / "llmfit.sock"))
    body = json.dumps({"model": MODEL, "vram_gb": 24, "ram_gb": 64}).encode()
    answer = own.get(PLAN, {"Content-Type": "application/json"}, "POST", body)
    assert answer.status == 200 and answer.json()["current"]["run_mode"] == "Gpu"


def test_null_is_absent_and_strangers_are_named(server: Server) -> None:
    status, plan = post(server, {"model": MODEL, "context": None, "target_tps": None, "ram_gb": 32, "contxt": 5})
    assert status == 200
    assert plan["warnings"] == ["unknown parameter 'contxt' (did you mean 'context'?): ignored"]
    assert post(server, {"model": MODEL, "contxt": 5, "strict": True})[0] == 400


@pytest.mark.parametrize(("body", "status", "text"), [
    ({}, 400, "invalid model value: use the id of a model, or a part of it that names one"),
    ({"model": 5}, 400, "invalid model value: use the id of a model, or a part of it that names one"),
    ({"model": "no/such"}, 404, "no model with the id 'no/such' in the catalog"),
    ({"model": MODEL, "context": 0}, 400, "invalid context value: use a positive integer"),
    ({"model": MODEL, "context": "x"}, 400, "invalid context value: use a positive integer"),
    ({"model": MODEL, "context": 1.5}, 400, "invalid context value: use a positive integer"),
    ({"model": MODEL, "target_tps": -1}, 400, "invalid target_tps value: use a positive number up to 1000000"),
    ({"model": MODEL, "target_tps": 1e300}, 400, "invalid target_tps value: use a positive number up to 1000000"),
    ({"model": MODEL, "kv_quant": "tq"}, 400, 
     "invalid kv_quant value: use f16|q8_0|q4_0|bf16|f32|q5_1|q5_0|q4_1|iq4_nl|fp8, or two: K,V"),
    ({"model": MODEL, "ram_gb": {"a": 1}}, 400, "invalid ram_gb value: use a positive number up to 1000000"),
    ([1], 400, "invalid body: use a JSON object of parameters"),
    (b"{", 400, "invalid body: Input data was truncated; use a JSON object of parameters"),
    (b"\xff", 400, "invalid body: JSON is malformed: invalid character (byte 0); use a JSON object of parameters"),
    (b"[" * 100_000, 400, "invalid body: it nests too deeply; use a JSON object of parameters"),
    ({str(at): 1 for at in range(65)}, 400, "invalid body: use at most 64 parameters"),
])  # fmt: skip
def test_a_bad_body(server: Server, body: object, status: int, text: str) -> None:
    assert post(server, body) == (status, {"error": text})


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_must_say_that_it_is_json(server: Server, kind: str | None) -> None:
    """So that no page of another site can send one."""
    assert post(server, {"model": MODEL}, kind) == (
        415, {"error": "invalid Content-Type header: use application/json"},
    )  # fmt: skip
    assert post(server, {"model": MODEL}, "Application/JSON; charset=utf-8")[0] == 200


def test_a_plan_is_posted(server: Server) -> None:
    answer = server.get(PLAN)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert answer.json() == {"error": "method not allowed: use POST"}


def test_compare_keeps_the_order_and_leaves_nothing_out(server: Server) -> None:
    names = ["deepseek-ai/DeepSeek-V3", MODEL, "google/gemma-3-4b-it"]
    answer = server.ok(COMPARE, models=",".join(names), **RIG)
    assert [row["name"] for row in answer["models"]] == names
    assert answer["total_models"] == answer["returned_models"] == 3
    assert answer["models"][0]["fit_level"] == "too_tight"
    assert answer["filters"]["models"] == names
    alone = server.ok(f"/api/v1/models/{MODEL}", exact=True, **RIG)["models"][0]
    assert answer["models"][1] == alone


@pytest.mark.parametrize(("models", "status", "text"), [
    (MODEL, 400, "invalid models value: use two to 8 ids, with commas between"),
    ("a,b,c,d,e,f,g,h,i", 400, "invalid models value: use two to 8 ids, with commas between"),
    (f"{MODEL},", 400, "invalid models value: use a comma-separated list of at most 1000 characters"),
    (f"{MODEL},no/such", 404, "no model with the id 'no/such' in the catalog"),
])  # fmt: skip
def test_what_cannot_be_compared(server: Server, models: str, status: int, text: str) -> None:
    answer = server.get(url(COMPARE, {"models": models}))
    assert (answer.status, answer.error()) == (status, text)


def test_compare_has_an_etag(server: Server) -> None:
    asked = url(COMPARE, {"models": f"{MODEL},google/gemma-3-4b-it", **RIG})
    first = server.get(asked)
    again = server.get(asked, headers={"If-None-Match": first.headers["etag"]})
    assert (first.status, again.status, again.body) == (200, 304, b"")
