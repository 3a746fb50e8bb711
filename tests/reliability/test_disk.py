"""Disks that are full or may not be written, and files that break while they are served."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from wire import TOP, Server, free_port

from llmfit.server.http import access

PROGRAM = str(Path(sys.executable).with_name("llmfit"))
FULL = Path("/dev/full")
TOKEN, OTHER = "a-token-of-some-length", "another-token-of-some-length"
JSON = {"Content-Type": "application/json"}
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def nothing_more() -> None:
    """From now on this process may not write a byte to a file."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def until(holds: Callable[[], Any], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < end:
        time.sleep(0.05)
    return bool(found)


def run(*command: str, **how: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, text=True, stderr=subprocess.PIPE, timeout=60, stdin=subprocess.DEVNULL, **how)


def test_a_cache_on_a_full_disk(tmp_path: Path) -> None:
    """The measurement cannot be kept: the answer is the same, nothing is said, nothing is left half written."""
    words = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    words.pop("LLMFIT_NO_PROBE", None)
    done = run(PROGRAM, "--json", "fit", "-n", "1", env=words, stdout=subprocess.PIPE, preexec_fn=nothing_more)
    assert done.returncode == 0 and done.stderr == "" and json.loads(done.stdout)["models"], done
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_cache_on_a_file_system_that_is_full_or_read_only(tmp_path: Path) -> None:
    """In a mount namespace of its own, where the system allows one."""
    words = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    words.pop("LLMFIT_NO_PROBE", None)
    fill = f"dd if=/dev/zero of={tmp_path}/x bs=1k 2>/dev/null"
    full = f"mount -t tmpfs -o size=16k t {tmp_path} && {{ {fill}; true; }}"
    fixed = f"mount -t tmpfs -o ro t {tmp_path}"
    for prepare in (full, fixed):
        script = f"{prepare} || exit 99; exec {PROGRAM} --json fit -n 1"
        done = run("unshare", "-rm", "sh", "-c", script, env=words, stdout=subprocess.PIPE)
        if done.returncode == 99 or "unshare" in done.stderr:
            pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
        assert done.returncode == 0 and done.stderr == "" and '"models"' in done.stdout, done


@pytest.mark.parametrize(
    "command", ["--json fit -n 3", "fit -n 3", "--csv fit -n 3", "system", "--help", "hardware list", "completion bash"]
)
def test_an_answer_that_cannot_be_written(command: str) -> None:
    """One line and status 1: a script that redirects must not take half an answer for a whole one."""
    with FULL.open("w") as full:
        done = run(PROGRAM, *command.split(), stdout=full)
    assert done.returncode == 1 and done.stderr == "llmfit: cannot write the answer: No space left on device\n", done


def test_a_recording_on_a_full_disk(tmp_path: Path) -> None:
    done = run(PROGRAM, "doctor", "--record", str(tmp_path / "r"), stdout=subprocess.PIPE, preexec_fn=nothing_more)
    assert done.returncode == 1 and done.stderr.startswith("llmfit: cannot record to ") and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_can_write_nowhere(tmp_path: Path, workers: int) -> None:
    """No temporary folder, a log that is full: everything is answered, reservations hold in every worker."""
    words = {**os.environ, "TMPDIR": "/nonexistent", "HOME": "/proc", "XDG_CACHE_HOME": "/proc/x"}
    port = free_port()
    arguments = ("serve", "--port", str(port), "--workers", str(workers), "--access-log", "--metrics", "--ram-gb", "64")
    with FULL.open("w") as full:
        process = subprocess.Popen(
            [PROGRAM, *arguments], stdout=full, stderr=full, env=words, cwd="/proc", preexec_fn=nothing_more
        )
    server = Server(process, None, port=port)
    try:
        server._await("/readyz")
        made = server.fresh().get("/api/v1/reservations", JSON, "POST", b'{"ram_gb": 0.5, "ttl_s": 60}')
        assert made.status == 201, made.body
        for _ in range(10):
            client = server.fresh()
            assert client.get(TOP + "?limit=1").status == 200
            assert client.get("/api/v1/reservations").json()["ram_gb"] == 0.5
            assert client.get("/metrics").status == 200 and client.get("/nope").status == 404
            client.close()
    finally:
        assert server.stop() == 0


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[tuple[Path, Server]]:
    """A server of a copy of this installation, with two workers, and its packed catalog."""
    import llmfit

    place = Path(llmfit.__file__).parent
    shutil.copytree(place, tmp_path / "copy" / "llmfit", symlinks=False, ignore=shutil.ignore_patterns("__pycache__"))
    port, log = free_port(), tmp_path / "log"
    code = "from llmfit.cli import main; main()"
    words = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path / "copy"), os.environ["PYTHONPATH"]))}
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-c", code, "serve", "--port", str(port), "--workers", "2", "--ram-gb", "64"],
            stdout=sink, stderr=sink, cwd="/", env=words,
        )  # fmt: skip
    server = Server(process, log, port=port)
    server._await("/readyz")
    yield tmp_path / "copy" / "llmfit" / "catalog.msgpack", server
    assert server.stop() == 0 and "Traceback" not in server.said(), server.said()


def test_a_catalog_that_breaks_while_it_is_served(installed: tuple[Path, Server]) -> None:
    """SIGHUP refuses it and says why; what was opened goes on being served, also by a worker that starts later."""
    path, server = installed
    assert server.process is not None
    before = server.ok(TOP, limit=1)["catalog"]
    data = path.read_bytes()
    for broken in (data[: len(data) // 2], b"", None, data[:-1] + b"\0" if data[-1:] != b"\0" else data[:-9]):
        draft = path.with_name("draft")
        path.unlink()
        if broken is not None:
            draft.write_bytes(broken)
            os.replace(draft, path)
        told = server.said().count("not reloaded")
        server.process.send_signal(signal.SIGHUP)
        if broken is None or len(broken) < len(data) - 1:
            assert until(lambda told=told: server.said().count("not reloaded") > told), server.said()
        assert server.fresh().ok(TOP, limit=1)["catalog"] == before
        path.touch()
    psutil.Process(server.process.pid).children()[0].kill()
    assert until(lambda: len(psutil.Process(server.process.pid).children()) == 2)
    assert all(server.fresh().ok(TOP, limit=1)["catalog"] == before for _ in range(12))
    draft.write_bytes(data)
    os.replace(draft, path)
    server.process.send_signal(signal.SIGHUP)
    assert until(lambda: "reloaded: catalog" in server.said().rsplit("not reloaded", 1)[-1])


BREAK: dict[str, Callable[[Path], object]] = {
    "gone": lambda path: None, "folder": Path.mkdir, "pipe": lambda path: os.mkfifo(path), "empty": Path.touch,
    "loop": lambda path: path.symlink_to(path), "no text": lambda path: path.write_bytes(b"\xff" * 99),
    "huge": lambda path: path.write_bytes(b"x" * (1 << 20)),
}  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
@pytest.mark.parametrize("fault", BREAK)
def test_a_token_file_that_breaks(
    tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The tokens read before stay valid, the log says why, once, and the file counts again when it is one."""
    monkeypatch.setattr(access, "LOOK_SECONDS", 0.0)
    path = tmp_path / "tokens"
    path.write_text(TOKEN)
    tokens = access.Tokens(str(path))
    path.unlink()
    BREAK[fault](path)
    begun = time.monotonic()
    for _ in range(5):
        assert tokens.takes(f"Bearer {TOKEN}") and not tokens.takes(f"Bearer {OTHER}")
    assert time.monotonic() - begun < 1
    assert [line.getMessage().endswith("the tokens read before stay valid") for line in caplog.records] == [True]
    shutil.rmtree(path) if fault == "folder" else path.unlink(missing_ok=True)
    path.write_text(OTHER)
    assert tokens.takes(f"Bearer {OTHER}") and not tokens.takes(f"Bearer {TOKEN}")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_token_file_that_vanishes_while_it_is_served(tmp_path: Path) -> None:
    """A pipe in its place, which nobody writes to, holds up no request."""
    path = tmp_path / "tokens"
    path.write_text(TOKEN)
    server = Server.start(("--token-file", str(path), "--ram-gb", "64"), tmp_path / "log")

    def takes(token: str) -> bool:
        return server.fresh().get(TOP, {"Authorization": f"Bearer {token}"}, timeout=20).status == 200

    try:
        path.unlink()
        assert until(lambda: takes(TOKEN) and "the tokens read before stay valid" in server.said())
        os.mkfifo(path)
        time.sleep(access.LOOK_SECONDS)
        assert takes(TOKEN) and not takes(OTHER) and takes(TOKEN)
        path.unlink()
        path.write_text(OTHER)
        assert until(lambda: takes(OTHER)) and not takes(TOKEN)
    finally:
        assert server.stop() == 0 and "Traceback" not in server.said(), server.said()
