"""GET /api/v1/events over real sockets: what is told, to whom, and that nothing is left behind."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from wire import TOP, Server, _UnixConnection, free_port

EVENTS = "/api/v1/events"
MACHINE = Path(__file__).parents[1] / "machines" / "cpu-laptop-16gb.json"
MOST_LISTENERS = 64


class Listener:
    """One client of the event stream."""

    def __init__(self, server: Server, **headers: str) -> None:
        if server.unix is not None:
            self.connection: http.client.HTTPConnection = _UnixConnection(server.unix, 60)
        else:
            self.connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
        self.connection.request("GET", EVENTS, headers={"Accept": "text/event-stream", **headers})
        self.answer = self.connection.getresponse()

    def block(self) -> list[str]:
        """The lines up to the next empty one; [] at the end of the stream."""
        lines = []
        while line := self.answer.readline():
            if line == b"\n":
                return lines
            lines.append(line.decode().removesuffix("\n"))
        assert lines == [], f"the stream ends within a block: {lines}"
        return lines

    def event(self) -> dict[str, Any]:
        """The next event, its data decoded; heartbeats are passed over."""
        while True:
            fields: dict[str, Any] = {}
            for line in self.block():
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            if "event" in fields:
                fields["data"] = json.loads(fields["data"])
                return fields
            assert fields, "the stream has ended"

    def close(self) -> None:
        self.connection.close()
        self.answer.close()


class Told(Server):
    """A server whose machine's free memory the test decides."""

    def tell(self, free_gib: float, seen: str = "now") -> None:
        assert self.process is not None and self.process.stdin is not None
        self.process.stdin.write(f"{free_gib} {seen}\n".encode())
        self.process.stdin.flush()

    def generation(self) -> str:
        client = self.fresh()
        found: str = client.ok(TOP + "?limit=1")["generation"]
        client.close()
        return found


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Callable[..., Told]]:
    if os.environ.get("LLMFIT_TEST_URL"):
        pytest.skip("LLMFIT_TEST_URL is set: no process is started")
    started: list[Told] = []

    def start(workers: int = 1, unix: Path | None = None, heartbeat: float = 15) -> Told:
        port = 0 if unix else free_port()
        log = tmp_path / f"told{len(started)}.log"
        arguments = [str(MACHINE), str(workers), str(unix or port), str(heartbeat)]
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("told.py")), *arguments],
                stdin=subprocess.PIPE, stdout=sink, stderr=sink, cwd="/",
            )  # fmt: skip
        one = Told(process, log, port=port, unix=str(unix) if unix else None)
        started.append(one)
        one._await("/readyz")
        return one

    yield start
    for one in started:
        assert one.stop() == 0, one.said()
        assert "Traceback" not in one.said() and "ERROR" not in one.said(), one.said()


def until(check: Callable[[], object], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not check() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(check())


def test_the_state_at_connect_and_then_every_change(told: Callable[..., Told]) -> None:
    server = told()
    one = Listener(server)
    assert one.answer.status == 200 and one.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert one.answer.headers["cache-control"] == "no-store" and "etag" not in one.answer.headers
    first = one.event()
    assert first["event"] == "generation" and first["retry"] == "2000"
    assert set(first["data"]) == {"generation", "observed_at"}
    assert first["id"] == first["data"]["generation"] == server.generation()
    seen = [first["id"]]
    for free, when in ((5.0, "2026-01-02T03:04:05Z"), (7.5, "2026-01-02T03:04:10Z")):
        server.tell(free, when)
        event = one.event()
        assert event["data"] == {"generation": event["id"], "observed_at": when}
        assert event["id"] not in seen and event["id"] == server.generation()
        seen.append(event["id"])
    one.close()


def test_what_changes_no_answer_is_not_told(told: Callable[..., Told]) -> None:
    server = told()
    one = Listener(server)
    server.tell(6.0)
    one.event()
    now = one.event()["id"]
    server.tell(6.0, "later")
    server.tell(6.0, "and later")
    time.sleep(1.5)
    server.tell(3.0, "at last")
    assert one.event()["data"]["observed_at"] == "at last" and server.generation() != now
    one.close()


def test_last_event_id(told: Callable[..., Told]) -> None:
    server = told()
    one = Listener(server)
    known = one.event()["id"]
    one.close()
    again = Listener(server, **{"Last-Event-ID": known})
    assert again.block() == ["retry: 2000"], "it was told what it knew"
    server.tell(4.0, "news")
    assert again.event()["data"]["observed_at"] == "news"
    again.close()
    late = Listener(server, **{"Last-Event-ID": known})
    assert late.event()["id"] == server.generation() != known
    late.close()
    odd = Listener(server, **{"Last-Event-ID": "x" * 3000})
    assert odd.event()["id"] == server.generation()
    odd.close()


def test_heartbeats(told: Callable[..., Told]) -> None:
    server = told(heartbeat=0.2)
    begun = time.monotonic()
    one = Listener(server)
    one.event()
    assert [one.block() for _ in range(5)] == [[":"]] * 5
    assert 0.9 < time.monotonic() - begun < 15, "five times 0.2 s; unless it is told otherwise, one takes 15 s"
    server.tell(5.0, "between heartbeats")
    assert one.event()["data"]["observed_at"] == "between heartbeats"
    one.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_all_listeners_of_all_workers_hear_the_same(told: Callable[..., Told], workers: int) -> None:
    server = told(workers)
    many = [Listener(server) for _ in range(12)]
    assert len({one.event()["id"] for one in many}) == 1
    server.tell(5.5, "for all")
    heard = [one.event() for one in many]
    assert {event["data"]["observed_at"] for event in heard} == {"for all"} and len({e["id"] for e in heard}) == 1
    if workers == 2:
        pids = {child.pid for child in psutil.Process(server.process.pid).children()}  # type: ignore[union-attr]
        busy = {pid for pid in pids for c in psutil.Process(pid).net_connections() if c.status == "ESTABLISHED"}
        assert len(pids) == 2 and busy, "nobody listens"
    for one in many:
        one.close()


def test_over_a_unix_socket(told: Callable[..., Told], tmp_path: Path) -> None:
    server = told(unix=tmp_path / "llmfit.sock")
    one = Listener(server)
    first = one.event()["id"]
    server.tell(4.5)
    assert one.event()["id"] != first
    one.close()


def test_so_many_listeners_and_no_more_until_one_goes(told: Callable[..., Told]) -> None:
    server = told()
    many = [Listener(server) for _ in range(MOST_LISTENERS)]
    assert all(one.answer.status == 200 for one in many)
    refused = server.get(EVENTS)
    assert refused.status == 503 and "64" in refused.error() and int(refused.headers["retry-after"]) > 0
    assert server.get("/health").status == server.get(TOP + "?limit=1").status == 200
    for one in many[:3]:
        one.close()

    end = time.monotonic() + 60
    late = Listener(server)
    while late.answer.status == 503 and time.monotonic() < end:
        late.close()
        time.sleep(0.05)
        late = Listener(server)
    assert late.answer.status == 200 and late.event(), "no place was given back"
    server.tell(5.0, "still told")
    assert late.event()["data"]["observed_at"] == "still told"
    for one in (*many, late):
        one.close()


def test_a_listener_that_leaves_takes_its_connection_along(told: Callable[..., Told]) -> None:
    server = told()
    for _ in range(MOST_LISTENERS + 20):  # more than may listen at once
        one = Listener(server)
        if one.answer.status == 200:
            one.event()
        one.close()
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    server.close()
    assert until(lambda: len(process.net_connections()) == 1), process.net_connections()
    assert Listener(server).answer.status == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_ends_the_streams_at_once(told: Callable[..., Told], workers: int) -> None:
    server = told(workers)
    many = [Listener(server) for _ in range(6)]
    for one in many:
        one.event()
    assert server.process is not None
    begun = time.monotonic()
    server.process.terminate()
    for one in many:
        assert one.block() == [] and one.answer.read() == b"", "the stream was cut off, not ended"
    assert server.process.wait(60) == 0, server.said()
    assert time.monotonic() - begun < 8, "a stream that is waited for takes the whole 10 s of a drain"


def test_methods_hosts_and_head(server: Server) -> None:
    head = server.get(EVENTS, method="HEAD", timeout=20)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert server.get(EVENTS, method="POST").status == 405
    assert server.get(EVENTS, headers={"Host": "evil.example"}).status == 403
    one = Listener(server)
    assert one.event()["id"] == server.ok(TOP, limit=1)["generation"]
    one.close()
