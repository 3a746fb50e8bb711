"""Memory bandwidth measured: several threads read a buffer well above the last cache, and the result is kept on disk.

What else runs can only slow a pass down, so the figure is the fastest that three passes agree on; where they do not
agree, or where that is far below the fastest, there is none.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

VERSION = 1  # of the method: a kept figure of another is measured again
MIB = 1 << 20
LEAST_BYTES, USUAL_BYTES = 64 * MIB, 256 * MIB
MOST_BYTES_PER_THREAD = 128 * MIB  # so much is written before it is read: about 0.1 s
CACHES = 4  # the buffer is so many times the last cache; twice will do where memory is short
SHARE_OF_RAM = 4  # at most one part in so many of what is free
MOST_THREADS = 64
PASS_SECONDS, BUDGET_SECONDS = 0.008, 0.25
LEAST_PASSES, AGREEING = 5, 3
EARLY_SPREAD, WIDEST_SPREAD = 0.02, 0.06  # of passes that agree: enough to stop at; more do not
WIDEST_LEAD = 0.35  # of the fastest pass before those that agree
RETRY_SECONDS = 600.0  # a failed measurement is not repeated sooner
KEPT_BYTES = 4096

Gbps = Annotated[float, msgspec.Meta(gt=0, lt=1e5)]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure: with how many threads, in how much memory; and the machine that the figure belongs to."""

    cpu: str
    ram_gib: int
    cores: int
    version: int = VERSION
    free_bytes: int = 0
    cache_bytes: int = 0  # all last-level caches that these cores use

    def key(self) -> tuple[str, int, int, int]:
        """What a kept figure must agree with."""
        return self.cpu, self.ram_gib, self.cores, self.version


class Streaming(msgspec.Struct, frozen=True, kw_only=True):
    """A measured read bandwidth in GB/s, or None and why there is none."""

    gbps: Gbps | None = None
    problem: str = ""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A result as it lies on disk."""

    key: tuple[str, int, int, int]
    at: float  # seconds since 1970
    gbps: Gbps | None = None
    problem: str = ""


def streaming(plan: Plan, environment: Mapping[str, str], run: bool) -> Streaming | None:
    """The kept figure of this machine, else (if ``run``) a new one; None where there is neither."""
    path = kept_path(plan, environment)
    kept = _remembered.get(plan.key()) or load(path, plan)
    if kept is not None and (kept.gbps is not None or not run or 0 <= time.time() - kept.at < RETRY_SECONDS):
        return Streaming(gbps=kept.gbps, problem=kept.problem)
    if not run:
        return None
    found = measure(plan)
    kept = Kept(key=plan.key(), at=time.time(), gbps=found.gbps, problem=found.problem)
    _remembered[plan.key()] = kept
    store(path, kept)
    return found


_remembered: dict[tuple[str, int, int, int], Kept] = {}  # where the disk keeps nothing


def buffer_bytes(plan: Plan) -> int:
    """How much to read: four times the last cache within bounds and a quarter of free memory; 0: there is no room."""
    most = max(USUAL_BYTES, MOST_BYTES_PER_THREAD * min(plan.cores, MOST_THREADS))
    size = min(max(CACHES * plan.cache_bytes, USUAL_BYTES), most, plan.free_bytes // SHARE_OF_RAM)
    return size if size >= max(CACHES // 2 * plan.cache_bytes, LEAST_BYTES) else 0


def measure(plan: Plan) -> Streaming:
    """Read for a quarter of a second at most. Never raises."""
    size = buffer_bytes(plan)
    if not size:
        return Streaming(problem=f"{plan.free_bytes // MIB} MiB of free RAM are too few to read past the CPU's caches")
    try:
        return judged(read_rates(min(plan.cores, MOST_THREADS), size))
    except (OSError, ValueError, MemoryError, RuntimeError, ImportError) as error:
        return Streaming(problem=f"{type(error).__name__} while reading")


def judged(rates: list[float]) -> Streaming:
    """The fastest that three passes agree on, in GB/s."""
    best = sorted(rates, reverse=True)
    for at in range(len(best) - AGREEING + 1):
        if best[at + AGREEING - 1] >= (1 - WIDEST_SPREAD) * best[at]:
            lead = 1 - best[at] / best[0]
            if lead > WIDEST_LEAD:
                return Streaming(problem=f"the fastest pass was {100 * lead:.0f} % ahead of those that agree")
            return Streaming(gbps=round(best[at], 1))
    return Streaming(problem=f"no {AGREEING} of {len(rates)} passes agree within {100 * WIDEST_SPREAD:.0f} %")


def spread(rates: list[float]) -> float:
    """How far the third fastest lies below the fastest; 1 where there are not so many."""
    best = sorted(rates, reverse=True)[:AGREEING]
    return 1 - best[-1] / best[0] if len(best) == AGREEING and best[0] > 0 else 1.0


def read_rates(threads: int, size: int) -> list[float]:
    """GB/s of every pass of ``threads`` threads, each over its part of ``size`` bytes."""
    from llmfit._stream import read, touch

    part = size // threads // mmap.PAGESIZE * mmap.PAGESIZE
    times = [(0.0, 0.0)] * threads
    rates: list[float] = []
    rounds, begun, done = 0, 0.0, False

    def between() -> None:
        """Runs in one thread while all others wait."""
        nonlocal rounds, begun, done
        now = time.perf_counter()
        if rounds == 0:
            begun = now
        else:
            seconds = max(end for _, end in times) - min(start for start, _ in times)
            rates.append(threads * part * rounds / seconds / 1e9)
            settled = len(rates) >= LEAST_PASSES and spread(rates) <= EARLY_SPREAD
            done = settled or now - begun > BUDGET_SECONDS
            if len(rates) == 1:  # the first pass says how often to read in one
                rounds = max(1, round(PASS_SECONDS * rounds / seconds))
                return
        rounds = max(1, rounds)

    gate = threading.Barrier(threads, action=between, timeout=10 * BUDGET_SECONDS)

    def work(index: int) -> None:
        start, stop = index * part, (index + 1) * part
        try:
            touch(memory, start, stop)
            while True:
                gate.wait()
                if done:
                    return
                begin = time.perf_counter()
                for _ in range(rounds):
                    read(memory, start, stop)
                times[index] = (begin, time.perf_counter())
        except threading.BrokenBarrierError:
            return

    with mmap.mmap(-1, threads * part) as memory:
        if hasattr(mmap, "MADV_HUGEPAGE"):
            memory.madvise(mmap.MADV_HUGEPAGE)
        started: list[threading.Thread] = []
        try:
            for index in range(threads):
                thread = threading.Thread(target=work, args=(index,), daemon=True)
                thread.start()
                started.append(thread)
        except RuntimeError:
            gate.abort()
            raise
        finally:
            for thread in started:
                thread.join()
    return rates


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """Where this user's programs keep what they can make again; None where that is not known."""
    home = environment.get("HOME") or os.path.expanduser("~")
    if sys.platform == "win32":
        base = environment.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        base = f"{home}/Library/Caches"
    else:
        base = environment.get("XDG_CACHE_HOME", "")
        base = base if os.path.isabs(base) else f"{home}/.cache"  # a relative one is to be ignored
    return Path(base, "llmfit") if os.path.isabs(base) else None


def kept_path(plan: Plan, environment: Mapping[str, str]) -> Path | None:
    """The file of this machine: homes are shared between machines."""
    folder = cache_folder(environment)
    name = hashlib.sha256(repr(plan.key()).encode()).hexdigest()[:16]
    return folder / f"bandwidth-{name}.json" if folder else None


def load(path: Path | None, plan: Plan) -> Kept | None:
    """What lies there of this machine; None for anything that is not such a file."""
    try:
        if path is None or not path.is_file():
            return None
        with path.open("rb") as file:
            kept = msgspec.json.decode(file.read(KEPT_BYTES), type=Kept)
    except (OSError, ValueError):
        return None
    return kept if kept.key == plan.key() else None


def store(path: Path | None, kept: Kept) -> None:
    """Keep a result, in one step; nothing where that is not possible."""
    if path is None:
        return
    part = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(kept))
        os.replace(part, path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
