"""What may happen to a server, and what its other clients see of it: nothing. docs/reliability.md lists all faults."""

from __future__ import annotations

import http.client
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from wire import MODELS, TOP, Server

IDLE = int(os.environ.get("LLMFIT_IDLE_CONNECTIONS", "1000"))
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x80" * 200
Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Server] = []

    def one(*arguments: str) -> Server:
        started.append(Server.start(arguments, tmp_path / f"{len(started)}.log"))
        return started[-1]

    yield one
    for server in started:
        assert server.stop() == 0, server.said()
        assert "Traceback" not in server.said(), server.said()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = Server.start(("--ram-gb", "64"), tmp_path_factory.mktemp("faults") / "server.log")
    yield one
    assert one.stop() == 0, one.said()
    assert "Traceback" not in one.said(), one.said()


def prompt(server: Server) -> None:
    """A new client is answered within two seconds, the best of three: other work runs beside tests."""
    times = []
    for _ in range(3):
        begun = time.monotonic()
        client = server.fresh()
        assert client.get("/health").status == 200
        assert client.get(TOP + "?limit=1").status == 200
        client.close()
        times.append(time.monotonic() - begun)
        if times[-1] < 2:
            return
    raise AssertionError(times)


def until(holds: Callable[[], object], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not (found := bool(holds())) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def test_kill_9_of_a_worker_under_load(start: Start) -> None:
    """A connection of the killed worker may break once, in flight; asked again, everything is answered."""
    server = start("--workers", "2", "--ram-gb", "64")
    broken, answered, wrong, over = [0] * 8, [0] * 8, [], threading.Event()

    def ask(me: int) -> None:
        client = server.fresh()
        while not over.is_set():
            try:
                answer = client._once(f"{MODELS}?limit=5&search={'qwen' if me % 2 else 'llama'}", {}, "GET", None, 20)
            except (OSError, http.client.HTTPException):
                broken[me] += 1
                client.close()
                continue
            answered[me] += 1
            if answer.status != 200 or answer.json()["returned_models"] != 5:
                wrong.append(f"{answer.status} {answer.body[:80]!r}")

    askers = [threading.Thread(target=ask, args=(me,)) for me in range(8)]
    for one in askers:
        one.start()
    time.sleep(0.5)
    assert server.process is not None
    victim = psutil.Process(server.process.pid).children()[0]
    victim.kill()
    process = psutil.Process(server.process.pid)

    def replaced() -> bool:
        now = {child.pid for child in process.children()}
        return len(now) == 2 and victim.pid not in now

    assert until(replaced)
    time.sleep(1)
    over.set()
    for one in askers:
        one.join()
    assert not wrong, wrong[:3]
    assert min(answered) > 10 and max(broken) <= 2, (answered, broken)
    assert replaced()


def test_idle_connections(start: Start) -> None:
    """So many that say nothing cost nobody anything. LLMFIT_IDLE_CONNECTIONS=10000 where the limits allow it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    many = min(IDLE, (hard if hard != resource.RLIM_INFINITY else 1 << 20) - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, many + 200), hard))  # the server inherits it
    server = start("--ram-gb", "64")
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    before, memory = process.num_fds(), process.memory_info().rss
    plugs = []
    try:
        for number in range(many):
            plugs.append(server.plug())
            if number % 500 == 499:
                prompt(server)
        prompt(server)
        assert process.num_fds() >= before + many - 5
        each = (process.memory_info().rss - memory) / many
        print(f"{many} idle connections: {each / 1000:.1f} kB each")
        assert each < 12_000 + (4 << 20) / many
    finally:
        for plug in plugs:
            plug.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert until(lambda: process.num_fds() <= before + 2)
    prompt(server)


def test_slow_headers(server: Server) -> None:
    """Two hundred clients that send a byte now and then hold up nobody."""
    plugs = [server.plug() for _ in range(200)]
    try:
        for byte in b"GET /api/v1/models HTTP/1.1\r\nHost: loc":
            for plug in plugs:
                plug.send(bytes([byte]))
            if byte == 47:
                prompt(server)
        prompt(server)
    finally:
        for plug in plugs:
            plug.close()
    prompt(server)


@pytest.mark.parametrize(
    "data",
    [
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * (1 << 20) + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X%d: 1\r\n" % i for i in range(20_000)) + b"\r\n",
        b"GET /" + b"a" * (1 << 20),
        b"\0" * (1 << 16), HELLO, b"\r\n" * 50_000, b"GET / HTTP/9.9\r\n\r\n", b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /api/v1/plan HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n{",
        b"POST /api/v1/plan HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n{}",
        b"POST /api/v1/plan HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n{}",
        b"POST /api/v1/plan HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        b"POST /api/v1/plan HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["a long header", "many headers", "a long path", "NULs", "TLS", "blank lines", "HTTP 9.9", "no path", "HTTP/2",
         "a huge body", "a negative length", "a length that is none", "a huge chunk", "a chunk that is none"],
)  # fmt: skip
def test_what_is_no_request(server: Server, data: bytes) -> None:
    """It ends with a 4xx or nothing, never a 5xx, and the next client is answered."""
    with server.plug(5) as plug:
        said = b""
        try:
            plug.sendall(data)
            plug.shutdown(socket.SHUT_WR)
            while len(said) < 1 << 20 and (part := plug.recv(65536)):
                said += part
        except OSError:
            pass
    assert said == b"" or said.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), said[:200]
    assert b"Traceback" not in said and b"site-packages" not in said, said[:500]
    prompt(server)


def test_half_closed(server: Server) -> None:
    """A client that has said all that it will say either gets its whole answer or none."""
    with server.plug(10) as plug:
        plug.sendall(f"GET {MODELS}?limit=50 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        plug.shutdown(socket.SHUT_WR)
        said = b""
        while part := plug.recv(1 << 20):
            said += part
    head, _, body = said.partition(b"\r\n\r\n")
    if said:
        sizes = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
        assert head.startswith(b"HTTP/1.1 200") and len(body) == int(sizes[0].split(b":")[1])
    prompt(server)


def test_clients_that_leave_in_the_middle(server: Server) -> None:
    """Fifty ask for the whole list and go away: memory and descriptors come back."""
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    server.get(MODELS)
    before = process.num_fds()
    for _ in range(50):
        with server.plug() as plug:
            plug.sendall(b"GET /api/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
            plug.recv(1000)
    assert until(lambda: process.num_fds() <= before + 1)
    prompt(server)


@pytest.mark.parametrize("path", [MODELS + "?include_too_tight=true", "/api/v1/fit"])
def test_sigterm_in_a_list_that_is_written_while_it_is_sent(start: Start, path: str) -> None:
    """What was begun is sent to its end: every line whole, the last chunk there, status 0."""
    server = start("--ram-gb", "64", "--workers", "2")
    body = b'{"machines": [{}, {"ram_gb": 32}], "models": {"include_too_tight": true}}' if path.endswith("fit") else b""
    head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n" if body else "\r\n"
    with server.plug() as plug:
        plug.sendall(head.encode() + body)
        said = plug.recv(4096)
        assert server.process is not None and server.process.poll() is None
        server.process.terminate()
        time.sleep(0.3)  # the workers are draining while nothing is read
        while part := plug.recv(1 << 20):
            said += part
    first, _, rest = said.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200") and b"chunked" in first.lower(), first
    lines = b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if size == b"0":
            break
        lines, rest = lines + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    assert rest == b"\r\n" and len([json.loads(line) for line in lines.splitlines()]) > 12_000
    assert server.process.wait(60) == 0, server.said()


@pytest.mark.parametrize("cache", ["/dev/null/x", "/proc/nothing", "/nonexistent"])
def test_a_cache_that_cannot_be_written(cache: str) -> None:
    words = {**os.environ, "XDG_CACHE_HOME": cache, "HOME": cache, "HF_HOME": cache, "OLLAMA_MODELS": cache}
    words.pop("LLMFIT_NO_PROBE", None)
    program = Path(sys.executable).with_name("llmfit")
    command = [str(program), "--json", "fit", "-n", "1"]
    done = subprocess.run(command, capture_output=True, text=True, env=words, timeout=90)
    assert done.returncode == 0 and done.stderr == "" and '"models"' in done.stdout, done
