"""How the rows of an answer came about, and what would change their fit level.

Every figure comes from the compiled rules (``_explain.Case``). What would change a verdict is found by asking them
again about a changed machine, context or quantization, with the what-if parameters that anybody can give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from llmfit import codes
from llmfit._explain import Case
from llmfit._version import __version__
from llmfit.errors import LlmfitError
from llmfit.hardware.host import host_of, used_devices
from llmfit.hardware.what_ifs import WhatIf, apply_whatif
from llmfit.machine import GIB
from llmfit.query import params
from llmfit.wire.explanation import (
    Asked,
    Component,
    Derivation,
    Explanation,
    Flip,
    Limit,
    MemoryParts,
    QualityParts,
    ScoreParts,
    SpeedPart,
    SpeedParts,
    Term,
    Way,
)  # fmt: skip

if TYPE_CHECKING:
    from llmfit.catalog.catalog import Catalog
    from llmfit.query.engine import Page

MOST_ROWS = 20  # explained in one answer
MOST_GIB, MOST_GBPS, CONTEXT_STEP, LEAST_CONTEXT = 16384.0, 16384, 256, 256
Level = Callable[[int], int | None]  # of a value in steps; None where the request would be refused


def explain(catalog: Catalog, page: Page, query: Any) -> Explanation:
    """The derivation of the first rows of a page."""
    rows = tuple(derivation(catalog, page, query, row) for row in page.indices[:MOST_ROWS])
    return Explanation(asked(catalog, page, query), rows)


def asked(catalog: Catalog, page: Page, query: Any) -> Asked:
    return Asked(
        __version__, catalog.name.version, catalog.name.digest, page.generation, query.endpoint, query.name,
        {param.name: getattr(query, param.name) for param in params.at(query.endpoint)}, query.levels_given,
        page.server_max_context, page.base,
    )  # fmt: skip


def derivation(catalog: Catalog, page: Page, query: Any, row: int) -> Derivation:
    case = Case(catalog.core, row, page.ranking.use_case, *page.settings)
    host = host_of(page.machine, catalog)
    score, memory = case.score(host), case.memory(host)
    name, base = catalog.core.name_of(row), msgspec.json.decode(page.ranking.encode([row]))[0]["base_model"]
    token_ms, parts = case.speed(host)
    level = codes.FIT_LEVELS[score["level"]]
    return Derivation(
        name=name,
        fit_level=level,
        limits=tuple(
            Limit(rule, codes.FIT_LEVELS[needed], round(value, 4), limit, bool(holds))
            for rule, needed, value, limit, holds in case.limits(host)
        ),
        would_change=tuple(flips(catalog, page, query, case, score["level"], int(memory["context"]))),
        score=score_parts(score),
        quality=quality_parts(base or name, case.quality(*catalog.quality_tables)),
        memory=memory_parts(memory),
        speed=SpeedParts(round(token_ms, 4), tuple(SpeedPart(part, round(ms, 4)) for part, ms in parts)),  # type: ignore[arg-type]
        considered=tuple(ways(catalog, case.candidates(host))),
    )


def quality_parts(judged_by: str, of: dict[str, Any]) -> QualityParts:
    whole = {key: value if value is None else round(value, 4) + 0.0 for key, value in of.items() if key != "terms"}
    whole |= {
        "judged_by": judged_by,
        "params_b": of["params"] / 1e9,
        "terms": tuple(Term(term, coefficient, round(adds, 4)) for term, coefficient, adds in of["terms"]),
        "newer_than_lift": round(of["ability"] - of["of_theta"], 2) + 0.0,
        "quality": round(of["ability"], 2),
    }
    return msgspec.convert(whole, QualityParts)


def memory_parts(of: dict[str, Any]) -> MemoryParts:
    sums = ("weights", "kv_cache", "compute_buffer", "overhead", "total", "required", "available")
    whole = {**of, **{f"{key}_gb": of[key] / 1000 for key in sums}}
    whole |= {key: int(of[key]) for key in ("context", "sessions", "micro_batch", "window")}
    whole |= {"params_b": of["params"] / 1e9, "bits_per_weight": round(of["bits_per_weight"], 3)}
    return msgspec.convert(whole, MemoryParts)


def score_parts(score: dict[str, Any]) -> ScoreParts:
    components = tuple(
        Component(name, points, weight, round(points * weight, 2), {k: round(v, 4) for k, v in inputs.items()})
        for name, points, weight, inputs in score["components"]
    )
    return ScoreParts(
        codes.USE_CASES[score["use_case"]], components, round(sum(c.points * c.weight for c in components), 2),
        round(score["off_slow_or_strained"], 2), score["off_files"], score["factor"], score["score"],
    )  # fmt: skip


def ways(catalog: Catalog, candidates: list[tuple[Any, ...]]) -> Iterator[Way]:
    names = catalog.quant_names
    for runtime, mode, quant, devices, fits, level, tps, memory, used, loss, score, outcome in candidates:
        yield Way(
            codes.RUNTIMES[runtime], codes.RUN_MODES[mode], names[quant], devices, codes.FIT_LEVELS[level],
            round(tps, 2) if fits else None, memory / 1000 if memory else None,
            round(100 * used, 1) if memory else None,
            round(loss, 2) if fits else None, score, outcome,
        )  # fmt: skip


def flips(catalog: Catalog, page: Page, query: Any, case: Case, level: int, context: int) -> Iterator[Flip]:
    """The nearest value of each parameter, upwards and downwards, that gives the row another fit level."""
    given = {name: getattr(query, name) for name in params.WHATIF_NAMES}

    def with_whatif(name: str, scale: float) -> Level:
        def at(steps: int) -> int | None:
            try:
                machine = apply_whatif(page.base, WhatIf(**{**given, name: steps * scale}), catalog.tables)
                return case.level(host_of(machine, catalog))
            except LlmfitError:
                return None

        return at

    host = host_of(page.machine, catalog)
    for name, now, scale, most in levers(page):
        for value, other in both_ways(with_whatif(name, scale), level, round(now / scale), 1, round(most / scale)):
            yield Flip(name, round(value * scale, 1), codes.FIT_LEVELS[other])
    window = max(context, case.window or context)
    steps = (-(-context // CONTEXT_STEP), LEAST_CONTEXT // CONTEXT_STEP, window // CONTEXT_STEP)
    for value, other in both_ways(lambda n: case.level(host, context=n * CONTEXT_STEP), level, *steps):
        yield Flip("max_context", value * CONTEXT_STEP, codes.FIT_LEVELS[other])
    yield from quant_flips(catalog, case, host, level)


def levers(page: Page) -> Iterator[tuple[str, float, float, float]]:
    """(what-if parameter, its value now, its step, the most that is tried) of the machine's memory and bandwidth."""
    devices, machine = used_devices(page.machine), page.machine
    unified = any(device.unified for device in devices)
    if devices and not unified:
        yield "vram_gb", sum(device.free_bytes for device in devices) / GIB, 0.1, MOST_GIB
    yield "ram_gb", (machine.ram_total_bytes if unified else machine.ram_available_bytes) / GIB, 0.1, MOST_GIB
    if devices and devices[0].bandwidth_gbps and len({device.bandwidth_gbps for device in devices}) == 1:
        yield "gpu_bandwidth_gbps", devices[0].bandwidth_gbps, 1, MOST_GBPS
    if machine.ram_bandwidth_gbps:
        yield "ram_bandwidth_gbps", machine.ram_bandwidth_gbps, 1, MOST_GBPS


def both_ways(at: Level, level: int, now: int, least: int, most: int) -> Iterator[tuple[int, int]]:
    """The nearest values above and below `now` at which the level is another one, each with that level."""
    for end in (most, least):
        near, far = now, end
        found = at(far) if (far > near) == (end == most) and far != near else None
        if found is None or found == level:
            continue
        while abs(far - near) > 1:
            middle = (near + far) // 2
            other = at(middle)
            if other is None or other == level:
                near = middle
            else:
                far, found = middle, other
        yield far, found


def quant_flips(catalog: Catalog, case: Case, host: Any, level: int) -> Iterator[Flip]:
    """Of the quantizations that the model can have, the nearest in size that has a higher level, and a lower one."""
    chosen = case.memory(host)["total"]
    levels = {}
    for _, _, quant, _, _, _, _, total, *_ in case.candidates(host):
        name = catalog.quant_names[quant]
        if total and name not in levels:
            levels[name] = abs(total - chosen), case.level(host, quants=catalog.quants_called(name))
    for higher in (True, False):
        found = [
            (far, name, other) for name, (far, other) in levels.items()
            if other != level and (other > level) == higher
        ]  # fmt: skip
        if found:
            _, name, other = min(found)
            yield Flip("quant", name, codes.FIT_LEVELS[other])
