"""A server at full load while its machine changes and clients come and go: memory, descriptors, errors, slow answers.

Memory goes up and down with the cache of pages, which each change of the machine empties. So two figures are compared
after the warm-up (so many requests, half of the time at most): the most that a worker takes, and what it takes at rest,
when the clients pause and small questions have replaced what its caches held. A leak moves both.
"""

from __future__ import annotations

import http.client
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "http"))

from wire import MODELS, Server, free_port

from .questions import RESERVATIONS, asked
from .requests import FULL

HERE = Path(__file__).parent
MACHINE = HERE.parent / "machines" / "rtx-3090-x2.json"
WORKERS, CLIENTS, LISTENERS = 2, 4, 3
LOOKS, NEWS_SECONDS = 5.0, 4.0  # looks at memory in a second; between two states of the machine
RESTS, WARM_REQUESTS = 24, 50_000


class Load:
    """Random clients, each a connection of up to 200 requests, then another; and listeners of /api/v1/events."""

    def __init__(self, server: Server) -> None:
        self.server, self.over, self.begun = server, threading.Event(), time.monotonic()
        self.going = threading.Event()
        self.going.set()
        self.failures: list[str] = []
        self.taken: list[tuple[float, float]] = []  # when, how long: of all but whole lists
        self.lists = self.events = self.connections = 0
        threads = [(self.ask, seed) for seed in range(CLIENTS)] + [(self.listen, seed) for seed in range(LISTENERS)]
        self.threads = [threading.Thread(target=run, args=(seed,), daemon=True) for run, seed in threads]
        for one in self.threads:
            one.start()

    def ask(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self.over.is_set():
            client = self.server.fresh()
            self.connections += 1
            for _ in range(chance.randrange(1, 200)):
                if self.over.is_set() or not self.one(client, chance):
                    break
            client.close()

    def one(self, client: Any, chance: random.Random) -> bool:
        self.going.wait()
        ask, whole = asked(chance), chance.randrange(300) == 0
        if ask.operation == ("post", RESERVATIONS) and chance.randrange(10):
            return True  # each changes the machine's state for all: not the rule
        if whole:
            url = f"{MODELS}?ram_gb={chance.randrange(4, 999)}"
            ask = msgspec.structs.replace(ask, url=url, method="GET", body=None)
        start = time.monotonic()
        try:
            status = client._once(ask.url, ask.headers, ask.method, ask.body, 60).status
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(f"{error!r} {ask}")
            return False
        if status >= 500 and status != FULL:
            self.failures.append(f"{status} {ask}")
        if whole:
            self.lists += 1
        else:
            self.taken.append((start - self.begun, time.monotonic() - start))
        return True

    def listen(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self.over.is_set():
            line = http.client.HTTPConnection(self.server.host, self.server.port, timeout=30)
            try:
                line.request("GET", "/api/v1/events")
                answer = line.getresponse()
                for _ in range(chance.randrange(1, 12)):
                    self.events += answer.readline().startswith(b"event")
            except (OSError, http.client.HTTPException) as error:
                if not self.over.is_set():
                    self.failures.append(f"{error!r} while listening")
            line.close()

    def rest(self, workers: list[psutil.Process]) -> list[float]:
        """What each worker takes, MB, after a dozen small questions on many connections."""
        self.going.clear()
        time.sleep(0.2)  # what is being answered ends
        tell(self.server, 8)
        time.sleep(0.6)
        for number in range(120):
            client = self.server.fresh()
            client.get(f"{MODELS}?limit=1&ram_gb={number % 12 + 3}")
            client.close()
        found = [one.memory_info().rss / 1e6 for one in workers]
        self.going.set()
        return found

    def end(self) -> None:
        self.going.set()
        self.over.set()
        for one in self.threads[:CLIENTS]:
            one.join(60)

    def p99_ms(self, first: float, last: float) -> float:
        times = sorted(took for at, took in self.taken if first <= at < last)
        return times[int(len(times) * 0.99)] * 1e3 if times else 0.0


def started() -> Server:
    """A server of recorded hardware whose free memory its stdin says."""
    port, log = free_port(), Path(tempfile.mkdtemp()) / "server.log"
    command = [sys.executable, str(HERE.parent / "http" / "told.py"), str(MACHINE), str(WORKERS), str(port), "15"]
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=sink, stderr=sink, cwd="/")
    server = Server(process, log, port=port)
    server._await("/readyz")
    return server


def tell(server: Server, free_gib: int) -> None:
    assert server.process is not None and server.process.stdin is not None
    server.process.stdin.write(f"{free_gib} at {time.monotonic():.1f}\n".encode())
    server.process.stdin.flush()


def run(seconds: float) -> dict[str, Any]:
    server = started()
    assert server.process is not None
    workers, load = psutil.Process(server.process.pid).children(), Load(server)
    memory: list[tuple[float, list[float]]] = []  # when, and of each worker, MB
    rests: list[tuple[float, float]] = []
    descriptors: list[tuple[float, int]] = []
    told, warm, chance = 0.0, 0.0, random.Random(0)
    apart = max(4.0, seconds / RESTS)
    while (now := time.monotonic() - load.begun) < seconds:
        if now - told > NEWS_SECONDS:
            told = now
            tell(server, chance.randrange(4, 32))
        if now > (len(rests) + 1) * apart:
            rests.append((now, sum(load.rest(workers))))
        if not warm and (len(load.taken) >= WARM_REQUESTS or now > seconds / 2):
            warm = now
        memory.append((now, [one.memory_info().rss / 1e6 for one in workers]))
        descriptors.append((now, sum(one.num_fds() for one in workers)))
        time.sleep(1 / LOOKS)
    load.end()
    status, failures = server.stop(), load.failures
    if status != 0 or "Traceback" in server.said():
        failures.append(f"exit status {status}: {server.said()[-500:]}")
    part, first = (seconds - warm) / 4, min(60.0, seconds / 4)

    def windows(series: list[tuple[float, Any]]) -> list[list[Any]]:
        """Of the first quarter of the time after the warm-up, and of the last."""
        spans = (warm, warm + part), (seconds - part, seconds + 60)
        return [[value for at, value in series if begin <= at < end] or [series[-1][1]] for begin, end in spans]

    most = [sum(map(max, zip(*window, strict=True))) for window in windows(memory)]
    rest = [statistics.median(window) for window in windows(rests)]
    return {
        "seconds": seconds, "requests": len(load.taken), "whole_lists": load.lists, "connections": load.connections,
        "events": load.events, "errors": len(failures),
        "rest_mb": rest, "rest_growth_pct": 100 * (rest[1] / rest[0] - 1), "warm_s": warm,
        "all_rests_mb": [size for _, size in rests],
        "most_mb": most, "most_growth_pct": 100 * (most[1] / most[0] - 1),
        "descriptors": [max(window) for window in windows(descriptors)],
        "p99_ms": [load.p99_ms(0, first), load.p99_ms(seconds - first, seconds)],
        "failures": failures[:10],
    }  # fmt: skip
