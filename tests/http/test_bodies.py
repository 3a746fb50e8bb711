"""What is wrong in a body is told by its key, also where the JSON type is wrong; null is an absent value."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

import pytest
from wire import Server

FIT, PLACE, PLAN, BOOK = "/api/v1/fit", "/api/v1/place", "/api/v1/plan", "/api/v1/reservations"
QWEN = "Qwen/Qwen3-8B"
NESTED: dict[str, Any] = {"a": [1]}


def post(server: Server, path: str, body: object) -> Any:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return server.get(path, {"Content-Type": "application/json", "Accept": "application/json"}, "POST", text)


def demand(**more: Any) -> dict[str, Any]:
    return {"demands": [{"model": QWEN}, {"model": QWEN, **more}], "machines": [{}]}


@pytest.mark.parametrize(("path", "body", "says"), [
    (FIT, b"", "invalid body: it is empty; use a JSON object"),
    (FIT, b"{", "invalid body: "),
    (FIT, [], "use a JSON object of machines, models"),
    (FIT, {"machines": 5}, "invalid machines value: use a list"),
    (FIT, {"machines": [{}, 5]}, "machines[1]: invalid value: use an object"),
    (FIT, {"machines": [{}, {"gpu": NESTED}]}, "machines[1]: invalid gpu value: use a non-empty text"),
    (FIT, {"machines": [{"ram_gb": [1, 2]}]}, "machines[0]: invalid ram_gb value: use a positive number"),
    (FIT, {"models": 5}, "invalid models value: use a list of ids"),
    (FIT, {"models": {"search": NESTED}}, "invalid search value: use a non-empty text"),
    (FIT, {"contexts": [NESTED]}, "invalid contexts value: use a positive integer"),
    (FIT, {"concurrency": 4}, "invalid concurrency value: use a list of numbers"),
    (FIT, {"use_case": NESTED}, "invalid use_case value: use general|coding"),
    (PLACE, {}, "invalid demands value: use a list of objects"),
    (PLACE, {"demands": [{"model": QWEN}, 5]}, "demands[1]: invalid value: use an object with a model"),
    (PLACE, {"demands": [{"model": QWEN}], "machines": [5]}, "machines[0]: invalid value: use an object"),
    (PLACE, {"demands": [{"model": QWEN}], "machines": {}}, "invalid machines value: use a list"),
    (PLACE, {"demands": [{"model": QWEN}], "policy": []}, "invalid policy value: use pack|spread"),
    (PLACE, {"demands": [{"model": QWEN}], "polcy": "pack"}, "unknown parameter 'polcy': use demands"),
    (PLACE, demand(context=NESTED), "demands[1]: invalid context value: use a positive integer"),
    (PLACE, demand(context="many"), "demands[1]: invalid context value: use a positive integer"),
    (PLACE, demand(model=7), "demands[1]: invalid model value"),
    (PLACE, demand(quant=[["Q8_0"]]), "demands[1]: invalid quant value"),
    (PLACE, demand(min_tps=True), "demands[1]: invalid min_tps value: use a non-negative number"),
    (PLACE, demand(replicas="2"), "demands[1]: invalid replicas value: use a positive integer"),
    (PLAN, {"model": QWEN, "context": NESTED}, "invalid context value: use a positive integer"),
    (PLAN, {"model": QWEN, "quant": [["a"]]}, "invalid quant value"),
    (PLAN, {"model": QWEN, "other": NESTED}, "invalid other value: use a text, a number"),
    (PLAN, {"model": [QWEN]}, "invalid model value"),
    (BOOK, {"ram_gb": NESTED}, "invalid ram_gb value: use a non-negative number of GiB"),
    (BOOK, {"model": QWEN, "context": NESTED}, "invalid context value: use a positive integer"),
    (BOOK, {"ram_gb": 1, "ttl_s": "60"}, "invalid ttl_s value: use seconds, 1 to 86400"),
    (BOOK, b'{"ram_gb": 1e400}', "invalid body: Number out of range"),
    (BOOK, b"[" * 3000, "invalid body: it nests too deeply"),
], ids=str)  # fmt: skip
def test_an_error_names_the_key(server: Server, path: str, body: object, says: str) -> None:
    answer = post(server, path, body)
    assert answer.status == 400 and list(answer.json()) == ["error"] and says in answer.json()["error"]


@pytest.mark.parametrize(("path", "body"), [
    (FIT, {"models": [QWEN], "machines": None, "contexts": None, "fields": None, "quant": None, "gpu": None}),
    (FIT, {"models": {"limit": 2, "search": None}, "machines": [{"gpu": None, "ram_gb": 64}]}),
    (PLACE, {"demands": [{"model": QWEN, "quant": None, "search": None, "replicas": None, "name": None}],
             "machines": [{"name": None, "free_ram_gb": None}], "policy": None}),
    (PLAN, {"model": QWEN, "context": None, "quant": None, "gpu": None}),
    (BOOK, {"model": "Qwen/Qwen3-0.6B", "context": None, "quant": None, "ttl_s": None, "label": None, "ram_gb": None}),
    (BOOK, {"ram_gb": 0.25, "model": None, "vram_gb": None}),
], ids=str)  # fmt: skip
def test_null_is_absent(server: Server, path: str, body: dict[str, Any]) -> None:
    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without(each) for key, each in value.items() if each is not None}
        return [without(each) for each in value] if isinstance(value, list) else value

    answers = []
    for each in (body, without(body)):
        answer = post(server, path, each)
        assert answer.status in (200, 201), answer.body
        answers.append(answer.json())
        if path == BOOK:
            assert server.get(f"{BOOK}/{answers[-1]['id']}", method="DELETE").status == 200
    for answer in answers if path == BOOK else ():
        for key in ("id", "expires_at", "expires_in_s"):
            del answer[key]
    assert answers[0] == answers[1]


def test_machines_by_name_alone(server: Server) -> None:
    machines = ["aws-g5.xlarge", {"name": "aws-g5.xlarge"}]
    both = post(server, FIT, {"models": [QWEN], "machines": machines}).json()["rows"]
    assert {**both[0], "machine": 1} == both[1]


def test_the_header_comes_before_the_first_row(server: Server) -> None:
    """Filters that nothing passes on hundreds of machines: the header is there at once, and a client may leave."""
    machines = [{"ram_gb": 8 + at, "vram_gb": 0} for at in range(300)]
    body = json.dumps({"machines": machines, "models": {"min_tps": 1e6}}).encode()
    times = []
    while len(times) < 3 or (min(times) > 0.25 and len(times) < 20):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        start = time.monotonic()
        connection.request("POST", FIT, body, {"Content-Type": "application/json", "Accept": "application/x-ndjson"})
        answer = connection.getresponse()
        times.append(time.monotonic() - start)
        assert answer.status == 200 and answer.headers["transfer-encoding"] == "chunked"
        connection.close()
    assert min(times) < 0.25, times  # reading three hundred machines is in it
    assert post(server, FIT, {"models": {"min_tps": 1e6}}).json()["rows"] == []


@pytest.mark.parametrize(("path", "body"), [
    (FIT, {"models": [QWEN], "machines": [{"gpu": "RTX 4090"}]}), (PLACE, demand()), (PLAN, {"model": QWEN}),
], ids=str)  # fmt: skip
def test_an_answer_can_say_how_to_compute_it_again(server: Server, path: str, body: dict[str, Any]) -> None:
    from llmfit.answers.replay import replay
    from llmfit.catalog import catalog

    answer = post(server, path, body | {"explain": True})
    found = answer.json()
    asked = found.pop("explanation")["asked"]
    assert asked["body"] == body and f"/api/v1/{asked['endpoint']}" == path
    assert found == post(server, path, body).json()
    assert replay(catalog.default(), answer.body).same
    assert "invalid explain value: use true|false" in post(server, path, body | {"explain": 7}).json()["error"]


@pytest.mark.parametrize("path", [FIT, PLACE, PLAN, BOOK])
def test_parameters_beside_a_body_are_not_ignored(server: Server, path: str) -> None:
    answer = post(server, path + "?explain=true", {"model": QWEN})
    assert answer.status == 400 and "parameters of a POST request stand in its body" in answer.json()["error"]
