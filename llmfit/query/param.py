"""One parameter of the API, and the endpoints that take parameters."""

from __future__ import annotations

from typing import Any

import msgspec

MOST = (1 << 31) - 1  # what the core's integers hold

# What an endpoint is called here; `name` is /api/v1/models/{name}, `fit` the command line.
LISTS = ("models", "top", "name", "fit")
SCORED = (*LISTS, "compare", "plan")
ENDPOINTS = (*SCORED, "system")


class Param(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter: what it is called, what it takes, where it applies, what it is when absent."""

    name: str
    kind: str  # of values.READERS
    # basis, machine, analyse, score, filter, order, page, write, explain, parse: what it changes has to be done again
    stage: str
    help: str
    choices: tuple[str, ...] = ()
    value_aliases: dict[str, str] = {}
    hidden_choices: tuple[str, ...] = ()  # legal, but not named in the error text
    aliases: tuple[str, ...] = ()
    default: Any = None
    defaults: dict[str, Any] = {}  # by endpoint, where it differs
    endpoints: tuple[str, ...] = LISTS
    at_most: float = MOST
    example: object = None  # a value for the docs, where the kind does not suggest one

    def default_at(self, endpoint: str) -> Any:
        return self.defaults.get(endpoint, self.default)
