"""What is counted for /metrics: plain integers in memory that all workers share, one line of them for each worker.

A worker writes its own line alone, so nothing is locked; the one that replaces it goes on where it ended.
"""

from __future__ import annotations

import mmap
import re
from bisect import bisect_left
from functools import cache

ROUTES = (
    "/health", "/healthz", "/readyz", "/metrics", "/api/v1/system", "/api/v1/events", "/api/v1/models",
    "/api/v1/models/top", "/api/v1/models/<name>", "/api/v1/compare", "/api/v1/plan", "/api/v1/place", "/api/v1/fit",
    "/api/v1/hardware",
    "/api/v1/reservations", "/api/v1/reservations/<id>", "/api/v1/reservations/<id>/renew",
    "/openapi.json", "/docs", "/docs.css", "/", "/static", "other",
)  # fmt: skip
# 0: any other
STATUSES = (200, 201, 204, 304, 400, 401, 403, 404, 405, 408, 409, 413, 414, 415, 417, 429, 431, 500, 503, 507, 0)
BOUNDS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # seconds until an answer begins
COMPUTED, ANALYSES, PAGES, PAGE_BYTES, LISTENERS, CONNECTIONS, REPLACED = range(7)
ANSWERED = tuple(
    ROUTES.index(f"/api/v1/{name}") for name in ("system", "models", "models/top", "models/<name>", "compare")
)

OTHER = len(ROUTES) - 1  # what has no route, and what was refused before one was found
_ROUTE_AT = {route: at for at, route in enumerate(ROUTES)}
_STATUS_AT = {status: at for at, status in enumerate(STATUSES)}
_ODD = len(STATUSES) - 1
_LINE = len(STATUSES) + len(BOUNDS) + 1 + 1  # of a route: answers by status, by duration, and nanoseconds in all
_CELLS = len(ROUTES) * _LINE
_SIZE = _CELLS + REPLACED + 1


@cache
def route_at(path: str) -> int:
    """The number of a route's path as Sanic has it: without the first slash, with types (``<name:path>``)."""
    path = re.sub(r":\w+>", ">", "/" + path)
    return _ROUTE_AT.get("/static" if path.startswith("/static/") else path, OTHER)


class Counters:
    """The counters of all workers. `own`: where a worker's line begins; set in the worker."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.cells = memoryview(mmap.mmap(-1, workers * _SIZE * 8)).cast("q")
        self.own = 0

    def be(self, worker: int) -> None:
        """From now on count for this worker, from 0."""
        self.own = worker * _SIZE

    def answered(self, route: int, status: int, seconds: float) -> None:
        """An answer has begun so many seconds after its request had arrived."""
        line = self.own + route * _LINE
        self.cells[line + _STATUS_AT.get(status, _ODD)] += 1
        self.cells[line + len(STATUSES) + bisect_left(BOUNDS, seconds)] += 1
        self.cells[line + _LINE - 1] += int(seconds * 1e9)

    def add(self, cell: int, number: int = 1) -> None:
        self.cells[self.own + _CELLS + cell] += number

    def put(self, cell: int, number: int) -> None:
        self.cells[self.own + _CELLS + cell] = number

    def total(self, cell: int) -> int:
        """Over all workers."""
        return sum(self.cells[worker * _SIZE + _CELLS + cell] for worker in range(self.workers))

    def route(self, route: int) -> tuple[list[int], list[int], float]:
        """(answers by status, answers by duration, seconds in all) of a route, over all workers."""
        lines = [self.cells[at : at + _LINE].tolist() for at in
                 range(route * _LINE, self.workers * _SIZE, _SIZE)]  # fmt: skip
        sums = [sum(column) for column in zip(*lines, strict=True)]
        return sums[: len(STATUSES)], sums[len(STATUSES) : -1], sums[-1] / 1e9
