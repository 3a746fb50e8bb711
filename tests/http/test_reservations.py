"""Reservations over a real socket: held, renewed, released; seen by every worker; not lost with one."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from wire import SYSTEM, Server

PATH = "/api/v1/reservations"
JSON = {"Content-Type": "application/json"}
RIG = ("--gpu", "2x RTX 4090", "--ram-gb", "64", "--gpu-bandwidth-gbps", "1008")


def post(server: Server, body: object, path: str = PATH, status: int = 201) -> dict[str, Any]:
    answer = server.get(path, JSON, "POST", body if isinstance(body, bytes) else json.dumps(body).encode())
    assert answer.status == status, (answer.status, answer.body)
    return answer.json()


def release(server: Server, name: str, status: int = 200) -> dict[str, Any]:
    answer = server.get(f"{PATH}/{name}", method="DELETE")
    assert answer.status == status, (answer.status, answer.body)
    return answer.json()


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Any:
    one = Server.start(RIG, tmp_path_factory.mktemp("rig") / "log")
    yield one
    assert one.stop() == 0


@pytest.fixture
def empty(rig: Server) -> Server:
    for one in rig.ok(PATH)["reservations"]:
        release(rig, one["id"])
    return rig


def free(server: Server) -> tuple[float, float]:
    system = server.ok(SYSTEM)["system"]
    return round(system["gpu_available_gb"], 3), round(system["available_ram_gb"], 3)


def minus(before: tuple[float, float], vram: float, ram: float) -> tuple[float, float]:
    return round(before[0] - vram, 3), round(before[1] - ram, 3)


def test_memory_is_held_and_given_back(empty: Server) -> None:
    before, old = free(empty), empty.ok("/api/v1/models/top", limit=1)["generation"]
    made = post(empty, {"vram_gb": 8, "ram_gb": 4, "ttl_s": 60, "label": "mine"})
    assert (made["ram_gb"], sorted(made["vram_gb"]), made["label"]) == (4.0, [0.0, 8.0], "mine")
    assert 59 < made["expires_in_s"] <= 60
    assert free(empty) == minus(before, 8, 4)
    assert empty.ok("/api/v1/models/top", limit=1)["generation"] != old
    listed = empty.ok(PATH)
    assert [one["id"] for one in listed["reservations"]] == [made["id"]]
    assert (listed["ram_gb"], sum(listed["vram_gb"]), listed["free_ram_gb"]) == (4.0, 8.0, before[1] - 4)
    assert release(empty, made["id"])["id"] == made["id"]
    assert free(empty) == before
    assert empty.ok("/api/v1/models/top", limit=1)["generation"] == old
    assert "no such reservation" in release(empty, made["id"], 404)["error"]


def test_a_number_goes_to_the_freest_gpu_and_beyond(empty: Server) -> None:
    assert sorted(post(empty, {"vram_gb": 20})["vram_gb"]) == [0.0, 20.0]
    assert sorted(post(empty, {"vram_gb": 20})["vram_gb"]) == [0.0, 20.0]
    third = post(empty, {"vram_gb": 6})
    assert min(third["vram_gb"]) > 0 and sum(third["vram_gb"]) == pytest.approx(6, abs=0.003)
    assert post(empty, {"vram_gb": [0, 1]})["vram_gb"] == [0.0, 1.0]


def test_a_model_holds_what_its_row_says(empty: Server) -> None:
    row = empty.ok("/api/v1/models/Qwen/Qwen3-8B", exact=True, quant="Q4_K_M", max_context=16384)["models"][0]
    made = post(empty, {"model": "Qwen/Qwen3-8B", "quant": "Q4_K_M", "context": 16384})
    assert (made["model"], made["quantization"], made["run_mode"]) == (row["name"], "Q4_K_M", row["run_mode"])
    assert sum(made["vram_gb"]) + made["ram_gb"] == pytest.approx(row["total_memory_gb"], abs=0.003)
    assert sorted(made["vram_gb"]) == pytest.approx(sorted(row["per_device_gb"]), abs=0.002)


def test_what_is_not_there_is_refused_and_changes_nothing(empty: Server) -> None:
    before = free(empty)
    assert "GPU memory are left" in post(empty, {"vram_gb": 60}, status=409)["error"]
    assert "GPU 1 has" in post(empty, {"vram_gb": [1, 30]}, status=409)["error"]
    assert "RAM are left" in post(empty, {"ram_gb": 65, "vram_gb": 1}, status=409)["error"]
    post(empty, {"vram_gb": 40, "ram_gb": 60})
    error = post(empty, {"model": "Qwen/Qwen3-32B"}, status=409)["error"]
    assert "not enough memory left for Qwen/Qwen3-32B" in error
    assert len(empty.ok(PATH)["reservations"]) == 1
    assert free(empty) == minus(before, 40, 60)


def test_time_ends_it_and_renewing_does_not_let_it(empty: Server) -> None:
    before = free(empty)
    short, renewed = post(empty, {"ram_gb": 1, "ttl_s": 2}), post(empty, {"ram_gb": 2, "ttl_s": 2})
    longer = post(empty, {"ttl_s": 60}, f"{PATH}/{renewed['id']}/renew", 200)
    assert longer["id"] == renewed["id"] and longer["expires_in_s"] > 59
    time.sleep(2.05)
    assert free(empty) == minus(before, 0, 2)
    assert [one["id"] for one in empty.ok(PATH)["reservations"]] == [renewed["id"]]
    post(empty, {"ttl_s": 60}, f"{PATH}/{short['id']}/renew", 404)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "give vram_gb, ram_gb or model"),
        ({"vram_gb": 0}, "more than 0"),
        ({"vram_gb": -1}, "invalid vram_gb value"),
        ({"vram_gb": True}, "invalid vram_gb value"),
        ({"vram_gb": [1]}, "each of 2 GPUs"),
        ({"vram_gb": [1, "x"]}, "invalid vram_gb value"),
        ({"ram_gb": 1e9}, "invalid ram_gb value"),
        ({"ram_gb": 1, "ttl_s": 0}, "invalid ttl_s value"),
        ({"ram_gb": 1, "ttl_s": 1e9}, "invalid ttl_s value"),
        ({"ram_gb": 1, "label": "x" * 201}, "invalid label value"),
        ({"ram_gb": 1, "gpu": "RTX 4090"}, "unknown parameter 'gpu'"),
        ({"model": "Qwen/Qwen3-8B", "ram_gb": 1}, "unknown parameter 'ram_gb'"),
        ({"model": 1}, "invalid model value"),
        ({"model": "Qwen/Qwen3-8B", "quant": "Q9"}, "invalid quant value"),
        (b"[", "invalid body"),
        (b"[1]", "invalid body"),
    ],
)
def test_bad_bodies(empty: Server, body: object, says: str) -> None:
    assert says in post(empty, body, status=400)["error"]
    assert empty.ok(PATH)["reservations"] == []


def test_no_web_page_can_make_one(empty: Server) -> None:
    body = b'{"ram_gb": 1}'
    assert empty.get(PATH, {"Content-Type": "text/plain"}, "POST", body).status == 415
    assert empty.get(PATH, {}, "POST", body).status == 415
    for method, path in (("POST", PATH), ("GET", PATH), ("DELETE", PATH + "/x"), ("POST", PATH + "/x/renew")):
        assert empty.get(path, {**JSON, "Host": "evil.example"}, method, body).status == 403
    assert empty.ok(PATH)["reservations"] == []
    refused = empty.get(PATH, JSON, "PUT", body)
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, POST")


def test_there_are_at_most_so_many(empty: Server) -> None:
    for _ in range(256):
        post(empty, {"ram_gb": 0.001, "label": "x" * 200})
    assert "at most 256" in post(empty, {"ram_gb": 0.001}, status=507)["error"]
    assert len(empty.ok(PATH)["reservations"]) == 256


def test_listeners_hear_of_it(empty: Server) -> None:
    with empty.plug(10) as plug:
        plug.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        heard = b""
        while heard.count(b"event: generation") < 1:
            heard += plug.recv(4096)
        post(empty, {"ram_gb": 1})
        while heard.count(b"event: generation") < 2:
            heard += plug.recv(4096)


def workers_of(server: Server) -> list[int]:
    assert server.process is not None
    return sorted(child.pid for child in psutil.Process(server.process.pid).children())


def test_all_workers_see_it_at_once(start_server: Callable[..., Server]) -> None:
    server = start_server("--workers", "2", *RIG)
    before = free(server)
    for _ in range(10):
        made = post(server.fresh(), {"vram_gb": 5, "ram_gb": 3})
        seen = {free(server.fresh()) for _ in range(20)}
        assert seen == {minus(before, 5, 3)}
        release(server.fresh(), made["id"])
        assert {free(server.fresh()) for _ in range(20)} == {before}


def test_two_workers_never_book_the_same_memory(start_server: Callable[..., Server]) -> None:
    server = start_server("--workers", "2", *RIG)
    made: list[int] = []

    def book() -> None:
        client = server.fresh()
        for _ in range(8):
            body = json.dumps({"ram_gb": 3}).encode()
            made.append(client.get(PATH, JSON, "POST", body).status)
            client.close()

    threads = [threading.Thread(target=book) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (made.count(201), made.count(409)) == (21, 11)  # 64 GiB hold 21 times 3
    assert free(server)[1] == 1.0


def test_a_killed_worker_loses_none(start_server: Callable[..., Server]) -> None:
    server = start_server("--workers", "2", *RIG)
    ids = {post(server.fresh(), {"ram_gb": 1, "ttl_s": 600})["id"] for _ in range(20)}
    old = workers_of(server)
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 60
    while time.monotonic() < until and (len(workers_of(server)) < 2 or set(workers_of(server)) & set(old)):
        time.sleep(0.05)
    server.close()
    server._await("/readyz")
    assert not set(workers_of(server)) & set(old)
    for _ in range(10):
        assert {one["id"] for one in server.fresh().ok(PATH)["reservations"]} == ids
        assert free(server.fresh())[1] == 44.0
    made = post(server.fresh(), {"ram_gb": 1})
    assert made["id"] not in ids


GETS = (
    "/api/v1/models/top", "/api/v1/models", "/api/v1/models/Qwen/Qwen3-8B", "/api/v1/compare", SYSTEM,
)  # fmt: skip
WANTS: dict[str, dict[str, str]] = {
    "/api/v1/models": {"limit": "2"}, "/api/v1/compare": {"models": "Qwen/Qwen3-8B,microsoft/phi-4"},
}  # fmt: skip


def answers(server: Server) -> tuple[dict[str, str], dict[str, Any]]:
    """The ETag of every GET, and what each kind of answer says of the memory that is free."""
    etags, free = {}, {}
    for path in GETS:
        query = "&".join(f"{key}={value}" for key, value in WANTS.get(path, {}).items())
        answer = server.get(f"{path}?{query}")
        assert answer.status == 200
        etags[path] = answer.headers["etag"]
        free[path] = answer.json()["system"]["gpu_available_gb"]
    asked: dict[str, Any] = {
        "/api/v1/fit": {"models": ["Qwen/Qwen3-8B"], "fields": ["memory_available_gb"]},
        "/api/v1/place": {"demands": [{"model": "Qwen/Qwen3-8B"}]},
        "/api/v1/plan": {"model": "Qwen/Qwen3-235B-A22B"},
    }
    found = {path: post(server, body, path, 200) for path, body in asked.items()}
    free["fit"] = found["/api/v1/fit"]["rows"][0]["memory_available_gb"]
    free["place"] = sum(found["/api/v1/place"]["machines"][0]["gpus"][0]["free_vram_gb"])
    free["plan"] = found["/api/v1/plan"]["upgrade_deltas"]
    return etags, free


def test_every_answer_is_without_what_is_held(empty: Server) -> None:
    etags, before = answers(empty)
    made = post(empty, {"vram_gb": [10, 10], "ram_gb": 30})
    held, less = answers(empty)
    for path in GETS:
        assert held[path] != etags[path], path
        assert before[path] - less[path] == pytest.approx(20, abs=0.02), path
    assert before["fit"] - less["fit"] == pytest.approx(10, abs=0.02)
    assert less["place"] < before["place"] - 10 and less["plan"] != before["plan"]
    release(empty, made["id"])
    assert answers(empty) == (etags, before)


def test_what_place_gives_can_be_reserved(empty: Server) -> None:
    """As a scheduler does it: place on this machine, hold what each assignment takes, place again."""
    demand = {"model": "Qwen/Qwen3-14B", "quant": "Q8_0"}
    held = []
    for _ in range(10):
        found = post(empty, {"demands": [demand]}, "/api/v1/place", 200)
        if not found["assignments"]:
            break
        one = found["assignments"][0]
        body = {"vram_gb": one["per_device_gb"], "ram_gb": one["ram_gb"], "label": one["model"]}
        held.append(post(empty, body))
        left = found["machines"][0]["gpus"][0]["free_vram_gb"]
        assert empty.ok(PATH)["free_vram_gb"] == pytest.approx(left, abs=0.002)
    assert 2 <= len(held) < 10 and "even with nothing else" in found["unplaced"][0]["why"]


def test_nothing_can_be_renewed_or_released_twice_or_too_late(empty: Server) -> None:
    made = post(empty, {"ram_gb": 1, "ttl_s": 1})
    time.sleep(1.05)
    path = f"{PATH}/{made['id']}"
    assert "its time is over" in post(empty, {"ttl_s": 60}, f"{path}/renew", 404)["error"]
    assert "no such reservation" in release(empty, made["id"], 404)["error"]
    assert empty.ok(PATH)["reservations"] == []


def test_a_reload_keeps_what_is_held(start_server: Callable[..., Server]) -> None:
    server = start_server(*RIG, "--workers", "2")
    made = post(server, {"vram_gb": 8})
    server.process.send_signal(signal.SIGHUP)
    for _ in range(20):
        assert [one["id"] for one in server.ok(PATH)["reservations"]] == [made["id"]]
        time.sleep(0.05)
