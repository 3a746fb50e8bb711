"""NDJSON, CSV and JSON, compressed or not: the same rows in every form, each under an ETag of its own."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from contract import RIG
from wire import MODELS, SYSTEM, TOP, Response, Server, url

TYPES = {
    "json": "application/json",
    "ndjson": "application/x-ndjson; charset=utf-8",
    "csv": "text/csv; charset=utf-8; header=present",
}
ACCEPTS = {"json": "application/json", "ndjson": "application/x-ndjson", "csv": "text/csv"}
ENCODINGS = ["identity", "gzip"]
SHORT = [
    {"limit": 3},
    {"limit": 7, "offset": 2, "sort": "tps", "order": "asc"},
    {"limit": 5, "fields": "name,score,score_components,notes"},
    {"limit": 4, "capability": "vision", "concurrency": 2, "basis": "total"},
    {"limit": 0},
    {"limit": 256},
]


def ask(server: Server, path: str, form: str, encoding: str = "identity", method: str = "GET", **more: str) -> Response:
    headers = {"Accept": ACCEPTS[form], "Accept-Encoding": encoding, **more}
    return server.get(path, headers=headers, method=method)


def plain(answer: Response) -> bytes:
    return gzip.decompress(answer.body) if answer.headers.get("content-encoding") == "gzip" else answer.body


def rows_of(answer: Response, form: str) -> list[dict[str, Any]]:
    assert answer.status == 200 and answer.headers["content-type"] == TYPES[form], f"{answer.asked}: {answer.headers}"
    text = plain(answer).decode()
    if form == "json":
        rows: list[dict[str, Any]] = json.loads(text)["models"]
        return rows
    if form == "ndjson":
        assert text == "" or text.endswith("\n"), f"{answer.asked}: the last line is not ended: {text[-80:]!r}"
        return [json.loads(line) for line in text.splitlines()]
    return list(csv.DictReader(io.StringIO(text, newline="")))


def flat(row: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """A row as the cells of a sheet, as docs/api.md says."""
    cells: dict[str, str] = {}
    for key, value in row.items():
        if key == "download" and value is None:
            value = {"repo": None, "files": None}
        if key == "run_env":  # its keys are no columns
            cells[key] = json.dumps(value, separators=(",", ":")) if value else ""
        elif isinstance(value, dict):
            cells |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            words = all(isinstance(part, str | int | float) and " " not in str(part) for part in value)
            cells[prefix + key] = " ".join(map(str, value)) if words else json.dumps(value, separators=(",", ":"))
        else:
            cells[prefix + key] = "" if value is None else json.dumps(value) if isinstance(value, bool) else str(value)
    return cells


def same(got: list[dict[str, Any]], wanted: list[dict[str, Any]], form: str) -> None:
    if form == "csv":
        for line, row in zip(got, wanted, strict=True):
            cells = flat(row)
            assert list(line) == list(cells), f"columns {list(line)}, wanted {list(cells)}"
            for name, cell in cells.items():
                both = (line[name], cell)
                assert line[name] == cell or json.loads(line[name]) == json.loads(cell), f"{row}: {name}: {both}"
    else:
        assert got == wanted and [list(row) for row in got] == [list(row) for row in wanted]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("form", ["ndjson", "csv"])
@pytest.mark.parametrize("asked", SHORT, ids=str)
@pytest.mark.parametrize("path", [MODELS, TOP, MODELS + "/qwen"])
def test_every_form_has_the_same_rows(
    server: Server, path: str, asked: dict[str, object], form: str, encoding: str
) -> None:
    where = url(path, {**RIG, **asked})
    wanted = server.get(where).json()
    for _ in ("made", "asked before"):
        answer = ask(server, where, form, encoding)
        same(rows_of(answer, form), wanted["models"], form)
        assert answer.headers["llmfit-total-models"] == str(wanted["total_models"]), f"{where}: {answer.headers}"
        assert answer.headers["llmfit-generation"] == wanted["generation"]
        assert answer.headers.get("content-encoding", "identity") == encoding
        assert int(answer.headers["content-length"]) == len(answer.body)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_the_whole_list_comes_in_pieces(
    server: Server, everything: dict[str, Any], form: str, encoding: str
) -> None:
    answer = ask(server, url(MODELS, {**RIG, "include_too_tight": True}), form, encoding)
    assert answer.headers.get("transfer-encoding") == "chunked" and "content-length" not in answer.headers
    assert answer.headers["llmfit-total-models"] == str(everything["total_models"])
    same(rows_of(answer, form), everything["models"], form)
    assert server.get("/health").status == 200, "the connection was left in disorder"


@pytest.mark.parametrize("limit", [999, 1000, 1001, 1024, 1536, 1537, 10**6])
def test_a_long_list_is_the_same_when_it_is_asked_for_again(server: Server, limit: int) -> None:
    """The first time it is sent while it is written, the second time it is made whole, then it is held."""
    where = url(MODELS, {**RIG, "ram_gb": 77, "include_too_tight": True, "limit": limit})
    answers = [server.fresh().get(where) for _ in range(3)]
    raw = server.raw(f"GET {where.replace('77', '78')} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
    assert len({answer.body for answer in answers}) == 1, "other bytes"
    for answer in answers:
        assert answer.status == 200 and int(answer.headers["content-length"]) == len(answer.body)
        changing = ("date", "keep-alive")
        assert {name: value for name, value in answer.headers.items() if name not in changing} == {
            name: value for name, value in answers[0].headers.items() if name not in changing
        }
    listed = answers[0].json()
    assert listed["returned_models"] == len(listed["models"]) == min(limit, listed["total_models"])
    head, body = raw.split(b"\r\n\r\n", 1)
    assert f"content-length: {len(body)}".encode() in head.lower() and json.loads(body)["models"]
    assert server.fresh().get(where, {"If-None-Match": answers[0].headers["etag"]}).status == 304


def test_long_lists_asked_for_once_take_no_memory(start_server: Callable[..., Server]) -> None:
    """Twenty different lists of 25 MB, one after the other. Held for a moment each they took 25 MB more at the peak."""
    own = start_server()
    assert own.process is not None

    def peak() -> int:
        text = Path(f"/proc/{own.process.pid}/status").read_text()  # type: ignore[union-attr]
        return int(text.split("VmHWM:")[1].split()[0]) // 1024

    own.get(url(MODELS, {**RIG, "fields": "name", "include_too_tight": True}))
    before = peak()
    for at in range(20):
        assert len(own.fresh().get(url(MODELS, {**RIG, "include_too_tight": True, "ram_gb": 80 + at})).body) > 20 << 20
    assert peak() - before < 20, f"{peak() - before} MiB more"


@pytest.mark.parametrize("form", ["ndjson", "csv"])
@pytest.mark.parametrize("limit", [255, 256, 257, 512, 513])
def test_lists_about_as_long_as_a_piece(server: Server, form: str, limit: int) -> None:
    where = url(MODELS, {**RIG, "limit": limit, "fields": "name,score"})
    assert [row["name"] for row in rows_of(ask(server, where, form), form)] == [
        row["name"] for row in server.get(where).json()["models"]
    ]


def test_a_sheet_without_rows_has_its_header_line(server: Server) -> None:
    empty = ask(server, url(TOP, {**RIG, "limit": 0}), "csv").body.decode()
    full = ask(server, url(TOP, {**RIG, "limit": 2}), "csv").body.decode()
    assert empty == full.split("\r\n")[0] + "\r\n" and empty.startswith("name,provider,"), empty
    asked = {**RIG, "search": "no such model", "fields": "download,memory_breakdown_gb,name"}
    few = ask(server, url(TOP, asked), "csv")
    parts = ",".join(f"memory_breakdown_gb.{part}" for part in ("weights", "kv_cache", "compute_buffer", "overhead"))
    assert few.body.decode() == f"name,download.repo,download.files,{parts}\r\n"
    assert ask(server, url(TOP, {**RIG, "limit": 0}), "ndjson").body == b""


@pytest.mark.parametrize("asked", [{"limit": 3}, {}], ids=["short", "whole"])
def test_etags_head_and_304_of_every_form(start_server: Callable[..., Server], asked: dict[str, object]) -> None:
    """HEAD and If-None-Match before anything was computed, and after: the same headers as GET.

    On a recorded machine: an ETag holds for one state, and the free memory of this one may change meanwhile.
    """
    folder = Path(__file__).parents[1] / "hardware/recorded/rtx4090_desktop"
    server = start_server(before=("--from", str(folder)))
    what = {**RIG, "ram_gb": 61, **asked, "fields": "name,score"}
    where = url(MODELS, what)
    tags: dict[tuple[str, str], str] = {}
    for form, encoding in itertools.product(ACCEPTS, ENCODINGS):
        before = ask(server, where, form, encoding, "HEAD")
        answer = ask(server, where, form, encoding)
        after = ask(server, where, form, encoding, "HEAD")
        for name in ("etag", "content-type", "content-encoding", "vary"):
            shown = [one.headers.get(name) for one in (before, answer, after)]
            assert shown[0] == shown[1] == shown[2], f"{form}, {encoding}: {name} of HEAD, GET, HEAD: {shown}"
        assert (before.status, before.body, after.status, after.body) == (200, b"", 200, b"")
        assert answer.headers["vary"] == "Accept, Accept-Encoding"
        tags[form, encoding] = answer.headers["etag"]
    assert len(set(tags.values())) == len(tags), tags
    for (form, encoding), (other, tag) in itertools.product(tags, tags.items()):
        again = ask(server, where, form, encoding, **{"If-None-Match": tag})
        wanted = 304 if (form, encoding) == other else 200
        assert again.status == wanted, f"{form}, {encoding} with the ETag of {other}: {again.status}"
        if again.status == 304:
            assert again.body == b"" and again.headers["etag"] == tag


def test_304_without_computing_anything(server: Server) -> None:
    """A known ETag of a page that is no longer held: another what-if of the same length is not taken for it."""
    first = url(MODELS, {**RIG, "ram_gb": 59, "limit": 9})
    tag = ask(server, first, "csv", "gzip").headers["etag"]
    other = url(MODELS, {**RIG, "ram_gb": 58, "limit": 9})
    assert ask(server, other, "csv", "gzip", **{"If-None-Match": tag}).status == 200


@pytest.mark.parametrize("form", ["ndjson", "csv"])
@pytest.mark.parametrize(
    ("path", "status"),
    [(MODELS + "?limit=x", 400), ("/nope", 404), (MODELS + "/none?exact=true", 404), (TOP + "?strict=1&x=1", 400),
     (MODELS + "?fields=nmae", 400), (MODELS + "?gpu=nothing", 400)],
)  # fmt: skip
def test_errors_are_json_whatever_was_asked_for(server: Server, form: str, path: str, status: int) -> None:
    answer = ask(server, path, form, "gzip")
    assert answer.status == status and answer.error(), f"{answer.asked}: {answer.status}"
    assert answer.headers["content-type"] == "application/json" and "content-encoding" not in answer.headers


def test_what_has_no_rows_is_json(server: Server) -> None:
    for path in (SYSTEM, "/health", "/readyz"):
        answer = ask(server, path, "csv", "gzip")
        assert answer.json() and answer.headers["content-type"] == "application/json", path


def test_warnings_come_as_headers(server: Server) -> None:
    where = url(TOP, {**RIG, "limit": 1}) + "&lmit=3&%0d%0aX-Bad:%201=%C3%A9"
    said = server.get(where).json()["warnings"]
    assert len(said) == 2, said
    raw = server.raw(
        f"GET {where} HTTP/1.1\r\nHost: localhost\r\nAccept: text/csv\r\nConnection: close\r\n\r\n".encode()
    )
    head = raw.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")
    got = [line for line in head if line.startswith("llmfit-warning: ")]
    assert got[0] == "llmfit-warning: unknown parameter 'lmit' (did you mean 'limit'?): ignored" and len(got) == 2, head
    assert not [line for line in head if line.lower().startswith("x-bad")], head


def test_a_client_of_http_1_0_gets_no_pieces(server: Server) -> None:
    where = url(MODELS, {**RIG, "limit": 600, "fields": "name"})
    raw = server.raw(f"GET {where} HTTP/1.0\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n".encode())
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower() and len(body.splitlines()) == 600, head
    assert [json.loads(line) for line in body.splitlines()] == server.get(where).json()["models"]


def test_clients_that_leave_half_way_harm_nothing(start_server: Callable[..., Server]) -> None:
    own = start_server()
    assert own.process is not None
    for form, encoding in [("ndjson", "identity"), ("csv", "identity"), ("ndjson", "gzip")] * 5:
        with own.plug() as plug:
            head = f"Host: localhost\r\nAccept: {ACCEPTS[form]}\r\nAccept-Encoding: {encoding}\r\n\r\n"
            plug.sendall(f"GET {MODELS}?ram_gb=64 HTTP/1.1\r\n{head}".encode())
            assert plug.recv(1000).startswith(b"HTTP/1.1 200")
    wanted = own.get(url(MODELS, RIG)).json()["models"]
    assert rows_of(ask(own, url(MODELS, RIG), "ndjson"), "ndjson") == wanted
    process = psutil.Process(own.process.pid)
    until = time.monotonic() + 60
    while len(process.net_connections()) > 2 and time.monotonic() < until:  # it listens, and we are connected
        time.sleep(0.05)
    assert len(process.net_connections()) <= 2, process.net_connections()
    assert "Traceback" not in own.said() and "ERROR" not in own.said(), own.said()


def test_a_slow_reader_holds_up_nobody_and_no_memory(start_server: Callable[..., Server]) -> None:
    """Ten clients ask for the whole list and read nothing: what is not sent is not made."""
    own = start_server()
    assert own.process is not None
    own.get(url(MODELS, {**RIG, "fields": "name,verify_command"}))  # the rows are written once
    before = psutil.Process(own.process.pid).memory_info().rss
    plugs: list[socket.socket] = []
    for _ in range(10):
        plug = own.plug()
        plug.sendall(
            f"GET {url(MODELS, RIG)} HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n".encode()
        )
        plugs.append(plug)
    assert all(plug.recv(100).startswith(b"HTTP/1.1 200") for plug in plugs)
    begun = time.monotonic()
    assert own.get("/health").status == own.get(url(TOP, {**RIG, "ram_gb": 99})).status == 200
    assert time.monotonic() - begun < 2
    grown = psutil.Process(own.process.pid).memory_info().rss - before
    assert grown < 48 << 20, f"{grown >> 20} MiB more for ten lists of 16 MB that nobody reads"
    for plug in plugs:
        plug.close()


def test_many_readers_of_many_forms_side_by_side(server: Server, everything: dict[str, Any]) -> None:
    where = url(MODELS, {**RIG, "include_too_tight": True, "fields": "name,score"})
    wanted = [{"name": row["name"], "score": row["score"]} for row in everything["models"]]
    wrong: list[str] = []

    def read(form: str, encoding: str) -> None:
        client = server.fresh()
        try:
            same(rows_of(ask(client, where, form, encoding), form), wanted, form)  # type: ignore[arg-type]
        except AssertionError as error:
            wrong.append(f"{form}, {encoding}: {str(error)[:300]}")
        client.close()

    readers = [threading.Thread(target=read, args=pair) for pair in itertools.product(ACCEPTS, ENCODINGS)]
    for one in readers:
        one.start()
    for one in readers:
        one.join()
    assert not wrong, wrong[0]


def test_sigterm_lets_a_stream_end(start_server: Callable[..., Server]) -> None:
    own = start_server()
    with own.plug() as plug:
        plug.sendall(b"GET /api/v1/models HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n")
        data = plug.recv(4096)
        assert own.process is not None
        own.process.terminate()
        while part := plug.recv(1 << 20):
            data += part
    assert data.endswith(b"\r\n0\r\n\r\n"), f"the list ends in {data[-60:]!r}"
    assert own.stop() == 0, own.said()
