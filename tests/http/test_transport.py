"""Sockets, signals, HEAD, ETag and the Host header."""

from __future__ import annotations

import os
import signal
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from contract import RIG
from wire import MODELS, SYSTEM, TOP, Server, url

PATHS = ["/health", "/healthz", "/readyz", SYSTEM, TOP, MODELS + "?limit=3", MODELS + "/llama?limit=2"]

OWN = ["localhost", "localhost:{port}", "127.0.0.1", "127.0.0.1:{port}", "[::1]", "[::1]:{port}", "LOCALHOST"]
OTHERS = [
    *("evil.example", "evil.example:{port}", "localhost.evil.example", "127.0.0.1.evil.example"),
    *("evil.example#localhost", "10.0.0.1"),
]


@pytest.mark.parametrize("path", PATHS)
def test_head_is_get_without_a_body(server: Server, path: str) -> None:
    got, head = server.get(path), server.get(path, method="HEAD")
    assert head.status == got.status == 200, f"HEAD {path}: {head.status}, GET {got.status}"
    kinds = head.headers.get("content-type"), got.headers.get("content-type")
    assert kinds[0] == kinds[1], f"{path}: content-type of HEAD {kinds[0]}, of GET {kinds[1]}"
    raw = server.raw(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    head_part, _, body = raw.partition(b"\r\n\r\n")
    assert head_part.startswith(b"HTTP/1.1 200") and body == b"", (
        f"HEAD {path}: {head_part[:60]!r}, body {body[:80]!r}"
    )


def test_head_of_errors(server: Server) -> None:
    for path, wanted in (("/nope", 404), (MODELS + "?limit=x", 400)):
        answer = server.get(path, method="HEAD")
        assert answer.status == wanted and answer.body == b"", (
            f"HEAD {path}: {answer.status}, wanted {wanted}"
        )
    assert server.get("/health").status == 200, "/health on the same connection after HEAD of an error"


def test_many_answers_on_one_connection(server: Server) -> None:
    client = server.fresh()
    client.get("/health")
    first = client._connection.sock if client._connection else None
    for path in (*PATHS, "/nope", MODELS + "?limit=x", "/health"):
        client.get(path)
    now = client._connection.sock if client._connection else None
    assert first is not None and now is first, "the connection was not kept open"


def test_answers_say_their_length(server: Server) -> None:
    for path in PATHS:
        answer = server.get(path)
        size = answer.headers.get("content-length")
        assert size is None or int(size) == len(answer.body), (
            f"{path}: content-length {size}, {len(answer.body)} came"
        )
        kind = answer.headers.get("content-type", "")
        assert kind.startswith("application/json"), f"{path}: content-type {kind!r}"


def test_etag(server: Server) -> None:
    path = url(MODELS, {**RIG, "limit": 3})
    answer = server.get(path)
    tag = answer.headers.get("etag")
    if tag is None:
        pytest.skip("no ETag is sent")
    assert tag.startswith('"') and tag.endswith('"') and len(tag) > 2, (
        f"{path}: ETag {tag} is not a strong one"
    )
    for asked in (tag, f'"other", {tag}', "*"):
        again = server.get(path, headers={"If-None-Match": asked})
        assert (again.status, again.body) == (304, b""), (
            f"If-None-Match: {asked}: {again.status} {again.body[:60]!r}"
        )
        assert again.headers.get("etag") == tag, f"304: ETag {again.headers.get('etag')}, was {tag}"
    stale = server.get(path, headers={"If-None-Match": '"other"'})
    assert (stale.status, stale.body) == (200, answer.body), f"another ETag: {stale.status}"
    for other in (url(MODELS, {**RIG, "limit": 4}), url(MODELS, {**RIG, "limit": 3, "sort": "tps"}),
                  url(MODELS, {"gpu": "RTX 3060", "ram_gb": 64, "limit": 3})):  # fmt: skip
        got = server.get(other, headers={"If-None-Match": tag})
        assert got.status == 200 and got.headers.get("etag") != tag, (
            f"{other}: {got.status} for the ETag of {path}"
        )


@pytest.mark.parametrize("host", OWN)
@pytest.mark.parametrize("path", ["/health", SYSTEM, TOP])
def test_hosts_of_this_machine_pass(server: Server, path: str, host: str) -> None:
    answer = server.get(path, headers={"Host": host.format(port=server.port)})
    assert answer.status == 200, f"{path} with Host {host}: {answer.status} {answer.body[:150]!r}"


@pytest.mark.parametrize("host", OTHERS)
@pytest.mark.parametrize("path", [SYSTEM, TOP, MODELS + "?limit=0"])
def test_foreign_hosts_are_refused(server: Server, path: str, host: str) -> None:
    answer = server.get(path, headers={"Host": host.format(port=server.port)})
    assert 400 <= answer.status < 500, f"{path} with Host {host}: wanted 4xx, came {answer.status}"
    answer.error()


def test_unix_socket(start_server: Callable[..., Server], tmp_path: Path) -> None:
    path = tmp_path / "llmfit.sock"
    own = start_server("--unix-socket", str(path), umask=0o077)
    mode = path.stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660, f"mode of the socket: {stat.filemode(mode)}"
    for host in ("localhost", "unix", "llmfit"):
        answer = own.get(TOP + "?limit=1", headers={"Host": host})
        assert answer.status == 200, (
            f"over the socket with Host {host}: {answer.status} {answer.body[:150]!r}"
        )
        assert answer.json()["returned_models"] == 1, f"over the socket: {answer.body[:150]!r}"
    assert own.get("/nope").status == 404, "over the socket: /nope"
    code = own.stop()
    assert code == 0 and not path.exists(), (
        f"after SIGTERM: status {code}, socket {'left' if path.exists() else 'gone'}"
    )


def test_a_stale_socket_is_replaced(start_server: Callable[..., Server], tmp_path: Path) -> None:
    path = tmp_path / "llmfit.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
    os.chmod(path, 0o600)
    inode = path.stat().st_ino, path.stat().st_ctime_ns
    own = start_server("--unix-socket", str(path), umask=0)
    now = path.stat()
    assert (now.st_ino, now.st_ctime_ns) != inode, "the stale socket was not replaced"
    assert stat.S_IMODE(now.st_mode) == 0o660, f"mode of the new socket: {stat.filemode(now.st_mode)}"
    assert own.get("/health").status == 200, "/health over the replaced socket"


@pytest.mark.parametrize("probe", ["/health", "/readyz", TOP + "?limit=1"])
def test_sigterm_straight_after_the_first_answer(start_server: Callable[..., Server], probe: str) -> None:
    for _ in range(3):
        own = start_server(probe=probe)
        code = own.stop()
        assert code == 0, f"SIGTERM straight after {probe}: exit status {code}:\n{own.said()}"


def test_sigterm_with_an_idle_connection(start_server: Callable[..., Server]) -> None:
    own = start_server()
    idle = [own.fresh() for _ in range(3)]
    for client in idle:
        client.get("/health")
    silent = own.plug()
    assert own.process is not None
    own.process.send_signal(signal.SIGTERM)
    code = own.process.wait(60)
    silent.close()
    assert code == 0, f"SIGTERM with idle connections: exit status {code}:\n{own.said()}"


def test_sigterm_lets_an_answer_end(start_server: Callable[..., Server]) -> None:
    """The whole list is being sent when the signal comes: it must arrive whole."""
    own = start_server()
    with own.plug() as plug:
        plug.sendall(b"GET /api/v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        data = plug.recv(4096)
        assert own.process is not None
        own.process.send_signal(signal.SIGTERM)
        while part := plug.recv(1 << 20):
            data += part
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), f"{head[:80]!r}"
    assert body.rstrip().endswith(b"}") or body.endswith(b"0\r\n\r\n"), f"the answer ends in {body[-60:]!r}"
    sizes = [
        line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
    ]
    assert not sizes or int(sizes[0]) == len(body), f"content-length {sizes}, {len(body)} bytes came"
    code = own.stop()
    assert code == 0, f"SIGTERM while answering: exit status {code}:\n{own.said()}"


def test_clients_side_by_side_get_the_same(server: Server) -> None:
    path = url(MODELS, {**RIG, "search": "llama", "limit": 50})
    wanted = server.get(path).json()["models"]
    wrong: list[str] = []

    def ask() -> None:
        client = server.fresh()
        for _ in range(10):
            answer = client.get(path)
            if answer.status != 200 or answer.json()["models"] != wanted:
                wrong.append(f"{answer.status} {answer.body[:80]!r}")
        client.close()

    askers = [threading.Thread(target=ask) for _ in range(8)]
    for one in askers:
        one.start()
    for one in askers:
        one.join()
    assert not wrong, f"{len(wrong)} of 80 answers differ: {wrong[0]}"
