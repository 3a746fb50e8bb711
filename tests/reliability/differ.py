"""Against the server that set this API (its program in LLMFIT_OTHER): what both accept has the same keys and types."""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from wire import Client, Server, free_port

from .questions import question

KNOWN = (
    "limit", "n", "top", "perfect", "min_fit", "include_too_tight", "runtime", "force_runtime", "use_case", "provider",
    "search", "license", "sort", "max_context", "ram_gb", "ram", "vram_gb", "memory", "cpu_cores",
)  # fmt: skip


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else type(value).__name__


def unlike(theirs: Any, ours: Any, where: str = "") -> list[str]:
    """Keys that we lack and types that differ; null says nothing, further keys of ours are welcome."""
    if theirs is None or ours is None:
        return []
    if kind(theirs) != kind(ours):
        return [f"{where} is {kind(theirs)} there, {kind(ours)} here"]
    if isinstance(theirs, dict):
        found = [f"{where}.{key} is missing" for key in theirs if key not in ours]
        for key in theirs.keys() & ours.keys():
            found += unlike(theirs[key], ours[key], f"{where}.{key}")
        return found
    if isinstance(theirs, list) and theirs and ours:
        return unlike(theirs[0], ours[0], f"{where}[]")
    return []


def run(seconds: float) -> dict[str, Any]:
    program = os.environ.get("LLMFIT_OTHER", "")
    if not os.path.exists(program):
        return {"said": "LLMFIT_OTHER names no program: nothing was compared"}
    port = free_port()
    other = subprocess.Popen(
        [program, "serve", "--port", str(port), "--no-dashboard"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    ours, theirs = Server.start((), Path(tempfile.mkdtemp()) / "server.log"), Client(port=port)
    until, number = time.monotonic() + 20, 0
    both = only_ours = only_theirs = neither = 0
    found: dict[str, str] = {}
    strangers: dict[str, int] = {}
    try:
        while time.monotonic() < until:
            try:
                theirs.get("/health", timeout=2)
                break
            except OSError:
                time.sleep(0.1)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            asked, number = question(random.Random(f"differ{number}")), number + 1
            path, _, query = asked.partition("?")
            if path.endswith(("/compare", "/system")) or "%00" in path or "%FF" in path:
                continue
            query = "&".join(pair for pair in query.split("&") if pair.split("=")[0] in KNOWN)
            asked = f"{path}?{query}"
            here, there = ours.get(asked), theirs.get(asked)
            accepted = here.status == 200, there.status == 200
            both += accepted == (True, True)
            only_ours += accepted == (True, False)
            neither += accepted == (False, False)
            if accepted == (False, True):
                only_theirs += 1
                said = here.error()
                strangers[said[:90]] = strangers.get(said[:90], 0) + 1
            if all(accepted):
                for text in unlike(there.json(), here.json()):
                    found.setdefault(text, asked)
    finally:
        other.terminate()
        other.wait(10)
        ours.stop()
    return {
        "compared": both, "refused_by_both": neither, "accepted_here_alone": only_ours,
        "accepted_there_alone": only_theirs,
        "refused_here": dict(sorted(strangers.items(), key=lambda pair: -pair[1])[:15]),
        "failures": [f"{text} ({asked})" for text, asked in found.items()][:20],
    }  # fmt: skip
