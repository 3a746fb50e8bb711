"""Which model goes to which machine: exact search where there is little to decide, else greedy with improvement.

Wanted is the greatest weight placed, then the greatest worth (placement/goal.pxd): the sum of scores, less machine_cost
points of policy.csv for every machine in use (policy pack); or that sum, and of equal ones the models evenly over the
machines (spread). What a model takes of a machine is asked of the estimator at what the models before it have left:
one_machine.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from llmfit._cases import Case
from llmfit._packing import Packer, plan_worth
from llmfit.placement.one_machine import (
    NODE_COST,
    Filled,
    Fleet,
    Item,
    Kind,
    MachineState,
    Plan,
    TooManyNodes,
    matched,
)
from llmfit.query.work import Work

EXACT_ITEMS, EXACT_NODES = 8, 6_000
EXACT_WORK, MACHINE_COST = 1_000_000, 6  # units of Work: of all of it, about a second; of a machine at a step
FINE = 4_000  # items x machines up to which memory is not counted in coarse steps
COARSE = 250  # thousandths of a GiB
MOST_ESTIMATES = 4_000_000  # of the greedy plans and their moves: half a second


class Goal(NamedTuple):
    """What is wanted beside the weight: few machines in use, each at `cost` tenths of score, or models on many."""

    few: bool
    cost: int

    def worth(self, score: int, models: int) -> int:
        return plan_worth(self.few, self.cost, score, models)

    def of(self, plan: Plan) -> tuple[float, int]:
        return plan.weight, sum(self.worth(sum(way[0] for _, way in placed), len(placed)) for placed in plan.placed)


def pack(
    cases: Sequence[Case], kinds: Sequence[Kind], machines: Sequence[MachineState], items: Sequence[Item], goal: Goal,
    work: Work | None = None,
) -> Plan:  # fmt: skip
    """The plan: the best there is where few things are to be placed and the search ends, else a good one."""
    work = work or Work()
    if len(items) <= EXACT_ITEMS:
        fleet = Fleet(cases, kinds, 1 if len(items) * len(machines) <= FINE else COARSE, work.part(EXACT_WORK))
        try:
            rounded = [MachineState(machine.kind, fleet.floor(machine.left)) for machine in machines]
            plan = Exact(fleet, rounded, items, goal).plan()
        except TooManyNodes:
            del fleet
        else:
            if plan.exact:
                return plan
            work.spend(0)
            return max(plan, greedy(cases, kinds, machines, items, goal), key=goal.of)
    work.spend(0)
    return greedy(cases, kinds, machines, items, goal)


class Exact:
    """Depth-first over items: each to any machine, or nowhere. Equal machines are tried once."""

    def __init__(self, fleet: Fleet, machines: Sequence[MachineState], items: Sequence[Item], goal: Goal) -> None:
        self.fleet, self.machines, self.goal = fleet, machines, goal
        solo = {
            item.case: max(
                (ways[0][0] for one in set(machines) if (ways := fleet.ways(item.case, one.kind, one.left))), default=-1
            )
            for item in items
        }
        self.items = sorted(enumerate(items), key=lambda pair: (-pair[1].weight, pair[1].demand))
        self.able = [(index, item) for index, item in self.items if solo[item.case] >= 0]
        self.weights, self.scores = [0.0], [0]  # of the last items, at most
        for _, item in reversed(self.able):
            self.weights.append(self.weights[-1] + item.weight)
            self.scores.append(self.scores[-1] + solo[item.case])
        self.best: tuple[float, int] = (-1.0, 0)
        self.found: list[tuple[int, ...]] = []
        self.nodes = 0

    def plan(self) -> Plan:
        self._go(0, [()] * len(self.machines), 0.0, 0, set())
        ways, placed, score = [], [], 0
        by_index = dict(self.able)
        for machine, indices in zip(self.machines, self.found, strict=True):
            filled = self._fill(machine, indices)
            assert filled is not None
            score += filled[0]
            ways.append(filled[1])
            placed.append(matched(filled[1], [(index, by_index[index].case) for index in indices]))
        return Plan(ways, placed, self.best[0], score, sum(map(bool, ways)), self.fleet.sure)

    def _fill(self, machine: MachineState, indices: Sequence[int]) -> Filled | None:
        cases = self._cases
        return self.fleet.fill(machine, tuple(sorted(cases[index] for index in indices)))

    @property
    def _cases(self) -> dict[int, int]:
        return {index: item.case for index, item in self.able}

    def _most(self, content: Sequence[tuple[int, ...]], rest: int) -> int:
        """What the last items can at most bring, all of them placed."""
        most = self.goal.worth(self.scores[rest], 0)
        if rest and self.goal.few and not any(content):
            return most + self.goal.worth(0, 1)
        if self.goal.few or content.count(()) >= rest:
            return most
        counts = list(map(len, content))
        for _ in range(rest):
            n = min(counts)
            counts[counts.index(n)] += 1
            most += self.goal.worth(0, n + 1) - self.goal.worth(0, n)
        return most

    def _go(self, at: int, content: list[tuple[int, ...]], weight: float, worth: int, seen: set[object]) -> None:
        rest = len(self.able) - at
        if (weight + self.weights[rest], worth + self._most(content, rest)) <= self.best:
            return
        if rest == 0:
            self.best, self.found = (weight, worth), list(content)
            return
        who = dict(self.able)
        state = (
            at,
            tuple(
                sorted(
                    (s, tuple((who[i].case, who[i].demand) for i in c))
                    for s, c in zip(self.machines, content, strict=True)
                )
            ),
        )
        if state in seen:
            return
        seen.add(state)
        self.nodes += 1
        if self.nodes > EXACT_NODES or not self.fleet.work.spend(NODE_COST + MACHINE_COST * len(self.machines)):
            raise TooManyNodes
        index, item = self.able[at]
        tried = []
        for place, machine in enumerate(self.machines):
            if item.apart and any(who[other].demand == item.demand for other in content[place]):
                continue
            here = (*content[place], index)
            before, after = self._fill(machine, content[place]), self._fill(machine, here)
            if before is not None and after is not None:
                gain = self.goal.worth(after[0], len(here)) - self.goal.worth(before[0], len(here) - 1)
                tried.append((gain, -place))
        for gain, place in sorted(tried, reverse=True):
            old = content[-place]
            content[-place] = (*old, index)
            self._go(at + 1, content, weight + item.weight, worth + gain, seen)
            content[-place] = old
        self._go(at + 1, content, weight, worth, seen)


def greedy(
    cases: Sequence[Case], kinds: Sequence[Kind], machines: Sequence[MachineState], items: Sequence[Item], goal: Goal
) -> Plan:
    """A good plan: see _packing.pyx."""
    packer = Packer(
        list(cases),
        [kind.host for kind in kinds],
        [(machine.kind, machine.left) for machine in machines],
        [(item.case, item.demand, item.weight, item.apart) for item in items],
        goal.few,
        goal.cost,
        MOST_ESTIMATES,
    )
    packer.solve()
    found = packer.placed()
    placed = [tuple((items[index].case, way) for index, way in here) for here in found]
    indices = [[index for index, _ in here] for here in found]
    weight = sum(items[index].weight for here in indices for index in here)
    score = sum(way[0] for here in found for _, way in here)
    return Plan(placed, indices, weight, score, sum(map(bool, indices)), False)
