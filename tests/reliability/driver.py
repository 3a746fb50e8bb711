"""Feeds a target with broken inputs, in a process of its own: what ends it, hangs it or swells it is told by seed."""

from __future__ import annotations

import os
import random
import resource
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec

from llmfit.errors import LlmfitError

BATCH, SOME = 10_000, 1000  # inputs of a process; where the time counts
HANG_SECONDS, MOST_GROWTH_MB = 1.0, 200.0

One = Callable[[random.Random], object]
Target = Callable[[Path], One]  # given a folder of its own: reads one input that the chance makes


class Figures(msgspec.Struct):
    """What became of the inputs of one target."""

    target: str
    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    slowest_ms: float = 0.0
    growth_mb: float = 0.0  # of the largest memory ever held, from the first input on
    failures: list[str] = []


def peak_mb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def batch(target: Target, name: str, seed: int, count: int, folder: Path) -> Figures:
    """Inputs `seed` .. `seed + count - 1`; every exception but LlmfitError is a failure."""
    one, found = target(folder), Figures(name)
    start = peak_mb()
    for number in range(seed, seed + count):
        os.pwrite(3, struct.pack("<Q", number), 0)
        signal.setitimer(signal.ITIMER_REAL, 20 * HANG_SECONDS)
        begun, used = time.monotonic(), time.process_time()
        try:
            one(random.Random(f"{name}{number}"))
            found.accepted += 1
        except LlmfitError as error:
            found.refused += 1
            if not str(error) or not str(error).isprintable():
                found.failures.append(f"{name} {number}: not one line: {error!r}")
        except Exception:
            said = traceback.format_exc(limit=-4)
            found.failures.append(f"{name} {number}: {said}")
        took = min(time.monotonic() - begun, time.process_time() - used)
        found.slowest_ms = max(found.slowest_ms, took * 1e3)
        if took > HANG_SECONDS:
            found.failures.append(f"{name} {number}: took {took:.1f} s")
        found.inputs += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    found.growth_mb = peak_mb() - start
    if found.growth_mb > MOST_GROWTH_MB:
        found.failures.append(f"{name} {seed}+{count}: {found.growth_mb:.0f} MB more")
    return found


def run(target: Target, name: str, seed: int, count: int, folder: Path, until: float | None = None) -> Figures:
    """`count` inputs in batches, each in a process of its own; stops early at `until` (time.monotonic())."""
    total = Figures(name)
    while total.inputs < count and (until is None or time.monotonic() < until):
        size = min(BATCH if until is None else SOME, count - total.inputs)
        found = forked(target, name, seed + total.inputs, size, folder)
        total.inputs += found.inputs
        total.accepted += found.accepted
        total.refused += found.refused
        total.slowest_ms = max(total.slowest_ms, found.slowest_ms)
        total.growth_mb = max(total.growth_mb, found.growth_mb)
        total.failures = [*total.failures, *found.failures][:20]
    return total


def forked(target: Target, name: str, seed: int, size: int, folder: Path) -> Figures:
    out, at = folder / f"{name}.json", folder / f"{name}.at"
    out.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.dup2(os.open(at, os.O_RDWR | os.O_CREAT), 3)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            own = folder / name
            own.mkdir(exist_ok=True)
            out.write_bytes(msgspec.json.encode(batch(target, name, seed, size, own)))
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if status == 0:
        return msgspec.json.decode(out.read_bytes(), type=Figures)
    number = struct.unpack("<Q", at.read_bytes())[0] if at.exists() and at.stat().st_size == 8 else seed
    ended = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"
    return Figures(name, inputs=size, failures=[f"{name} {number}: the process ended with {ended}"])
