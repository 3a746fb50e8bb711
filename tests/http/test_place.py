"""POST /api/v1/place over the wire."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from wire import Server

PLACE, RESERVE = "/api/v1/place", "/api/v1/reservations"
JSON = {"Content-Type": "application/json"}
RIG = {"name": "a", "gpu": "RTX 4090", "ram_gb": 64, "ram_bandwidth_gbps": 80}


def ask(server: Server, body: object, status: int = 200) -> dict[str, Any]:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = server.get(PLACE, JSON, "POST", text)
    assert answer.status == status, (answer.status, answer.body[:300])
    return answer.json()


def test_who_goes_where(server: Server) -> None:
    demands = [
        {"name": "chat", "model": "Qwen/Qwen3-8B", "replicas": 2, "spread": True},
        {"use_case": "coding", "min_tps": 20},
    ]
    found = ask(server, {"demands": demands, "machines": [RIG, {**RIG, "name": "b", "free_vram_gb": 10}]})
    assert (found["replicas"], found["placed"], found["unplaced"]) == (3, 3, [])
    assert {one["machine"] for one in found["assignments"] if one["name"] == "chat"} == {"a", "b"}
    assert [one["name"] for one in found["machines"]] == ["a", "b"]
    for one in found["machines"]:
        held = sum(sum(other["per_device_gb"]) for other in found["assignments"] if other["machine"] == one["name"])
        free = (
            10
            if one["name"] == "b"
            else server.ok("/api/v1/system", **{k: v for k, v in RIG.items() if k != "name"})["system"][
                "gpu_available_gb"
            ]
        )
        assert sum(one["gpus"][0]["free_vram_gb"]) == pytest.approx(free - held, abs=0.002)


def test_a_shipped_machine_by_name(server: Server) -> None:
    found = ask(server, {"demands": [{"model": "Qwen/Qwen3-8B"}], "machines": ["aws-g5.xlarge"]})
    assert found["placed"] == 1 and found["machines"][0]["gpus"][0]["name"].startswith("A10")


def test_what_has_no_room_says_why_and_what_would_help(server: Server) -> None:
    found = ask(
        server, {"demands": [{"model": "Qwen/Qwen3-32B", "min_tps": 30}], "machines": [{**RIG, "free_vram_gb": 12}]}
    )
    (one,) = found["unplaced"]
    assert found["placed"] == 0 and one["why"] and one["changes"]
    more = next(change for change in one["changes"] if change["parameter"] == "free_vram_gb")
    again = ask(
        server,
        {
            "demands": [{"model": "Qwen/Qwen3-32B", "min_tps": 30}],
            "machines": [{**RIG, "free_vram_gb": 12 + more["value"]}],
        },
    )
    assert again["placed"] == 1
    slower = next(change for change in one["changes"] if change["parameter"] == "min_tps")
    again = ask(
        server,
        {
            "demands": [{"model": "Qwen/Qwen3-32B", "min_tps": slower["value"]}],
            "machines": [{**RIG, "free_vram_gb": 12}],
        },
    )
    assert again["placed"] == 1


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 400, "JSON object"),
        (b"[]", 400, "invalid body"),
        ({"demands": []}, 400, "invalid demands value"),
        ({"demands": [], "machines": [{}]}, 400, "invalid demands value"),
        ({"demands": [1], "machines": [{}]}, 400, "demands[0]: invalid value"),
        ({"demands": [{"model": "Qwen/Qwen3-8B"}], "machines": [{}], "more": 1}, 400, "more"),
        ({"demands": [{"model": "Qwen/Qwen3-8B"}], "machines": [{}], "policy": "x"}, 400, "pack|spread"),
        ({"demands": [{"model": "no/such"}], "machines": [{}]}, 404, "demands[0]"),
        ({"demands": [{"model": "Qwen/Qwen3-8B"}], "machines": ["no-such"]}, 400, "machines[0]"),
        ({"demands": [{"model": "Qwen/Qwen3-8B"}], "machines": [{}] * 2001}, 413, "at most 2000"),
        (b" " * (1 << 21), 413, "too large"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_bodies(server: Server, body: object, status: int, says: str) -> None:
    assert says in ask(server, body, status)["error"]
    server.close()


def test_no_web_page_can_ask(server: Server) -> None:
    assert server.get(PLACE, {"Content-Type": "text/plain"}, "POST", b"{}").status == 415
    assert server.get(PLACE, {**JSON, "Host": "evil.example"}, "POST", b"{}").status == 403


def test_what_is_reserved_is_not_given_away(start_server: Callable[..., Server]) -> None:
    server = start_server("--gpu", "RTX 4090", "--ram-gb", "8", "--workers", "2")
    question = {"demands": [{"model": "Qwen/Qwen3-14B", "min_fit": "good"}], "machines": [{"name": "here"}]}
    assert ask(server.fresh(), question)["placed"] == 1
    made = server.get(RESERVE, JSON, "POST", b'{"vram_gb": 20}').json()
    assert {ask(server.fresh(), question)["placed"] for _ in range(8)} == {0}
    server.get(f"{RESERVE}/{made['id']}", method="DELETE")
    assert ask(server.fresh(), question)["placed"] == 1


def test_health_does_not_wait_for_it(server: Server) -> None:
    demands = [{"model": "Qwen/Qwen3-8B", "context": 2048 + n} for n in range(800)]
    machines = [{**RIG, "name": str(n), "free_vram_gb": 6 + n / 100} for n in range(800)]
    text = json.dumps({"demands": demands, "machines": machines}).encode()
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.append(server.fresh().get(PLACE, JSON, "POST", text).status))
    thread.start()
    begun, waits, client = time.monotonic(), [], server.fresh()
    while thread.is_alive():
        start = time.monotonic()
        assert client.get("/health").status == 200
        waits.append(time.monotonic() - start)
    whole = time.monotonic() - begun
    thread.join()
    assert done == [200]
    assert len(waits) > 20 and sorted(waits)[len(waits) // 2] < 0.05, (len(waits), whole)
    assert max(waits) < whole / 2, (max(waits), whole)
