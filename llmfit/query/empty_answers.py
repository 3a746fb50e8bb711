"""Why nothing was found: what each filter of an empty answer removed. Asked of the kernel once more for each filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llmfit._core import Ranking

# By argument of Ranking.select(): the parameter behind it, and the value that lets every row pass.
FILTERS: dict[str, tuple[str, Any]] = {
    "min_level": ("min_fit", 0),
    "drop_foreign": ("runtime", False),
    "only": ("exact", -1),
    "providers": ("provider", None),
    "licenses": ("license", None),
    "found": ("search", None),
    "capabilities": ("capability", 0),
    "min_tps": ("min_tps", 0.0),
    "max_mem_gb": ("max_mem_gb", 1e300),
    "min_params": ("min_params_b", 0.0),
    "max_params": ("max_params_b", 1e300),
    "released_after": ("released_after", -1),
}
LONGEST = 40  # characters of a value that a warning repeats


def why_empty(query: Any, given: dict[str, Any], ranking: Ranking, mixed: Callable[[], Ranking]) -> tuple[str, ...]:
    """One warning for each filter in force: how many models it removes alone, how many pass all the others.

    `given`: the arguments of the select() that found nothing; `mixed`: makes the ranking without a use case.
    """
    every: Any = {name: neutral for name, (_, neutral) in FILTERS.items()}
    whole = ranking if ranking.use_case < 0 else mixed()
    n = whole.select(limit=0)[0]
    active = [name for name, (_, neutral) in FILTERS.items() if given[name] != neutral]
    warnings = []
    if whole is not ranking:
        warnings.append(said(query, "use_case", n - ranking.select(limit=0)[0], n, counted(whole, given)))
    for name in active:
        alone = counted(whole, {**every, name: given[name], "searches": given["searches"]})
        others = counted(ranking, {**given, name: FILTERS[name][1]})
        warnings.append(said(query, FILTERS[name][0], n - alone, n, others))
    return tuple(warnings)


def counted(ranking: Ranking, given: dict[str, Any]) -> int:
    """How many rows pass."""
    return ranking.select(**{**given, "limit": 0, "offset": 0})[0]


def said(query: Any, name: str, removed: int, n: int, left: int) -> str:
    if name == "search" and query.name is not None:
        name = "name" if query.search is None else "name and search"
        value = " ".join(text for text in (query.name, query.search) if text)
    else:
        value = getattr(query, name)
    value = ",".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)
    return f"{name}={value[:LONGEST]} removed {removed} of {n} models; {left} are left without it"
