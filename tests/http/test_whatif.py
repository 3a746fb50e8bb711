"""What-if hardware: the rows and the system of the envelope are those of the machine asked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from contract import BACKENDS, RIG, names
from wire import MODELS, SYSTEM, TOP, Server, url


def seen(server: Server, **what: object) -> dict[str, Any]:
    """The machine that the what-ifs make, as /system shows it."""
    return server.ok(SYSTEM, **what)["system"]


def near(left: float | None, right: float) -> bool:
    return left is not None and abs(left - right) <= 0.002


WHATS: list[dict[str, object]] = [
    RIG,
    {"gpu": "RTX 4090", "gpu_count": 2, "ram_gb": 64},
    {"vram_gb": 0, "ram_gb": 16, "cpu_cores": 6},
    {"vram_gb": 24, "gpu_bandwidth_gbps": 500, "ram_gb": 32},
    {"gpu": "Apple M2 Ultra", "ram_gb": 128},
]


@pytest.mark.parametrize("path", [MODELS, TOP, MODELS + "/llama"])
@pytest.mark.parametrize("what", WHATS, ids=str)
def test_the_envelope_shows_the_same_machine_as_system(
    server: Server, path: str, what: dict[str, object]
) -> None:
    page = server.ok(path, **what, limit=1)
    mine, theirs = page["system"], seen(server, **what)
    for system in (mine, theirs):
        system.pop("observed_at", None)
        system.pop("warnings", None)
    mine = {key: value for key, value in mine.items() if key in theirs}
    theirs = {key: value for key, value in theirs.items() if key in mine}
    if "ram_gb" not in what:
        mine.pop("available_ram_gb"), theirs.pop("available_ram_gb")
    assert mine == theirs and "gpus" in mine, f"{path} {what}: {mine}, /system {theirs}"
    echo = {key: page["filters"][key] for key in what if key != "gpu"}
    assert echo == {key: what[key] for key in echo}, f"{path} {what}: filters {echo}"
    assert page["filters"]["gpu"] if "gpu" in what else page["filters"]["gpu"] is None, (
        f"{path} {what}: gpu echo"
    )


def test_gpu_sets_memory_and_bandwidth(server: Server) -> None:
    system = seen(server, gpu="RTX 4090")
    assert system["has_gpu"] is True and system["gpu_count"] == 1 and system["backend"] == "CUDA", f"{system}"
    assert "4090" in system["gpu_name"] and 22 <= system["gpu_vram_gb"] <= 24, f"gpu=RTX 4090: {system}"
    [gpu] = system["gpus"]
    assert (gpu["count"], gpu["backend"]) == (1, "CUDA") and "4090" in gpu["name"], f"gpu=RTX 4090: {gpu}"
    assert 950 <= gpu["memory_bandwidth_gbps"] <= 1060, f"gpu=RTX 4090: {gpu}"
    assert seen(server, gpu="rtx 4090")["gpus"] == [gpu], "gpu=rtx 4090 in small letters is another device"


def test_what_if_memory_is_all_free(server: Server) -> None:
    for what in WHATS:
        system = seen(server, **what)
        assert system["gpu_available_gb"] == system["gpu_vram_gb"], f"{what}: {system}"
        assert all(gpu["free_vram_gb"] == gpu["vram_gb"] for gpu in system["gpus"]), (
            f"{what}: {system['gpus']}"
        )
        assert system["available_ram_gb"] == system["total_ram_gb"] == what["ram_gb"], f"{what}: {system}"


@pytest.mark.parametrize("count", [2, 3, 8])
def test_gpu_count_multiplies(server: Server, count: int) -> None:
    one, many = seen(server, gpu="RTX 4090"), seen(server, gpu="RTX 4090", gpu_count=count)
    assert many["gpu_count"] == count and near(many["gpu_vram_gb"], count * one["gpu_vram_gb"]), (
        f"{count}: {many}"
    )
    [gpu] = many["gpus"]
    assert gpu["count"] == count and gpu["vram_gb"] == one["gpus"][0]["vram_gb"], f"gpu_count={count}: {gpu}"
    assert gpu["memory_bandwidth_gbps"] == one["gpus"][0]["memory_bandwidth_gbps"], (
        f"gpu_count={count}: {gpu}"
    )


def test_vram_replaces_the_total_over_the_devices(server: Server) -> None:
    for count, total in ((1, 20), (2, 32), (2, 96)):
        system = seen(server, gpu="RTX 4090", gpu_count=count, vram_gb=total)
        assert near(system["gpu_vram_gb"], total), f"{count} x RTX 4090, vram_gb={total}: {system}"
        [gpu] = system["gpus"]
        assert near(gpu["vram_gb"], total / count) and gpu["count"] == count, f"vram_gb={total}: {gpu}"
        assert 950 <= gpu["memory_bandwidth_gbps"] <= 1060, f"vram_gb={total} changes the bandwidth: {gpu}"


@pytest.mark.usefixtures("no_gpu_here")
def test_vram_alone_makes_up_a_gpu_of_unknown_bandwidth(server: Server) -> None:
    system = seen(server, vram_gb=24)
    assert system["has_gpu"] is True and system["gpu_vram_gb"] == 24 and system["gpu_name"], (
        f"vram_gb=24: {system}"
    )
    [gpu] = system["gpus"]
    assert (gpu["count"], gpu["vram_gb"], gpu["memory_bandwidth_gbps"]) == (1, 24, None), f"vram_gb=24: {gpu}"
    rows = server.ok(MODELS, vram_gb=24, ram_gb=32, limit=40, provider="qwen")["models"]
    on_gpu = [row for row in rows if row["run_mode"] == "gpu"]
    assert on_gpu, "vram_gb=24&provider=qwen: no row in the GPU"
    for row in on_gpu:
        got = row["estimate_basis"]["method"], row["estimate_confidence"]
        assert got == ("backend_default", "low"), (
            f"vram_gb=24, {row['name']}: {got}, the bandwidth is unknown"
        )
    known = seen(server, vram_gb=24, gpu_bandwidth_gbps=500)["gpus"][0]
    assert known["memory_bandwidth_gbps"] == 500, f"vram_gb=24&gpu_bandwidth_gbps=500: {known}"


@pytest.mark.usefixtures("no_gpu_here")
def test_gpu_count_without_a_gpu_is_refused(server: Server) -> None:
    for path in (SYSTEM, MODELS, TOP):
        server.bad(path, gpu_count=2)


@pytest.mark.parametrize("what", [{"vram_gb": 0}, {"gpu_count": 0}], ids=str)
def test_zero_removes_the_gpus(server: Server, what: dict[str, object]) -> None:
    system = seen(server, **what)
    keys = ("has_gpu", "gpu_count", "gpus", "gpu_name", "gpu_vram_gb", "gpu_available_gb")
    got = [system[key] for key in keys]
    assert got[:4] == [False, 0, [], None], f"{what}: {dict(zip(keys, got, strict=True))}"
    assert got[4] in (None, 0) and got[5] in (None, 0), f"{what}: {dict(zip(keys, got, strict=True))}"
    assert system["backend"].startswith("CPU"), f"{what}: backend {system['backend']}"
    modes = {row["run_mode"] for row in server.ok(MODELS, **what, ram_gb=32, limit=50)["models"]}
    assert modes == {"cpu_only"}, f"{what}: run modes {modes}"


def test_ram_and_cores(server: Server) -> None:
    system = seen(server, ram_gb=48, cpu_cores=12, vram_gb=0)
    got = system["total_ram_gb"], system["available_ram_gb"], system["cpu_cores"]
    assert got == (48, 48, 12), f"ram_gb=48&cpu_cores=12: {got}"
    assert seen(server, ram_gb=0.5, vram_gb=0)["total_ram_gb"] == 0.5, "ram_gb=0.5"


def test_ram_moves_the_pool_of_unified_memory(server: Server) -> None:
    small, large = (seen(server, gpu="Apple M2 Ultra", ram_gb=ram) for ram in (64, 128))
    for ram, system in ((64, small), (128, large)):
        assert system["unified_memory"] is True and system["backend"] == "Metal", f"M2 Ultra: {system}"
        assert ram / 2 < system["gpu_vram_gb"] <= ram, f"M2 Ultra with {ram} GB: pool {system['gpu_vram_gb']}"
        assert system["gpus"][0]["unified_memory"] is True, f"M2 Ultra: {system['gpus']}"
    assert large["gpu_vram_gb"] > small["gpu_vram_gb"], f"{small['gpu_vram_gb']}, {large['gpu_vram_gb']}"


@pytest.mark.parametrize("value", [True, False])
def test_unified_memory(server: Server, value: bool) -> None:
    what = {"gpu": "Apple M2 Ultra", "ram_gb": 64} if value else {"gpu": "RTX 4090", "ram_gb": 64}
    system = seen(server, **what, unified_memory=value)
    assert system["unified_memory"] is value, f"{what} unified_memory={value}: {system}"


@pytest.mark.parametrize(
    ("word", "shown"),
    [("cuda", "CUDA"), ("rocm", "ROCm"), ("vulkan", "Vulkan"), ("sycl", "SYCL"), ("CUDA", "CUDA")],
)
def test_backend(server: Server, word: str, shown: str) -> None:
    system = seen(server, vram_gb=16, ram_gb=32, backend=word)
    assert system["backend"] == shown, f"vram_gb=16&backend={word}: {system}"
    assert system["gpus"][0]["backend"] == shown, f"vram_gb=16&backend={word}: {system['gpus']}"


def test_backend_cpu(server: Server) -> None:
    system = seen(server, backend="cpu", vram_gb=0, ram_gb=32)
    assert system["backend"] in BACKENDS and system["backend"].startswith("CPU"), f"backend=cpu: {system}"


@pytest.mark.parametrize("path", [SYSTEM, MODELS, TOP, MODELS + "/llama"])
@pytest.mark.parametrize(
    "what", [{"backend": "cpu", "vram_gb": 24}, {"backend": "cpu", "gpu": "RTX 4090"}], ids=str
)
def test_contradictions_are_refused(server: Server, path: str, what: dict[str, object]) -> None:
    server.bad(path, **what)


@pytest.mark.parametrize(
    ("name", "near_one"), [("RTX 4091", "4090"), ("RX 7900 XTZ", "7900"), ("Aple M3 Max", "M3 Max")]
)
def test_an_unknown_gpu_is_refused_with_the_nearest_names(server: Server, name: str, near_one: str) -> None:
    for path in (SYSTEM, MODELS):
        text = server.bad(path, gpu=name)
        rest = re.sub(re.escape(name), "", text)
        assert near_one in rest, f"{path}?gpu={name}: {text!r} offers no {near_one}"
    server.bad(SYSTEM, gpu="zzzzzz")


def test_bandwidth_moves_the_speed(server: Server) -> None:
    what = {"vram_gb": 48, "ram_gb": 64, "backend": "cuda"}
    asked: dict[str, object] = {
        **what,
        "limit": 50,
        "provider": "qwen",
        "sort": "params",
        "runtime": "llamacpp",
    }
    slow, fast = (
        {row["name"]: row for row in server.ok(MODELS, **asked, gpu_bandwidth_gbps=speed)["models"]}
        for speed in (300, 1500)
    )
    both = [(row, fast[name]) for name, row in slow.items() if name in fast and row["run_mode"] == "gpu"]
    both = [(a, b) for a, b in both if (a["run_mode"], a["best_quant"]) == (b["run_mode"], b["best_quant"])]
    assert both, f"{asked}: no row in the GPU at both speeds"
    for one, two in both:
        assert one["estimated_tps"] < two["estimated_tps"], (
            f"{one['name']}: {one['estimated_tps']} tokens/s at 300 GB/s, {two['estimated_tps']} at 1500"
        )
        basis = one["estimate_basis"]["gpu_bandwidth_gbps"], two["estimate_basis"]["gpu_bandwidth_gbps"]
        assert basis == (300, 1500), f"{one['name']}: basis {basis}"


def test_ram_bandwidth_is_the_basis_on_the_cpu(server: Server) -> None:
    rows = server.ok(MODELS, vram_gb=0, ram_gb=64, cpu_cores=16, ram_bandwidth_gbps=77, limit=40)["models"]
    got = {row["estimate_basis"]["ddr_bandwidth_gbps"] for row in rows}
    assert got == {77}, f"ram_bandwidth_gbps=77: ddr_bandwidth_gbps {got}"
    gpus = {row["estimate_basis"]["gpu_bandwidth_gbps"] for row in rows}
    assert gpus == {None}, f"no GPU: gpu_bandwidth_gbps {gpus}"


def test_more_memory_never_runs_fewer_models(server: Server) -> None:
    totals = [
        server.ok(MODELS, gpu="RTX 4090", vram_gb=v, ram_gb=16, limit=0)["total_models"]
        for v in (4, 12, 24, 80)
    ]
    assert totals == sorted(totals) and totals[0] < totals[-1], (
        f"vram_gb of 4, 12, 24, 80: {totals} models run"
    )
    fits = set(names(server.ok(MODELS, vram_gb=0, ram_gb=8, provider="qwen")))
    more = set(names(server.ok(MODELS, vram_gb=0, ram_gb=64, provider="qwen")))
    assert fits < more, f"with 64 GB RAM {sorted(fits - more)[:3]} no longer run"


def test_a_profile_is_a_whole_machine(server: Server) -> None:
    system = seen(server, profile="dgx-h100")
    assert (system["gpu_count"], system["cpu_cores"], system["total_ram_gb"]) == (8, 112, 2048), f"{system}"
    assert seen(server, profile="dgx-h100", gpu_count=2)["gpu_count"] == 2
    page = server.ok(MODELS, profile="mac-studio-m4-max-64gb", limit=1)
    assert page["filters"]["profile"] == "mac-studio-m4-max-64gb"
    assert page["system"]["gpu_name"].startswith("Apple M4 Max")


def test_a_profile_over_http_is_a_name_never_a_path(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    path.write_text('cpu = "Apple M4"\nram_gb = 16\n')
    for name in (str(path), "/etc/passwd", "../../etc/passwd", "no-such"):
        answer = server.get(url(SYSTEM, {"profile": name}))
        assert answer.status == 400 and answer.error().startswith("invalid profile value: no such machine"), name


def test_several_gpus_in_one_name(server: Server) -> None:
    system = seen(server, gpu="RTX 4090 + 2x RTX 3060")
    assert [(gpu["name"], gpu["count"]) for gpu in system["gpus"]] == [
        ("GeForce RTX 4090", 1), ("GeForce RTX 3060 12GB", 2)]  # fmt: skip
    assert seen(server, gpu="2x RTX 3090") == seen(server, gpu="RTX 3090", gpu_count=2)
    rows = server.ok(MODELS, gpu="RTX 4090 + 2x RTX 3060", limit=3)
    assert rows["returned_models"] == 3
