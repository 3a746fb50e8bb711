"""Which model goes to which machine: exact search where there is little to decide, else greedy with improvement.

Wanted, in this order: the greatest weight placed, the greatest sum of scores, and as few machines in use as can be
(policy pack) or as many (spread). What a model takes of a machine is asked of the estimator at what the models before
it have left: filling.py.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Sequence

from llmfit._cases import Case
from llmfit.filling import Fleet, Item, Kind, Laid, Left, Plan, Site, Way, matched

EXACT_ITEMS, EXACT_NODES = 8, 6_000
FINE = 4_000  # items x machines up to which memory is not counted in coarse steps
COARSE = 250  # thousandths of a GiB
MOST_MOVES = 1_500


class TooManyNodes(Exception):
    """The search is not small."""


def pack(
    cases: Sequence[Case], kinds: Sequence[Kind], sites: Sequence[Site], items: Sequence[Item], policy: str
) -> Plan:
    """The plan: the best there is where few things are to be placed, else a good one."""
    fleet = Fleet(cases, kinds, 1 if len(items) * len(sites) <= FINE else COARSE)
    sites = [Site(site.kind, fleet.floor(site.left)) for site in sites]
    if len(items) <= EXACT_ITEMS:
        try:
            return Exact(fleet, sites, items, policy).plan()
        except TooManyNodes:
            pass
    return Greedy(fleet, sites, items, policy).plan()


class Exact:
    """Depth-first over items: each to any machine, or nowhere. Equal machines are tried once."""

    def __init__(self, fleet: Fleet, sites: Sequence[Site], items: Sequence[Item], policy: str) -> None:
        self.fleet, self.sites, self.policy = fleet, sites, policy
        solo = {
            item.case: max(
                (ways[0][0] for site in set(sites) if (ways := fleet.ways(item.case, site.kind, site.left))), default=-1
            )
            for item in items
        }
        self.items = sorted(enumerate(items), key=lambda pair: (-pair[1].weight, pair[1].demand))
        self.able = [(index, item) for index, item in self.items if solo[item.case] >= 0]
        self.weights, self.scores = [0.0], [0]  # of the last items, at most
        for _, item in reversed(self.able):
            self.weights.append(self.weights[-1] + item.weight)
            self.scores.append(self.scores[-1] + solo[item.case])
        self.best: tuple[float, int, int] = (-1.0, -1, 0)
        self.found: list[tuple[int, ...]] = []
        self.nodes = 0

    def plan(self) -> Plan:
        self._go(0, [()] * len(self.sites), 0.0, 0, set())
        laid, placed = [], []
        by_index = dict(self.able)
        for site, indices in zip(self.sites, self.found, strict=True):
            filled = self._fill(site, indices)
            assert filled is not None
            laid.append(filled[1])
            placed.append(matched(filled[1], [(index, by_index[index].case) for index in indices]))
        weight, score, _ = self.best
        return Plan(laid, placed, weight, score, sum(map(bool, laid)), self.fleet.sure)

    def _fill(self, site: Site, indices: Sequence[int]) -> Laid | None:
        cases = self._cases
        return self.fleet.fill(site, tuple(sorted(cases[index] for index in indices)), thorough=True)

    @property
    def _cases(self) -> dict[int, int]:
        return {index: item.case for index, item in self.able}

    def _go(self, at: int, content: list[tuple[int, ...]], weight: float, score: int, seen: set[object]) -> None:
        rest = len(self.able) - at
        used = sum(map(bool, content))
        balance = -used if self.policy == "pack" else used
        most = balance if self.policy == "pack" else min(used + rest, len(self.sites))
        if (weight + self.weights[rest], score + self.scores[rest], most) <= self.best:
            return
        if rest == 0:
            self.best, self.found = (weight, score, balance), list(content)
            return
        who = dict(self.able)
        state = (
            at,
            tuple(
                sorted(
                    (s, tuple((who[i].case, who[i].demand) for i in c))
                    for s, c in zip(self.sites, content, strict=True)
                )
            ),
        )
        if state in seen:
            return
        seen.add(state)
        self.nodes += 1
        if self.nodes > EXACT_NODES:
            raise TooManyNodes
        index, item = self.able[at]
        tried = []
        for place, site in enumerate(self.sites):
            if item.apart and any(who[other].demand == item.demand for other in content[place]):
                continue
            before = self._fill(site, content[place])
            after = self._fill(site, (*content[place], index))
            if before is not None and after is not None:
                tried.append((after[0] - before[0], -place))
        for gain, place in sorted(tried, reverse=True):
            old = content[-place]
            content[-place] = (*old, index)
            self._go(at + 1, content, weight + item.weight, score + gain, seen)
            content[-place] = old
        self._go(at + 1, content, weight, score, seen)


Key = tuple[bool, int, int, Left]  # whether the policy likes it less, all that is left, kind, what is left
MOST_MISSES = 8
MOST_ASKED = 40_000  # items x kinds up to which each item is tried on every kind


class Greedy:
    """Several orders and preferences, each model as small as can be; larger ways where there is room; then moves."""

    def __init__(self, fleet: Fleet, sites: Sequence[Site], items: Sequence[Item], policy: str) -> None:
        self.fleet, self.sites, self.items, self.policy = fleet, sites, items, policy
        kinds = list(dict.fromkeys(sites))[:64]
        self.size = {
            case: min(
                (sum(way[1]) for site in kinds if (way := fleet.least(case, site.kind, site.left))), default=1 << 40
            )
            for case in {item.case for item in items}
        }

    def plan(self) -> Plan:
        large = sorted(range(len(self.items)), key=lambda i: (-self.items[i].weight, -self.size[self.items[i].case], i))
        small = sorted(large, key=lambda i: (self.size[self.items[i].case] / self.items[i].weight, i))
        tries = [self._place(large, ordered=False), self._place(small, ordered=False)]
        if len(self.items) * len(self.fleet.kinds) <= MOST_ASKED:
            tries.append(self._place(large, ordered=True))
        best = max(map(self._valued, tries), key=lambda pair: pair[0])
        return self._moved(best[1])

    def _place(self, order: Sequence[int], ordered: bool) -> list[list[int]]:
        """Items by site: each to the fullest machine that holds it; `ordered`: the emptiest where it scores best."""
        fleet = self.fleet
        content: list[list[int]] = [[] for _ in self.sites]
        members: dict[Key, dict[int, None]] = {}
        lists: dict[int, list[Key]] = {}  # by kind, or one for all

        def add(place: int, kind: int, left: Left) -> None:
            less_liked = not ordered and bool(content[place]) != (self.policy == "pack")
            key: Key = (less_liked, sum(left), kind, left)
            if key not in members:
                insort(lists.setdefault(kind if ordered else 0, []), key)
            members.setdefault(key, {})[place] = None

        for place, site in enumerate(self.sites):
            add(place, site.kind, site.left)
        for index in order:
            item = self.items[index]
            chosen, best = None, -1
            for keys in lists.values():
                found = (self._last if ordered else self._first)(item, keys, members, content)
                if found is not None:
                    top = fleet.ways(item.case, found[0][2], found[0][3])[0][0]
                    if top > best:
                        chosen, best = found, top
            if chosen is not None:
                key, place, way = chosen
                content[place].append(index)
                del members[key][place]
                if not members[key]:
                    del members[key]
                    keys = lists[key[2] if ordered else 0]
                    keys.pop(bisect_left(keys, key))
                add(place, key[2], fleet.minus(key[2], key[3], way[1]))
        return content

    def _first(
        self, item: Item, keys: list[Key], members: dict[Key, dict[int, None]], content: list[list[int]]
    ) -> tuple[Key, int, Way] | None:
        """The first machine that holds the item, those first that the policy likes, then the fullest."""
        for liked in (False, True):
            at = bisect_left(keys, (liked, self.size[item.case]))  # what is fuller cannot hold it
            while at < len(keys) and keys[at][0] == liked:
                key = keys[at]
                way = self.fleet.least(item.case, key[2], key[3])
                if way is not None:
                    for place in members[key]:
                        if not (item.apart and self._beside(content[place], item)):
                            return key, place, way
                at += 1
        return None

    def _last(
        self, item: Item, keys: list[Key], members: dict[Key, dict[int, None]], content: list[list[int]]
    ) -> tuple[Key, int, Way] | None:
        """The emptiest machine that holds the item, among the first few that are not enough."""
        misses = 0
        for key in reversed(keys):
            way = self.fleet.least(item.case, key[2], key[3])
            if way is None:
                misses += 1
                if misses == MOST_MISSES:
                    break
                continue
            for place in members[key]:
                if not (item.apart and self._beside(content[place], item)):
                    return key, place, way
        return None

    def _beside(self, content: Sequence[int], item: Item) -> bool:
        return any(self.items[other].demand == item.demand for other in content)

    def _fill(self, place: int, content: Sequence[int]) -> Laid | None:
        return self.fleet.fill(self.sites[place], tuple(self.items[index].case for index in content), thorough=False)

    def _valued(self, content: list[list[int]]) -> tuple[tuple[float, int, int], list[list[int]]]:
        weight, score, used = 0.0, 0, 0
        for place, indices in enumerate(content):
            filled = self._fill(place, indices)
            assert filled is not None
            weight += sum(self.items[index].weight for index in indices)
            score += filled[0]
            used += bool(indices)
        return (weight, score, -used if self.policy == "pack" else used), content

    def _moved(self, content: list[list[int]]) -> Plan:
        """Place what was left out, and move what scores better elsewhere, a bounded number of times."""
        placed = {index: place for place, indices in enumerate(content) for index in indices}
        alike: dict[object, list[int]] = {}
        moves = 0

        def signature(place: int) -> object:
            return self.sites[place], tuple(self.items[index].case for index in content[place])

        for place in range(len(self.sites)):
            alike.setdefault(signature(place), []).append(place)
        out = [index for index in range(len(self.items)) if index not in placed]
        for index in [*out, *placed]:
            if moves > MOST_MOVES:
                break
            item, here = self.items[index], placed.get(index)
            loss, best = 0, None
            if here is not None:
                without = [other for other in content[here] if other != index]
                full, rest = self._fill(here, content[here]), self._fill(here, without)
                assert full is not None
                if rest is None:
                    continue
                loss = full[0] - rest[0]
            for places in list(alike.values())[:12]:
                there = next(
                    (p for p in places if p != here and not (item.apart and self._beside(content[p], item))), None
                )
                if there is None:
                    continue
                moves += 1
                before, after = self._fill(there, content[there]), self._fill(there, [*content[there], index])
                if after is None or before is None:
                    continue
                gain = after[0] - before[0] - loss
                if (here is None or gain > 0) and (best is None or gain > best[0]):
                    best = gain, there
            if best is not None:
                for place in (best[1],) if here is None else (best[1], here):
                    alike[signature(place)].remove(place)
                if here is not None:
                    content[here].remove(index)
                content[best[1]].append(index)
                placed[index] = best[1]
                for place in (best[1],) if here is None else (best[1], here):
                    alike.setdefault(signature(place), []).append(place)
        laid, items = [], []
        for place, indices in enumerate(content):
            filled = self._fill(place, indices)
            assert filled is not None
            laid.append(filled[1])
            items.append(matched(filled[1], [(index, self.items[index].case) for index in indices]))
        (weight, score, _), _ = self._valued(content)
        counted = Counter(bool(indices) for indices in content)
        return Plan(laid, items, weight, score, counted[True], False)
