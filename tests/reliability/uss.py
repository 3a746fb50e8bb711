"""Memory that a worker has for itself (USS) after questions that nobody asked before, and whole lists in every form."""

from __future__ import annotations

import http.client
import time
from typing import Any

import psutil
from wire import MODELS, TOP, Server

ENCODINGS = ("identity", "gzip", "br", "zstd")
FORMS = ("application/json", "application/x-ndjson", "text/csv")


def run(server: Server, count: int) -> dict[str, Any]:
    """Figures in MB (10^6 bytes)."""
    assert server.process is not None
    process = psutil.Process(server.process.pid)

    def uss() -> float:
        return process.memory_full_info().uss / 1e6

    found: dict[str, Any] = {"queries": count, "mb_at_start": uss()}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def ask(path: str, **headers: str) -> None:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        while answer.read(1 << 20):
            pass
        assert answer.status == 200, (path, answer.status)

    for n in range(count):
        ask(f"{TOP}?limit={1 + n % 20}&max_context={1024 + n % 997 * 8}&min_params_b={n % 31}&ram_gb={8 + n % 113}")
    found["mb_after_queries"] = uss()
    for _ in range(2):
        for form in FORMS:
            for encoding in ENCODINGS:
                ask(f"{MODELS}?include_too_tight=true", Accept=form, Accept_Encoding=encoding)
    found["mb_after_lists"] = most = uss()
    for _ in range(10):  # what it settles at
        time.sleep(1)
        most = uss()
    found["mb_at_rest"] = most
    connection.close()
    return found
