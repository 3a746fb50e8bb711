"""Metrics, logs and SIGHUP, of one worker and of several."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import trustme
from prometheus_client.parser import text_string_to_metric_families
from wire import MODELS, SYSTEM, TOP, Server

Start = Callable[..., Server]


def scrape(server: Server) -> dict[tuple[str, ...], float]:
    """Every sample: (name, values of its labels...)."""
    answer = server.fresh().get("/metrics")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.body.decode())
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def eventually(holds: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def test_no_metrics_unless_wanted(server: Server) -> None:
    assert server.get("/metrics").status == 404
    assert "x-request-id" not in server.get(TOP).headers


@pytest.mark.parametrize("workers", [1, 3])
def test_metrics(start_server: Start, workers: int) -> None:
    own = start_server("--metrics", "--workers", str(workers), "--gpu", "RTX 4090", "--ram-gb", "64")
    before = scrape(own)
    for _ in range(20):
        assert own.fresh().get(TOP + "?limit=2").status == 200
    own.fresh().get(MODELS + "/Qwen/Qwen3-8B")
    own.fresh().get(MODELS + "?limit=x")
    own.fresh().get("/nope")
    own.fresh().get("/nope/../" + "x" * 50)
    own.raw(b"NONSENSE\r\n\r\n")
    etag = own.get(SYSTEM).headers["etag"]
    own.get(SYSTEM, {"If-None-Match": etag})
    now = scrape(own)
    count = {key: value - before.get(key, 0) for key, value in now.items()}
    said = {key[1:]: value for key, value in count.items() if key[0] == "llmfit_requests_total" and value}
    said.pop(("/metrics", "200"))
    assert not [route for route, _ in said if route == "/readyz"]
    assert said == {
        (TOP, "200"): 20, (MODELS + "/<name>", "200"): 1, (MODELS, "400"): 1, ("other", "404"): 2, ("other", "400"): 1,
        (SYSTEM, "200"): 1, (SYSTEM, "304"): 1,
    }  # fmt: skip
    assert count["llmfit_request_duration_seconds_count", TOP] == 20
    assert 0 < count["llmfit_request_duration_seconds_sum", TOP] < 10
    assert count["llmfit_request_duration_seconds_bucket", "+Inf", TOP] == 20
    misses, hits = count["llmfit_page_cache_misses_total",], count["llmfit_page_cache_hits_total",]
    assert misses + hits == 23 and 3 <= misses <= 3 * workers, (misses, hits)
    assert now["llmfit_workers",] == workers and now["llmfit_workers_replaced_total",] == 0
    assert now["llmfit_machine_device_bytes", "0", "GeForce RTX 4090"] == pytest.approx(24 << 30, rel=0.05)
    assert now["llmfit_machine_ram_bytes",] == 64 << 30
    assert now["llmfit_catalog_models",] > 10_000
    assert ("llmfit_state_info", own.ok(TOP, limit=1)["generation"]) in now
    assert eventually(lambda: scrape(own)["llmfit_page_cache_pages",] >= 3)
    later = scrape(own)
    assert later["llmfit_page_cache_bytes",] > 100
    assert later["llmfit_analyses_total",] >= 1
    assert eventually(lambda: scrape(own)["llmfit_connections",] >= 1), "put up twice a second"


def test_counters_survive_a_worker(start_server: Start) -> None:
    own = start_server("--metrics", "--workers", "2")
    for _ in range(10):
        own.fresh().get(TOP)
    before = scrape(own)
    assert own.process is not None
    child = psutil.Process(own.process.pid).children()[0]
    child.kill()
    assert eventually(lambda: scrape(own)["llmfit_workers_replaced_total",] == 1)
    assert scrape(own)["llmfit_requests_total", TOP, "200"] == before["llmfit_requests_total", TOP, "200"]
    for _ in range(20):
        assert own.fresh().get(TOP).status == 200, "nothing else notices"


def test_open_metrics(start_server: Start) -> None:
    own = start_server("--metrics")
    answer = own.get("/metrics", {"Accept": "application/openmetrics-text"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.body.endswith(b"# EOF\n")
    assert own.get("/metrics", {"Host": "evil.example"}).status == 403


def test_metrics_need_a_token_too(start_server: Start, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("a-token-of-some-length")
    own = start_server("--metrics", "--token-file", str(tmp_path / "tokens"))
    assert own.get("/metrics").status == 401
    own = own.get("/metrics", {"Authorization": "Bearer a-token-of-some-length"})
    assert own.status == 200 and b'llmfit_requests_total{route="other",status="401"} 1.0' in own.body


def test_json_lines(start_server: Start) -> None:
    own = start_server("--access-log", "--log-format", "json")
    given = own.get(TOP + '?search="%7f', {"X-Request-ID": "abc-1.2:3", "Authorization": "Bearer secret"})
    assert given.headers["x-request-id"] == "abc-1.2:3"
    made = own.get("/nope").headers["x-request-id"]
    forged = own.get("/nope", {"X-Request-ID": 'a"b c'}).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", made) and re.fullmatch("[0-9a-f]{32}", forged) and made != forged
    lines = [json.loads(line) for line in own.said().splitlines()]  # every one of them is JSON
    assert lines[0]["message"].startswith("llmfit listening on http://127.0.0.1:") and lines[0]["level"] == "info"
    mine = {line["request_id"]: line for line in lines[1:]}
    line = mine["abc-1.2:3"]
    assert (line["method"], line["status"], line["client"], line["level"]) == ("GET", given.status, "127.0.0.1", "info")
    assert line["url"].startswith(TOP) and 0 < line["ms"] < 10_000 and line["time"].endswith("Z")
    assert mine[made]["status"] == 404 and forged in mine
    assert "secret" not in own.said()


def test_text_lines(start_server: Start) -> None:
    own = start_server("--access-log")
    own.get("/health", {"X-Request-ID": "one"})
    assert re.search(r"INFO request request_id=one client=127.0.0.1 method=GET url=/health status=200 ms=", own.said())


@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_reads_profile_and_certificate_again(start_server: Start, tmp_path: Path, workers: int) -> None:
    profile = tmp_path / "rig.toml"
    text = 'name = "rig"\ntitle = "Rig"\nkind = "desktop"\ncpu = "AMD Ryzen 9 7950X"\nram_gb = {}\n'
    profile.write_text(text.format(64))
    authority = trustme.CA()
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def issue() -> None:
        made = authority.issue_cert("localhost", "127.0.0.1")
        made.private_key_pem.write_to_path(str(key))
        made.cert_chain_pems[0].write_to_path(str(certificate))

    issue()
    import ssl

    context = ssl.create_default_context()
    authority.configure_trust(context)
    own = start_server(
        "--profile", str(profile), "--tls-cert", str(certificate), "--tls-key", str(key), "--workers", str(workers),
        tls=context,
    )  # fmt: skip
    assert own.process is not None

    def total() -> float:
        return own.fresh().ok(SYSTEM)["system"]["total_ram_gb"]

    def serial() -> str:
        with context.wrap_socket(own.plug(), server_hostname="localhost") as plug:
            return plug.getpeercert()["serialNumber"]  # type: ignore[index]

    assert total() == 64
    first = serial()
    own.ok(TOP, limit=1)
    profile.write_text(text.format(96))
    issue()
    own.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: all(total() == 96 for _ in range(6))), own.said()
    assert serial() != first
    assert own.fresh().ok(TOP, limit=1)["system"]["total_ram_gb"] == 96
    profile.write_text("this is no profile")
    os.kill(own.process.pid, signal.SIGHUP)
    assert eventually(lambda: "not reloaded: " in own.said())
    assert total() == 96, "what cannot be read changes nothing"
    for _ in range(20):
        own.process.send_signal(signal.SIGHUP)
    assert own.fresh().get("/health").status == 200


def ready(own: Server) -> bool:
    """Nobody listens between the death of all workers and the start of the next."""
    try:
        return own.fresh().get("/readyz").status == 200
    except OSError:
        return False


def test_sighup_while_starting(start_server: Start) -> None:
    """A worker that is not ready yet takes the signal for later: nothing ends."""
    own = start_server("--workers", "2", probe="/health")
    assert own.process is not None
    children = psutil.Process(own.process.pid).children()
    for child in children:
        child.kill()
    for _ in range(30):
        own.process.send_signal(signal.SIGHUP)
        time.sleep(0.05)
    assert eventually(lambda: ready(own))
    time.sleep(1)
    assert eventually(lambda: len(psutil.Process(own.process.pid).children()) == 2)
    assert "SIGHUP" not in own.said() and "status -1" not in own.said()
