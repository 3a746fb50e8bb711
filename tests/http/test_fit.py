"""POST /api/v1/fit over the wire: many machines, many models, one question."""

from __future__ import annotations

import csv
import http.client
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from wire import MODELS, Server

FIT = "/api/v1/fit"
NDJSON, CSV = "application/x-ndjson", "text/csv"
NAMES = ["Qwen/Qwen3-8B", "microsoft/phi-4", "Qwen/Qwen3-32B"]
MACHINES: list[dict[str, Any]] = [
    {"gpu": "RTX 4090", "ram_gb": 64}, {"name": "aws-g5.xlarge"}, {"profile": "aws-g5.xlarge", "gpu_count": 2},
    {"vram_gb": 0, "ram_gb": 16, "ram_bandwidth_gbps": 60},
]  # fmt: skip
SHARED = (
    "name", "fit_level", "run_mode", "runtime", "best_quant", "total_memory_gb", "memory_required_gb",
    "memory_available_gb", "utilization_pct", "estimated_tps", "score", "effective_context_length", "usable_context",
)  # fmt: skip


def post(
    server: Server, body: object, accept: str | None = None, kind: str | None = "application/json", **more: str
) -> Any:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": kind} if kind else {}
    return server.get(FIT, headers | ({"Accept": accept} if accept else {}) | more, "POST", text)


def rows_of(server: Server, body: object) -> list[dict[str, Any]]:
    answer = post(server, body, NDJSON)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-ndjson; charset=utf-8")
    return [json.loads(line) for line in answer.body.splitlines()]


def as_query(machine: dict[str, Any]) -> dict[str, Any]:
    return {"profile" if key == "name" else key: value for key, value in machine.items()}


def test_rows_are_those_of_a_list(server: Server) -> None:
    body = {
        "machines": MACHINES, "models": NAMES, "contexts": [4096, 32768], "concurrency": [1, 4],
        "fields": ["machine", "context", "concurrency", *SHARED], "use_case": "coding", "kv_quant": "q8_0",
    }  # fmt: skip
    rows = rows_of(server, body)
    assert len(rows) == len(MACHINES) * 2 * 2 * len(NAMES)
    wanted = []
    for at, machine in enumerate(MACHINES):
        for context in (4096, 32768):
            for sessions in (1, 4):
                for name in NAMES:
                    asked = {"max_context": context, "concurrency": sessions, "use_case": "coding", "kv_quant": "q8_0"}
                    found = server.ok(f"{MODELS}/{name}", exact=True, **asked, **as_query(machine))["models"]
                    own = {"machine": at, "context": context, "concurrency": sessions}
                    row = found[0] if found else {"name": name}  # Qwen3-32B does not serve each use case everywhere
                    wanted.append(own | {key: row[key] for key in SHARED if key in row})
    for row, other in zip(rows, wanted, strict=True):
        assert {key: row[key] for key in other} == other
    assert sum(len(other) > 4 for other in wanted) > len(rows) // 2


@pytest.mark.parametrize("filters", [
    {"limit": 7}, {"use_case": "coding", "distinct": True, "limit": 20}, {"min_fit": "perfect", "search": "qwen3"},
    {"sort": "tps", "order": "asc", "offset": 3, "limit": 5}, {"capability": ["tool_use", "vision"], "min_tps": 20},
    {"runtime": "vllm", "license": "apache-2.0,mit"},
], ids=str)  # fmt: skip
def test_filters_select_as_a_list_does(server: Server, filters: dict[str, Any]) -> None:
    rows = rows_of(server, {"machines": MACHINES, "models": filters, "fields": ["machine", *SHARED]})
    asked = {key: ",".join(value) if isinstance(value, list) else value for key, value in filters.items()}
    assert rows
    for at, machine in enumerate(MACHINES):
        wanted = server.ok(MODELS, **asked, **as_query(machine))["models"]
        mine = [row for row in rows if row["machine"] == at]
        assert [{key: row[key] for key in SHARED} for row in mine] == [{k: r[k] for k in SHARED} for r in wanted]


def test_the_whole_catalog_in_every_form(server: Server) -> None:
    body = {"machines": MACHINES[:2], "models": {"include_too_tight": True}}
    lines = rows_of(server, body)
    total = server.ok(MODELS, limit=0, include_too_tight=True, **as_query(MACHINES[0]))["total_models"]
    assert len(lines) == 2 * total
    whole = post(server, body, "application/json").json()
    assert whole["rows"] == lines and whole["contexts"] == [8192] and whole["concurrency"] == [1]
    assert list(whole["rows"][0]) == whole["fields"]
    for at, machine in enumerate(MACHINES[:2]):
        assert whole["machines"][at]["generation"] == server.ok(MODELS, limit=0, **as_query(machine))["generation"]
    text = post(server, body, CSV).body.decode()
    sheet = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(sheet) == len(lines) and text.count("\r\n") == len(lines) + 1
    assert [{k: str(v) for k, v in row.items()} for row in lines[:500]] == sheet[:500]
    # a client that did not ask for JSON by name gets lines where the answer is large
    assert post(server, body).headers["content-type"].startswith(NDJSON)
    small = {**body, "models": {"limit": 2}}
    assert post(server, small).headers["content-type"] == "application/json"
    packed = post(server, body, NDJSON, **{"Accept-Encoding": "gzip"})
    import gzip

    assert packed.headers["content-encoding"] == "gzip"
    assert [json.loads(line) for line in gzip.decompress(packed.body).splitlines()] == lines


def test_absent_machines_are_this_one(server: Server) -> None:
    mine = post(server, {"models": NAMES}).json()
    assert mine["rows"] == post(server, {"machines": [{}], "models": NAMES}).json()["rows"]
    assert [row["name"] for row in mine["rows"]] == NAMES
    found = server.ok("/api/v1/compare", models=",".join(NAMES))["models"]
    for row, other in zip(mine["rows"], found, strict=True):
        assert row["machine"] == 0 and all(row[key] == other[key] for key in SHARED if key in row)
    assert post(server, {}).status == 200
    none = post(server, {"models": {"min_tps": 1e6}}, "application/json").json()
    assert none["rows"] == [] and rows_of(server, {"models": {"min_tps": 1e6}}) == []


def test_fields(server: Server) -> None:
    for fields in (["score", "machine"], "score,machine"):
        rows = post(server, {"models": NAMES, "fields": fields}).json()["rows"]
        assert [list(row) for row in rows] == [["machine", "score"]] * 3
    assert rows_of(server, {"models": NAMES, "fields": ["machine"]}) == [{"machine": 0}] * 3


@pytest.mark.parametrize(("body", "status", "said"), [
    (b"[1]", 400, "invalid body: use a JSON object"), (b"{", 400, "invalid body"), (b"", 400, "invalid body"),
    (b'{"machines": [[1]]}', 400, "machines[0]: invalid value"), (b'{"a":' * 5000, 400, "invalid body"),
    ({"machines": []}, 400, "invalid machines value"), ({"machines": {}}, 400, "invalid machines value"),
    ({"machines": ["x"]}, 400, "machines[0]: invalid profile value"),
    ({"machines": [{}, {"gpu": "nope"}]}, 400, 'machines[1]: invalid gpu value: no such GPU "nope"'),
    ({"machines": [{"name": "nope"}]}, 400, "machines[0]: invalid profile value"),
    ({"machines": [{"name": "aws-g5.xlarge", "profile": "aws-g5.xlarge"}]}, 400, "machines[0]: invalid profile value"),
    ({"machines": [{"vram": 1}]}, 400, "machines[0]: unknown parameter 'vram'"),
    ({"machines": [{"ram_gb": -1}]}, 400, "machines[0]: invalid ram_gb value"),
    ({"models": []}, 400, "invalid models value"), ({"models": [1]}, 400, "invalid models value"),
    ({"models": "x"}, 400, "invalid models value"), ({"models": [{}]}, 400, "invalid models value"),
    ({"models": ["no-such-model"]}, 404, "models: no model with the id 'no-such-model'"),
    ({"models": NAMES, "min_tps": 5}, 400, "invalid models value: ids are not filtered; leave out min_tps"),
    ({"models": {"limit": 1}, "limit": 1}, 400, "invalid limit value: given more than once"),
    ({"models": {"gpu": "RTX 4090"}}, 400, "invalid gpu value: it belongs to one of the machines"),
    ({"max_context": 1}, 400, "invalid max_context value: use contexts"),
    ({"explain": True}, 413, "too many rows to explain"), ({"quant": "Q99"}, 400, "invalid quant value"),
    ({"contexts": [0]}, 400, "invalid contexts value: use a positive integer"),
    ({"contexts": 8192}, 400, "invalid contexts value"), ({"contexts": []}, 400, "invalid contexts value"),
    ({"contexts": [{}]}, 400, "invalid contexts value"), ({"concurrency": [True]}, 400, "invalid concurrency value"),
    ({"fields": ["nope"]}, 400, "invalid fields value"), ({"fields": []}, 400, "invalid fields value"),
    ({"nope": 1}, 400, "unknown parameter 'nope'"),
    ({"machines": [{}] * 2001}, 413, "too many machines: 2001; use at most 2000"),
    ({"models": ["x"] * 257}, 413, "too many models: 257"),
    ({"contexts": list(range(1, 66))}, 413, "too many values of contexts: 65"),
    ({"machines": [{}] * 1500, "contexts": [1, 2]}, 413, "too many rows"),
    ({"machines": [{}] * 1500, "contexts": list(range(1, 9)), "models": {"limit": 1}}, 413, "too many combinations"),
    (b" " * ((1 << 20) + 1), 413, "payload too large"),
], ids=lambda value: str(value)[:40])  # fmt: skip
def test_bad_requests(server: Server, body: object, status: int, said: str) -> None:
    answer = post(server.fresh(), body, NDJSON)
    assert answer.status == status and answer.error().startswith(said) and "\n" not in answer.error(), answer.body


def test_other_types_and_methods(server: Server) -> None:
    for kind in (None, "text/plain", "application/x-www-form-urlencoded"):
        answer = post(server, {}, kind=kind)
        assert (answer.status, answer.error()) == (415, "invalid Content-Type header: use application/json")
    answer = server.get(FIT)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    foreign = post(server, {}, Host="evil.example")
    assert foreign.status == 403


def fleet(n: int) -> list[dict[str, Any]]:
    gpus = ("RTX 4090", "RTX 3060 12GB", "2x RTX 3090", "RTX 5090", "L4")
    return [{"gpu": gpus[at % len(gpus)], "ram_gb": 16 + at} for at in range(n)]


def peak(server: Server) -> int:
    """The most memory that any process of the server has held, MiB."""
    assert server.process is not None
    own = str(server.process.pid)
    pids = [own, *Path(f"/proc/{own}/task/{own}/children").read_text().split()]
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
    return max(int(text.partition("VmHWM:")[2].split()[0]) for text in texts) // 1024


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_the_answer(start_server: Any) -> None:
    server = start_server()
    assert post(server, {"machines": fleet(2), "models": {"include_too_tight": True}}, NDJSON).status == 200
    before = peak(server)
    link = http.client.HTTPConnection(server.host, server.port, timeout=60)
    body = json.dumps({"machines": fleet(150), "models": {"include_too_tight": True}})
    link.request("POST", FIT, body, {"Content-Type": "application/json", "Accept": NDJSON})
    answer = link.getresponse()
    time.sleep(0.5)  # a reader that does not read makes nobody write ahead
    size = lines = 0
    while part := answer.read(1 << 18):
        size, lines = size + len(part), lines + part.count(b"\n")
    assert lines > 150 * 12_000 and size > 300 << 20
    assert peak(server) - before < 32


def test_a_client_that_leaves(start_server: Any) -> None:
    server = start_server()
    body = json.dumps({"machines": fleet(1000), "models": {"include_too_tight": True}}).encode()
    head = f"POST {FIT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    for _ in range(3):
        with server.plug() as plug:
            plug.sendall(head.encode() + body)
            assert plug.recv(4096).startswith(b"HTTP/1.1 200")
    start = time.monotonic()
    assert len(rows_of(server, {"machines": MACHINES, "models": NAMES})) == 12
    assert time.monotonic() - start < 2  # nobody works on for those that left
    assert "Traceback" not in server.said()


def test_others_do_not_wait(server: Server) -> None:
    body = json.dumps({"machines": fleet(300), "models": {"include_too_tight": True}})
    link = http.client.HTTPConnection(server.host, server.port, timeout=60)
    link.request("POST", FIT, body, {"Content-Type": "application/json", "Accept": NDJSON})
    answer = link.getresponse()
    slowest = 0.0
    for at in range(20):
        answer.read(1 << 20)
        start = time.monotonic()
        assert server.fresh().get(f"{MODELS}/top?ram_gb={at + 8}").status == 200
        slowest = max(slowest, time.monotonic() - start)
    link.close()
    assert slowest < 1
