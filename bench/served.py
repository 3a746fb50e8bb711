"""Rows of a serving or offload table asked through the public API's own parameters, in process.

    gpu, gpu_count, quant, max_context (twice the row's context: the cache is taken half full), concurrency, runtime

The answer is the row's `estimated_tps` (the tokens/s of one session) with its range.
"""

from __future__ import annotations

import functools
import json
from typing import Any

import rows as bench

from llmfit.answers.encode import answer
from llmfit.catalog import catalog
from llmfit.hardware.probes import cpu
from llmfit.machine import Machine
from llmfit.query import params
from llmfit.query.engine import Engine

Cells = dict[str, str]
RAM = 4096 << 30  # bytes: of a machine that is not the row's concern
RUNTIME = {"vllm": "vllm", "sglang": "vllm", "mlx": "mlx"}
LABELS = {"GPTQ-Int4": "GPTQ-4bit", "mlx-4bit": "MLX-4bit", "mlx-8bit": "MLX-8bit"}


@functools.cache
def host(name: str, ram_gb: float) -> Machine:
    """A machine with the row's CPU and without a GPU: the parameters bring theirs."""
    size = int(ram_gb * (1 << 30)) if ram_gb else RAM
    family = cpu.find_family(name, catalog.default().tables)
    cores = (family.typical_cores if family else None) or 16
    return Machine(
        cpu_name=name, cpu_cores=cores, cpu_arch="x86", ram_total_bytes=size, ram_available_bytes=size,
        ram_bandwidth_gbps=family.typical_gbps if family else 50.0,
        cpu_fp32_tflops=cpu.fp32_tflops(family, cpu.Topology(cores=cores, sockets=1)) if family else None,
    )  # fmt: skip


def question(cells: Cells) -> list[tuple[str, str]]:
    """The parameters of a request for a row."""
    asked = [
        ("gpu", cells["hardware_name"]), ("gpu_count", f"{float(cells.get('n_gpus') or 1):.0f}"),
        ("quant", LABELS.get(cells["quant"], cells["quant"])),
        ("max_context", f"{2 * float(cells['context_tokens'] or 64):.0f}"),
        ("concurrency", f"{float(cells.get('batch') or 1):.0f}"), ("exact", "true"),
        ("force_runtime", RUNTIME.get(cells["engine"], "llamacpp")), ("include_too_tight", "true"),
    ]  # fmt: skip
    if cells["backend"] in ("cuda", "rocm", "vulkan", "sycl", "metal"):
        asked.append(("backend", cells["backend"]))
    return asked


def names(cells: Cells) -> list[str]:
    """The ids that may hold the row's model in its quantization, its own first."""
    label, model = cells["quant"], cells["model"]
    copies = {"FP8": ("-FP8", "-FP8-dynamic"), "GPTQ-Int4": ("-GPTQ-Int4", "-AWQ"), "AWQ-4bit": ("-AWQ",)}
    short = model.split("/")[-1]
    found = [f"{owner}/{short}{end}" for end in copies.get(label, ()) for owner in (model.split("/")[0], "RedHatAI")]
    return [model, *(name for name in found if bench.find(name) is not None)]


def ask(cells: Cells) -> dict[str, Any]:
    """The row of the answer. LookupError where there is none or it cannot run."""
    failed = LookupError("no row")
    for name in names(cells):
        try:
            return ask_for(name, cells)
        except LookupError as error:
            failed = error
    raise failed


def ask_for(name: str, cells: Cells) -> dict[str, Any]:
    known = catalog.default()
    machine = host(cells.get("cpu") or "AMD EPYC 9334 32-Core Processor", float(cells.get("ram_gb") or 0))
    query = params.parse(question(cells), "name", name).query
    text = answer(known, Engine(known, machine).run(query), query)
    found = json.loads(text)["models"]
    if not found:
        raise LookupError("no row")
    row: dict[str, Any] = found[0]
    if row["fit_level"] == "too_tight":
        raise LookupError(f"too tight: {'; '.join(row['notes'])[:160]}")
    return row
