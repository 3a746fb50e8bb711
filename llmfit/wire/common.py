"""What several endpoints say, /health, /api/v1/events and every error."""

from __future__ import annotations

from typing import Literal

import msgspec

Struct = msgspec.Struct


class Node(Struct, frozen=True):
    """The machine's name on its network and its operating system.

    name: `$HOSTNAME`, else the system's host name.
    os: The operating system.
    """

    name: str
    os: Literal["linux", "macos", "windows"]


class CatalogName(Struct, frozen=True):
    """The facts that answers are made from.

    version: The day of the facts.
    digest: A hash of all of them.
    """

    version: str
    digest: str


class Health(Struct, frozen=True):
    """Whether the server lives.

    status: `ok`.
    node: Who answers.
    """

    status: str
    node: Node


class Change(Struct, frozen=True):
    """What /api/v1/events tells: answers of another generation may differ from those of this one.

    generation: That of answers from now on.
    observed_at: When the machine was looked at, UTC.
    """

    generation: str
    observed_at: str


class Failure(Struct, frozen=True):
    """Every answer that is not 2xx or 304.

    error: What was wrong and what is allowed.
    """

    error: str
