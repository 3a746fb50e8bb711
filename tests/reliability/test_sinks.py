"""Hostile bytes in every place that comes out somewhere: what is written holds no escape, no further line."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator

import pytest
from wire import Server

ESCAPES = ["\x1b[31m", "\x07", "\x7f", "\x9b31m", "\u202e", "\u2028", "\r", "\n2026-01-01 00:00:00,000 WARNING forged"]
BYTES = [bytes([one]) for one in (*range(33), 0x7F, 0x80, 0x9B, 0xA0, 0xFF)]
HOST = b"Host: localhost\r\n"
RAW = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ud800-\udfff]")


def clean(text: str) -> None:
    """No character that a terminal obeys."""
    found = RAW.search(text)
    assert found is None, text[max(found.start() - 80, 0) : found.end() + 80].encode("unicode_escape")


@pytest.fixture(scope="module", params=["text", "json"])
def logged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Server]]:
    flags = ("--access-log", "--metrics", "--log-format", request.param, "--ram-gb", "64")
    one = Server.start(flags, tmp_path_factory.mktemp("sinks") / "log")
    yield request.param, one
    assert one.stop() == 0, one.said()


def heads() -> Iterator[tuple[str, bytes]]:
    """Requests with a byte where it does not belong."""
    for one in BYTES:
        name = one.hex()
        yield f"method {name}", b"G" + one + b"T /health HTTP/1.1\r\n" + HOST + b"\r\n"
        yield f"url {name}", b"GET /health?a" + one + b"b HTTP/1.1\r\n" + HOST + b"\r\n"
        yield f"version {name}", b"GET /health HTTP/1" + one + b"1\r\n" + HOST + b"\r\n"
        yield f"header name {name}", b"GET /health HTTP/1.1\r\n" + HOST + b"A" + one + b"B: c\r\n\r\n"
        yield f"header value {name}", b"GET /health HTTP/1.1\r\n" + HOST + b"X-Request-ID: a" + one + b"b\r\n\r\n"
    for target in (b"example.org:443", b"*", b"health", b"//", b"http://localhost/health", b"/%00%1b%0a%ff"):
        for method in (b"GET", b"CONNECT", b"OPTIONS", b"NONE", b"A" * 30):
            yield f"{method.decode()} {target.decode()}", method + b" " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n"
    for line in (b"Content-Length : 2", b"Content-Length: 2\nX: y", b" folded", b": empty", b"Content-Length: +2",
                 b"Transfer-Encoding: chunked\r\nContent-Length: 2"):  # fmt: skip
        yield repr(line.decode()), b"POST /api/v1/plan HTTP/1.1\r\n" + HOST + line + b"\r\n\r\n{}"


STRANGE = [
    ("/api/v1/models/top?limit=1", {"Accept-Encoding": "gzip;q=nan, br;q=inf, zstd;q=-1"}),
    ("/api/v1/models/top?limit=1", {"Accept": "text/csv;q=nan, application/json;q=1e999"}),
    ("/", {"Accept-Language": "en;q=nan, de;q=inf, *;q="}),
    *(("/metrics", {"Accept": f"application/openmetrics-text; version={version}"})
      for version in ("abc", "1.0.0.0.0.0", "-1", "999999.0.0", "1.0.0; escaping=zzz", "nan; q=nan", "\xe9")),
]  # fmt: skip


def test_every_request_has_one_answer_and_one_line(logged: tuple[str, Server]) -> None:
    form, server = logged
    assert server.log is not None
    begun, asked = len(server.log.read_bytes()), 0
    for name, data in heads():
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as plug:
            plug.sendall(data)
            got = plug.recv(65536)
        asked += 1
        assert re.match(rb"HTTP/1\.1 [1-4]\d\d ", got), (name, got[:200])
        assert got.count(b"HTTP/1.1 ") == 1, (name, got)
        assert got[9:12] == b"400" or not name.startswith("'"), (name, got)
        head, _, body = got.partition(b"\r\n\r\n")
        clean(head.decode("latin-1").replace("\r\n", ""))
        if body and b" 200 " not in got[:13]:
            assert isinstance(json.loads(body)["error"], str), (name, got)
    for path, headers in STRANGE:
        answer = server.fresh().get(path, headers)
        assert answer.status == 200, (path, headers, answer)
        asked += 1
    lines = server.log.read_bytes()[begun:].decode().splitlines()
    assert len(lines) == asked, (len(lines), asked)
    for line in lines:
        clean(line)
        assert "Traceback" not in line and "forged" not in line
        if form == "json":
            assert json.loads(line)["message"] == "request", line


def test_deep_bodies(logged: tuple[str, Server]) -> None:
    """Wherever a body nests, it is a 400."""
    server = logged[1]
    names = {"plan": ("model", "max_context", "quant"), "place": ("demands", "machines", "policy"),
             "fit": ("machines", "models", "contexts", "limit"), "reservations": ("vram_gb", "label")}  # fmt: skip
    for depth in (9, 100, 600, 900, 5000):
        for path, keys in names.items():
            for key in keys:
                for left, right in (("[", "]"), ('{"a":', "}")):
                    body = f'{{"{key}":{left * depth}1{right * depth}}}'.encode()
                    answer = server.get(f"/api/v1/{path}", {"Content-Type": "application/json"}, "POST", body)
                    assert answer.status == 400, (path, key, depth, answer)
                    assert len(answer.error()) < 300
