"""A saved answer, computed again: is it the same, and if not, what differs?

What an answer with ``explain=true`` was made from stands in its ``explanation.asked``. Nothing of a file is trusted:
its parameters go through the parameter table, its machine through bounds, and what is wrong is one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import msgspec

from llmfit import codes
from llmfit._version import __version__
from llmfit.answers.encode import answer, encode
from llmfit.catalog.catalog import Catalog
from llmfit.errors import BadParam, LlmfitError
from llmfit.machine import Machine
from llmfit.query import params
from llmfit.query.engine import Engine
from llmfit.query.param import LISTS, MOST
from llmfit.query.values import LONGEST_TEXT, text_of, value_of
from llmfit.wire.explanation import Asked
from llmfit.wire.posted import PostedBody

MOST_BYTES = 256 << 20
MOST_CORES, MOST_MEMORY, MOST_RATE = 1 << 20, 1 << 60, 1e9
HERE = ("node",)  # says who answered, not what


class Part(msgspec.Struct, frozen=True):
    """What was compared: a part of the answer that is the same, or one value that is not."""

    where: str
    same: bool
    was: Any = None
    now: Any = None


class Replay(msgspec.Struct, frozen=True):
    """What came of it. Versions and digest come first."""

    same: bool
    models: int
    parts: tuple[Part, ...]


class Explained(msgspec.Struct):
    asked: Asked


class Saved(msgspec.Struct):
    """What an answer must have to be computed again."""

    explanation: Explained
    models: list[dict[str, Any]]


class ExplainedPost(msgspec.Struct):
    asked: PostedBody


class SavedPost(msgspec.Struct):
    """An answer to a body that can be computed again."""

    explanation: ExplainedPost


S = TypeVar("S", Saved, SavedPost)


def replay(catalog: Catalog, text: bytes) -> Replay:
    """Compute a saved answer again. BadParam where it is none."""
    whole = read(text)
    told = whole["explanation"].get("asked")
    strangers: dict[str, Any] = {}
    asked: Asked | PostedBody
    make: Callable[[], dict[str, Any]]
    if isinstance(told, dict) and "body" in told:
        asked = posted = converted(whole, SavedPost).explanation.asked
        make = partial(posted_again, catalog, posted)
    else:
        saved = converted(whole, Saved)
        asked = listed = saved.explanation.asked
        query, names = query_of(listed)
        strangers = {name: listed.parameters[name] for name in names}
        make = partial(listed_again, catalog, listed, query, saved.models, whole)
    check(asked)
    try:
        again = make()
    except LlmfitError as error:
        raise BadParam(f"this catalog cannot answer it: {error}") from None
    except (ArithmeticError, LookupError, TypeError, ValueError):
        raise BadParam("invalid explanation.asked.machine value: no such machine can be") from None
    kept = ("llmfit_version", "catalog_version", "catalog_digest")
    theirs = (asked.llmfit_version, asked.catalog_version, asked.catalog_digest)
    mine = (__version__, catalog.name.version, catalog.name.digest)
    first = [Part(key, was == now, was, now) for key, was, now in zip(kept, theirs, mine, strict=True)]
    first += [Part(f"explanation.asked.parameters.{key[:60]}", False, value) for key, value in strangers.items()]
    for key in kept:
        whole["explanation"]["asked"].pop(key, None)
        again["explanation"]["asked"].pop(key)
    whole.pop("catalog", None)
    again.pop("catalog")
    for key in strangers:
        whole["explanation"]["asked"]["parameters"].pop(key)
    found = [*first, *parts(whole, again)]
    return Replay(all(part.same for part in found), many(again), tuple(found))


def many(answer: dict[str, Any]) -> int:
    """How many models an answer is about."""
    found = answer.get("models", answer.get("assignments", answer.get("rows")))
    return 1 if found is None else len(found)


def read(text: bytes) -> dict[str, Any]:
    """The answer as a whole."""
    try:
        whole = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadParam("this is not JSON") from None
    if not isinstance(whole, dict) or not isinstance(whole.get("explanation"), dict):
        raise BadParam("it has no explanation; save an answer that was asked for with explain=true")
    return whole


def converted(whole: dict[str, Any], kind: type[S]) -> S:
    """What is needed of it."""
    try:
        return msgspec.convert(whole, kind)
    except msgspec.ValidationError as error:
        raise BadParam(f"it is no answer of llmfit: {str(error)[:200]}") from None


def query_of(asked: Asked) -> tuple[Any, list[str]]:
    """The Query, and the names of parameters that are not known here."""
    if asked.endpoint not in LISTS:
        raise BadParam(f"invalid explanation.asked.endpoint value: use {'|'.join(LISTS)}")
    known = {param.name: param for param in params.at(asked.endpoint)}
    values = {}
    for name, param in known.items():
        value = asked.parameters.get(name, param.default_at(asked.endpoint))
        if isinstance(value, dict):
            raise BadParam(f"invalid explanation.asked.parameters.{name} value")
        values[name] = None if value is None else value_of(param, text_of(value))
    if asked.name is not None and not 0 < len(asked.name) <= LONGEST_TEXT:
        raise BadParam(f"invalid explanation.asked.name value: use a text of at most {LONGEST_TEXT} characters")
    for param in known.values():
        if values[param.name] is None and param.default_at(asked.endpoint) is not None and param.name != "limit":
            raise BadParam(f"invalid explanation.asked.parameters.{param.name} value: it must have one")
    query = params.Query(**values, name=asked.name, levels_given=asked.levels_given, endpoint=asked.endpoint)
    return query, [name for name in asked.parameters if name not in known]


def check(asked: Asked | PostedBody) -> None:
    """BadParam for a machine or a context that cannot be."""
    if asked.server_max_context is not None and not 0 < asked.server_max_context <= MOST:
        raise BadParam("invalid explanation.asked.server_max_context value: use a positive integer")
    for name, value, least, most in bounds(asked.machine):
        if value is not None and not least <= value <= most:
            raise BadParam(f"invalid explanation.asked.machine.{name} value: use a number from {least:g} to {most:g}")
    for source in (asked.machine.ram_bandwidth_source, *(d.bandwidth_source for d in asked.machine.devices)):
        if source is not None and source not in codes.BANDWIDTH_SOURCES:
            raise BadParam("invalid explanation.asked.machine value: no such source of a bandwidth")


def bounds(machine: Machine) -> Iterator[tuple[str, float | None, float, float]]:
    yield "cpu_cores", machine.cpu_cores, 1, MOST_CORES
    for name in ("ram_total_bytes", "ram_available_bytes"):
        yield name, getattr(machine, name), 0, MOST_MEMORY
    for name in ("ram_bandwidth_gbps", "ram_bandwidth_max_gbps", "cpu_fp32_tflops"):
        yield name, getattr(machine, name), 1e-6, MOST_RATE
    for device in machine.devices:
        for name in ("total_bytes", "free_bytes"):
            yield f"devices.{name}", getattr(device, name), 0, MOST_MEMORY
        for name in ("bandwidth_gbps", "fp32_tflops", "fp16_tflops"):
            yield f"devices.{name}", getattr(device, name), 1e-6, MOST_RATE


def posted_again(catalog: Catalog, asked: PostedBody) -> dict[str, Any]:
    """The answer to a body again."""
    from llmfit.answers.bodies import answered, fitted

    if asked.endpoint not in ("plan", "place", "fit"):
        raise BadParam("invalid explanation.asked.endpoint value: use plan|place|fit")
    engine, body = Engine(catalog, asked.machine, asked.server_max_context), asked.body | {"explain": True}
    text = fitted(engine, body) if asked.endpoint == "fit" else encode(answered(engine, asked.endpoint, body))
    again: dict[str, Any] = msgspec.json.decode(text)
    return again


def listed_again(
    catalog: Catalog, asked: Asked, query: Any, rows: list[dict[str, Any]], whole: dict[str, Any]
) -> dict[str, Any]:
    """The list again."""
    return closest(list(answers(catalog, asked, query, rows)), whole)


def answers(catalog: Catalog, asked: Asked, query: Any, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The answer again; of a model by its name also the one with its row alone, which `info` and `estimate` give.

    Which models lie in a local store is taken from the file: it says so of another computer.
    """
    engine = Engine(catalog, asked.machine, asked.server_max_context)
    names = [row["name"] for row in rows if row.get("installed") is True and isinstance(row.get("name"), str)]
    catalog.core.mark_installed([at for name in names if (at := catalog.core.index_of(name)) >= 0])
    yield msgspec.json.decode(answer(catalog, engine.run(query), query))
    if asked.name is not None:
        try:
            alone = engine.only(query)
        except LlmfitError:
            return
        yield msgspec.json.decode(answer(catalog, engine.rows(query, [alone]), query))


def closest(found: list[dict[str, Any]], whole: dict[str, Any]) -> dict[str, Any]:
    """The answer with as many models as the saved one, else the first."""
    return next((one for one in found if one["total_models"] == whole.get("total_models")), found[0])


def parts(was: dict[str, Any], now: dict[str, Any]) -> Iterator[Part]:
    """Each part of the answers that is the same, and each value that is not."""
    for key in dict.fromkeys((*was, *now)):
        if key in HERE:
            continue
        if key == "warnings":  # not those of names that no parameter has
            for one in (was, now):
                if isinstance(one.get(key), list):
                    one[key] = [text for text in one[key] if not str(text).endswith(": ignored")]
        found = list(differences(key, was.get(key), now.get(key)))
        yield from found or [Part(key, True)]


def differences(where: str, was: Any, now: Any) -> Iterator[Part]:
    if isinstance(was, dict) and isinstance(now, dict):
        for key in dict.fromkeys((*now, *was)):
            yield from differences(f"{where}.{str(key)[:60]}", was.get(key), now.get(key))
    elif isinstance(was, list) and isinstance(now, list):
        if len(was) != len(now):
            yield Part(f"{where} (how many)", False, len(was), len(now))
        for at, (one, other) in enumerate(zip(was, now, strict=False)):
            yield from differences(f"{where}[{at}]", one, other)
    elif was != now or isinstance(was, bool) != isinstance(now, bool):
        yield Part(where, False, was, now)
