"""Rows on every machine of tests/machines: written as msgspec would, and true to the contract's invariants."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis.strategies import integers

from llmfit import _rules, codes
from llmfit.wire.rows import Row
from llmfit.wire.system import System

METHODS = {"gpu": "roofline", "tensor_parallel": "roofline", "moe_offload": "offload_roofline",
           "cpu_offload": "offload_roofline", "cpu_only": "cpu_roofline"}  # fmt: skip
QUANTS = {"llamacpp": r"I?Q\d|MXFP4$", "mlx": "MLX-", "vllm": "BF16|FP8|MXFP|NVFP4|AWQ|GPTQ|AutoRound|INT|BNB"}
TOOLS = {"llamacpp": "llama-bench", "mlx": "mlx_lm", "vllm": "vllm"}
Simulated = Any  # of conftest.py
Check = Callable[[Row, System], object]


def near(a: float, b: float) -> bool:
    return abs(a - b) < 0.0005


@given(value=integers(0, 10**17 // 100) | integers(0, 100_000), decimals=integers(1, 3))
def test_numbers_are_written_as_by_msgspec(value: int, decimals: int) -> None:
    assert _rules.written(value=value) == msgspec.json.encode(value)
    assert _rules.written(value=-value) == msgspec.json.encode(-value)
    if value < 10**15:  # further digits than a float has
        assert _rules.written(value=value, decimals=decimals) == msgspec.json.encode(value / 10**decimals)


def hold(simulated: Simulated, check: Check, tight: bool = False) -> None:
    """The check is truthy for every runnable row (with `tight`: for every row)."""
    for row in simulated.rows:
        if (tight or row.fit_level != "too_tight") and not check(row, simulated.system):
            pytest.fail(f"{simulated.name}: {msgspec.json.format(msgspec.json.encode(row)).decode()}")


def test_written_as_msgspec_writes_them(simulated: Simulated) -> None:
    assert simulated.encoded == msgspec.json.encode(simulated.rows)


def test_no_number_is_odd(simulated: Simulated) -> None:
    assert not re.search(rb"NaN|Infinity|nan|inf[,\]}]|-\d", re.sub(rb'"[^"]*"', b"", simulated.encoded))
    hold(simulated, lambda row, _: all(map(math.isfinite, (row.score, row.estimated_tps, row.utilization_pct))), True)


def test_parts_add_up(simulated: Simulated) -> None:
    def check(row: Row, _: System) -> object:
        parts = msgspec.structs.astuple(row.memory_breakdown_gb)
        offloaded = (row.moe_offloaded_gb or 0) + (row.ram_offloaded_gb or 0)
        return (
            min(parts) >= 0 and near(sum(parts), row.total_memory_gb)
            and near(row.memory_required_gb + offloaded, row.total_memory_gb)
            and (row.moe_offloaded_gb is not None) == (row.run_mode == "moe_offload")
            and (row.ram_offloaded_gb is not None) == (row.run_mode == "cpu_offload")
            and row.disk_size_gb > 0
        )  # fmt: skip

    hold(simulated, check)


def test_fits_in_every_pool(simulated: Simulated) -> None:
    def check(row: Row, system: System) -> object:
        vram = system.gpu_available_gb or 0
        pool = system.available_ram_gb if row.run_mode == "cpu_only" else vram
        offloaded = (row.moe_offloaded_gb or 0) + (row.ram_offloaded_gb or 0)
        return (
            0 < row.memory_required_gb <= row.memory_available_gb <= pool + 0.0005
            and offloaded <= system.available_ram_gb
            and 100 * row.memory_required_gb / row.memory_available_gb <= row.utilization_pct + 0.06 <= 100.06
        )

    hold(simulated, check)


def test_each_device_holds_its_part(simulated: Simulated) -> None:
    rooms = [gpu.free_vram_gb for gpu in simulated.system.gpus for _ in range(gpu.count)]

    def check(row: Row, _: System) -> object:
        held = row.per_device_gb
        wanted = 0 if row.run_mode == "cpu_only" else row.memory_required_gb
        return (
            len(held) == len(rooms)
            and all(0 <= part <= room for part, room in zip(held, rooms, strict=True))
            and abs(sum(held) - wanted) < 0.0005 * (len(held) + 1)
            and (row.run_mode != "tensor_parallel" or sum(part > 0 for part in held) in row.supports_tp)
        )

    hold(simulated, check)


def test_context(simulated: Simulated) -> None:
    def check(row: Row, _: System) -> object:
        window = row.context_length or row.usable_context
        return (
            0 < row.effective_context_length <= row.usable_context <= window
            and row.estimate_basis.assumed_context <= row.effective_context_length
            and row.effective_context_length == min(row.context_length or 8192, 8192)
        )

    hold(simulated, check)


def test_levels(simulated: Simulated) -> None:
    bounded = {codes.NOTES["shape_unknown"], codes.NOTES["cache_bound"]}

    def check(row: Row, _: System) -> object:
        if row.fit_level == "perfect":
            return row.run_mode in ("gpu", "tensor_parallel") and bounded.isdisjoint(row.notes)
        return row.fit_level in ("good", "marginal")

    hold(simulated, check)


def test_speed(simulated: Simulated) -> None:
    def check(row: Row, _: System) -> object:
        low, high = row.estimated_tps_range
        prompt = (row.prefill_tps, row.ttft_ms)
        return 0 < low <= row.estimated_tps <= high and (prompt == (None, None) or min(prompt) > 0)  # type: ignore[type-var]

    hold(simulated, check)


def test_rows_that_cannot_run(simulated: Simulated) -> None:
    def check(row: Row, _: System) -> object:
        return row.fit_level != "too_tight" or (row.estimated_tps == 0 and row.notes and row.verify_command is None)

    hold(simulated, check, tight=True)


def test_hardware_runtime_and_quantization_agree(simulated: Simulated) -> None:
    apple = simulated.system.backend == "Metal"

    def check(row: Row, system: System) -> object:
        return (
            (row.run_mode == "cpu_only" or system.has_gpu)
            and (row.run_mode not in ("moe_offload", "cpu_offload") or not system.unified_memory)
            and (row.run_mode != "moe_offload" or row.is_moe)
            and (row.runtime != "mlx" or apple)
            and (row.runtime != "vllm" or row.run_mode in ("gpu", "tensor_parallel"))
            and re.match(QUANTS[row.runtime], row.best_quant or "")
            and row.estimate_basis.method in (METHODS[row.run_mode], "backend_default")
            and (row.estimate_basis.gpu_bandwidth_gbps is None or row.run_mode != "cpu_only")
        )

    hold(simulated, check)


def test_commands(simulated: Simulated) -> None:
    """One line that measures this very row; null where it cannot run or several memories or devices share the work."""

    def check(row: Row, system: System) -> object:
        command = row.verify_command
        if command is None:
            return row.run_mode in ("tensor_parallel", "moe_offload", "cpu_offload")
        own = row.name.rpartition("/")[2]
        files = {f"{source.repo}:{row.best_quant}" for source in row.gguf_sources}
        if row.runtime == "llamacpp":
            files = files or {f"{own}-{row.best_quant}.gguf", f"{row.name}:{row.best_quant}"}
        else:
            copies = {copy.repo for copy in row.copies if (copy.runtime, copy.quant) == ("mlx", row.best_quant)}
            files = {row.name} if row.runtime == "vllm" else copies or {row.name, f"{own}-{row.best_quant}"}
        words = shlex.split(command)
        return row.run_mode in ("gpu", "cpu_only") and TOOLS[row.runtime] in words[0] and not files.isdisjoint(words)

    hold(simulated, check)


def test_what_starts_a_row(simulated: Simulated) -> None:
    """The command says every figure that the row stands for; null where there are no files or no server, and a note."""
    reasons = {codes.NOTES[name] for name in ("convert", "convert_mlx", "no_server")}

    def check(row: Row, system: System) -> object:
        if row.run is None:
            return row.run_env == {} and (row.fit_level == "too_tight" or not reasons.isdisjoint(row.notes))
        words = dict(pairwise(row.run))
        gpus = sum(part > 0 for part in row.per_device_gb)
        if row.runtime == "llamacpp":
            cells = -(-row.effective_context_length // 256) * 256
            layers = words.get("-ngl")
            return (
                row.run[:2] == ("llama-server", "-hf") and row.run[2].endswith(f":{row.best_quant}")
                and (words["-c"], words["-np"], words["-fa"]) == (str(cells), "1", "on")
                and int(words["-b"]) >= int(words["-ub"]) >= 512
                and (layers == "999" if row.run_mode in ("gpu", "moe_offload") else layers == "0" if system.has_gpu and
                     row.run_mode == "cpu_only" else layers is None or 0 < int(layers) < 999)
                and (("--n-cpu-moe" in words) == (row.run_mode == "moe_offload"))
                and (("-ts" in words) == (row.run_mode == "gpu" and gpus > 1))
            )  # fmt: skip
        if row.runtime == "vllm":
            return (
                row.run[:3] == ("vllm", "serve", row.name)
                and words["--max-model-len"] == str(row.effective_context_length) and words["--max-num-seqs"] == "1"
                and words["--tensor-parallel-size"] == str(gpus)
                and 0 < float(words["--gpu-memory-utilization"]) <= 0.92
            )  # fmt: skip
        return row.run[:2] == ("mlx_lm.server", "--model") and row.run[2] == (row.download and row.download.repo)

    hold(simulated, check, tight=True)


def test_downloads(simulated: Simulated) -> None:
    """The repository, the runtime and the quantization agree; where no repository is known a note says so."""
    convert = {codes.NOTES["convert"], codes.NOTES["convert_mlx"]}

    def check(row: Row, _: System) -> object:
        gguf = {source.repo for source in row.gguf_sources}
        copies = {copy.repo for copy in row.copies if (copy.runtime, copy.quant) == (row.runtime, row.best_quant)}
        if row.fit_level == "too_tight":
            return row.download is None
        known = {"llamacpp": gguf, "mlx": copies, "vllm": set()}[row.runtime]
        if row.download is None:  # on a Mac that a GGUF file would strain, MLX converts what has a GGUF repository too
            return not known and not convert.isdisjoint(row.notes)
        known = known or {row.name}
        files = f"*{row.best_quant}*" if row.runtime == "llamacpp" else None
        return row.download.repo in known and row.download.files == files and convert.isdisjoint(row.notes)

    hold(simulated, check, tight=True)


def test_every_other_reason_has_a_note(simulated: Simulated) -> None:
    """What is passed over says why: narrow, a base checkpoint, off the task, unproven, superseded."""
    said = {note for row in simulated.rows for note in row.notes}
    assert {codes.NOTES[name] for name in ("narrow", "base_checkpoint", "off_task", "unproven")} <= said
    by_name = {row.name: row for row in simulated.rows}
    assert "superseded by a newer model of equal size: Qwen/Qwen3.5-9B" in by_name["Qwen/Qwen3-8B"].notes
    newest = by_name["Qwen/Qwen3.5-9B"].notes
    assert not any(note.startswith("superseded") or note == codes.NOTES["unproven"] for note in newest)


def test_scores(simulated: Simulated) -> None:
    def check(row: Row, _: System) -> object:
        parts = msgspec.structs.astuple(row.score_components)
        return 0 <= row.score <= 100 and all(0 <= part <= 100 for part in parts)

    hold(simulated, check, tight=True)


def test_order_of_encoding_does_not_matter(simulated: Simulated) -> None:
    rows = simulated.rows[:50]
    assert simulated.ranking.encode(list(range(49, -1, -1))) == msgspec.json.encode(rows[::-1])
    assert simulated.ranking.encode([]) == b"[]"
    assert simulated.ranking.encode([3, 3]) == msgspec.json.encode([rows[3], rows[3]])
    for wrong in (-1, len(simulated.rows)):
        with pytest.raises(IndexError):
            simulated.ranking.encode([0, wrong])
