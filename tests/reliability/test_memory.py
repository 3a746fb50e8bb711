"""What is asked again and again leaves no memory behind; the soak of reliability.py shows the same in ten minutes."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import llmfit
from llmfit.catalog import catalog
from llmfit.placement.place import place
from llmfit.query import params
from llmfit.query.engine import Engine

# a search for the best way to fill one machine: 21,000 ways were held at once, 8 MB
SEARCHED = [
    {"replicas": 5, "use_case": "chat", "min_params_b": 7},
    {"replicas": 1, "model": "Qwen/Qwen3-8B"},
]
MB = 1e6

SERVE = """
import gc, os, sys
import llmfit
from llmfit.server import app, workers

def told(*_):
    gc.collect()
    print(gc.get_freeze_count(), len(gc.get_objects()), flush=True)
    os._exit(0)

workers.uvloop.run = workers.os.fork = told
machine = llmfit.describe(ram_gb=8)
workers.serve(app.Settings(machine=machine, observe=False, unix_socket=sys.argv[1], workers=int(sys.argv[2])))
"""

HEAPS = """
import ctypes, os, threading
from llmfit.cli import main
from llmfit.server import workers

def told(_):
    threads = [threading.Thread(target=lambda: bytearray(100_000)) for _ in range(4)]
    for one in threads:
        one.start()
    libc = ctypes.CDLL(None)
    libc.fopen.restype = ctypes.c_void_p
    file = ctypes.c_void_p(libc.fopen(b"heaps.xml", b"w"))
    libc.malloc_info(0, file)
    libc.fclose(file)
    print(open("heaps.xml").read().count("<heap nr="), flush=True)
    os._exit(0)

workers.uvloop.run = told
main()
"""


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(catalog.default(), llmfit.describe(gpu="2x RTX 3090", ram_gb=64, ram_bandwidth_gbps=60))


@pytest.fixture
def uncollected() -> Iterator[Callable[[], int]]:
    """How many objects only a collection frees, since it was asked before."""
    gc.collect()
    gc.disable()
    yield gc.collect
    gc.enable()


def peak(run: Callable[[], Any]) -> tuple[float, float]:
    """(what stays, the most) of Python's memory, MB."""
    tracemalloc.start()
    try:
        run()
        now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return now / MB, most / MB


def test_a_placement_is_gone_when_it_is_answered(engine: Engine, uncollected: Callable[[], int]) -> None:
    def placed() -> None:
        assert place(engine, SEARCHED, [{}]).placed

    placed()  # what is made once is made
    uncollected()
    placed()
    assert uncollected() < 20


def test_a_search_holds_little(engine: Engine) -> None:
    place(engine, SEARCHED, [{}])
    assert peak(lambda: place(engine, SEARCHED, [{}]))[1] < 3


def test_searches_that_differ_are_not_kept_without_end(engine: Engine) -> None:
    def ask(text: str) -> None:
        engine.run(params.parse([("search", text), ("provider", text), ("limit", "1")], "models").query)

    ask("first")
    assert peak(lambda: [ask(f"{number} b") for number in range(200)])[0] < 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_collection_looks_at_little(tmp_path: Path, workers: str) -> None:
    """Before the event loop runs, and before workers are forked: what a collection looks at, it writes into."""
    command = [sys.executable, "-c", SERVE, str(tmp_path / "socket"), workers]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    frozen, looked_at = map(int, done.stdout.split())
    assert frozen > 10_000
    assert looked_at < frozen / 20


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_all_threads_share_one_heap(tmp_path: Path) -> None:
    """Detection begins threads: the allocator is told before."""
    command = [sys.executable, "-c", HEAPS, "serve", "--unix-socket", str(tmp_path / "socket")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert done.stdout == "1\n", done.stderr
