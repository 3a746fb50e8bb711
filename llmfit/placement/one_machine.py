"""What fits on one machine, with the best scores: every order and way, for the exact search of search.py.

Memory is counted in thousandths of a GiB; a machine's is a tuple, one number for each device and RAM last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from llmfit._cases import Case
from llmfit._catalog import Host
from llmfit.query.work import Work

FreeMemory = tuple[int, ...]
# score, what it takes, row, quantization, runtime, mode, level, tokens/s, memory in all: see Case.ways
Way = tuple[int, FreeMemory, int, int, int, int, int, int, int]
Filled = tuple[int, tuple[tuple[int, Way], ...]]  # sum of scores, (case, way) one after the other
FILL_NODES = 3_000  # of a search within one machine
WAYS_COST, NODE_COST = 40, 10  # units of Work: of what is asked of the estimator, of a step of a search
MOST_WAYS = 4_000  # that are remembered, 400 bytes each: a peak of Python's small objects is never given back in whole


class TooManyNodes(Exception):
    """The search is not small."""


class Item(NamedTuple):
    """One replica of a demand."""

    case: int
    demand: int
    weight: float
    apart: bool  # not beside another replica of its demand


class Kind(NamedTuple):
    """Machines that differ in free memory alone."""

    host: Host
    unified: bool


class MachineState(NamedTuple):
    """One machine."""

    kind: int
    left: FreeMemory


class Plan(NamedTuple):
    """What is placed on each machine; in all, the sum of scores, machines in use; whether none is better."""

    placed: list[tuple[tuple[int, Way], ...]]  # by machine
    items: list[list[int]]  # by machine: items, in the order of `placed`
    weight: float
    score: int
    used: int
    exact: bool


class Fleet:
    """What the estimator says of cases on kinds of machines, the last of it remembered."""

    def __init__(self, cases: Sequence[Case], kinds: Sequence[Kind], step: int = 1, work: Work | None = None) -> None:
        self.cases, self.kinds, self.step = cases, kinds, step
        self.work = work or Work()
        self._ways: dict[tuple[int, int, FreeMemory], list[Way]] = {}
        self._held = 0  # ways in there
        self._fills: dict[tuple[int, FreeMemory, tuple[int, ...]], Filled | None] = {}
        self.sure = step == 1  # and no search within a machine was cut short

    def ways(self, case: int, kind: int, left: FreeMemory) -> list[Way]:
        """Ways that run, best score first."""
        key = (case, kind, left)
        found = self._ways.get(key)
        if found is None:
            if not self.work.spend(WAYS_COST):
                raise TooManyNodes
            found = self.cases[case].ways(self.kinds[kind].host, left)
            self._held += len(found) + 1
            if self._held > MOST_WAYS:
                self._ways.clear()
                self._held = len(found) + 1
            self._ways[key] = found
        return found

    def floor(self, left: FreeMemory) -> FreeMemory:
        return left if self.step == 1 else tuple(part - part % self.step for part in left)

    def minus(self, kind: int, left: FreeMemory, used: FreeMemory) -> FreeMemory:
        """What is left behind a model. A device that shares RAM takes from it, and has no more than there is."""
        return self.floor(behind(self.kinds[kind].unified, left, used))

    def least(self, case: int, kind: int, left: FreeMemory) -> Way | None:
        """The way that takes the smallest part of what there is."""
        ways = self.ways(case, kind, left)
        if len(ways) < 2:
            return ways[0] if ways else None
        vram, ram = sum(left[:-1]) or 1, left[-1] or 1
        return min(ways, key=lambda way: sum(way[1][:-1]) / vram + way[1][-1] / ram)

    def chain(self, kind: int, left: FreeMemory, cases: Sequence[int]) -> bool:
        """Whether all fit one after the other, each as small as can be."""
        for case in cases:
            way = self.least(case, kind, left)
            if way is None:
                return False
            left = self.minus(kind, left, way[1])
        return True

    def fill(self, machine: MachineState, cases: tuple[int, ...]) -> Filled | None:
        """These models on one machine with the best scores; None where they do not fit."""
        if not cases:
            return 0, ()
        key = (machine.kind, machine.left, cases)
        if key not in self._fills:
            self._fills[key] = self._search(*key)
        return self._fills[key]

    def _quick(self, kind: int, left: FreeMemory, cases: tuple[int, ...]) -> Filled | None:
        """One after the other the best way that leaves room for the rest; in both orders."""
        best: Filled | None = None
        for order in {cases, cases[::-1]}:
            now, score, placed = left, 0, []
            for at, case in enumerate(order):
                for way in self.ways(case, kind, now):
                    after = self.minus(kind, now, way[1])
                    if self.chain(kind, after, order[at + 1 :]):
                        break
                else:
                    break
                now, score = after, score + way[0]
                placed.append((case, way))
            if len(placed) == len(order) and (best is None or score > best[0]):
                best = score, tuple(placed)
        return best

    def _search(self, kind: int, left: FreeMemory, cases: tuple[int, ...]) -> Filled | None:
        """Every order and every way, as far as they can still be better."""
        best = self._quick(kind, left, cases)
        tops = {case: max((way[0] for way in self.ways(case, kind, left)), default=-1) for case in cases}
        if -1 in tops.values():
            return None
        search = Search(self, kind, tops, best)
        search.go(left, cases, 0, ())
        return search.best


class Search:
    """Every order and way of some cases on one machine. No closure: one that names itself is a cycle, which would hold
    the fleet until a full collection.
    """

    def __init__(self, fleet: Fleet, kind: int, tops: dict[int, int], best: Filled | None) -> None:
        self.fleet, self.kind, self.tops, self.best = fleet, kind, tops, best
        self.nodes = 0

    def go(self, left: FreeMemory, rest: tuple[int, ...], score: int, placed: tuple[tuple[int, Way], ...]) -> None:
        if not rest:
            self.best = score, placed
            return
        self.nodes += 1
        fleet, kind, tops = self.fleet, self.kind, self.tops
        if not fleet.work.spend(NODE_COST):
            raise TooManyNodes
        if self.nodes > FILL_NODES:
            fleet.sure = False
            return
        for case in dict.fromkeys(rest):
            at = rest.index(case)
            others = rest[:at] + rest[at + 1 :]
            for way in fleet.ways(case, kind, left):
                if self.best is not None and score + way[0] + sum(tops[other] for other in others) <= self.best[0]:
                    break  # the next are no better
                self.go(fleet.minus(kind, left, way[1]), others, score + way[0], (*placed, (case, way)))


def behind(unified: bool, left: FreeMemory, used: FreeMemory) -> FreeMemory:
    """What is left of a machine's memory behind a model."""
    rest = [have - take for have, take in zip(left, used, strict=True)]
    if unified:
        rest[-1] -= sum(used[:-1])
        rest = [min(part, rest[-1]) for part in rest]
    return tuple(max(part, 0) for part in rest)


def matched(placed: Sequence[tuple[int, Way]], items: Sequence[tuple[int, int]]) -> list[int]:
    """Which item (index, case) each placed model is."""
    waiting: dict[int, list[int]] = {}
    for index, case in reversed(items):
        waiting.setdefault(case, []).append(index)
    return [waiting[case].pop() for case, _ in placed]
