"""The invariants of runnable rows on many simulated machines: clients place models by these numbers."""

from __future__ import annotations

import re
import shlex
from typing import Any

from contract import METHODS, RIG, VERIFY, Checked, Row, near, pick
from wire import MODELS, Server

GGUF_ONLY = re.compile(r"I?Q\d|TQ\d|F16$|F32$")
NEVER_GGUF = re.compile(r"MLX|AWQ|GPTQ|FP8")


def test_offload_keys_go_with_the_run_mode(every_row: Checked) -> None:
    def check(row: Row) -> object:
        runs = row["fit_level"] != "too_tight"
        for key, mode in (("moe_offloaded_gb", "moe_offload"), ("ram_offloaded_gb", "cpu_offload")):
            if row[key] is not None and row["run_mode"] != mode:
                return pick(row, key, "run_mode")
            if row[key] is None and row["run_mode"] == mode and runs:
                return pick(row, key, "run_mode")
        return row["run_mode"] == "moe_offload" and not row["is_moe"] and pick(row, "run_mode", "is_moe")

    every_row(check)


def test_too_tight_rows_have_no_speed_and_a_reason(every_row: Checked) -> None:
    every_row(
        lambda r: (
            r["fit_level"] == "too_tight"
            and (r["estimated_tps"] != 0 or not r["notes"])
            and pick(r, "estimated_tps", "notes")
        )
    )


def test_runnable_speed(every_runnable: Checked) -> None:
    def check(row: Row) -> object:
        span = row["estimated_tps_range"]
        if len(span) != 2 or not 0 <= span[0] <= row["estimated_tps"] <= span[1] or row["estimated_tps"] <= 0:
            return pick(row, "estimated_tps", "estimated_tps_range")
        others = ("prefill_tps", "ttft_ms", "measured_tps")
        return any(row[key] is not None and row[key] <= 0 for key in others) and pick(row, *others)

    every_runnable(check)


def test_parts_add_up(every_runnable: Checked) -> None:
    def check(row: Row) -> object:
        parts = row["memory_breakdown_gb"]
        if min(parts.values()) < 0 or not near(sum(parts.values()), row["total_memory_gb"], len(parts)):
            return pick(row, "total_memory_gb", "memory_breakdown_gb")
        places = [row["memory_required_gb"], row["moe_offloaded_gb"] or 0, row["ram_offloaded_gb"] or 0]
        used = 3 if row["run_mode"] in ("moe_offload", "cpu_offload") else 2
        if min(places) < 0 or not near(sum(places), row["total_memory_gb"], used):
            return pick(row, "run_mode", "memory_required_gb", "moe_offloaded_gb", "ram_offloaded_gb",
                         "total_memory_gb")  # fmt: skip
        return row["disk_size_gb"] <= 0 and pick(row, "disk_size_gb")

    every_runnable(check)


def test_required_fits_in_every_pool(page: dict[str, Any], every_runnable: Checked) -> None:
    system = page["system"]
    ram, vram = system["available_ram_gb"], system["gpu_available_gb"] or 0
    pool = {"cpu_only": ram}

    def check(row: Row) -> object:
        top = max(ram, vram) if system["unified_memory"] else pool.get(row["run_mode"], vram)
        if not 0 < row["memory_required_gb"] <= row["memory_available_gb"] <= top:
            return pick(row, "run_mode", "memory_required_gb", "memory_available_gb") + f", pool {top}"
        spilled = (row["moe_offloaded_gb"] or 0) + (row["ram_offloaded_gb"] or 0)
        return spilled > ram and pick(row, "moe_offloaded_gb", "ram_offloaded_gb") + f", RAM {ram}"

    every_runnable(check)


def test_per_device(page: dict[str, Any], every_runnable: Checked) -> None:
    rooms = [gpu["free_vram_gb"] for gpu in page["system"]["gpus"] for _ in range(gpu["count"])]

    def check(row: Row) -> object:
        held = row["per_device_gb"]
        if len(held) > len(rooms) or any(not 0 <= h <= room for h, room in zip(held, rooms, strict=False)):
            return pick(row, "run_mode", "per_device_gb") + f", devices {rooms}"
        in_gpus = 0 if row["run_mode"] == "cpu_only" else row["memory_required_gb"]
        if not near(sum(held), in_gpus, len(held) + 1):
            return pick(row, "run_mode", "per_device_gb", "memory_required_gb")
        split = sum(h > 0 for h in held) > 1
        return row["run_mode"] == "tensor_parallel" and not split and pick(row, "run_mode", "per_device_gb")

    every_runnable(check)


def test_utilization(page: dict[str, Any], every_runnable: Checked) -> None:
    one_pool = page["system"]["gpu_count"] <= 1 and not page["system"]["unified_memory"]

    def check(row: Row) -> object:
        share = 100 * row["memory_required_gb"] / row["memory_available_gb"]
        slack = 0.06 + 100 * 0.002 / row["memory_available_gb"]
        low = row["utilization_pct"] < share - slack or row["utilization_pct"] > 100
        alone = row["run_mode"] == "cpu_only" or (row["run_mode"] == "gpu" and one_pool)
        high = alone and row["utilization_pct"] > share + slack
        return (low or high) and pick(row, "run_mode", "utilization_pct") + f", wanted {share:.2f} %"

    every_runnable(check)


def test_usable_context_reaches_the_effective_one(every_runnable: Checked) -> None:
    every_runnable(
        lambda r: (
            (
                r["usable_context"] < r["effective_context_length"]
                or 0 < r["context_length"] < r["usable_context"]
                or r["effective_context_length"] <= 0
            )
            and pick(r, "context_length", "usable_context", "effective_context_length")
        )
    )


def test_perfect_is_for_the_gpu_and_the_known(every_runnable: Checked) -> None:
    every_runnable(
        lambda r: (
            r["fit_level"] == "perfect"
            and (
                r["run_mode"] not in ("gpu", "tensor_parallel")
                # low because of the shape; a bandwidth that is not known does not forbid it
                or (r["estimate_confidence"] == "low" and r["estimate_basis"]["method"] != "backend_default")
            )
            and pick(r, "run_mode", "estimate_confidence")
        )
    )


def test_run_mode_agrees_with_the_hardware(page: dict[str, Any], every_runnable: Checked) -> None:
    count = page["system"]["gpu_count"]

    def check(row: Row) -> object:
        mode = row["run_mode"]
        if mode != "cpu_only" and count == 0:
            return f"run_mode {mode} without a GPU"
        if mode == "tensor_parallel" and not any(k <= count for k in row["supports_tp"]):
            return pick(row, "run_mode", "supports_tp") + f", {count} GPUs"
        basis = row["estimate_basis"]
        if basis["method"] not in METHODS[mode]:
            return pick(row, "run_mode", "estimate_confidence", "estimate_basis")
        context = basis["assumed_context"]
        return (
            context is not None
            and not 0 < context <= row["effective_context_length"]
            and pick(row, "effective_context_length", "estimate_basis")
        )

    every_runnable(check)


def test_quantization_runtime_and_sources_agree(page: dict[str, Any], every_runnable: Checked) -> None:
    apple = page["system"]["backend"] == "Metal"

    def check(row: Row) -> object:
        quant = row["best_quant"] or ""
        wrong = NEVER_GGUF.match(quant) if row["runtime"] == "llamacpp" else GGUF_ONLY.match(quant)
        wrong = wrong or (quant.startswith("MLX") and row["runtime"] != "mlx")
        return (wrong or (row["runtime"] == "mlx" and not apple)) and pick(row, "runtime", "best_quant")

    every_runnable(check)


def test_verify_command(every_runnable: Checked) -> None:
    def check(row: Row) -> object:
        command = row["verify_command"]
        if row["run_mode"] not in ("gpu", "cpu_only"):
            return command is not None and pick(row, "run_mode", "verify_command")
        if command is None or "\n" in command or not command.strip():
            return pick(row, "run_mode", "verify_command")
        try:
            words = shlex.split(command)
        except ValueError:
            return "not shell-quoted: " + pick(row, "verify_command")
        tool = VERIFY[row["runtime"]]
        return not any(tool in word for word in words) and pick(row, "runtime", "verify_command")

    every_runnable(check)


def test_some_row_is_a_sane_first_answer(server: Server) -> None:
    first = server.ok(MODELS + "/top", **RIG)["models"][0]
    assert (
        first["fit_level"] != "too_tight" and first["origin"] != "community" and first["estimated_tps"] >= 3
    ), f"/top with {RIG} begins with " + pick(first, "name", "fit_level", "origin", "estimated_tps")
