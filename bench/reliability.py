"""How hard llmfit is to break, in figures: ``python bench/reliability.py NAME [--long | --seconds N | --count N]``.

NAME: properties, requests, differential (against another server's program in LLMFIT_OTHER), openapi (schemathesis),
files, faults, soak, descriptors, processes, cost, unread, sinks, memory; docs/reliability.md.
Prints one JSON object a line; exit status 1 where something failed. The short forms are tests.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent / "tests"
sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != HERE]  # bench/http.py is not http
sys.path.insert(0, str(TESTS))
sys.path.insert(0, str(TESTS / "http"))
os.environ["LLMFIT_NO_PROBE"] = "1"
SECONDS, LONG_SECONDS = 10.0, 600.0


def told(**figures: Any) -> bool:
    """Prints the figures; whether nothing failed."""

    def short(value: Any) -> Any:
        return round(value, 2) if isinstance(value, float) else value

    lists = {key: [short(one) for one in each] for key, each in figures.items() if isinstance(each, list)}
    print(json.dumps({key: short(value) for key, value in figures.items()} | lists))
    sys.stdout.flush()
    return not figures.get("failures")


def tests(*names: str, **environment: str) -> bool:
    """The tests of these files, more of each."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", *(str(TESTS / name) for name in names)]
    words = {**os.environ, **environment}
    done = subprocess.run(command, cwd=tempfile.gettempdir(), env=words, text=True, capture_output=True)
    said = done.stdout.strip().splitlines()
    return told(tests=names, said=said[-1] if said else "", seconds=time.monotonic() - begun, **environment,
                failures=said[-40:] if done.returncode else [])  # fmt: skip


def properties(seconds: float) -> bool:
    examples = str(max(60, int(seconds * 20)))
    return tests("reliability/test_estimator.py", "test_properties.py", LLMFIT_EXAMPLES=examples)


def faults(seconds: float) -> bool:
    names = [f"reliability/test_{name}.py" for name in ("faults", "machine", "disk", "clock")]
    return tests(*names, LLMFIT_IDLE_CONNECTIONS="10000" if seconds > SECONDS else "1000")


def served(*arguments: str) -> Any:
    from wire import Server

    return Server.start(arguments, Path(tempfile.mkdtemp()) / "server.log")


def requests(seconds: float, count: int | None) -> bool:
    from reliability import requests as asked

    server, seed = served("--gpu", "RTX 4090", "--ram-gb", "64"), int(time.time()) if seconds > SECONDS else 0
    try:
        until = None if count else time.monotonic() + seconds
        found = asked.run(server, count or 1 << 30, seed, until)
    finally:
        status = server.stop()
    if status or "Traceback" in server.said():
        found.failures.append(f"exit status {status}: {server.said()[-500:]}")
    return told(seed=seed, **{key: getattr(found, key) for key in found.__struct_fields__})


def openapi(seconds: float) -> bool:
    """Schemathesis over the served document."""
    server = served("--ram-gb", "64")
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    try:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("schemathesis")), "run", f"http://127.0.0.1:{server.port}/openapi.json",
             "--checks", checks, "--max-examples", str(int(seconds * 5)), "--phases", "examples,coverage,fuzzing",
             "--exclude-path", "/api/v1/events", "--no-color", "--mode", "all"],
            capture_output=True, text=True, cwd=tempfile.mkdtemp(),
        )  # fmt: skip
    finally:
        server.stop()
    said = done.stdout.splitlines()
    return told(said=[line.strip() for line in said if "generated" in line or "Operations" in line or "checks" in line],
                status=done.returncode, failures=said[-150:] if done.returncode else [])  # fmt: skip


def files(seconds: float, count: int | None) -> bool:
    from reliability import driver, test_broken_files

    memory = Path("/dev/shm")  # the files are written there where there is such a folder
    fine, folder = True, Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    seed = int(os.environ.get("LLMFIT_SEED", "0"))
    total, started = 0, time.monotonic()
    for name, (target, _, share) in test_broken_files.TARGETS.items():
        begun = time.monotonic()
        part = seconds / len(test_broken_files.TARGETS)
        most, until = (count * share // 1000, None) if count else (1 << 30, begun + part)
        found = driver.run(target, name, seed, most, folder, until)
        total += found.inputs
        fine &= told(**{key: getattr(found, key) for key in found.__struct_fields__}, seconds=time.monotonic() - begun)
    shutil.rmtree(folder, ignore_errors=True)
    return told(inputs=total, seed=seed, seconds=time.monotonic() - started) and fine


def differential(seconds: float) -> bool:
    from reliability import differ

    return told(**differ.run(seconds))


def soak(seconds: float) -> bool:
    from reliability import soak as soaking

    return told(**soaking.run(seconds))


def descriptors(seconds: float) -> bool:
    """More connections than descriptors: 1,024 of them where it is long."""
    return tests("reliability/test_descriptors.py", LLMFIT_DESCRIPTORS="1024" if seconds > SECONDS else "256")


def processes(seconds: float) -> bool:
    return tests("reliability/test_process_tree.py", "server/test_supervisor.py")


def sinks(seconds: float) -> bool:
    return tests("reliability/test_sinks.py")


def cost(seconds: float) -> bool:
    """The largest bodies that are taken, where it is long; a twentieth of them, where it is not."""
    from reliability import cost as costly

    server = served("--ram-gb", "64")
    try:
        found = costly.run(server, 1.0 if seconds > SECONDS else 0.05)
    finally:
        server.stop()
    found["failures"] += [] if found["p99_s"] < 1 and found["mb_more"] < 200 else ["too much"]
    return told(**found)


def unread(seconds: float) -> bool:
    """500 clients that read nothing or a byte now and then, where it is long; else 60."""
    from reliability import test_unread

    server = served("--gpu", "RTX 4090", "--ram-gb", "64")
    try:
        found = test_unread.run(server, 500 if seconds > SECONDS else 60, 120)
    finally:
        server.stop()
    fine = found["mb_more"] < test_unread.MOST_MB and not found["left"]
    return told(**found, failures=[] if fine else ["too much, or not cut off"])


def memory(seconds: float) -> bool:
    """One worker after 20,000 questions that nobody asked before, and whole lists in every form (long; else 2,000)."""
    from reliability import uss

    server = served("--gpu", "RTX 4090", "--ram-gb", "64")
    try:
        return told(**uss.run(server, 20_000 if seconds > SECONDS else 2_000))
    finally:
        server.stop()


COMMANDS: dict[str, Callable[..., bool]] = {
    "properties": properties, "requests": requests, "differential": differential, "openapi": openapi, "files": files,
    "faults": faults, "soak": soak, "descriptors": descriptors, "processes": processes, "cost": cost, "unread": unread,
    "sinks": sinks, "memory": memory,
}  # fmt: skip
COUNTED = ("requests", "files")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=COMMANDS)
    parser.add_argument("--long", action="store_true", help=f"{LONG_SECONDS:.0f} seconds instead of {SECONDS:.0f}")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--count", type=int, help="of requests or files, however long that takes")
    given = parser.parse_args()
    if given.count is not None and given.name not in COUNTED:
        parser.error(f"--count goes with {' and '.join(COUNTED)}")
    more = (given.count,) if given.name in COUNTED else ()
    return 0 if COMMANDS[given.name](given.seconds or (LONG_SECONDS if given.long else SECONDS), *more) else 1


if __name__ == "__main__":
    sys.exit(main())
