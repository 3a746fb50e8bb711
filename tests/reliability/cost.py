"""Bodies that cost as much as their bytes may: many demands on many machines, no two alike; and who asks meanwhile."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
from wire import TOP, Server

GPUS = ("RTX 4090", "RTX 3090", "H100 SXM", "A100 80GB PCIe", "RTX 5090", "L40S")
USES = ("general", "coding", "reasoning", "chat", "multimodal", "embedding")


def machines(count: int, gpus: int = 4) -> list[dict[str, Any]]:
    return [{"gpu": GPUS[n % 6], "gpu_count": 1 + n % gpus, "ram_gb": 16 + n} for n in range(count)]


def filters(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"use_case": USES[n % 6], "min_params_b": 0.1 * n / count, "context": 1024 + 256 * n, **more}
            for n in range(count)]  # fmt: skip


def contexts(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"use_case": "coding", "context": 1024 + 61 * n, **more} for n in range(count)]


def bodies(scale: float = 1.0) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(what, endpoint, body); `scale`: of the largest that is taken."""

    def n(most: int) -> int:
        return max(8, int(most * scale))

    for few in (3, 8):
        yield f"{few} demands, few machines", "place", {"demands": filters(few), "machines": machines(n(100))}
        yield f"{few} demands", "place", {"demands": filters(few), "machines": machines(n(2000))}
        yield f"{few} spread", "place", {"demands": filters(few, spread=True), "machines": machines(n(2000), 64),
                                         "policy": "spread"}  # fmt: skip
    yield "filters", "place", {"demands": filters(64, replicas=n(60)), "machines": machines(n(2000))}
    yield "contexts", "place", {"demands": contexts(n(2000)), "machines": machines(n(2000))}
    yield "many GPUs", "place", {"demands": contexts(n(2000)), "machines": machines(n(300), 64)}
    yield "in vain", "place", {"demands": contexts(n(2000), min_tps=1e5, min_fit="perfect", concurrency=9),
                               "machines": machines(n(2000))}  # fmt: skip
    yield "plan", "plan", {"model": "meta-llama/Llama-3.1-405B", "gpu": "H100 SXM", "gpu_count": 64, "target_tps": 1e4,
                           "concurrency": 64, "max_context": 131072}  # fmt: skip
    yield "fit", "fit", {"machines": machines(n(1000), 64), "limit": 1, "fields": ["name"],
                         "contexts": [1024, 8192, 65536], "concurrency": [1, 8]}  # fmt: skip


def run(server: Server, scale: float) -> dict[str, Any]:
    """Every body once, a small uncached question all the while; then one whose client goes, and the end."""
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    before = most = process.memory_info().rss / 1e6
    waits, took, over = [], {}, threading.Event()

    def ask() -> None:
        client, n = server.fresh(), 0
        while not over.is_set():
            n += 1
            begun = time.monotonic()
            assert client.get(f"{TOP}?limit=1&ram_gb={n % 500 + 4}").status == 200
            waits.append(time.monotonic() - begun)
            over.wait(0.01)
        client.close()

    other = threading.Thread(target=ask)
    other.start()
    failures = []
    try:
        for what, path, body in bodies(scale):
            spent, client = sum(process.cpu_times()[:2]), server.fresh()
            answer = client.get(f"/api/v1/{path}", {"Content-Type": "application/json"}, "POST",
                                json.dumps(body).encode(), timeout=300)  # fmt: skip
            client.close()
            if answer.status not in (200, 413):
                failures.append(f"{what}: {answer.status} {answer.body[:200]!r}")
            took[what] = round(sum(process.cpu_times()[:2]) - spent, 2)
            most = max(most, process.memory_info().rss / 1e6)
    finally:
        over.set()
        other.join()
    waits.sort()
    return {"cpu_s": took, "mb_more": most - before, "p99_s": waits[int(len(waits) * 0.99)], "asked": len(waits),
            "failures": failures}  # fmt: skip


def leave(server: Server, body: dict[str, Any]) -> None:
    """Ask and go."""
    text = json.dumps(body).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as plug:
        plug.sendall(b"POST /api/v1/place HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                     b"Content-Length: %d\r\n\r\n" % len(text) + text)  # fmt: skip
        time.sleep(0.2)
