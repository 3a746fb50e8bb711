"""A server at full load while clients come and go: memory, descriptors, errors, the slowest hundredth."""

from __future__ import annotations

import http.client
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "http"))

from wire import MODELS, Server

from . import requests

CLIENTS, WARM_SHARE = 4, 0.25


def p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)] * 1e3 if times else 0.0


def run(seconds: float) -> dict[str, Any]:
    """Four clients ask the parameter table's questions over connections of up to 200 requests; two workers."""
    server = Server.start(("--workers", "2"), Path(tempfile.mkdtemp()) / "server.log")
    assert server.process is not None
    parent = psutil.Process(server.process.pid)
    begun, failures, over = time.monotonic(), [], threading.Event()
    taken: list[tuple[float, float]] = []  # when, how long

    def ask(seed: int) -> None:
        chance = random.Random(seed)
        while not over.is_set():
            client = server.fresh()
            for _ in range(chance.randrange(1, 200)):
                if over.is_set():
                    break
                whole = chance.randrange(300) == 0
                asked = f"{MODELS}?ram_gb={chance.randrange(4, 999)}" if whole else requests.question(chance)
                start = time.monotonic()
                try:
                    answer = client._once(asked, {}, "GET", None, 60)
                    if answer.status >= 500:
                        failures.append(f"{answer.status} {asked}")
                except (OSError, http.client.HTTPException) as error:
                    failures.append(f"{error!r} {asked}")
                    break
                if not whole:
                    taken.append((start - begun, time.monotonic() - start))
            client.close()

    askers = [threading.Thread(target=ask, args=(seed,), daemon=True) for seed in range(CLIENTS)]
    for one in askers:
        one.start()
    memory: list[float] = []
    descriptors: list[int] = []
    while time.monotonic() - begun < seconds:
        time.sleep(seconds / 60)
        workers = parent.children()
        memory.append(sum(one.memory_info().rss for one in workers) / 1e6)
        descriptors.append(sum(one.num_fds() for one in workers))
    over.set()
    for one in askers:
        one.join(60)
    status = server.stop()
    warm = int(len(memory) * WARM_SHARE)
    slice_ = seconds * WARM_SHARE
    first = p99([took for at, took in taken if at < slice_])
    last = p99([took for at, took in taken if at > seconds - slice_])
    third = max(1, (len(memory) - warm) // 3)
    early, late = max(memory[warm : warm + third]), max(memory[-third:])
    if status != 0:
        failures.append(f"exit status {status}")
    return {
        "requests": len(taken), "seconds": seconds, "errors": len(failures), "rss_mb_warm": early, "rss_mb_end": late,
        "growth_pct": 100 * (late / early - 1), "descriptors_warm": max(descriptors[warm : warm + third]),
        "descriptors_end": max(descriptors[-third:]), "p99_ms_first": first, "p99_ms_last": last,
        "failures": failures[:10],
    }  # fmt: skip
