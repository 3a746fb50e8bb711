"""What fits on one machine, with the best scores: every order and way, for the exact search of packing.py.

Memory is counted in thousandths of a GiB; a machine's is a tuple, one number for each device and RAM last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from llmfit._cases import Case
from llmfit._catalog import Host

Left = tuple[int, ...]
# score, what it takes, row, quantization, runtime, mode, level, tokens/s, memory in all: see Case.ways
Way = tuple[int, Left, int, int, int, int, int, int, int]
Laid = tuple[int, tuple[tuple[int, Way], ...]]  # sum of scores, (case, way) one after the other
FILL_NODES = 3_000  # of a search within one machine
MOST_WAYS = 4_000  # that are remembered, 400 bytes each: a peak of Python's small objects is never given back in whole


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


class Site(NamedTuple):
    """One machine."""

    kind: int
    left: Left


class Plan(NamedTuple):
    """Per site its laid models; what is placed, the sum of scores, sites in use; whether it is known to be the best."""

    laid: list[tuple[tuple[int, Way], ...]]  # by site
    items: list[list[int]]  # by site: items, in the order of `laid`
    weight: float
    score: int
    used: int
    exact: bool


class Fleet:
    """What the estimator says of cases on kinds of machines, the last of it remembered."""

    def __init__(self, cases: Sequence[Case], kinds: Sequence[Kind], step: int = 1) -> None:
        self.cases, self.kinds, self.step = cases, kinds, step
        self._ways: dict[tuple[int, int, Left], list[Way]] = {}
        self._held = 0  # ways in there
        self._fills: dict[tuple[int, Left, tuple[int, ...]], Laid | None] = {}
        self.sure = step == 1  # and no search within a machine was cut short

    def ways(self, case: int, kind: int, left: Left) -> list[Way]:
        """Ways that run, best score first."""
        key = (case, kind, left)
        found = self._ways.get(key)
        if found is None:
            found = self.cases[case].ways(self.kinds[kind].host, left)
            self._held += len(found) + 1
            if self._held > MOST_WAYS:
                self._ways.clear()
                self._held = len(found) + 1
            self._ways[key] = found
        return found

    def floor(self, left: Left) -> Left:
        return left if self.step == 1 else tuple(part - part % self.step for part in left)

    def minus(self, kind: int, left: Left, used: Left) -> Left:
        """What is left behind a model. A device that shares RAM takes from it, and has no more than there is."""
        return self.floor(behind(self.kinds[kind].unified, left, used))

    def least(self, case: int, kind: int, left: Left) -> Way | None:
        """The way that takes the smallest part of what there is."""
        ways = self.ways(case, kind, left)
        if len(ways) < 2:
            return ways[0] if ways else None
        vram, ram = sum(left[:-1]) or 1, left[-1] or 1
        return min(ways, key=lambda way: sum(way[1][:-1]) / vram + way[1][-1] / ram)

    def chain(self, kind: int, left: Left, cases: Sequence[int]) -> bool:
        """Whether all fit one after the other, each as small as can be."""
        for case in cases:
            way = self.least(case, kind, left)
            if way is None:
                return False
            left = self.minus(kind, left, way[1])
        return True

    def fill(self, site: Site, cases: tuple[int, ...]) -> Laid | None:
        """These models on one machine with the best scores; None where they do not fit."""
        if not cases:
            return 0, ()
        key = (site.kind, site.left, cases)
        if key not in self._fills:
            self._fills[key] = self._search(*key)
        return self._fills[key]

    def _quick(self, kind: int, left: Left, cases: tuple[int, ...]) -> Laid | None:
        """One after the other the best way that leaves room for the rest; in both orders."""
        best: Laid | None = None
        for order in {cases, cases[::-1]}:
            now, score, laid = left, 0, []
            for at, case in enumerate(order):
                for way in self.ways(case, kind, now):
                    after = self.minus(kind, now, way[1])
                    if self.chain(kind, after, order[at + 1 :]):
                        break
                else:
                    break
                now, score = after, score + way[0]
                laid.append((case, way))
            if len(laid) == len(order) and (best is None or score > best[0]):
                best = score, tuple(laid)
        return best

    def _search(self, kind: int, left: Left, cases: tuple[int, ...]) -> Laid | None:
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

    def __init__(self, fleet: Fleet, kind: int, tops: dict[int, int], best: Laid | None) -> None:
        self.fleet, self.kind, self.tops, self.best = fleet, kind, tops, best
        self.nodes = 0

    def go(self, left: Left, rest: tuple[int, ...], score: int, laid: tuple[tuple[int, Way], ...]) -> None:
        if not rest:
            self.best = score, laid
            return
        self.nodes += 1
        fleet, kind, tops = self.fleet, self.kind, self.tops
        if self.nodes > FILL_NODES:
            fleet.sure = False
            return
        for case in dict.fromkeys(rest):
            at = rest.index(case)
            others = rest[:at] + rest[at + 1 :]
            for way in fleet.ways(case, kind, left):
                if self.best is not None and score + way[0] + sum(tops[other] for other in others) <= self.best[0]:
                    break  # the next are no better
                self.go(fleet.minus(kind, left, way[1]), others, score + way[0], (*laid, (case, way)))


def behind(unified: bool, left: Left, used: Left) -> Left:
    """What is left of a machine's memory behind a model."""
    rest = [have - take for have, take in zip(left, used, strict=True)]
    if unified:
        rest[-1] -= sum(used[:-1])
        rest = [min(part, rest[-1]) for part in rest]
    return tuple(max(part, 0) for part in rest)


def matched(laid: Sequence[tuple[int, Way]], items: Sequence[tuple[int, int]]) -> list[int]:
    """Which item (index, case) each laid model is."""
    waiting: dict[int, list[int]] = {}
    for index, case in reversed(items):
        waiting.setdefault(case, []).append(index)
    return [waiting[case].pop() for case, _ in laid]
