"""Many machines, many models, many contexts: one row in brief for each combination, written by the kernel in pieces.

Nothing is kept: a combination is estimated, written and forgotten, so memory does not grow with the question.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from llmfit import codes
from llmfit._core import Estimates, Ranking
from llmfit.errors import BadParam, LlmfitError, TooMuch, UnknownModel
from llmfit.hardware.host import MAX_KINDS, host_of
from llmfit.hardware.what_ifs import WhatIf, apply_whatif
from llmfit.machine import Machine
from llmfit.query import params
from llmfit.query.engine import Engine, use_case_of, whatif_of
from llmfit.query.param import Param
from llmfit.query.values import LONGEST_TEXT, text_of, value_of
from llmfit.wire.fit import FitRow

MOST_MACHINES, MOST_MODELS, MOST_VALUES = 2000, 256, 64  # of one question
MOST_ANALYSES, MOST_ROWS = 10_000, 20_000_000
MACHINE = "an object of hardware parameters ({} is this machine) or the name of a shipped one"
PIECE, ENOUGH, LONG = 4096, 1 << 18, 0.02  # rows written at once; bytes and seconds after which a piece goes out
KEYS = FitRow.__struct_fields__
USUAL = (
    "machine", "name", "context", "concurrency", "fit_level", "run_mode", "best_quant", "total_memory_gb",
    "estimated_tps", "score",
)  # fmt: skip
TEXTS = ("name", "fit_level", "run_mode", "runtime", "best_quant")
ELSEWHERE = {"max_context": "contexts", "concurrency": "concurrency, a list", "fields": "fields"}
CONTEXT = replace(params.BY_NAME["max_context"], name="contexts")
SESSIONS = replace(params.BY_NAME["concurrency"], name="concurrency")
FIELDS = replace(params.BY_NAME["fields"], choices=KEYS)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of every machine."""

    query: Any  # the parameters that are the same for all
    models: tuple[int, ...] | None  # rows, whatever their level; None: those that the query selects
    contexts: tuple[int, ...]  # tokens
    concurrency: tuple[int, ...] = (1,)
    fields: tuple[str, ...] = USUAL

    def rows(self, catalog_size: int) -> int:
        """The most rows that a combination can have."""
        if self.models is not None:
            return len(self.models)
        return catalog_size if self.query.limit is None else min(catalog_size, self.query.limit)


def question(engine: Engine, body: Mapping[str, Any]) -> Question:
    """What a JSON object without its machines asks: `models`, `contexts`, `concurrency`, `fields`, and parameters of a
    list that hold for all of them. BadParam, UnknownModel or TooMuch.
    """
    body = {key: value for key, value in body.items() if value is not None}
    common = {key: value for key, value in body.items() if key not in ("models", "contexts", "concurrency", "fields")}
    models = body.get("models")
    filters = {} if models is None or isinstance(models, list | tuple) else models
    if not isinstance(filters, Mapping):
        raise BadParam("invalid models value: use a list of ids, or an object of filters")
    filters = {key: value for key, value in filters.items() if value is not None}
    query = query_of({**common, **filters}, both=common.keys() & filters.keys())
    named = None
    if isinstance(models, list | tuple):
        beside = [p.name for p in params.PARAMS if p.stage in ("filter", "order", "page") and given(p, query)]
        if beside:
            raise BadParam(f"invalid models value: ids are not filtered; leave out {' and '.join(beside)}")
        named = rows_of(engine, query, models)
    here = engine.max_context or int(engine.catalog.policy["default_context"])
    engine.settings_of(query)  # BadParam for a quantization that is none
    return Question(
        query=query,
        models=named,
        contexts=values(CONTEXT, body.get("contexts"), (here,)),
        concurrency=values(SESSIONS, body.get("concurrency"), (1,)),
        fields=USUAL if body.get("fields") is None else value_of(FIELDS, text_of(body["fields"])),
    )


def query_of(options: Mapping[str, Any], both: Iterable[str] = ()) -> Any:
    """The Query of parameters of a list, without what each combination has of its own."""
    for key in both:
        raise BadParam(f"invalid {key[:40]} value: given more than once")
    for key in options:
        param = params.BY_NAME.get(key)
        if param is not None and param.stage == "machine":
            raise BadParam(f"invalid {key} value: it belongs to one of the machines")
        if param is not None and (param.name in ELSEWHERE or param.stage == "explain"):
            where = ELSEWHERE.get(param.name)
            raise BadParam(f"invalid {key} value: {f'use {where}' if where else 'rows in brief are not explained'}")
    pairs = params.pairs_of({key: value for key, value in options.items() if key != "strict"})
    return params.parse([*pairs, ("strict", "true")], "models").query


def given(param: Param, query: Any) -> bool:
    default = "marginal" if param.name == "min_fit" else param.default_at("models")
    return param.name not in ("models", "exact") and getattr(query, param.name) != default


def rows_of(engine: Engine, query: Any, ids: Any) -> tuple[int, ...]:
    """The rows of a list of ids, each once, in that order."""
    if not ids or not all(isinstance(each, str) and 0 < len(each) <= LONGEST_TEXT for each in ids):
        raise BadParam("invalid models value: use a list of ids, or an object of filters")
    if len(ids) > MOST_MODELS:
        raise TooMuch(f"too many models: {len(ids)} are named; use at most {MOST_MODELS}, or filters")
    found: dict[int, None] = {}
    for name in ids:
        try:
            found[engine.only(replace(query, name=name))] = None
        except UnknownModel as error:
            raise UnknownModel(f"models: {error}") from None
    return tuple(found)


def values(param: Param, listed: Any, default: tuple[int, ...]) -> tuple[int, ...]:
    """The different values of a list of numbers, in that order."""
    if listed is None:
        return default
    if not isinstance(listed, list | tuple) or not listed:
        raise BadParam(f"invalid {param.name} value: use a list of numbers")
    if len(listed) > MOST_VALUES:
        raise TooMuch(f"too many values of {param.name}: {len(listed)}; use at most {MOST_VALUES}")
    return tuple(dict.fromkeys(value_of(param, text_of(each)) for each in listed))


def check_size(asked: Question, n_machines: int, catalog_size: int) -> int:
    """The most rows that the answer can have; TooMuch where that is more than is answered at once."""
    analyses = n_machines * len(asked.contexts) * len(asked.concurrency)
    rows = analyses * asked.rows(catalog_size)
    if analyses > MOST_ANALYSES:
        raise TooMuch(f"too many combinations of machine, context and concurrency: {analyses}, at most {MOST_ANALYSES}")
    if rows > MOST_ROWS:
        raise TooMuch(f"too many rows: up to {rows}, at most {MOST_ROWS}; name models, or give a limit among them")
    return rows


def machines_of(engine: Engine, query: Any, facts: Any) -> tuple[Machine, ...]:
    """The machines of a list of objects, `{}` for this one; errors say which one is meant."""
    if not isinstance(facts, list) or not facts:
        raise BadParam(f"invalid machines value: use a list, one at least, each {MACHINE}")
    if len(facts) > MOST_MACHINES:
        raise TooMuch(f"too many machines: {len(facts)}; use at most {MOST_MACHINES} at once")
    base, tables = engine.base_for(query), engine.catalog.tables
    known: dict[WhatIf, Machine] = {}
    found = []
    for at, each in enumerate(facts):
        try:
            if not isinstance(each, dict | str):
                raise BadParam(f"invalid value: use {MACHINE}")
            whatif = facts_of({"name": each} if isinstance(each, str) else each)
            if whatif not in known:
                known[whatif] = apply_whatif(base, whatif, tables)
                if len(known[whatif].devices) > MAX_KINDS:  # said before the answer begins
                    host_of(known[whatif], engine.catalog)
        except LlmfitError as error:
            raise BadParam(f"machines[{at}]: {error}") from None
        found.append(known[whatif])
    return tuple(found)


def facts_of(facts: Mapping[str, Any]) -> WhatIf:
    """The what-ifs of one object; `name` is the profile of a shipped machine."""
    pairs = [("profile" if key == "name" else key, text) for key, text in params.pairs_of(facts)]
    return whatif_of(params.parse([*pairs, ("strict", "true")], "system").query)


def pieces(engine: Engine, asked: Question, machines: Iterable[Machine], form: str = "ndjson") -> Iterator[bytes]:
    """The rows, some thousand at a time; nothing where there are none. As JSON each has a comma before it."""
    catalog, query = engine.catalog, asked.query
    use_case = use_case_of(query)
    filters = engine.filters_of(query)
    few = list(asked.models) if asked.models is not None else None
    for at, machine in enumerate(machines):
        host = host_of(machine, catalog)
        for context in asked.contexts:
            for sessions in asked.concurrency:
                settings = engine.settings_of(replace(query, max_context=context, concurrency=sessions))
                ranking = Ranking(Estimates(catalog.core, host, *settings, rows=few), use_case)
                rows = few if few is not None else ranking.select(**filters)[1]
                parts, tail = template(asked.fields, {"machine": at, "context": context, "concurrency": sessions}, form)
                if not rows:
                    yield b""
                for start in range(0, len(rows), PIECE):
                    yield ranking.write(rows[start : start + PIECE], parts, tail)


def template(fields: Iterable[str], own: Mapping[str, int], form: str) -> tuple[tuple[tuple[bytes, int], ...], bytes]:
    """A row as text with gaps: (text, the value behind it), and the text behind the last one. `own` is filled in."""
    sheet = form == "csv"
    text, parts = {"csv": "", "json": ",{"}.get(form, "{"), []
    for n, key in enumerate(fields):
        text += ("," if n else "") + ("" if sheet else f'"{key}":')
        quote = '"' if key in TEXTS and not sheet else ""
        if key in own:
            text += str(own[key])
        else:
            parts.append(((text + quote).encode(), codes.BRIEF.index(key)))
            text = quote
    return tuple(parts), (text + {"csv": "\r\n", "json": "}"}.get(form, "}\n")).encode()


def gathered(rows: Iterator[bytes]) -> Iterator[bytes]:
    """Small pieces together; the first goes out at once, and none waits longer than the one that fills it.

    Where there are no rows for long an empty piece comes, so that who sends them can look whether anybody listens.
    """
    held: list[bytes] = []
    size, since, first = 0, time.monotonic(), True
    for piece in rows:
        held.append(piece)
        size += len(piece)
        if (first and size) or size >= ENOUGH or time.monotonic() - since > LONG:
            yield b"".join(held)
            held, size, since, first = [], 0, time.monotonic(), first and not size
    if held:
        yield b"".join(held)
