"""How near to the best a placement is: ``python bench/placing_gap.py [--seeds N] [--seconds S]``, with llmfit[fit].

Machines with one GPU and hardly any RAM, where memory adds up, so that an integer program (HiGHS, through scipy) bounds
what any placement can reach: every demand takes one of its ways on one machine, none scores more than with the machine
to itself. The bound is that of the solver after S seconds, so it may lie above the best there is; the gaps are then
less than they look. First the number that can be placed, then the score of as many as were placed.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy import optimize, sparse

sys.path.append(str(Path(__file__).parent))
from placing import MODELS, engine

from llmfit.placement.demands import case_of, demands_of, places_of
from llmfit.placement.place import place
from llmfit.query.engine import Engine

SIZES = ((20, 5), (40, 9), (100, 25))


def crowd(n: int, m: int, tight: bool, chance: random.Random) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    demands: list[dict[str, Any]] = [
        {
            "model": chance.choice(MODELS), "context": 256 * chance.randrange(8, 100),
            "concurrency": chance.choice((1, 1, 2)), "min_tps": chance.choice((5, 15, 30)), "runtime": "llamacpp",
        }
        for _ in range(n)
    ]  # fmt: skip
    machines: list[dict[str, Any]] = [
        {
            "gpu": chance.choice(("RTX 4090", "RTX 3090", "A100 80GB", "L4")), "ram_gb": 32, "free_ram_gb": 0.25,
            "free_vram_gb": round(chance.uniform(4, 16) if tight else chance.uniform(16, 22.5), 3),
        }
        for _ in range(m)
    ]  # fmt: skip
    return demands, machines


def bounds(
    engine: Engine, demands: list[dict[str, Any]], machines: list[dict[str, Any]], placed: int, seconds: float
) -> tuple[float, float]:
    """The most that can be placed, and the greatest sum of scores of `placed` ones; or more, where time runs out."""
    asked, (places, kinds) = demands_of(engine, demands), places_of(engine, machines)
    which, where, takes, scores = [], [], [], []
    for i, demand in enumerate(asked):
        case = case_of(engine, demand)
        for k, one in enumerate(places):
            for way in case.ways(kinds[one.state.kind].host, one.state.left):
                which.append(i)
                where.append(k)
                takes.append(way[1][0])
                scores.append(way[0] / 10)
    n = len(which)
    columns = np.arange(n)
    each = sparse.csr_matrix((np.ones(n), (which, columns)), shape=(len(asked), n))
    room = sparse.csr_matrix((takes, (where, columns)), shape=(len(places), n))
    limits = [
        optimize.LinearConstraint(each, 0, 1),
        optimize.LinearConstraint(room, 0, [one.state.left[0] for one in places]),
    ]

    def most(values: Any, *more: Any) -> float:
        for whole, limit in ((1, seconds), (0, 60)):  # the solver may end without a bound: then without whole numbers
            found = optimize.milp(
                -np.asarray(values, float), constraints=[*limits, *more], integrality=np.full(n, whole),
                bounds=optimize.Bounds(0, 1), options={"time_limit": limit},
            )  # fmt: skip
            if found.mip_dual_bound is not None:
                break
        return -float(found.mip_dual_bound if whole else found.fun)

    count = np.floor(most(np.ones(n)) + 1e-6)
    return count, most(scores, optimize.LinearConstraint(np.ones((1, n)), placed, np.inf))


def gaps(n: int, m: int, tight: bool, seed: int, seconds: float) -> tuple[int, float, float, float]:
    """What was placed, of at most how many; its score, of at most how much."""
    base = engine()
    demands, machines = crowd(n, m, tight, random.Random(seed))
    found = place(base, demands, machines, "spread")  # scores alone
    count, score = bounds(base, demands, machines, found.placed, seconds)
    return found.placed, count, found.score, score


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    asked = parser.parse_args()
    print("| demands | machines | room | placed, of the bound | score, of the bound | worst of both |")
    print("|--:|--:|---|--:|--:|--:|")
    for n, m in SIZES:
        for tight in (True, False):
            found = [gaps(n, m, tight, seed, asked.seconds) for seed in range(asked.seeds)]
            counts, scores = [a / b for a, b, _, _ in found], [c / d for _, _, c, d in found]
            print(
                f"| {n} | {m} | {'little' if tight else 'some'} | {sum(counts) / len(counts):.3f} "
                f"| {sum(scores) / len(scores):.3f} | {min(counts):.3f}, {min(scores):.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
