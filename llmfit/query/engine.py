"""From a Query and a Machine to a Page: analyse once, select often.

An analysis depends on the machine and on the parameters of stages `machine`, `analyse` and `score`; the last few are
kept. Everything else is a selection over it.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from llmfit import codes
from llmfit._core import Estimates, Ranking
from llmfit.catalog.catalog import Catalog
from llmfit.errors import BadParam, UnknownModel
from llmfit.hardware.host import host_of
from llmfit.hardware.what_ifs import WhatIf, apply_whatif
from llmfit.machine import Machine
from llmfit.query import params
from llmfit.query.trial import Settings
from llmfit.runtimes.installed import installed_names

KEPT_HOSTS, KEPT_RANKINGS = 64, 8
KEPT_MASKS = 32  # of each kind; those by row take as many bytes as the catalog has rows
MOST_COMPARED = 8
ASCENDING = ("mem", "use_case")  # sorts whose useful direction is upwards
UNLIMITED = 1e300
Value = TypeVar("Value")


class Page(msgspec.Struct, frozen=True):
    """What a query selects, before it is encoded."""

    machine: Machine
    generation: str
    ranking: Ranking
    total: int
    indices: list[int]
    base: Machine  # before the what-ifs
    settings: Settings  # what Estimates and _explain.Case are made with
    server_max_context: int | None
    warnings: tuple[str, ...] = ()


class Recent(Generic[Value]):
    """The last `size` values by key, made when first asked for. Safe to use from several threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        value = make()
        with self._lock:
            self._held[key] = value
            while len(self._held) > self._size:
                self._held.popitem(last=False)
        return value


class Engine:
    """A catalog and a machine: answers queries. ``max_context`` (tokens) is the server's default."""

    def __init__(self, catalog: Catalog, machine: Machine, max_context: int | None = None) -> None:
        self.catalog = catalog
        self.machine = machine
        self.max_context = max_context
        self.analyses = 0  # how many were made
        self._mark_installed()
        self._machines: Recent[tuple[Machine, Any, str]] = Recent(KEPT_HOSTS)
        self._estimates: Recent[Estimates] = Recent(KEPT_RANKINGS)
        self._rankings: Recent[Ranking] = Recent(KEPT_RANKINGS)

    def _mark_installed(self) -> None:
        names = installed_names(os.environ, os.path.expanduser("~"))
        rows = self.catalog.rows_naming(names)
        self.catalog.core.mark_installed(rows)
        self.installed = tuple(sorted(rows))  # what answers say is installed, by row

    def adopt(self, catalog: Catalog) -> None:
        """From now on answer from another catalog."""
        self.catalog = catalog
        self._mark_installed()
        self._estimates, self._rankings = Recent(KEPT_RANKINGS), Recent(KEPT_RANKINGS)
        self.observe(replace(self.machine))  # equal, yet another: what was kept about it is no longer true

    def observe(self, machine: Machine) -> None:
        """From now on answer for this state of the machine."""
        self.machine = machine
        self._machines = Recent(KEPT_HOSTS)

    def base_for(self, query: Any) -> Machine:
        """The machine before the query's what-ifs, as it is or with all of its memory free."""
        return emptied(self.machine) if query.basis == "total" else self.machine

    def machine_for(self, query: Any) -> tuple[Machine, Any, str]:
        """(the machine with the query's what-ifs, its Host, the generation of answers about it)."""
        whatif = whatif_of(query)
        base = self.base_for(query)

        def make() -> tuple[Machine, Any, str]:
            machine = apply_whatif(base, whatif, self.catalog.tables)
            return machine, host_of(machine, self.catalog), generation(machine, self.catalog)

        return self._machines.get((query.basis, whatif), make)

    def ranking_for(self, query: Any) -> tuple[Machine, str, Ranking]:
        machine, host, stamp = self.machine_for(query)
        use_case = use_case_of(query)
        settings = self.settings_of(query)
        key = (stamp, *settings)
        # the machine as it is will be asked about by every filter and sort: all of it is estimated at once
        usual = (stamp if machine is self.machine else None, self.max_context or 0, 1, (0, 0), -1, None)

        def estimate() -> Estimates:
            self.analyses += 1
            return Estimates(self.catalog.core, host, *settings, lazy=key != usual)

        def rank() -> Ranking:
            return Ranking(self._estimates.get(key, estimate), use_case)

        return machine, stamp, self._rankings.get((*key, use_case), rank)

    def settings_of(self, query: Any) -> Settings:
        """What Estimates are made with: context, sessions, types of cache, runtime, quantizations; BadParam."""
        runtime = query.force_runtime or (query.runtime if query.runtime != "any" else None)
        return (
            query.max_context or query.context or self.max_context or 0,
            query.concurrency,
            cache_types(query.kv_quant, runtime),
            codes.RUNTIMES.index(runtime) if runtime else -1,
            quant_mask(self.catalog, query.quant) if query.quant is not None else None,
        )

    def named(self, query: Any) -> int:
        """The row whose id the query names, -1 for none; UnknownModel for an exact id that the catalog lacks."""
        index: int = self.catalog.core.index_of(query.name) if query.name is not None else -1
        if query.exact and index < 0:
            raise UnknownModel(f"no model with the id '{query.name}' in the catalog")
        return index

    def only(self, query: Any) -> int:
        """The one row that the query names: by its id, by what stands behind the slash of one id, or by a part of one;
        UnknownModel where it is none or several.
        """
        index = self.named(query)
        if index >= 0:
            return index
        mask = found_mask(self.catalog, (query.name.lower(),))
        among = [at for at, found in enumerate(mask) if found]
        ends = [at for at in among if self.catalog.core.name_of(at).lower().endswith(f"/{query.name.lower()}")]
        if 1 in (len(among), len(ends)):
            return (among if len(among) == 1 else ends)[0]
        names = sorted((self.catalog.core.name_of(at) for at in among), key=len)
        hint = f"; {len(among)} contain it, among them {', '.join(names[:3])}" if among else ""
        raise UnknownModel(f"no model with the id '{query.name[:120]}' in the catalog{hint}")

    def rows(self, query: Any, indices: list[int]) -> Page:
        """These rows, whatever the query's filters would say."""
        machine, stamp, ranking = self.ranking_for(query)
        return self._page(query, machine, stamp, ranking, len(indices), indices)

    def compared(self, query: Any) -> list[int]:
        """The rows that query.models names, in that order; BadParam for too few or many, UnknownModel for strangers."""
        if query.models is None or not 2 <= len(query.models) <= MOST_COMPARED:
            raise BadParam(f"invalid models value: use two to {MOST_COMPARED} ids, with commas between")
        return [self.only(replace(query, name=name)) for name in query.models]

    def run(self, query: Any) -> Page:
        """The rows that the query selects, in order. UnknownModel for an exact id that the catalog lacks."""
        machine, stamp, ranking = self.ranking_for(query)
        filters = self.filters_of(query)
        total, indices = ranking.select(**filters)
        warnings: tuple[str, ...] = ()
        if total == 0:
            from llmfit.query.empty_answers import why_empty

            mixed = replace(query, use_case=None)
            warnings = why_empty(query, filters, ranking, lambda: self.ranking_for(mixed)[2])
        return self._page(query, machine, stamp, ranking, total, indices, warnings)

    def filters_of(self, query: Any) -> dict[str, Any]:
        """What Ranking.select takes. UnknownModel for an exact id that the catalog lacks."""
        needles = tuple(text.lower() for text in (query.name, query.search) if text is not None)
        named = self.named(query)
        return dict(
            min_level=codes.FIT_LEVELS.index(query.min_fit),
            drop_foreign=query.runtime != "any" and query.force_runtime is None,
            first=named,
            exempt=not query.levels_given,
            only=named if query.exact else -1,
            providers=provider_mask(self.catalog, query.provider.lower()) if query.provider else None,
            licenses=license_mask(self.catalog, query.license) if query.license else None,
            found=found_mask(self.catalog, needles) if needles else None,
            searches=len(needles),
            min_tps=query.min_tps or 0.0,
            max_mem_gb=UNLIMITED if query.max_mem_gb is None else query.max_mem_gb,
            min_params=(query.min_params_b or 0.0) * 1e9,
            max_params=UNLIMITED if query.max_params_b is None else query.max_params_b * 1e9,
            released_after=-1 if query.released_after is None else params.last_day(query.released_after),
            sort=codes.SORT_KEYS.index(query.sort),
            turned=query.order is not None and query.order != ("asc" if query.sort in ASCENDING else "desc"),
            offset=query.offset,
            limit=query.limit,
            distinct=query.distinct,
            capabilities=sum(1 << codes.CAPABILITIES.index(name) for name in query.capability or ()),
        )

    def _page(
        self, query: Any, machine: Machine, stamp: str, ranking: Ranking, total: int, indices: list[int],
        warnings: tuple[str, ...] = (),
    ) -> Page:  # fmt: skip
        return Page(
            machine, stamp, ranking, total, indices, self.base_for(query), self.settings_of(query), self.max_context,
            warnings,
        )  # fmt: skip


def whatif_of(query: Any) -> WhatIf:
    """The what-ifs of a query."""
    return WhatIf(**{name: getattr(query, name) for name in params.WHATIF_NAMES})


def use_case_of(query: Any) -> int:
    """The use case that a query scores for, -1 for each row's main one."""
    return codes.USE_CASES.index(query.use_case) if query.use_case else -1


def emptied(machine: Machine) -> Machine:
    """The machine as if nothing ran on it: all of its memory is free."""
    devices = tuple(replace(device, free_bytes=device.total_bytes) for device in machine.devices)
    return replace(machine, ram_available_bytes=machine.ram_total_bytes, devices=devices)


def cache_types(text: str, runtime: str | None) -> tuple[int, int]:
    """The types of keys and values, as codes.CACHE_TYPES numbers them; BadParam where `runtime` (None: any) has no such
    cache.
    """
    names = text.split(",")
    keys, values = codes.CACHE_TYPES.index(names[0]), codes.CACHE_TYPES.index(names[-1])
    if any(codes.has_cache(name, keys, values) for name in ([runtime] if runtime else codes.RUNTIMES)):
        return keys, values
    known = "|".join(codes.CACHE_TYPES_OF[runtime or "llamacpp"])
    pairs = ", or K,V" if runtime in (None, "llamacpp") else ""
    has = f"{runtime} has" if runtime else "keys and values in two types are llamacpp's, which has"
    raise BadParam(f"invalid kv_quant value: {has} {known}{pairs}")


def quant_mask(catalog: Catalog, name: str) -> bytes:
    """By quantization: 1 where it is called `name`; BadParam with the nearest names where none is."""
    try:
        return catalog.quants_called(name)
    except KeyError:
        import difflib

        by_key = {label.lower(): label for label in catalog.quant_names}
        near = ", ".join(by_key[key] for key in difflib.get_close_matches(name.lower(), by_key, n=3, cutoff=0.0))
        raise BadParam(f'invalid quant value: no such quantization "{name[:40]}"; nearest: {near}') from None


@lru_cache(maxsize=KEPT_MASKS)
def provider_mask(catalog: Catalog, part: str) -> bytes:
    """By provider: 1 where its name contains the part (lower case)."""
    return bytes(part in name for name in catalog.providers)


@lru_cache(maxsize=KEPT_MASKS)
def license_mask(catalog: Catalog, wanted: tuple[str, ...]) -> bytes:
    """By licence: 1 where all that it consists of (`gemma,llama3.3`: both apply) is wanted."""
    return bytes(all(name.lower() in wanted for name in names) for names in catalog.licenses)


@lru_cache(maxsize=KEPT_MASKS)
def found_mask(catalog: Catalog, needles: tuple[str, ...]) -> bytes:
    """By row: how many of the needles its search text contains."""
    mask: bytes = catalog.core.found(needles)
    return mask


def generation(machine: Machine, catalog: Catalog) -> str:
    """A hash of the facts that scoring uses and of the catalog: equal facts give equal answers."""
    facts = (
        catalog.name.digest, machine.cpu_arch, machine.cpu_cores, machine.cpu_has_avx, machine.cpu_fp32_tflops,
        machine.ram_bandwidth_gbps, machine.ram_total_bytes, machine.ram_available_bytes, machine.devices,
    )  # fmt: skip
    return hashlib.sha256(msgspec.msgpack.encode(facts)).hexdigest()[:16]
