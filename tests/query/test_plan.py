"""A plan's figures hold: the least hardware runs the model, a quarter GiB less does not."""

from __future__ import annotations

from typing import Any

import pytest

import llmfit
from llmfit import codes
from llmfit.wire.plan import Plan, RunPath

MACHINES: dict[str, dict[str, Any]] = {
    "rtx-4090": {"gpu": "RTX 4090", "ram_gb": 64, "ram_bandwidth_gbps": 80, "cpu_cores": 16},
    "cpu": {"gpu_count": 0, "ram_gb": 32, "ram_bandwidth_gbps": 60, "cpu_cores": 8},
    "2x-3090": {"gpu": "2x RTX 3090", "ram_gb": 128, "ram_bandwidth_gbps": 80, "cpu_cores": 16},
    "m2": {"gpu": "Apple M2", "ram_gb": 16},
}
MODELS = ("Qwen/Qwen3-8B", "Qwen/Qwen3-30B-A3B", "meta-llama/Llama-3.3-70B-Instruct", "openai/gpt-oss-20b")
STEP = 0.25


def plan(model: str, machine: str, **options: Any) -> Plan:
    return llmfit.plan(model, llmfit.describe(**MACHINES[machine]), **options)


def path(plan: Plan, name: str) -> RunPath:
    return next(path for path in plan.run_paths if path.path == name)


def level(word: str) -> int:
    return [code.title().replace("_", "") for code in codes.FIT_LEVELS].index(word)


@pytest.mark.parametrize("model", MODELS)
def test_the_least_memory_of_one_gpu(model: str) -> None:
    """Asked again through the what-ifs, as anybody would."""
    planned = plan(model, "rtx-4090")
    gpu = path(planned, "gpu")
    assert gpu.minimum and gpu.recommended and gpu.minimum.vram_gb and gpu.recommended.vram_gb
    base = {**MACHINES["rtx-4090"], "ram_gb": 0.01}

    def fits(vram: float) -> int:
        machine = llmfit.describe(**base, vram_gb=vram)
        return codes.FIT_LEVELS.index(llmfit.estimate(model, machine, quant=planned.quantization).fit_level)

    assert fits(gpu.minimum.vram_gb) >= 1 > fits(gpu.minimum.vram_gb - STEP) == 0
    assert fits(gpu.recommended.vram_gb) == level(gpu.fit_level) > fits(gpu.recommended.vram_gb - STEP)


@pytest.mark.parametrize("model", MODELS[:2])
def test_the_least_ram_without_a_gpu(model: str) -> None:
    planned = plan(model, "cpu")
    cpu = path(planned, "cpu_only")
    assert cpu.minimum and cpu.minimum.vram_gb is None and planned.current.run_mode == "CpuOnly"

    def fits(ram: float) -> bool:
        machine = llmfit.describe(**{**MACHINES["cpu"], "ram_gb": ram})
        return llmfit.estimate(model, machine, quant=planned.quantization).fit_level != "too_tight"

    assert fits(cpu.minimum.ram_gb) and not fits(cpu.minimum.ram_gb - STEP)
    gpu = path(planned, "gpu")
    assert gpu.feasible and gpu.estimated_tps is None and "not known" in gpu.notes[0]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("model", MODELS)
def test_every_plan_is_consistent(model: str, machine: str) -> None:
    planned = plan(model, machine, context=4096)
    assert planned.model_name == model and planned.context == 4096
    assert [path.path for path in planned.run_paths] == [
        name for name in ("gpu", "cpu_offload", "cpu_only") if machine != "m2" or name != "cpu_offload"
    ]
    for each in planned.run_paths:
        assert each.feasible == (each.minimum is not None) == (each.recommended is not None)
        if each.minimum and each.recommended:
            assert each.minimum.ram_gb <= each.recommended.ram_gb
            assert (each.minimum.vram_gb or 0) <= (each.recommended.vram_gb or 0)
    assert planned.minimum == next(path.minimum for path in planned.run_paths if path.feasible)
    sizes = [other.memory_required_gb for other in planned.kv_alternatives]
    assert sizes == sorted(sizes, reverse=True) and planned.kv_alternatives[0].savings_fraction == 0
    for delta in planned.upgrade_deltas:
        assert delta.add_gb and delta.add_gb > 0 and delta.target_fit
        assert level(delta.target_fit) > level(planned.current.fit_level)


def test_an_upgrade_does_what_it_says() -> None:
    model, ram = "meta-llama/Llama-3.3-70B-Instruct", MACHINES["rtx-4090"]
    planned = plan(model, "rtx-4090")
    deltas = [delta for delta in planned.upgrade_deltas if delta.resource == "vram_gb"]
    assert deltas
    vram = llmfit.describe(**ram).devices[0].free_bytes // (1 << 28) / 4
    for delta in deltas:
        assert delta.add_gb and delta.target_fit

        def reached(add: float) -> int:
            machine = llmfit.describe(**{**ram, "vram_gb": vram + add})
            return codes.FIT_LEVELS.index(llmfit.estimate(model, machine, quant=planned.quantization).fit_level)

        assert reached(delta.add_gb) >= level(delta.target_fit) > reached(delta.add_gb - STEP)


def test_a_target_speed_says_which_bandwidth_it_takes() -> None:
    model = "Qwen/Qwen3-8B"
    slow = plan(model, "rtx-4090", target_tps=10)
    assert path(slow, "gpu").feasible and path(slow, "gpu").bandwidth_gbps is None
    fast = plan(model, "rtx-4090", target_tps=200, quant="Q8_0")
    gpu = path(fast, "gpu")
    assert not gpu.feasible and gpu.minimum is None and gpu.bandwidth_gbps and gpu.bandwidth_gbps > 1008
    delta = next(delta for delta in fast.upgrade_deltas if delta.resource == "gpu_bandwidth_gbps")
    assert delta.add_gbps and delta.add_gbps == pytest.approx(gpu.bandwidth_gbps - 1008) and delta.target_fit is None

    def speed(bandwidth: float) -> float:
        machine = llmfit.describe(**MACHINES["rtx-4090"], gpu_bandwidth_gbps=bandwidth)
        return llmfit.estimate(model, machine, quant="Q8_0").estimated_tps

    assert speed(gpu.bandwidth_gbps) >= 200 > speed(gpu.bandwidth_gbps - 1)


def test_what_is_asked_for_is_planned_for() -> None:
    planned = plan("Qwen/Qwen3-8B", "rtx-4090", context=16384, quant="q6_k", kv_quant="q8_0", concurrency=4)
    assert (planned.quantization, planned.kv_quant, planned.concurrency) == ("Q6_K", "q8_0", 4)
    one = plan("Qwen/Qwen3-8B", "rtx-4090", context=16384, quant="q6_k", kv_quant="q8_0")
    cache = planned.current.memory_breakdown_gb.kv_cache
    assert cache == pytest.approx(4 * one.current.memory_breakdown_gb.kv_cache, rel=0.01)
    wide = plan("Qwen/Qwen3-8B", "rtx-4090", context=16384, quant="q6_k")
    assert one.kv_alternatives == wide.kv_alternatives


def test_a_model_that_runs_badly_is_planned_at_a_good_quantization() -> None:
    planned = plan("meta-llama/Llama-3.3-70B-Instruct", "rtx-4090")
    assert planned.quantization == "Q4_K_M"
    assert plan("Qwen/Qwen3-8B", "rtx-4090").quantization == llmfit.estimate(
        "Qwen/Qwen3-8B", llmfit.describe(**MACHINES["rtx-4090"])
    ).best_quant


@pytest.mark.parametrize(("model", "options", "error", "text"), [
    ("no/such", {}, llmfit.UnknownModel, "no model with the id 'no/such'"),
    ("Qwen/Qwen3-8B", {"quant": "Q9"}, llmfit.BadParam, "invalid quant value: no such quantization"),
    ("Qwen/Qwen3-8B-AWQ", {"quant": "Q4_K_M"}, llmfit.BadParam, "has no form in Q4_K_M; use AWQ-4bit"),
    ("Qwen/Qwen3-8B", {"context": 0}, llmfit.BadParam, "invalid context value"),
    ("Qwen/Qwen3-8B", {"max_context": 10}, llmfit.BadParam, "unknown parameter 'max_context'"),
    ("Qwen/Qwen3-8B", {"target_tps": -1}, llmfit.BadParam, "invalid target_tps value"),
])  # fmt: skip
def test_what_is_wrong_is_said(model: str, options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        plan(model, "rtx-4090", **options)


def test_a_gpu_of_no_size_is_none() -> None:
    """What a what-if may ask for: rounded down to bytes, its memory is none that could be divided."""
    machine = llmfit.describe(vram_gb=1e-12, ram_gb=64)
    planned = llmfit.plan("Qwen/Qwen3-8B", machine)
    assert planned.run_paths and path(planned, "cpu_only").feasible
