"""What it takes to run a model: the least hardware for each way to run it, found by trying with the estimator.

The quantization is fixed first: what the request says, else what runs well here, else Q4_K_M, else the model's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llmfit import codes
from llmfit.errors import BadParam
from llmfit.hardware.host import is_unified, used_devices
from llmfit.machine import GIB, Machine
from llmfit.query.engine import Engine, quant_mask
from llmfit.query.trial import (
    MOST_GBPS,
    ON_GPU,
    ROOMY,
    STEP,
    Trial,
    at_least,
    gib,
    with_bandwidth,
    with_ram,
    with_vram,
    without_gpu,
)  # fmt: skip
from llmfit.wire.plan import Current, Hardware, KvAlternative, Plan, RunPath, UpgradeDelta
from llmfit.wire.rows import Row

NOTICE = "Estimates, not measurements; current.estimated_tps_range holds 80 % of what is measured."
runs = at_least("marginal")


def plan(engine: Engine, query: Any) -> Plan:
    """The plan for the model that the query names. UnknownModel where it names none; BadParam for a quantization that
    the model does not have.
    """
    index = engine.only(query)
    machine, _, generation = engine.machine_for(query)
    trial = planned(engine, query, index, machine)
    row = trial.on(machine)
    paths = tuple(paths_of(trial, machine, row, query.target_tps))
    best = next((path for path in paths if path.feasible), None)
    return Plan(
        model_name=row.name,
        provider=row.provider,
        context=row.effective_context_length,
        quantization=row.best_quant,
        kv_quant=query.kv_quant,
        target_tps=query.target_tps,
        concurrency=query.concurrency,
        disk_size_gb=row.disk_size_gb,
        minimum=best.minimum if best else None,
        recommended=best.recommended if best else None,
        run_paths=paths,
        current=Current(
            fit_level=word(row.fit_level),
            run_mode=word(row.run_mode),
            estimated_tps=row.estimated_tps,
            estimated_tps_range=row.estimated_tps_range,
            total_memory_gb=row.total_memory_gb,
            memory_breakdown_gb=row.memory_breakdown_gb,
            notes=row.notes,
        ),
        upgrade_deltas=(
            *more_memory(trial, machine, row, "vram_gb"),
            *more_memory(trial, machine, row, "ram_gb"),
            *more_bandwidth(trial, machine, row, query.target_tps),
        ),
        kv_alternatives=tuple(alternatives(trial, machine)),
        estimate_notice=NOTICE,
        catalog=engine.catalog.name,
        generation=generation,
    )


def planned(engine: Engine, query: Any, index: int, machine: Machine) -> Trial:
    """The trial at one quantization."""
    settings = engine.settings_of(query)

    def at(quant: str) -> Trial:
        return Trial(engine.catalog, index, (*settings[:4], quant_mask(engine.catalog, quant)))

    here = Trial(engine.catalog, index, settings).on(machine)
    roomy = with_vram(machine, ROOMY, ROOMY * STEP)
    if query.quant is not None:
        asked = at(query.quant)
        row = asked.on(roomy)
        if (row.best_quant or "").lower() != query.quant.lower():
            raise BadParam(f"invalid quant value: {row.name} has no form in {query.quant}; use {here.best_quant}")
        return asked
    if not at_least("good")(here) and runs(at("Q4_K_M").on(roomy)):
        return at("Q4_K_M")
    return at(here.best_quant) if here.best_quant else Trial(engine.catalog, index, settings)


def word(code: str) -> str:
    """A code as plans have always written it: too_tight is TooTight."""
    return code.title().replace("_", "")


def path_of(mode: str) -> str:
    return "gpu" if mode in ON_GPU else mode if mode == "cpu_only" else "cpu_offload"


def vram_of(machine: Machine) -> int:
    """Free GPU memory, in steps."""
    return sum(device.free_bytes for device in used_devices(machine)) // STEP


def limit_of(row: Row) -> int:
    """Steps that are more than the model takes on any path."""
    return int(2 * row.total_memory_gb * GIB / STEP) + 64


def paths_of(trial: Trial, machine: Machine, row: Row, target: float | None) -> list[RunPath]:
    """GPU, offload and CPU. Offload is tried beside the GPU memory that is here, or beside half of what the model takes
    where that would hold all of it.
    """
    cores, most = machine.cpu_cores, limit_of(row)

    def path(name: str, machine_with: Callable[[int], Machine], hardware: Callable[[int], Hardware]) -> RunPath:
        return run_path(trial, name, machine_with, hardware, most, target)

    gpu = path("gpu", lambda n: with_vram(machine, n), lambda n: Hardware(gib(n), 0.0, cores))
    found = [gpu]
    if not is_unified(used_devices(machine)):
        whole = int(((gpu.minimum and gpu.minimum.vram_gb) or row.total_memory_gb) * GIB / STEP)
        part = vram_of(machine) if 0 < vram_of(machine) < whole else whole // 2
        partial = with_vram(machine, part)
        found.append(
            path("cpu_offload", lambda n: with_ram(partial, n), lambda n: Hardware(gib(part), gib(n), cores))
        )
    bare = without_gpu(machine)
    found.append(path("cpu_only", lambda n: with_ram(bare, n), lambda n: Hardware(None, gib(n), cores)))
    return found


def run_path(
    trial: Trial, name: str, machine_with: Callable[[int], Machine], hardware: Callable[[int], Hardware], most: int,
    target: float | None,
) -> RunPath:  # fmt: skip
    """The least memory on one path, what is recommended, and how fast it is there at this machine's bandwidths."""
    limit = trial.on(machine_with(most))
    known = limit.estimate_basis.method != "backend_default"
    needed = None
    if target and runs(limit) and not (known and limit.estimated_tps >= target):
        enough = at_least("marginal", target)
        needed = trial.least(lambda gbps: with_bandwidth(machine_with(most), gbps + 1), enough, MOST_GBPS)
    speed = target if target and known else 0.0
    wanted = next((level for level in ("perfect", "good", "marginal") if at_least(level, speed)(limit)), None)
    notes: tuple[str, ...] = () if known else ("the speed depends on the bandwidth of the GPU, which is not known",)
    if not runs(limit):
        notes = limit.notes
    elif wanted is None:
        notes = (f"{limit.estimated_tps:g} tok/s at most with this machine's bandwidth",)
    least = shown = None
    if wanted is not None:
        least = trial.least(machine_with, at_least("marginal", speed), most)
        shown = trial.least(machine_with, at_least(wanted, speed), most)
    row = limit if shown is None else trial.on(machine_with(shown))
    return RunPath(
        path=name,
        feasible=least is not None,
        minimum=None if least is None else hardware(least),
        recommended=None if shown is None else hardware(shown),
        estimated_tps=row.estimated_tps if known and runs(row) else None,
        fit_level=word(row.fit_level),
        notes=notes,
        quantization=row.best_quant,
        run_mode=row.run_mode,
        bandwidth_gbps=None if needed is None else float(needed + 1),
    )


def more_memory(trial: Trial, machine: Machine, row: Row, resource: str) -> list[UpgradeDelta]:
    """The least to add of one memory for each fit level above today's. On unified memory that is RAM."""
    unified = is_unified(used_devices(machine))
    if resource == "vram_gb" and unified:
        return []
    vram = vram_of(machine)
    ram = machine.ram_available_bytes // STEP

    def with_more(n: int) -> Machine:
        if resource == "vram_gb":
            return with_vram(machine, vram + n, machine.ram_available_bytes)
        return with_vram(machine, vram + n, (ram + n) * STEP) if unified else with_ram(machine, ram + n)

    found = []
    for level in ("marginal", "good", "perfect"):
        enough = at_least(level)
        added = None if enough(row) else trial.least(with_more, enough, limit_of(row))
        if added is not None:
            pool = "RAM" if resource == "ram_gb" else "VRAM"
            text = f"+{gib(added):g} GiB {pool} -> {word(level)}"
            path = path_of(trial.on(with_more(added)).run_mode)
            found.append(
                UpgradeDelta(resource=resource, add_gb=gib(added), target_fit=word(level), path=path, description=text)
            )
    return found


def more_bandwidth(trial: Trial, machine: Machine, row: Row, target: float | None) -> list[UpgradeDelta]:
    """The least bandwidth that makes a model that runs here as fast as it is to be."""
    pool = "gpu" if row.run_mode in ON_GPU else "ram"
    today = row.estimate_basis.gpu_bandwidth_gbps if pool == "gpu" else row.estimate_basis.ddr_bandwidth_gbps
    if not target or not today or not runs(row) or row.estimated_tps >= target:
        return []
    enough = at_least("marginal", target)
    gbps = trial.least(lambda n: with_bandwidth(machine, n + 1), enough, MOST_GBPS)
    if gbps is None:
        return []
    text = f"{gbps + 1} GB/s instead of {today:g} -> {target:g} tok/s"
    resource = f"{pool}_bandwidth_gbps"
    return [
        UpgradeDelta(
            resource=resource, add_gbps=gbps + 1 - today, target_fit=None, path=path_of(row.run_mode), description=text
        )
    ]


def alternatives(trial: Trial, machine: Machine) -> list[KvAlternative]:
    """The model under each type of KV cache no larger than f16, the largest first, where all has room."""
    roomy = with_vram(machine, ROOMY, ROOMY * STEP)
    found: list[KvAlternative] = []
    context, sessions, _, runtime, quants = trial.settings
    runtime = codes.RUNTIMES.index(trial.on(roomy).runtime)
    sizes = dict(zip(codes.CACHE_TYPES, codes.CACHE_BYTES, strict=True))
    for name in sorted((name for name in sizes if sizes[name] <= sizes["f16"]), key=lambda name: -sizes[name]):
        both = codes.CACHE_TYPES.index(name)
        row = Trial(trial.catalog, trial.index, (context, sessions, (both, both), runtime, quants)).on(roomy)
        cache = row.memory_breakdown_gb.kv_cache
        saved = 1 - cache / found[0].kv_cache_gb if found and found[0].kv_cache_gb else 0.0
        supported = name in codes.CACHE_TYPES_OF[row.runtime]
        note = f"llama.cpp --cache-type-k {name} --cache-type-v {name}" if row.runtime == "llamacpp" else None
        found.append(
            KvAlternative(
                kv_quant=name,
                kv_cache_gb=cache,
                memory_required_gb=row.total_memory_gb,
                savings_fraction=round(saved, 3),
                supported=supported,
                note=note if supported else f"{row.runtime_label} has no such cache",
            )
        )
    return found
