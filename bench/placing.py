"""Placement at 100, 300 and 1,000 demands and machines: ``python bench/placing.py [--largest N] [--only CASE]``.

`mixed`: 8 models on 8 GPUs. All other cases are all different: no two demands have the same model, context, sessions
and tokens/s, no two machines the same bandwidth, RAM and free memory; with little room, some, and much, with several
GPUs, with half of the demands asking by filters, with one to eight replicas. Of each: seconds of processor time and how
they grow (3 and 3.3 where that is linear), what was placed, and the most memory of the process so far.
"""

from __future__ import annotations

import argparse
import random
import resource
import time
from collections.abc import Callable
from typing import Any

from llmfit.catalog import catalog
from llmfit.machine import GIB, Machine
from llmfit.placement.place import place
from llmfit.query import params
from llmfit.query.engine import Engine

Case = tuple[list[dict[str, Any]], list[dict[str, Any]]]
SIZES = (100, 300, 1000)
MODELS = (
    "Qwen/Qwen3-8B", "Qwen/Qwen3-4B", "microsoft/phi-4", "Qwen/Qwen3-14B", "Qwen/Qwen3-32B", "google/gemma-3-27b-it",
    "Qwen/Qwen3-30B-A3B", "openai/gpt-oss-20b",
)  # fmt: skip
GPUS = ("RTX 4090", "RTX 3090", "RTX 3060", "2x RTX 4090", "A100 80GB", "L4", "4x L4", "H100")
BASE = Machine(
    cpu_name="16 cores of an EPYC 9004", cpu_cores=16, cpu_arch="x86", cpu_fp32_tflops=1.64, cpu_has_avx=True,
    ram_total_bytes=64 * GIB, ram_available_bytes=64 * GIB, ram_bandwidth_gbps=80.0, ram_bandwidth_max_gbps=80.0,
)  # what a machine has that a case does not say: not that of whoever measures  # fmt: skip
USES = ("general", "coding", "reasoning", "chat", "multimodal")


def engine() -> Engine:
    return Engine(catalog.default(), BASE)


def mixed(_: Engine, size: int, chance: random.Random) -> Case:
    demands: list[dict[str, Any]] = [
        {"model": chance.choice(MODELS), "context": chance.choice((8192, 32768)), "min_tps": chance.choice((5, 20))}
        for _ in range(size)
    ]
    machines: list[dict[str, Any]] = [
        {"gpu": chance.choice(GPUS), "ram_gb": chance.choice((32, 128)), "free_vram_gb": chance.randrange(4, 12)}
        for _ in range(size)
    ]
    return demands, machines


def different(
    least: float, most: float, counts: tuple[int, ...] = (1,), filtered: float = 0, replicas: tuple[int, ...] = (1,)
) -> Callable[[Engine, int, random.Random], Case]:
    """All different; GiB free on each GPU, GPUs in a machine, the part of demands with filters, replicas."""

    def made(engine: Engine, size: int, chance: random.Random) -> Case:
        cards = engine.catalog.tables.accelerators
        fitting = [card.name for card in cards if card.kind == "discrete" and (card.default_memory_gb or 0) >= most]
        small = engine.run(params.parse([("max_params_b", "40")], "models").query).indices
        names = list(dict.fromkeys(engine.catalog.core.name_of(row) for row in small))
        demands: list[dict[str, Any]] = []
        for name in chance.sample(names, size):
            demand: dict[str, Any] = {
                "context": 256 * chance.randrange(8, 200), "concurrency": chance.randrange(1, 9),
                "min_tps": round(chance.uniform(1, 30), 2), "replicas": chance.choice(replicas),
            }  # fmt: skip
            if chance.random() < filtered:
                demand |= {"use_case": chance.choice(USES), "max_params_b": chance.choice((4, 9, 15, 40))}
            else:
                demand["model"] = name
            demands.append(demand)
        machines: list[dict[str, Any]] = []
        for _ in range(size):
            n, ram = chance.choice(counts), chance.randrange(32, 256)
            machines.append({
                "gpu": f"{n}x {chance.choice(fitting)}", "gpu_bandwidth_gbps": chance.randrange(250, 3000),
                "ram_gb": ram, "ram_bandwidth_gbps": chance.randrange(40, 400),
                "free_vram_gb": [round(chance.uniform(least, most), 3) for _ in range(n)],
                "free_ram_gb": round(chance.uniform(1, ram * most / 80), 3),
            })  # fmt: skip
        return demands, machines

    return made


CASES: dict[str, Callable[[Engine, int, random.Random], Case]] = {
    "mixed": mixed,
    "little room": different(1, 4),
    "some room": different(2, 16),
    "much room": different(16, 48),
    "several GPUs": different(2, 16, counts=(1, 2, 4, 8)),
    "filters": different(2, 16, filtered=0.5),
    "replicas": different(2, 16, replicas=(1, 2, 4, 8)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    parser.add_argument("--only", default="", help="a part of the name of a case")
    asked = parser.parse_args()
    base = engine()
    place(base, [{"model": MODELS[0]}] * 9, [{"gpu": GPUS[0]}])  # what is opened once
    print("| case | policy | size | s | growth | placed | score | machines | MB |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    for name, make in CASES.items():
        for policy in ("pack", "spread") if asked.only in name else ():
            before = 0.0
            for size in (size for size in SIZES if size <= asked.largest):
                demands, machines = make(base, size, random.Random(0))
                start = time.process_time()
                plan = place(base, demands, machines, policy)
                seconds = time.process_time() - start
                growth = f"{seconds / before:.1f}" if before else ""
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
                print(
                    f"| {name} | {policy} | {size} | {seconds:.2f} | {growth} | {plan.placed} of {plan.replicas} "
                    f"| {plan.score:.0f} | {plan.machines_used} | {peak} |",
                    flush=True,
                )
                before = seconds


if __name__ == "__main__":
    main()
