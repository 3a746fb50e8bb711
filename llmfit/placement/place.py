"""Placement: who goes where, what is left, and what would make room for the rest."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from math import floor
from typing import Any

from llmfit import codes
from llmfit._cases import Case
from llmfit.errors import BadParam
from llmfit.placement.demands import Demand, Place, case_of, demands_of, places_of
from llmfit.placement.one_machine import WAYS_COST, FreeMemory, Item, Kind, MachineState, Plan, Way, behind
from llmfit.placement.search import Goal, pack
from llmfit.query.engine import Engine
from llmfit.query.trial import Trial, gib
from llmfit.query.work import Work
from llmfit.wire.placement import Assignment, GpusLeft, MachineLeft, Placement, Remedy, Unplaced
from llmfit.wire.rows import Row

POLICIES = ("pack", "spread")
MOST_SITES, MOST_ADVICE = 8, 50  # machines tried for a change, the freest first; demands that changes are sought for
MOST_STEPS = 1 << 13  # quarters of a GiB: 2 TiB
MILLI_STEP = 250  # thousandths of a GiB, the same step
FEW, LEAST, MOST_ROWS = 32, 6, 2000  # rows of a demand with filters; of all of them
LOOKS = 6  # machines that each of them is looked at
PARTS = (1.0, 0.6, 0.3, 0.1)  # of a machine's memory
MOST_WORK = 2_000_000  # units of Work: of rows for demands with filters, of changes; two seconds each
TOKENS = 256  # contexts are tried in steps of so many


def place(
    engine: Engine, demands: Sequence[Mapping[str, Any]], machines: Sequence[Any], policy: str = "pack",
    work: Work | None = None,
) -> Placement:  # fmt: skip
    """The placement of demands on machines. LlmfitError for what is wrong in them; Cancelled where `work` is.

    What is sought beyond a good plan (the best one, fewer rows, changes that make room) has a limit of counted work.
    """
    work = work or Work()
    if not isinstance(policy, str) or policy not in POLICIES:
        raise BadParam(f"invalid policy value: use {'|'.join(POLICIES)}")
    asked = demands_of(engine, demands)
    work.spend(0)
    places, kinds = places_of(engine, machines)
    asked = shortened(engine, asked, kinds, places, work)
    numbers: dict[object, int] = {}
    cases: list[Case] = []
    items: list[Item] = []
    for at, demand in enumerate(asked):
        if demand.key not in numbers:
            numbers[demand.key] = len(cases)
            cases.append(case_of(engine, demand))
        items += [Item(numbers[demand.key], at, demand.priority, demand.apart)] * demand.replicas
    goal = Goal(policy == "pack", round(engine.catalog.policy["machine_cost"] * 10))
    plan = pack(cases, kinds, [one.state for one in places], items, goal, work)
    lefts = [
        left_behind(kinds[one.state.kind], one.state.left, placed)
        for one, placed in zip(places, plan.placed, strict=True)
    ]
    return Placement(
        policy=policy,
        method="exact" if plan.exact and all(len(demand.rows) == 1 for demand in asked) else "heuristic",
        replicas=len(items),
        placed=sum(map(len, plan.items)),
        weight=plan.weight,
        score=plan.score / 10,
        machines_used=plan.used,
        assignments=tuple(assignments(engine, asked, places, items, plan)),
        machines=tuple(
            shown(one, left, len(placed)) for one, left, placed in zip(places, lefts, plan.placed, strict=True)
        ),
        unplaced=Advice(engine, asked, cases, places, kinds, lefts, items, plan, work).unplaced(),
        catalog=engine.catalog.name,
        warnings=tuple(
            f"{one.name}: {text}"
            for one in places
            if one.machine is not engine.machine
            for text in one.machine.warnings
        )[:20],
    )


def shortened(
    engine: Engine, asked: list[Demand], kinds: list[Kind], places: list[Place], work: Work | None = None
) -> list[Demand]:
    """Demands with filters, each with few rows: the best of their size on some machines, or on parts of them.

    First the rows of a filter for some of the demands that have it, then those of each demand among them.
    """
    long = [demand for demand in asked if len(demand.rows) > FEW]
    filters: dict[int, list[Demand]] = {}
    for demand in {demand.key: demand for demand in long}.values():
        filters.setdefault(id(demand.rows), []).append(demand)
    few = min(max(MOST_ROWS // max(sum(map(len, filters.values())), 1), LEAST), FEW)
    short: dict[object, list[int]] = {}
    work = work or Work()
    second = work.part(MOST_WORK)
    for demands in filters.values():
        demands.sort(key=lambda demand: (engine.settings_of(demand.query)[0] * demand.query.concurrency))
        some = [demands[0], demands[len(demands) // 2], demands[-1]][-len(demands) :]
        machines = spaced(list(dict.fromkeys(one.state for one in places)), max(40 // len(filters), 1))
        rows = list({row for demand in some for row in best_of(engine, demand, kinds, machines, PARTS, work)})
        for demand in demands:
            mine = rows
            if len(rows) > few and second.spend(0):
                looked_at = spaced(machines, LOOKS)
                mine = best_of(engine, demand._replace(rows=rows), kinds, looked_at, PARTS[::2], second)
            short[demand.key] = spaced(mine, few) or demand.rows[:few]
    return [demand._replace(rows=short.get(demand.key, demand.rows)) for demand in asked]


def best_of(
    engine: Engine, demand: Demand, kinds: list[Kind], machines: list[MachineState], parts: Sequence[float], work: Work
) -> list[int]:
    """Rows that are the best of their size on one of the machines, the smallest first."""
    case = case_of(engine, demand)
    rows: dict[int, int] = {}
    for machine in machines:
        for part in parts:
            work.spend(len(demand.rows))
            left = tuple(int(free * part) for free in machine.left)
            for way in case.ways(kinds[machine.kind].host, left):
                rows[way[2]] = min(way[8], rows.get(way[2], way[8]))
    return sorted(rows, key=lambda row: (rows[row], row))


def spaced(some: list[Any], most: int) -> list[Any]:
    """At most so many, evenly chosen, the first and the last among them."""
    if len(some) <= most:
        return some
    return [some[at * (len(some) - 1) // max(most - 1, 1)] for at in range(most)]


def left_behind(kind: Kind, left: FreeMemory, placed: Sequence[tuple[int, Way]]) -> FreeMemory:
    for _, way in placed:
        left = behind(kind.unified, left, way[1])
    return left


def assignments(
    engine: Engine, asked: list[Demand], places: list[Place], items: list[Item], plan: Plan
) -> list[Assignment]:
    names = engine.catalog.core.name_of
    found = []
    for one, placed, indices in zip(places, plan.placed, plan.items, strict=True):
        for (_, way), index in zip(placed, indices, strict=True):
            score, used, row, quant, runtime, mode, level, tps, total = way
            held = dict(zip(one.order, used[:-1], strict=True))
            found.append(
                Assignment(
                    demand=items[index].demand,
                    name=asked[items[index].demand].name,
                    machine=one.name,
                    model=names(row),
                    quantization=engine.catalog.quants[quant].name,
                    runtime=codes.RUNTIMES[runtime],
                    run_mode=codes.RUN_MODES[mode],
                    fit_level=codes.FIT_LEVELS[level],
                    score=score / 10,
                    estimated_tps=tps / 100,
                    memory_gb=total / 1000,
                    per_device_gb=tuple(held.get(at, 0) / 1000 for at in range(len(one.machine.devices))),
                    ram_gb=used[-1] / 1000,
                )
            )
    return found


def shown(one: Place, left: FreeMemory, models: int) -> MachineLeft:
    kinds: dict[str, list[float]] = {}
    for at, free in sorted(zip(one.order, left[:-1], strict=True)):
        kinds.setdefault(one.machine.devices[at].name, []).append(free / 1000)
    gpus = tuple(GpusLeft(name=name, free_vram_gb=tuple(parts)) for name, parts in kinds.items())
    return MachineLeft(name=one.name, models=models, gpus=gpus, free_ram_gb=left[-1] / 1000)


class Advice:
    """Why what has no place has none, and the least change that makes room for one more: found by trying."""

    def __init__(
        self, engine: Engine, asked: list[Demand], cases: list[Case], places: list[Place], kinds: list[Kind],
        lefts: list[FreeMemory], items: list[Item], plan: Plan, work: Work,
    ) -> None:  # fmt: skip
        self.engine, self.asked, self.cases, self.places, self.kinds = engine, asked, cases, places, kinds
        self.lefts, self.work = lefts, work.part(MOST_WORK)
        self.cases_of = {item.demand: item.case for item in items}
        self.hosts: dict[int, set[int]] = {}  # by demand, which machines have it
        self.placed: dict[int, int] = {}
        for at, indices in enumerate(plan.items):
            for index in indices:
                demand = items[index].demand
                self.hosts.setdefault(demand, set()).add(at)
                self.placed[demand] = self.placed.get(demand, 0) + 1
        self.freest = sorted(range(len(places)), key=lambda at: -sum(lefts[at]))
        self._kept: dict[object, tuple[str, tuple[Remedy, ...]]] = {}

    def unplaced(self) -> tuple[Unplaced, ...]:
        found = []
        for at, demand in enumerate(self.asked):
            missing = demand.replicas - self.placed.get(at, 0)
            if missing:
                why, changes = self._about(at, demand)
                found.append(Unplaced(demand=at, name=demand.name, replicas=missing, why=why, changes=changes))
        return tuple(found)

    def _about(self, at: int, demand: Demand) -> tuple[str, tuple[Remedy, ...] | None]:
        own = demand.apart and bool(self.hosts.get(at))
        key = (demand.key, at if own else None)
        if key not in self._kept:
            if len(self._kept) >= MOST_ADVICE or not self.work.spend(0):
                return "no machine has room for it", None
            where = self._where(at, demand)
            self._kept[key] = self._why(at, demand, where), tuple(self._changes(demand, where))
        why, changes = self._kept[key]
        placed = self.placed.get(at, 0)
        return why, (*((Remedy(parameter="replicas", value=placed),) if placed else ()), *changes)

    def _where(self, at: int, demand: Demand) -> list[int]:
        """Machines that one more may go to, each state once, the freest first."""
        barred = self.hosts.get(at, set()) if demand.apart else set()
        states: dict[object, int] = {}
        for one in self.freest:
            if one not in barred:
                states.setdefault((self.places[one].state.kind, self.lefts[one]), one)
        return list(states.values())[:MOST_SITES]

    def _ways(self, case: Case, at: int, more: FreeMemory | None = None) -> list[Way]:
        left = self.lefts[at]
        if more is not None:
            left = tuple(have + add for have, add in zip(left, more, strict=True))
        self.work.spend(WAYS_COST)
        return case.ways(self.kinds[self.places[at].state.kind].host, left)

    def _why(self, at: int, demand: Demand, where: list[int]) -> str:
        case = self.cases[self.cases_of[at]]
        if demand.apart and self.hosts.get(at) and any(self._ways(case, one) for one in self.hosts[at]):
            return "every machine with room has a replica already (spread)"
        machines = {(one.state.kind, one.state.left) for one in self.places}
        self.work.spend(WAYS_COST * len(machines) // 4)
        if any(case.ways(self.kinds[kind].host, left) for kind, left in machines):
            return "the machines that could run it are taken by other models"
        if len(demand.rows) > 1 or not where:
            return "no machine can run it as asked, even with nothing else on it"
        machine = self.places[where[0]].machine
        row = Trial(self.engine.catalog, demand.rows[0], self.engine.settings_of(demand.query)).on(machine)
        notes = "; ".join(falls_short(row, demand.query) or row.notes[:2])
        return f"no machine can run it as asked, even with nothing else on it; on {self.places[where[0]].name}: {notes}"

    def _changes(self, demand: Demand, where: list[int]) -> list[Remedy]:
        case, query = case_of(self.engine, demand), demand.query
        found = [change for pool in ("free_vram_gb", "free_ram_gb") if (change := self._memory(case, where, pool))]

        def best(**other: Any) -> list[Way]:
            changed = case_of(self.engine, demand, **other)
            return [way for at in where for way in self._ways(changed, at)]

        if query.quant is not None and (ways := best(quant=None)):
            name = self.engine.catalog.quants[max(ways)[3]].name
            found.append(Remedy(parameter="quant", value=name))
        context = self.engine.settings_of(query)[0] or int(self.engine.catalog.policy["default_context"])
        most = most_of(lambda n: bool(best(max_context=n * TOKENS)), (context - 1) // TOKENS)
        if most:
            found.append(Remedy(parameter="context", value=most * TOKENS))
        if query.concurrency > 1 and (sessions := most_of(lambda n: bool(best(concurrency=n)), query.concurrency - 1)):
            found.append(Remedy(parameter="concurrency", value=sessions))
        if query.min_tps and (ways := best(min_tps=None)):
            found.append(Remedy(parameter="min_tps", value=floor(max(way[7] for way in ways)) / 100))
        for level in reversed(codes.FIT_LEVELS[1 : codes.FIT_LEVELS.index(query.min_fit)]):
            if best(min_fit=level):
                found.append(Remedy(parameter="min_fit", value=level))
                break
        return found

    def _memory(self, case: Case, where: list[int], pool: str) -> Remedy | None:
        """The least to add to the freest GPU, or to the RAM, of one machine. On unified memory both are one."""
        least: tuple[int, int] | None = None
        for at in where:
            left, unified = self.lefts[at], self.kinds[self.places[at].state.kind].unified
            if pool == "free_vram_gb" and (len(left) == 1 or unified):
                continue
            on = left.index(max(left[:-1])) if pool == "free_vram_gb" else len(left) - 1

            def enough(steps: int, at: int = at, on: int = on, unified: bool = unified) -> bool:
                add = steps * MILLI_STEP
                return bool(
                    self._ways(case, at, tuple(add if n == on or unified else 0 for n in range(len(self.lefts[at]))))
                )

            limit = MOST_STEPS if least is None else least[0]
            steps = bisect_left(range(limit), True, key=enough)
            if steps < limit and (steps or not least):
                least = steps, at
        if least is None:
            return None
        return Remedy(parameter=pool, value=gib(least[0]), machine=self.places[least[1]].name)


def falls_short(row: Row, query: Any) -> list[str]:
    """What a row that runs does not reach of what is asked."""
    found = []
    if row.fit_level != "too_tight":
        if query.min_tps and row.estimated_tps < query.min_tps:
            found.append(f"{row.estimated_tps:g} tokens/s ({row.best_quant}), {query.min_tps:g} are asked for")
        if query.max_mem_gb is not None and row.total_memory_gb > query.max_mem_gb:
            found.append(f"takes {row.total_memory_gb:g} GiB, at most {query.max_mem_gb:g} are asked for")
        if codes.FIT_LEVELS.index(row.fit_level) < codes.FIT_LEVELS.index(query.min_fit):
            found.append(f"fits {row.fit_level} ({row.best_quant}), {query.min_fit} is asked for")
    return found


def most_of(enough: Callable[[int], bool], most: int) -> int:
    """The most up to `most` that is enough, where less is enough too; 0 where nothing is."""
    return bisect_left(range(1, most + 1), True, key=lambda n: not enough(n))
