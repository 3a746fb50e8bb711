"""More connections than a worker has descriptors: it goes on, others are answered, nothing is left behind."""

from __future__ import annotations

import os
import resource
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "http"))

from wire import TOP, Server

SOFT = int(os.environ.get("LLMFIT_DESCRIPTORS", "256"))  # of each worker
HELLO = b"\x16\x03\x01\x02\x00"  # the beginning of a TLS record, of which no more comes


def certificate(folder: Path) -> tuple[str, str, ssl.SSLContext]:
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1", "localhost")
    made.private_key_pem.write_to_path(str(folder / "key.pem"))
    made.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return str(folder / "cert.pem"), str(folder / "key.pem"), context


def workers_of(server: Server) -> dict[int, int]:
    """Descriptors in use by process: the server and its workers."""
    assert server.process is not None
    parent = psutil.Process(server.process.pid)
    return {one.pid: one.num_fds() for one in (parent, *parent.children())}


@pytest.fixture(params=[("plain", 1), ("tls", 1), ("tls", 2), ("plain", 2)], ids=lambda p: f"{p[0]}-{p[1]}")
def limited(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server that may open SOFT files, with a folder of own models that can be looked at."""
    kind, workers = request.param
    (tmp_path / "models").mkdir()
    flags, tls = ["--ram-gb", "64", "--workers", str(workers)], None
    if kind == "tls":
        cert, key, tls = certificate(tmp_path)
        flags += ["--tls-cert", cert, "--tls-key", key]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT, hard))
    try:
        models = {"LLMFIT_MODELS_DIR": str(tmp_path / "models")}
        server = Server.start(tuple(flags), tmp_path / "log", tls=tls, env=models)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    server.own = tmp_path / "models"  # type: ignore[attr-defined]
    yield server
    assert server.stop() == 0, server.said()
    assert "Traceback" not in server.said(), server.said()


def test_more_connections_than_descriptors(limited: Server) -> None:
    """Silent ones, and such as begin to speak and stop: the workers stay the same, and others are answered at once."""
    before = workers_of(limited)
    silent = []
    try:
        for n in range(2 * len(before) * SOFT):
            plug = socket.create_connection(("127.0.0.1", limited.port), timeout=30)
            silent.append(plug)
            if limited.tls is not None and n % 2:
                plug.send(HELLO)
        (limited.own / "a.toml").write_text("no toml")  # type: ignore[attr-defined]  # a reload while there are no descriptors
        times = []
        for _ in range(5):
            begun = time.monotonic()
            client = limited.fresh()
            assert client.get(TOP + "?limit=1").status == 200
            client.close()
            times.append(time.monotonic() - begun)
            time.sleep(0.3)
        assert min(times) < 2, times
        assert workers_of(limited).keys() == before.keys(), limited.said()
    finally:
        for plug in silent:
            plug.close()
    end = time.monotonic() + 60
    while any(now > before[pid] + 4 for pid, now in workers_of(limited).items()):
        assert time.monotonic() < end, (before, workers_of(limited))
        time.sleep(0.1)
    assert workers_of(limited).keys() == before.keys(), limited.said()
    assert "replaced" not in limited.said()
