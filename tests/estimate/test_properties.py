"""What must hold for any machine: more never hurts. Random what-ifs with a fixed seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest

from llmfit import _rules, codes
from llmfit._core import Estimates, Ranking
from llmfit.catalog.catalog import Catalog
from llmfit.hardware.host import host_of
from llmfit.hardware.what_ifs import WhatIf, apply_whatif
from llmfit.machine import Machine
from llmfit.wire.rows import Row

TRIALS = 25
GPUS = ("RTX 4090", "RTX 3060", "H100", "RX 7900 XTX", "Arc B580", "L4", "A100 80GB", "GTX 1650", "MI300X")
MACHINES = ("cpu-laptop-16gb", "cpu-desktop-64gb", "rtx-4090-24gb", "rtx-3090-x2", "h100-x8", "apple-m4-max-128gb",
            "strix-halo-128gb", "cpu-dual-epyc-512gb")  # fmt: skip
Analyse = Callable[..., Ranking]


@pytest.fixture(scope="module")
def analyse(catalog: Catalog) -> Analyse:
    """analyse(machine, what-if or None, context=, n_seq=, cache_types=): the ranking."""

    def make(machine: Machine, whatif: WhatIf | None = None, **settings: float) -> Ranking:
        changed = machine if whatif is None else apply_whatif(machine, whatif, catalog.tables)
        return Ranking(Estimates(catalog.core, host_of(changed, catalog), **settings))  # type: ignore[arg-type]

    return make


def at_least(ranking: Ranking) -> list[set[int]]:
    """The rows at each level or better."""
    return [set(ranking.select(min_level=level)[1]) for level in range(1, len(codes.FIT_LEVELS))]


def assert_no_level_falls(catalog: Catalog, less: Ranking, more: Ranking, what: object) -> None:
    for level, (before, after) in enumerate(zip(at_least(less), at_least(more), strict=True), start=1):
        lost = before - after
        if lost:
            rows = [msgspec.json.decode(ranking.encode([min(lost)]))[0] for ranking in (less, more)]
            keys = (
                "name",
                "fit_level",
                "run_mode",
                "best_quant",
                "total_memory_gb",
                "utilization_pct",
                "estimated_tps",
            )
            told = [{key: row[key] for key in keys} for row in rows]
            pytest.fail(f"{len(lost)} rows fall below {codes.FIT_LEVELS[level]} with {what}: {told}")


def rows_of(catalog: Catalog, ranking: Ranking) -> list[Row]:
    return msgspec.json.decode(ranking.encode(list(range(catalog.size))), type=list[Row])


def placed(row: Row) -> tuple[object, ...]:
    """How a row runs, but for how much it takes."""
    return row.best_quant, row.runtime, row.run_mode, sum(part > 0 for part in row.per_device_gb)


@pytest.mark.parametrize("seed", range(TRIALS))
def test_more_gpu_memory_never_lowers_a_level(
    catalog: Catalog, machine_of: Callable[[str], Machine], analyse: Analyse, seed: int
) -> None:
    chance = random.Random(seed)
    machine = machine_of(chance.choice(MACHINES[:3]))
    known = {
        "gpu": chance.choice(GPUS),
        "gpu_count": chance.choice((1, 1, 2, 4)),
        "ram_gb": chance.choice((8, 32, 128)),
    }
    less = round(chance.uniform(2, 100), 1)
    more = round(less * chance.uniform(1.01, 3), 1)
    rankings = [analyse(machine, WhatIf(**known, vram_gb=size)) for size in (less, more)]
    assert_no_level_falls(catalog, *rankings, f"{known}, {less} -> {more} GiB")


@pytest.mark.parametrize("seed", range(TRIALS))
def test_more_ram_never_lowers_a_level(
    catalog: Catalog, machine_of: Callable[[str], Machine], analyse: Analyse, seed: int
) -> None:
    chance = random.Random(1000 + seed)
    name = chance.choice(MACHINES)
    less = round(chance.uniform(4, 200), 1)
    more = round(less * chance.uniform(1.01, 3), 1)
    rankings = [analyse(machine_of(name), WhatIf(ram_gb=size)) for size in (less, more)]
    assert_no_level_falls(catalog, *rankings, f"{name}, {less} -> {more} GiB of RAM")


@pytest.mark.parametrize("seed", range(TRIALS))
def test_more_bandwidth_never_slows(
    catalog: Catalog, machine_of: Callable[[str], Machine], analyse: Analyse, seed: int
) -> None:
    chance = random.Random(2000 + seed)
    if seed % 2:
        name, known, key = chance.choice(MACHINES[:2]), {}, "ram_bandwidth_gbps"
    else:
        name, known, key = "cpu-desktop-64gb", {"gpu": chance.choice(GPUS)}, "gpu_bandwidth_gbps"
    less = round(chance.uniform(20, 2000), 1)
    more = round(less * chance.uniform(1.01, 3), 1)
    slow, fast = (analyse(machine_of(name), WhatIf(**known, **{key: rate})) for rate in (less, more))
    assert_no_level_falls(catalog, slow, fast, f"{name}, {key} {less} -> {more}")
    compared = 0
    for row, quicker in zip(rows_of(catalog, slow), rows_of(catalog, fast), strict=True):
        same = ("run_mode", "best_quant", "runtime", "memory_required_gb", "per_device_gb")
        if row.fit_level != "too_tight" and all(getattr(row, key) == getattr(quicker, key) for key in same):
            assert quicker.estimated_tps >= row.estimated_tps, row.name
            compared += 1
    assert compared > 100


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize(("key", "less", "more"), [
    ("context", 2048, 8192), ("context", 8192, 8193), ("context", 8192, 131072), ("n_seq", 1, 4),
    ("cache_types", (2, 2), (1, 1)), ("cache_types", (1, 1), (0, 0)), ("cache_types", (1, 2), (1, 1)),
])  # fmt: skip
def test_a_larger_cache_never_needs_less(
    catalog: Catalog,
    machine_of: Callable[[str], Machine],
    analyse: Analyse,
    name: str,
    key: str,
    less: Any,
    more: Any,
) -> None:
    # other runtimes have not all of llama.cpp's types
    runtime = {"runtime": codes.RUNTIMES.index("llamacpp")} if key == "cache_types" else {}
    small, large = (analyse(machine_of(name), None, **{key: value, **runtime}) for value in (less, more))
    assert_no_level_falls(catalog, large, small, f"{key} {more} -> {less}")
    compared = 0
    for row, larger in zip(rows_of(catalog, small), rows_of(catalog, large), strict=True):
        if placed(row) == placed(larger):
            assert larger.memory_breakdown_gb.kv_cache >= row.memory_breakdown_gb.kv_cache, row.name
            compared += 1
    assert compared > 1000


@pytest.mark.parametrize("seed", range(200))
def test_rules_grow_with_what_they_count(seed: int) -> None:
    chance = random.Random(3000 + seed)
    facts = {
        "n_full": chance.randrange(64), "n_window": chance.randrange(64), "n_kv_heads": chance.choice((1, 2, 8, 40)),
        "head_dim": chance.choice((64, 80, 128, 256)), "window": chance.choice((0, 128, 1024, 4096)),
    }  # fmt: skip
    cache = partial(_rules.cache_bytes, **facts)
    context, more = sorted(chance.randrange(1, 1 << 20) for _ in range(2))
    assert cache(context=context) <= cache(context=more) <= cache(context=more, n_seq=2)
    assert cache(context=more, element_bytes=1.0625) <= cache(context=more)
    read = partial(_rules.cache_read_bytes, **facts)
    assert read(tokens=context) <= read(tokens=more) <= cache(context=more)
    if facts["n_full"]:
        tokens = int(_rules.usable_tokens(free_bytes=context * 4096.0, **facts))
        assert cache(context=tokens) <= context * 4096.0 or tokens == 0


def test_a_row_that_is_too_big_says_the_least_that_it_would_take(
    catalog: Catalog, machine_of: Callable[[str], Machine], analyse: Analyse
) -> None:
    """Not the form of the last runtime: 405 B parameters at 2.7 bits, not at 16."""
    index = catalog.core.index_of("meta-llama/Llama-3.1-405B-Instruct")
    for name in ("rtx-4090-24gb", "apple-m4-max-128gb", "cpu-laptop-16gb"):
        (row,) = msgspec.json.decode(analyse(machine_of(name)).encode([index]), type=list[Row])
        assert (row.fit_level, row.runtime) == ("too_tight", "llamacpp")
        assert row.memory_breakdown_gb.weights < 405.9e9 * 3 / 8 / 2**30
