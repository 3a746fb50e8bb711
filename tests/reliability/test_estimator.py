"""Properties over random machines and models (estimate/test_properties.py holds more over the shipped catalog)."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmfit import _rules
from llmfit._core import Estimates, Ranking, fill_all
from llmfit.catalog import pack
from llmfit.catalog.catalog import Catalog
from llmfit.catalog.pack import SHAPE_COLUMNS, Packed, column_major
from llmfit.hardware.host import host_of
from llmfit.machine import GIB, Device, Machine
from llmfit.wire.rows import Row

from .catalogs import small

EXAMPLES = int(os.environ.get("LLMFIT_EXAMPLES", "60"))
FEW = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=EXAMPLES == 60,
    database=None,
)  # fmt: skip
LEVELS = ("too_tight", "marginal", "good", "perfect")


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    """RAM from 2 GiB to 2 TiB, up to eight equal GPUs of any vendor and bandwidth."""
    kinds = [("cuda", "nvidia", 8.9), ("rocm", "amd", None), ("vulkan", "intel", None), ("sycl", "intel", None)]
    backend, vendor, capability = draw(st.sampled_from(kinds))
    total = draw(st.integers(1 * GIB, 300 * GIB))
    gpu = Device(
        name="X", vendor=vendor, backend=backend, total_bytes=total, free_bytes=draw(st.integers(total // 2, total)),
        compute_capability=capability, bandwidth_gbps=draw(st.none() | st.floats(10, 8000)), bandwidth_source="table",
        fp32_tflops=draw(st.none() | st.floats(0.5, 200)),
    )  # fmt: skip
    ram = draw(st.integers(2 * GIB, 2048 * GIB))
    return Machine(
        cpu_name="c", cpu_cores=draw(st.integers(1, 128)), cpu_arch="x86", ram_total_bytes=ram,
        ram_available_bytes=ram - ram // draw(st.integers(2, 20)), devices=(gpu,) * draw(st.integers(0, 8)),
        ram_bandwidth_gbps=draw(st.none() | st.floats(5, 900)), ram_bandwidth_source="table",
    )  # fmt: skip


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    return msgspec.msgpack.decode(pack.pack(small(tmp_path_factory.mktemp("few"))), type=Packed)


def varied(packed: Packed, seed: int) -> Catalog:
    """The few models with random sizes: parameters, layers, widths, heads, experts, windows."""
    chance = random.Random(seed)
    n, cells = packed.n_shapes, list(packed.shapes.cast("d"))
    for shape in range(n):
        factor = 2.0 ** chance.uniform(-3, 4)
        for column in ("params", "active"):
            cells[SHAPE_COLUMNS.index(column) * n + shape] *= factor
        for column in ("n_layers", "n_full", "n_window", "attention_layers", "window_layers", "hidden", "intermediate",
                       "moe_intermediate", "n_kv_heads", "head_dim", "kv_lora_rank", "window", "context"):  # fmt: skip
            at = SHAPE_COLUMNS.index(column) * n + shape
            cells[at] = float(int(cells[at] * chance.choice((1, 1, 0.5, 2))))
    rows = [tuple(cells[column * n + shape] for column in range(len(SHAPE_COLUMNS))) for shape in range(n)]
    return Catalog.of(msgspec.structs.replace(packed, shapes=column_major(rows, SHAPE_COLUMNS)))


def rows(catalog: Catalog, machine: Machine, **asked: float) -> list[Row]:
    ranking = Ranking(Estimates(catalog.core, host_of(machine, catalog), **asked))  # type: ignore[arg-type]
    return msgspec.json.decode(ranking.encode(list(range(catalog.size))), type=list[Row])


def levels(found: list[Row]) -> list[int]:
    return [LEVELS.index(row.fit_level) for row in found]


@FEW
@given(machine=machines(), seed=st.integers(0, 1 << 30), more=st.floats(1.001, 4), which=st.booleans())
def test_more_memory_never_lowers_a_level(
    packed: Packed, machine: Machine, seed: int, more: float, which: bool
) -> None:
    catalog = varied(packed, seed)
    if which and machine.devices:
        one = machine.devices[0]
        total, free = int(one.total_bytes * more), int(one.free_bytes * more)
        larger = msgspec.structs.replace(one, total_bytes=total, free_bytes=free)
        other = msgspec.structs.replace(machine, devices=(larger,) * len(machine.devices))
    else:
        other = msgspec.structs.replace(
            machine, ram_total_bytes=int(machine.ram_total_bytes * more),
            ram_available_bytes=int(machine.ram_available_bytes * more),
        )  # fmt: skip
    less, greater = rows(catalog, machine), rows(catalog, other)
    fallen = [b.name for a, b, x, y in zip(less, greater, levels(less), levels(greater), strict=True) if y < x]
    assert not fallen, fallen


@FEW
@given(machine=machines(), seed=st.integers(0, 1 << 30), context=st.integers(128, 1 << 20), more=st.floats(1, 16))
def test_more_context_never_needs_less(packed: Packed, machine: Machine, seed: int, context: int, more: float) -> None:
    catalog = varied(packed, seed)
    short, long = rows(catalog, machine, context=context), rows(catalog, machine, context=int(context * more))
    for a, b in zip(short, long, strict=True):
        assert LEVELS.index(b.fit_level) <= LEVELS.index(a.fit_level), a.name
        if (a.best_quant, a.runtime, a.run_mode) == (b.best_quant, b.runtime, b.run_mode):
            assert b.memory_breakdown_gb.kv_cache >= a.memory_breakdown_gb.kv_cache, a.name


@FEW
@given(machine=machines(), seed=st.integers(0, 1 << 30), more=st.floats(1, 8))
def test_more_bandwidth_never_slows(packed: Packed, machine: Machine, seed: int, more: float) -> None:
    catalog = varied(packed, seed)
    known = msgspec.structs.replace(
        machine, ram_bandwidth_gbps=machine.ram_bandwidth_gbps or 50.0,
        devices=tuple(msgspec.structs.replace(d, bandwidth_gbps=d.bandwidth_gbps or 400.0) for d in machine.devices),
    )  # fmt: skip
    other = msgspec.structs.replace(
        known, ram_bandwidth_gbps=known.ram_bandwidth_gbps * more,
        devices=tuple(msgspec.structs.replace(d, bandwidth_gbps=d.bandwidth_gbps * more) for d in known.devices),
    )  # fmt: skip
    for a, b in zip(rows(catalog, known), rows(catalog, other), strict=True):
        same = (a.best_quant, a.runtime, a.run_mode) == (b.best_quant, b.runtime, b.run_mode)
        if same and a.fit_level != "too_tight" and a.memory_required_gb == b.memory_required_gb:
            assert b.estimated_tps >= a.estimated_tps, a.name


@FEW
@given(machine=machines(), seed=st.integers(0, 1 << 30))
def test_a_larger_quantization_never_needs_less(packed: Packed, machine: Machine, seed: int) -> None:
    catalog = varied(packed, seed)
    before: list[Row] | None = None
    for label in ("Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0"):
        mask = catalog.quants_called(label)
        ranking = Ranking(Estimates(catalog.core, host_of(machine, catalog), quants=mask, runtime=0))
        now = msgspec.json.decode(ranking.encode(list(range(catalog.size))), type=list[Row])
        for a, b in zip(before or [], now, strict=False):
            if a.best_quant != b.best_quant and b.best_quant == label and a.run_mode == b.run_mode:
                assert b.memory_breakdown_gb.weights >= a.memory_breakdown_gb.weights, (a.name, a.best_quant, label)
        before = now


@settings(FEW, max_examples=max(EXAMPLES // 4, 1))
@given(machine=machines(), seed=st.integers(0, 1 << 30), context=st.integers(128, 1 << 18))
def test_nothing_but_the_question_decides(packed: Packed, machine: Machine, seed: int, context: int) -> None:
    """Not what was asked before, not the thread, not how many are asked at once, not the order of the shapes."""
    catalog = varied(packed, seed)
    everything = list(range(catalog.size))
    host = host_of(machine, catalog)
    wanted = Ranking(Estimates(catalog.core, host, context=context)).encode(everything)
    later = [Estimates(catalog.core, host, context=size, later=True) for size in (512, context, 1 << 17)]
    found: list[bytes] = []

    def ask() -> None:
        Ranking(Estimates(catalog.core, host, context=2048)).encode(everything[::-1])
        found.append(Ranking(Estimates(catalog.core, host, context=context)).encode(everything))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fill_all(later)
    found.append(Ranking(later[1]).encode(everything))
    assert all(bytes_ == wanted for bytes_ in found)
    n = catalog.core.n_shapes
    held = catalog.packed
    cells, of = held.shapes.cast("d"), list(held.rows.cast("d"))
    order = random.Random(seed).sample(range(n), n)
    turned = column_major([tuple(cells[c * n + s] for c in range(len(SHAPE_COLUMNS))) for s in order], SHAPE_COLUMNS)
    place = {old: new for new, old in enumerate(order)}
    of[: held.n_rows] = [float(place[int(shape)]) for shape in of[: held.n_rows]]
    rows_ = memoryview(bytearray(8 * len(of))).cast("d")
    for at, value in enumerate(of):
        rows_[at] = value
    other = Catalog.of(msgspec.structs.replace(held, shapes=turned, rows=rows_.cast("B")))
    assert Ranking(Estimates(other.core, host_of(machine, other), context=context)).encode(everything) == wanted


@FEW
@given(
    machine=machines(), seed=st.integers(0, 1 << 30), context=st.integers(0, 1 << 18), distinct=st.booleans(),
    sessions=st.sampled_from((1, 1, 4)), runtime=st.sampled_from((-1, -1, 0, 2)), use_case=st.integers(-1, 5),
    limit=st.integers(0, 4),
)  # fmt: skip
def test_a_bound_hides_nothing(
    packed: Packed, machine: Machine, seed: int, context: int, sessions: int, runtime: int, use_case: int, limit: int,
    distinct: bool,
) -> None:  # fmt: skip
    """The first rows are the same whether all are estimated or only those that may be among them."""
    catalog = varied(packed, seed)
    host = host_of(machine, catalog)
    asked = {"context": context, "n_seq": sessions, "runtime": runtime}
    every = Ranking(Estimates(catalog.core, host, **asked), use_case)  # type: ignore[arg-type]
    some = Ranking(Estimates(catalog.core, host, lazy=True, **asked), use_case)  # type: ignore[arg-type]
    wanted = every.select(min_level=1, limit=limit, distinct=distinct)
    assert some.select(min_level=1, limit=limit, distinct=distinct) == wanted
    assert some.encode(wanted[1]) == every.encode(wanted[1])
    assert some.select() == every.select()


def test_the_cache_rule_is_linear_in_the_context() -> None:
    """So that the properties above do not all rest on one rounding: doubling the context doubles a full cache."""
    facts = {"n_full": 32, "n_window": 0, "n_kv_heads": 8, "head_dim": 128, "window": 0}
    assert _rules.cache_bytes(context=8192, **facts) == 2 * _rules.cache_bytes(context=4096, **facts)


def test_small_is_not_empty(packed: Packed, tmp_path: Path) -> None:
    assert packed.n_shapes > 20 and packed.n_rows > 25
