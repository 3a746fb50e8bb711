"""/api/v1/system, the health paths, and what every envelope carries."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from contract import BACKENDS, ENVELOPE, GPU_KEYS, RIG, SYSTEM_KEYS, rounded, type_faults
from wire import MODELS, SYSTEM, TOP, Server, url

NODE = {"name": "str", "os": "str"}
WHATS: list[dict[str, object]] = [
    {},
    RIG,
    {"vram_gb": 0},
    {"gpu": "RTX 3090", "gpu_count": 4, "ram_gb": 100.5},
    {"gpu": "Apple M3 Max", "ram_gb": 64},
    {"vram_gb": 10.25, "ram_gb": 24},
]


@pytest.mark.parametrize("what", WHATS, ids=str)
@pytest.mark.parametrize("path", [SYSTEM, MODELS, TOP])
def test_keys_types_and_rounding(server: Server, path: str, what: dict[str, object]) -> None:
    page = server.ok(path, **what, **({} if path == SYSTEM else {"limit": 1}))
    node, system = page["node"], page["system"]
    faults = type_faults(node, NODE, "node.") + type_faults(system, SYSTEM_KEYS, "system.")
    for gpu in system["gpus"]:
        faults += type_faults(gpu, GPU_KEYS, "gpus[].")
    assert not faults, f"{path} {what}: {faults}"
    assert node["os"] in ("linux", "macos", "windows") and node["name"], f"{path}: node {node}"
    assert system["backend"] in BACKENDS, f"{path} {what}: backend {system['backend']!r}"
    long = {k: v for part in (system, *system["gpus"]) for k, v in part.items() if k.endswith("_gb")}
    long = {k: v for k, v in long.items() if not rounded(v, 3)}
    assert not long, f"{path} {what}: more than 3 decimals: {long}"
    assert 0 < system["available_ram_gb"] <= system["total_ram_gb"], f"{path} {what}: RAM {system}"
    assert system["cpu_cores"] >= 1, f"{path} {what}: {system['cpu_cores']} cores"


@pytest.mark.parametrize("what", WHATS, ids=str)
def test_the_totals_are_those_of_the_devices(server: Server, what: dict[str, object]) -> None:
    system = server.ok(SYSTEM, **what)["system"]
    gpus = system["gpus"]
    assert system["gpu_count"] == sum(gpu["count"] for gpu in gpus), f"{what}: {system}"
    assert system["has_gpu"] is bool(gpus), f"{what}: has_gpu {system['has_gpu']}, gpus {gpus}"
    if not gpus:
        got = system["gpu_vram_gb"] or None, system["gpu_available_gb"] or None, system["gpu_name"]
        assert got == (None, None, None), f"{what}: no GPU, yet {got}"
        return
    for total, each in (("gpu_vram_gb", "vram_gb"), ("gpu_available_gb", "free_vram_gb")):
        if system[total] is None or any(gpu[each] is None for gpu in gpus):
            continue  # a device of this machine that does not say
        wanted = sum(gpu[each] * gpu["count"] for gpu in gpus)
        assert abs(system[total] - wanted) <= 0.0015 * (1 + system["gpu_count"]), (
            f"{what}: {total} {system[total]}, the devices have {wanted}"
        )
    assert system["gpu_name"] in [gpu["name"] for gpu in gpus], (
        f"{what}: gpu_name {system['gpu_name']}, {gpus}"
    )


def test_system_says_when_it_looked(server: Server) -> None:
    page = server.ok(SYSTEM)
    seen = page["system"].get("observed_at", page.get("observed_at"))
    assert isinstance(seen, (str, int, float)) and seen, f"observed_at {seen!r}"
    if isinstance(seen, str):
        datetime.fromisoformat(seen)
    told = page["system"].get("warnings", page.get("warnings"))
    assert isinstance(told, list), f"warnings {told!r}"


@pytest.mark.parametrize("path", [MODELS, TOP, MODELS + "/llama"])
def test_envelope(server: Server, path: str) -> None:
    page = server.ok(path, **RIG, limit=2)
    faults = type_faults(page, ENVELOPE) + type_faults(
        page.get("catalog") or {}, {"version": "any", "digest": "str"}, "catalog."
    )
    assert not faults, f"{path}: {faults}"
    assert page["generation"] and page["catalog"]["digest"], (
        f"{path}: {page['generation']!r}, {page['catalog']}"
    )
    again = server.ok(path, **RIG, limit=1, sort="tps")
    assert again["generation"] == page["generation"], (
        f"{path}: the same machine and catalog, generations {page['generation']} and {again['generation']}"
    )


def test_limit_zero_gives_counts_alone(server: Server) -> None:
    page = server.ok(MODELS, **RIG, limit=0)
    got = page["returned_models"], page["models"]
    assert got == (0, []) and page["total_models"] > 1000, f"limit=0: {got}, total {page['total_models']}"


@pytest.mark.parametrize("path", ["/health", "/healthz"])
def test_health(server: Server, path: str) -> None:
    body = server.ok(path)
    assert body.get("status") == "ok", f"{path}: {body}"
    faults = type_faults(body.get("node", {}), NODE)
    assert not faults, f"{path}: {body}"
    assert body["node"] == server.ok(SYSTEM)["node"], f"{path}: node {body['node']}, /system has another"


def test_ready(server: Server) -> None:
    answer = server.get("/readyz")
    assert answer.status == 200, f"/readyz: {answer.status} {answer.body[:200]!r}"


@pytest.mark.parametrize("given", ["node-17.example", None])
def test_the_node_has_the_name_of_the_host(start_server: Callable[..., Server], given: str | None) -> None:
    own = start_server(env={"HOSTNAME": given})
    wanted = given or socket.gethostname()
    got = own.ok("/health")["node"]["name"]
    assert got == wanted, f"HOSTNAME={given}: node.name {got!r}, wanted {wanted!r}"


def test_health_never_waits_for_scoring(server: Server) -> None:
    """Four clients ask what was never asked before; meanwhile /health answers at once."""
    failures: list[Any] = []
    done = threading.Event()

    def ask(first: int) -> None:
        client = server.fresh()
        for context in range(first, first + 40):
            answer = client.get(url(MODELS, {**RIG, "max_context": context, "limit": 1, "search": "qwen"}))
            if answer.status != 200:
                failures.append((answer.asked, answer.status))
        client.close()

    askers = [threading.Thread(target=ask, args=(5000 + 100 * n,)) for n in range(4)]
    for one in askers:
        one.start()
    watcher = threading.Thread(target=lambda: ([one.join() for one in askers], done.set()))
    watcher.start()
    waits = []
    while not done.is_set() or len(waits) < 20:
        begin = time.monotonic()
        answer = server.get("/health")
        waits.append(time.monotonic() - begin)
        assert answer.status == 200, f"/health under load: {answer.status}"
        time.sleep(0.005)
    watcher.join()
    assert not failures, f"under load: {failures[:3]}"
    assert max(waits) < 1.0, f"/health waited {max(waits):.2f} s while others were scored for"


def test_a_recorded_machine_is_served(start_server: Callable[..., Server]) -> None:
    folder = Path(__file__).parents[1] / "hardware/recorded/two_rtx3090_one_hidden"
    system = start_server(before=("--from", str(folder))).ok(SYSTEM)["system"]
    assert (system["gpu_count"], [gpu["count"] for gpu in system["hidden_gpus"]]) == (1, [1]), system
