"""A client typed as in Go or Rust, for the server that set this API: every key there, every type the same.

Keys may be added; none may be dropped, renamed, become null where it never was, or change its JSON type.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from wire import MODELS, SYSTEM, TOP, Server


class Node(msgspec.Struct):
    name: str
    os: str


class Gpu(msgspec.Struct):
    backend: str
    count: int
    free_vram_gb: float | None
    memory_bandwidth_gbps: float | None
    name: str
    unified_memory: bool
    vram_gb: float | None


class System(msgspec.Struct):
    available_ram_gb: float
    backend: str
    cpu_cores: int
    cpu_name: str
    gpu_available_gb: float | None
    gpu_count: int
    gpu_name: str | None
    gpu_vram_gb: float | None
    gpus: list[Gpu]
    has_gpu: bool
    total_ram_gb: float
    unified_memory: bool


class Filters(msgspec.Struct):
    cpu_cores: int | None
    include_too_tight: bool | None
    limit: int | None
    max_context: int | None
    min_fit: str | None
    perfect: bool | None
    provider: str | None
    ram_gb: float | None
    runtime: str | None
    search: str | None
    sort: str | None
    top_only: bool
    use_case: str | None
    vram_gb: float | None


class Basis(msgspec.Struct):
    assumed_context: int | None
    ddr_bandwidth_gbps: float | None
    efficiency: float | None
    gpu_bandwidth_gbps: float | None
    local_calibration: Any
    method: str


class Components(msgspec.Struct):
    context: float
    fit: float
    quality: float
    speed: float


class Source(msgspec.Struct):
    provider: str
    repo: str


class Row(msgspec.Struct):
    best_quant: str | None
    capabilities: list[str]
    capability_ids: list[str]
    category: str
    context_length: int
    disk_size_gb: float
    effective_context_length: int
    estimate_basis: Basis
    estimate_confidence: str
    estimate_confidence_label: str
    estimated_tps: float
    fit_label: str
    fit_level: str
    gguf_sources: list[Source]
    installed: bool
    is_moe: bool
    license: str | None
    measured_tps: float | None
    memory_available_gb: float
    memory_required_gb: float
    moe_offloaded_gb: float | None
    name: str
    notes: list[str]
    ollama_name: str | None
    parameter_count: str
    params_b: float
    prefill_tps: float | None
    provider: str
    release_date: str | None
    run_mode: str
    run_mode_label: str
    runtime: str
    runtime_label: str
    score: float
    score_components: Components
    supports_tp: list[int]
    total_memory_gb: float
    ttft_ms: float | None
    usable_context: int
    use_case: str
    utilization_pct: float
    verify_command: str | None


class Models(msgspec.Struct):
    node: Node
    system: System
    total_models: int
    returned_models: int
    filters: Filters
    models: list[Row]


class SystemPage(msgspec.Struct):
    node: Node
    system: System


class Health(msgspec.Struct):
    status: str
    node: Node


def fetch(server: Server, path: str, shape: Any) -> Any:
    answer = server.get(path)
    assert answer.status == 200, f"{answer.asked}: wanted 200, came {answer.status} {answer.body[:200]!r}"
    try:
        return msgspec.json.decode(answer.body, type=shape, strict=True)
    except msgspec.ValidationError as error:
        raise AssertionError(f"{answer.asked}: an old client cannot read this: {error}") from error


QUESTIONS = [
    f"{MODELS}?limit=20&min_fit=marginal&sort=score",
    f"{MODELS}?limit=300&include_too_tight=true&sort=params",
    f"{MODELS}?limit=100&sort=date",
    f"{MODELS}?limit=50&ram_gb=64&vram_gb=24",
    f"{MODELS}?limit=50&ram=64&memory=24&cpu_cores=8",
    f"{MODELS}?limit=50&max_context=4096&runtime=llamacpp",
    f"{TOP}?limit=5&use_case=coding&min_fit=good",
    f"{TOP}?n=3",
    TOP,
    f"{MODELS}/qwen?limit=20",
    f"{MODELS}/no-such-model",
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_lists(server: Server, question: str) -> None:
    page = fetch(server, question, Models)
    assert page.returned_models == len(page.models), (
        f"{question}: {page.returned_models}, {len(page.models)} came"
    )
    assert page.total_models >= page.returned_models, f"{question}: total {page.total_models}"
    assert page.filters.top_only is question.startswith(TOP), f"{question}: top_only {page.filters.top_only}"
    assert page.models or "no-such" in question, f"{question}: no rows"


@pytest.mark.parametrize("question", [SYSTEM, SYSTEM + "?ram_gb=64", SYSTEM + "?ram_gb=64&vram_gb=24"])
def test_system(server: Server, question: str) -> None:
    system = fetch(server, question, SystemPage).system
    assert "ram_gb" not in question or system.total_ram_gb == 64, f"{question}: RAM {system.total_ram_gb}"
    assert "vram_gb" not in question or (system.gpu_vram_gb, system.has_gpu) == (24, True), (
        f"{question}: {system}"
    )


def test_health(server: Server) -> None:
    assert fetch(server, "/health", Health).status == "ok", "/health: not ok"


def test_a_scheduler_reads_the_best_row(server: Server) -> None:
    """What a scheduler does: the first row of /top that fits, placed by its numbers."""
    page = fetch(server, f"{TOP}?limit=1&min_fit=good&include_too_tight=false&sort=score", Models)
    assert len(page.models) == 1, f"/top?limit=1: {len(page.models)} rows"
    best = page.models[0]
    assert best.fit_level in ("good", "perfect"), f"{best.name}: {best.fit_level}"
    assert 0 < best.memory_required_gb <= best.memory_available_gb, (
        f"{best.name}: {best.memory_required_gb} of {best.memory_available_gb} GiB"
    )


@pytest.mark.parametrize(
    "query",
    [
        "min_fit=bad",
        "runtime=bad",
        "use_case=bad",
        "sort=bad",
        "limit=abc",
        "limit=-1",
        "perfect=maybe",
        "limit=",
    ],
)
def test_bad_values_are_400(server: Server, query: str) -> None:
    answer = server.get(f"{MODELS}?{query}")
    assert answer.status == 400, f"?{query}: wanted 400, came {answer.status}"
