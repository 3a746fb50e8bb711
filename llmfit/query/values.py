"""Texts as values, by the kind of a parameter: what is allowed, in words and in code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llmfit.errors import BadParam
from llmfit.query.param import MOST, Param

LONGEST_TEXT, LONGEST_NAMES = 200, 1000

NUMBER = r"([0-9]{1,12}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,2})?"  # as programs write them too: 1e-05
DATE = r"[12][0-9]{3}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?"
TRUE, FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


def allowed(param: Param) -> str:
    """What a bad value is told."""
    if param.kind in ("choice", "cache"):
        return "|".join(param.choices) + (", or two: K,V" if param.kind == "cache" else "")
    limit = f" up to {param.at_most:.0f}" if param.at_most < MOST else ""
    return {
        "bool": "true|false",
        "count": f"a non-negative integer{limit}",
        "positive": f"a positive integer{limit}",
        "number": f"a positive number{limit}",
        "amount": f"a non-negative number{limit}",
        "text": f"a non-empty text of at most {LONGEST_TEXT} characters",
        "date": "a date: YYYY-MM-DD, YYYY-MM or YYYY",
        "words": f"a comma-separated list of at most {LONGEST_TEXT} characters",
        "names": f"a comma-separated list of at most {LONGEST_NAMES} characters",
        "choices": f"a comma-separated list of {'|'.join(param.choices)}",
        "keys": "a comma-separated list of keys of a row",
    }[param.kind]


def value_of(param: Param, text: str) -> Any:
    """The value that a text stands for; BadParam where it is none of the allowed ones."""
    text = text.strip()
    value = READERS[param.kind](param, text)
    if value is None or (isinstance(value, int | float) and value > param.at_most):
        raise BadParam(f"invalid {param.name} value: use {allowed(param)}")
    return value


def _bool(param: Param, text: str) -> bool | None:
    text = text.lower()
    return True if text in TRUE else False if text in FALSE else None


def _integer(param: Param, text: str) -> int | None:
    value = int(text) if re.fullmatch(r"[0-9]{1,12}", text, re.ASCII) else -1
    return value if value >= (param.kind == "positive") else None


def _number(param: Param, text: str) -> float | None:
    value = float(text) if re.fullmatch(NUMBER, text, re.ASCII) else -1.0
    return value if value > 0 or (value == 0 and param.kind == "amount") else None


def _choice(param: Param, text: str) -> str | None:
    text = text.lower()
    text = param.value_aliases.get(text, text)
    return text if text in param.choices or text in param.hidden_choices else None


def _cache(param: Param, text: str) -> str | None:
    """One type, or two with a comma between; two equal ones are one."""
    parts = [_choice(param, part.strip()) for part in text.split(",")]
    if len(parts) > 2 or None in parts:
        return None
    return ",".join(dict.fromkeys(part for part in parts if part))


def _text(param: Param, text: str) -> str | None:
    return text if 0 < len(text) <= LONGEST_TEXT else None


def _words(param: Param, text: str) -> tuple[str, ...] | None:
    words = tuple(word.strip().lower() for word in text.split(","))
    return words if len(text) <= LONGEST_TEXT and all(words) else None


def _names(param: Param, text: str) -> tuple[str, ...] | None:
    names = tuple(name.strip() for name in text.split(","))
    return names if len(text) <= LONGEST_NAMES and all(names) else None


def _choices(param: Param, text: str) -> tuple[str, ...] | None:
    """The named choices in the order of the choices, each once."""
    words = {word.strip().lower(): None for word in text.split(",")}
    for word in words:
        if not word:
            return None
        if word not in param.choices:
            import difflib

            near = difflib.get_close_matches(word, param.choices, n=1, cutoff=0.5)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            raise BadParam(f"invalid {param.name} value: unknown '{word[:40]}'{hint}; use {allowed(param)}")
    return tuple(choice for choice in param.choices if choice in words)


def _date(param: Param, text: str) -> str | None:
    return text if re.fullmatch(DATE, text, re.ASCII) else None


READERS = {
    "bool": _bool, "count": _integer, "positive": _integer, "number": _number, "amount": _number, "choice": _choice,
    "cache": _cache,
    "text": _text, "words": _words, "names": _names, "choices": _choices, "keys": _choices, "date": _date,
}  # by kind: count is >= 0, positive > 0, number > 0, amount >= 0  # fmt: skip


def text_of(value: object) -> str:
    """A Python or JSON value as it would stand in a URL."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.12f}".rstrip("0").rstrip(".")
    if isinstance(value, list | tuple):
        return ",".join(map(text_of, value))
    return str(value)


def texts_of(options: Mapping[str, object]) -> list[tuple[str, str]]:
    """Named Python or JSON values as the pairs of a URL; None is an absent one."""
    return [(key, text_of(value)) for key, value in options.items() if value is not None]


def model_of(value: object) -> str:
    """The text that a JSON body names a model with; BadParam where it is none."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT:
        raise BadParam("invalid model value: use the id of a model, or a part of it that names one")
    return value
