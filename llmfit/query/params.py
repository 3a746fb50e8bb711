"""THE parameter table. Parsing, error texts, CLI flags, the ``filters`` echo, cache keys and docs all come from it.

Knows neither HTTP nor argv: :func:`parse` takes (name, value) pairs of text and an endpoint, and returns a frozen,
hashable Query or raises :class:`BadParam` with the whole message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import msgspec

from llmfit import codes
from llmfit.errors import BadParam
from llmfit.query.param import ENDPOINTS, LISTS, SCORED, Param
from llmfit.query.values import allowed, texts_of, value_of
from llmfit.wire.rows import Row

FIT_CHOICES = tuple(reversed(codes.FIT_LEVELS))
WHATIF = ENDPOINTS

PARAMS = (
    Param(
        name="limit", kind="count", stage="page", example=3, aliases=("n", "top"), defaults={"top": 5, "fit": 20},
        help="Maximum number of models to return; 0 returns the counts alone.",
    ),
    Param(
        name="perfect", kind="bool", stage="filter", default=False,
        help="Only models with a perfect fit; overrides min_fit.",
    ),
    Param(
        name="min_fit", kind="choice", stage="filter", choices=FIT_CHOICES,
        value_aliases={"tight": "too_tight", "tootight": "too_tight"}, default="marginal",
        help="Lowest fit level to return.",
    ),
    Param(
        name="include_too_tight", kind="bool", stage="filter", default=True, defaults={"top": False},
        help="Whether models that cannot run may be returned.",
    ),
    Param(
        name="runtime", kind="choice", stage="analyse", choices=("any", "mlx", "llamacpp"), hidden_choices=("vllm",),
        value_aliases={"llama.cpp": "llamacpp", "llama_cpp": "llamacpp"}, default="any",
        help="Only models that this runtime can run on this machine, computed for it.",
    ),
    Param(
        name="force_runtime", kind="choice", stage="analyse", endpoints=SCORED, choices=("mlx", "llamacpp", "vllm"),
        value_aliases={"llama.cpp": "llamacpp", "llama_cpp": "llamacpp"},
        help="Compute every model for this runtime; those that it cannot run are too tight.",
    ),
    Param(
        name="use_case", kind="choice", stage="score", endpoints=(*LISTS, "compare"), choices=codes.USE_CASES,
        value_aliases={"code": "coding", "reason": "reasoning", "vision": "multimodal", "embed": "embedding"},
        help="Only models that serve this use case, scored for it.",
    ),
    Param(
        name="models", kind="names", stage="filter", example="Qwen/Qwen3-8B,microsoft/phi-4", endpoints=("compare",),
        help="The ids of the models to compare, two to eight.",
    ),
    Param(
        name="provider", kind="text", stage="filter", example="Qwen",
        help="Part of the provider's name, in any case.",
    ),
    Param(
        name="search", kind="text", stage="filter", example="8B",
        help="Part of the name, provider, parameter count, use case or category, in any case.",
    ),
    Param(
        name="license", kind="words", stage="filter", example="apache-2.0,mit",
        help="Only models under one of these licences.",
    ),
    Param(
        name="capability", kind="choices", stage="filter", choices=codes.CAPABILITIES,
        help="Only models that have all of these capabilities.",
    ),
    Param(
        name="distinct", kind="bool", stage="filter", default=False, defaults={"top": True},
        help="One row for each base model: the best of it and of its copies.",
    ),
    Param(
        name="exact", kind="bool", stage="filter", default=False, endpoints=("name",),
        help="The model of exactly this id alone; 404 if the catalog has none.",
    ),
    Param(name="min_tps", kind="amount", stage="filter", help="Least estimated tokens/s."),
    Param(name="max_mem_gb", kind="amount", stage="filter", help="Most memory in GiB, all that the model occupies."),
    Param(name="min_params_b", kind="amount", stage="filter", help="Fewest parameters, in billions."),
    Param(name="max_params_b", kind="amount", stage="filter", help="Most parameters, in billions."),
    Param(
        name="released_after", kind="date", stage="filter",
        help="Only models released after this day, month or year; none without a date.",
    ),
    Param(
        name="sort", kind="choice", stage="order", choices=codes.SORT_KEYS, default="score",
        value_aliases={
            "tokens": "tps", "throughput": "tps", "parameters": "params", "memory": "mem", "mem_pct": "mem",
            "utilization": "mem", "context": "ctx", "release": "date", "released": "date", "use": "use_case",
            "usecase": "use_case",
        },
        help="Order: the best score, fastest, largest, least memory, longest context, newest, or by category.",
    ),
    Param(
        name="order", kind="choice", stage="order", choices=("asc", "desc"),
        help="Direction of the sort; by default the useful one. What cannot run stays last.",
    ),
    Param(name="offset", kind="count", stage="page", default=0, help="How many of the first models to leave out."),
    Param(
        name="fields", kind="keys", stage="write", example="name,score,fit_level", choices=Row.__struct_fields__,
        help="Only these keys of each row, in the row's own order.",
    ),
    Param(
        name="basis", kind="choice", stage="basis", endpoints=SCORED, choices=("free", "total"), default="free",
        help="What fit is judged against on the real machine: the memory that is free, or all of it.",
    ),
    Param(
        name="explain", kind="bool", stage="explain", default=False,
        help="Add how each of the first 20 models came about, and what would change its fit level.",
    ),
    Param(
        name="strict", kind="bool", stage="parse", default=False, endpoints=ENDPOINTS,
        help="Unknown parameters are an error.",
    ),
    Param(
        name="max_context", kind="positive", stage="analyse", example=32768, endpoints=(*LISTS, "compare"),
        help="Context in tokens to compute memory and speed for; by default the server's --max-context, else 8192.",
    ),
    Param(
        name="context", kind="positive", stage="analyse", example=32768, endpoints=("plan",),
        help="Context in tokens to plan for; by default the server's --max-context.",
    ),
    Param(
        name="quant", kind="text", stage="analyse", example="Q4_K_M", endpoints=SCORED,
        help="Compute every model at this quantization alone.",
    ),
    Param(
        name="kv_quant", kind="cache", stage="analyse", endpoints=SCORED, choices=codes.CACHE_TYPES, default="f16",
        value_aliases={"fp16": "f16"}, example="q8_0,q4_0",
        help="Type of the KV cache, or two: of keys and of values. A runtime that lacks it is not taken.",
    ),
    Param(
        name="target_tps", kind="number", stage="analyse", endpoints=("plan",), at_most=1e6,
        help="Tokens/s that each session is to get at least.",
    ),
    Param(
        name="concurrency", kind="positive", stage="analyse", example=4, endpoints=SCORED, default=1, at_most=1024,
        help="Sessions at once, each of the whole context: memory for all, tokens/s for each.",
    ),
    Param(
        name="profile", kind="text", stage="machine", example="aws-g5.xlarge", endpoints=WHATIF,
        help="What if this were the machine of that name in `llmfit hardware list`? The others then change it.",
    ),
    Param(
        name="gpu", kind="text", stage="machine", example="RTX 4090", endpoints=WHATIF,
        help="What if the GPU were this one, or these: a name, `2x RTX 3090`, `RTX 4090 + RTX 3060`?",
    ),
    Param(
        name="gpu_count", kind="count", stage="machine", example=1, endpoints=WHATIF, at_most=64,
        help="What if there were so many of the GPU? 0 removes the GPUs.",
    ),
    Param(
        name="vram_gb", kind="amount", stage="machine", example=24, aliases=("memory",), endpoints=WHATIF, at_most=1e6,
        help="What if all GPUs together had so many GiB? 0 removes the GPUs.",
    ),
    Param(
        name="gpu_bandwidth_gbps", kind="number", stage="machine", example=1008, endpoints=WHATIF, at_most=1e6,
        help="What if each GPU read so many GB/s?",
    ),
    Param(
        name="ram_gb", kind="number", stage="machine", example=64, aliases=("ram",), endpoints=WHATIF, at_most=1e6,
        help="What if there were so many GiB of RAM, all of it free?",
    ),
    Param(
        name="cpu", kind="text", stage="machine", example="Ryzen 9 7950X", endpoints=WHATIF,
        help="What if the CPU were this one: its cores, RAM bandwidth and speed?",
    ),
    Param(
        name="cpu_cores", kind="positive", stage="machine", endpoints=WHATIF, at_most=4096,
        help="What if the CPU had so many cores?",
    ),
    Param(
        name="ram_bandwidth_gbps", kind="number", stage="machine", example=80, endpoints=WHATIF, at_most=1e6,
        help="What if the RAM read so many GB/s?",
    ),
    Param(
        name="unified_memory", kind="bool", stage="machine", endpoints=WHATIF,
        help="What if GPU and CPU shared one memory?",
    ),
    Param(
        name="backend", kind="choice", stage="machine", example="vulkan", endpoints=WHATIF,
        choices=("cuda", "rocm", "metal", "vulkan", "sycl", "cpu"), help="What if this were the compute backend?",
    ),
)  # fmt: skip
BY_NAME = {name: param for param in PARAMS for name in (param.name, *param.aliases)}
WHATIF_NAMES = tuple(param.name for param in PARAMS if param.stage == "machine")

# Frozen and hashable: the effective value of every parameter; and `name`, the model named in the path, whose row is
# returned whatever its level unless the request itself says something about levels.
Query: Any = msgspec.defstruct(
    "Query",
    [(param.name, Any, param.default) for param in PARAMS]
    + [("name", Any, None), ("levels_given", bool, False), ("endpoint", str, "models")],
    frozen=True,
    kw_only=True,
)
LEVELS = frozenset({"min_fit", "perfect", "include_too_tight"})


class Parsed(msgspec.Struct, frozen=True):
    query: Any  # Query
    warnings: tuple[str, ...]


@cache
def at(endpoint: str) -> tuple[Param, ...]:
    """The parameters that an endpoint takes."""
    return tuple(param for param in PARAMS if endpoint in param.endpoints)


@cache
def defaults_at(endpoint: str) -> dict[str, Any]:
    """What its parameters are where they are absent."""
    return {param.name: param.default_at(endpoint) for param in at(endpoint)}


def parse(pairs: Iterable[tuple[str, str]], endpoint: str, name: str | None = None) -> Parsed:
    """The effective query; BadParam for the first value that is not allowed. Unknown names are warnings."""
    given: dict[str, Any] = {}
    strangers = []
    for key, text in pairs:
        param = BY_NAME.get(key)
        if param is None or endpoint not in param.endpoints:
            strangers.append(unknown(key, endpoint))
        elif param.name in given:
            raise BadParam(f"invalid {param.name} value: given more than once")
        else:
            given[param.name] = value_of(param, text)
    if strangers and given.get("strict"):
        raise BadParam("; ".join(dict.fromkeys(strangers)))
    values = defaults_at(endpoint) | given
    if endpoint in LISTS:
        values["min_fit"] = lowest_level(given, endpoint)
    query = Query(**values, name=name, levels_given=not LEVELS.isdisjoint(given), endpoint=endpoint)
    return Parsed(query, tuple(f"{stranger}: ignored" for stranger in dict.fromkeys(strangers)))


def pairs_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Named Python or JSON values as the pairs of a URL; None is an absent one. BadParam for one that nests."""
    for key, value in options.items():
        parts = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(part, Mapping | list | tuple) for part in parts):
            param = BY_NAME.get(key)
            kinds = "a text, a number, true or false, or a list of them"
            raise BadParam(f"invalid {key[:40]} value: use {kinds if param is None else allowed(param)}")
    return texts_of(options)


def lowest_level(given: dict[str, Any], endpoint: str) -> str:
    """The lowest fit level that is returned: the table of min_fit, include_too_tight and perfect."""
    asked = "perfect" if given.get("perfect") else given.get("min_fit")
    include = given.get("include_too_tight", False if endpoint == "top" and asked else None)
    if include is False:
        return max(asked or "marginal", "marginal", key=codes.FIT_LEVELS.index)
    return asked or ("too_tight" if include else "marginal")


def last_day(date: str) -> int:
    """The last day of a date, month or year, as yyyymmdd; days that a month does not have count as its end."""
    return int((date.replace("-", "") + "9999")[:8])


def unknown(key: str, endpoint: str) -> str:
    """What is said of a name that the endpoint does not know."""
    import difflib

    known = [name for name in BY_NAME if endpoint in BY_NAME[name].endpoints]
    near = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.5)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return f"unknown parameter '{key[:40]}'{hint}"


def echo(query: Any) -> dict[str, object]:
    """The ``filters`` of an answer: every parameter of the endpoint with its effective value."""
    values: dict[str, object] = {param.name: getattr(query, param.name) for param in at(query.endpoint)}
    values["top_only"] = query.endpoint == "top"
    if query.name is not None:
        values["name"] = query.name
        values["search"] = query.name if query.search is None else f"{query.name} {query.search}"
    return values
