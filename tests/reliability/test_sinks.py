"""Hostile bytes in every place that comes out somewhere: what is written holds no escape, no further line."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import llmfit
from wire import Server

from llmfit.wire.csv_rows import sheet

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


BOTH = "[/x][red]=1" + "".join(ESCAPES)
MEMINFO = "MemTotal: 65536000 kB\nMemAvailable: 60000000 kB\n"


def recording(folder: Path, name: str) -> Path:
    """A machine with a GPU and a CPU of this name."""
    files = folder / "files/proc"
    files.mkdir(parents=True)
    (files / "meminfo").write_text(MEMINFO)
    (files / "cpuinfo").write_text(f"processor : 0\nmodel name : {name}\ncpu cores : 8\n")
    listed = f"0, {name}, 24576, 24000, 00000000:01:00.0, GPU-1, 8.9, Disabled"
    (folder / "commands.json").write_text(json.dumps({
        "lspci -Dnn": {"status": 0, "stdout": f"0000:01:00.0 VGA compatible controller [0300]: {name} [10de:2684]"},
    }))  # fmt: skip
    gpu = {"index": 0, "name": name, "uuid": "GPU-1", "memory_total": 24 << 30, "memory_free": 23 << 30, "said": listed}
    (folder / "nvml.json").write_text(json.dumps({"driver_version": "560", "gpus": [gpu], "devices": [gpu]}))
    return folder


@pytest.mark.parametrize("command", ["system", "fit", "summary", "doctor"])
def test_names_of_a_recording(command: str, tmp_path: Path) -> None:
    words = ("--from", str(recording(tmp_path / "machine", BOTH)), *(() if command == "summary" else (command,)))
    done = llmfit(*words, "-n", "3") if command == "fit" else llmfit(*words)
    clean(done.stdout)
    clean(done.stderr)
    assert "forged" not in {line.split()[-1] for line in done.stdout.splitlines() if line.startswith("2026")}
    assert command != "system" or "[/x][red]=1" in "".join(done.stdout.split()), done


def test_own_models_and_file_names(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    note = "[/x][red]=1"
    text = f'id = "acme/strange-1B"\nparams_total = 1e9\nnote = "{note}"\nprovider = "{note}"\n'
    (folder / "a.toml").write_text(text)
    (folder / f"b{chr(27)}[31m{chr(10)}c.toml").write_text("no toml")
    listing, check, search = ("catalog", "list"), ("catalog", "check"), ("fit", "--search", "strange")
    for words in (("info", "acme/strange-1B"), listing, search, check):
        done = llmfit(*words, LLMFIT_MODELS_DIR=str(folder))
        clean(done.stdout)
        clean(done.stderr)
    assert note in llmfit("info", "acme/strange-1B", LLMFIT_MODELS_DIR=str(folder)).stdout


def test_cells_that_begin_like_a_formula() -> None:
    rows = [{"a": text, "b": -1.5, "c": [text, "x"], "d": [-1, 2], "e": {"f": text}}
            for text in ("=1+1", "+1", "-1", "@x", "\tx", "\rx", "x=1")]  # fmt: skip
    for found, row in zip(csv.DictReader(io.StringIO(sheet(rows), newline="")), rows, strict=True):
        shown = row["a"] if row["a"] == "x=1" else f"'{row['a']}"
        assert (found["a"], found["b"], found["d"], found["e.f"]) == (shown, "-1.5", "-1 2", shown)
        assert found["c"].startswith((shown, f"'{shown}", "["))


@pytest.mark.parametrize("name", ["commands", "env", "nvml", "psutil", "streaming"])
def test_json_files_of_a_recording(name: str, tmp_path: Path) -> None:
    """Broken, of another kind, a folder, a link to a device, a pipe: one line, and at once."""
    folder = recording(tmp_path / "machine", "a GPU")
    path = folder / f"{name}.json"
    texts = b"{", b"[1]", b"\xff", b"[" * 600 + b"]" * 600, b'"' + b"a" * 99 + b"\x1b[31m"
    for broken in (*texts, "folder", "device", "pipe"):
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        if broken == "folder":
            path.mkdir()
        elif broken == "device":
            path.symlink_to("/dev/zero")
        elif broken == "pipe":
            os.mkfifo(path)
        else:
            path.write_bytes(broken)  # type: ignore[arg-type]
        done = llmfit("--from", str(folder), "system", LLMFIT_NO_PROBE="0")
        assert done.stderr.count("\n") <= 1, done
        clean(done.stderr)
        assert done.returncode in (0, 1, 2)
        assert done.returncode or name == "streaming"
