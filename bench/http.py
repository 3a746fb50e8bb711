"""What a request costs, against the web server itself and against the existing tool, all in one run and in turn.

    python bench/http.py [--workers 1] [--seconds 3] [--turns 3] [--old /path/to/existing/llmfit] [--json]

Needs `wrk` on PATH. The installed `llmfit` beside this Python is measured, with its shipped defaults. Figures are
medians of the turns; absolute times are of this machine, only the ratios are claims.
"""

from __future__ import annotations

import sys

sys.path.pop(0)  # this folder, where this very file would hide the library's `http`

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
LLMFIT = Path(sys.executable).with_name("llmfit")
TOP = "/api/v1/models/top"
ASKED_BEFORE = (TOP, f"{TOP}?use_case=coding&min_fit=good&limit=10", "/api/v1/models?search=llama&limit=20&sort=tps")
NEVER = """
math.randomseed({seed})
function request()
  local kind, value = math.random(3), math.random(1, 60000)
  local query = "ram_gb=" .. (8 + value / 1000)
  if kind == 2 then query = "vram_gb=" .. (4 + value / 1000) end
  if kind == 3 then query = "max_context=" .. (1024 + value) end
  return wrk.format("GET", "/api/v1/models/top?" .. query)
end
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        return bytes(answer.read())


@contextlib.contextmanager
def server(command: list[str], port: int, probe: str) -> Iterator[int]:
    """The server until the block ends; its whole process group is stopped."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        for _ in range(600):
            try:
                get(port, probe)
                break
            except OSError:
                if process.poll() is not None:
                    sys.exit(f"{command[0]} ended with status {process.returncode} before it answered")
                time.sleep(0.05)
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def wrk(url: str, seconds: int, connections: int = 8, script: str | None = None) -> tuple[float, float]:
    """(requests/s, p99 in ms). Exits where answers were not 2xx."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", url]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        if script:
            file.write(script)
            file.flush()
            command[1:1] = ["-s", file.name]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text:
        sys.exit(f"{url}: {text}")
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert p99 and rate, text
    return float(rate[1]), float(p99[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[p99[2]]


def timed(port: int, path: str, headers: dict[str, str] | None = None) -> tuple[float, int]:
    """(seconds, bytes) of one request."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers or {})
    start = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:
        size = len(answer.read())
    return time.perf_counter() - start, size


def bare(body: bytes, workers: int, folder: str) -> tuple[list[str], int]:
    """A Sanic route without parsing or ETag that returns the same bytes from memory."""
    path = Path(folder) / f"body-{len(body)}"
    path.write_bytes(body)
    port = free_port()
    return [sys.executable, str(HERE / "bare_route.py"), str(path), str(port), str(workers)], port


def asked_before(port: int, workers: int, seconds: int, turns: int, folder: str) -> dict[str, object]:
    """Requests/s and p99 of pages that were asked before, as ratios to the bare route."""
    rows = {}
    for path in ASKED_BEFORE:
        command, other = bare(get(port, path), workers, folder)
        with server(command, other, "/"):
            pairs = [
                (wrk(f"http://127.0.0.1:{other}/", seconds), wrk(f"http://127.0.0.1:{port}{path}", seconds))
                for _ in range(turns)
            ]
        rows[path] = {
            "requests_per_s": statistics.median(ours[0] for _, ours in pairs),
            "rate_ratio": statistics.median(ours[0] / theirs[0] for theirs, ours in pairs),
            "p99_ratio": statistics.median(ours[1] / theirs[1] for theirs, ours in pairs),
        }
    return rows


def never_asked(port: int, old: int | None, seconds: int, turns: int) -> dict[str, float | None]:
    """Requests/s of questions that nobody asked before; health's p99 beside eight such clients."""
    ours, theirs, health = [], [], []
    for turn in range(turns):
        script = NEVER.replace("{seed}", str(time.time_ns() % 10**9 + turn))
        ours.append(wrk(f"http://127.0.0.1:{port}", seconds, script=script)[0])
        if old is not None:
            theirs.append(wrk(f"http://127.0.0.1:{old}", seconds, script=script)[0])
        load = subprocess.Popen([sys.executable, __file__, "--load", str(port), str(seconds)])
        time.sleep(0.3)
        health.append(wrk(f"http://127.0.0.1:{port}/health", max(seconds - 1, 1), connections=1)[1])
        load.wait()
    return {
        "requests_per_s": statistics.median(ours),
        "ratio_to_existing_tool": statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        if theirs
        else None,
        "health_p99_ms": statistics.median(health),
    }


def full_list(port: int, old: int | None, turns: int, workers: int, folder: str) -> dict[str, float | None]:
    """The whole list: first time, again, compressed, not modified."""
    path = "/api/v1/models?include_too_tight=true"
    first = [timed(port, f"{path}&ram_gb={20 + turn}") for turn in range(turns)]
    theirs = [timed(old, f"{path}&ram_gb={20 + turn}") for turn in range(turns)] if old is not None else []
    body = get(port, path)
    command, other = bare(body, workers, folder)
    with server(command, other, "/"):
        again = [timed(port, path)[0] / timed(other, "/")[0] for _ in range(5 * turns)]
    packed = timed(port, path, {"Accept-Encoding": "gzip"})[1]
    return {
        "first_ms": 1e3 * statistics.median(seconds for seconds, _ in first),
        "first_ratio_to_existing_tool": statistics.median(a[0] / b[0] for a, b in zip(first, theirs, strict=True))
        if theirs
        else None,
        "again_ratio_to_bare": statistics.median(again),
        "compressed_share": packed / len(body),
        "bytes": len(body),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--old", help="the existing tool's binary, to compare with")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--load", nargs=2, metavar=("PORT", "SECONDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        wrk(
            f"http://127.0.0.1:{options.load[0]}",
            int(options.load[1]),
            script=NEVER.replace("{seed}", str(time.time_ns() % 10**9)),
        )
        return
    if shutil.which("wrk") is None:
        sys.exit("bench/http.py needs wrk on PATH (Debian: apt-get install wrk)")
    port = free_port()
    ours = [str(LLMFIT), "serve", "--port", str(port), "--workers", str(options.workers)]
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(server(ours, port, "/readyz"))
        old = None
        if options.old:
            old = free_port()
            stack.enter_context(server([options.old, "serve", "--port", str(old)], old, "/health"))
        result = {
            "workers": options.workers,
            "asked_before": asked_before(port, options.workers, options.seconds, options.turns, folder),
            "never_asked": never_asked(port, old, options.seconds, options.turns),
            "full_list": full_list(port, old, options.turns, options.workers, folder),
        }
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for name, part in result.items():
        print(f"{name}: {part}" if not isinstance(part, dict) else name)
        for key, value in part.items() if isinstance(part, dict) else ():
            print(f"  {key}: {value:.4g}" if isinstance(value, float) else f"  {key}: {value}")


if __name__ == "__main__":
    main()
