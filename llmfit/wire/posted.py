"""What `explain` adds to a plan, a placement or a fit of many: all that is needed to ask again."""

from __future__ import annotations

from typing import Any

from llmfit.machine import Machine
from llmfit.wire.common import Struct


class PostedBody(Struct, frozen=True):
    """The body of a POST request, and the state it was answered in.

    llmfit_version: Of the program.
    catalog_version: Of the facts.
    catalog_digest: A hash of the facts.
    generation: Of answers about the machine without what-ifs.
    endpoint: plan, place or fit.
    body: What was asked; what is absent has its default.
    server_max_context: The server's --max-context.
    machine: Before the what-ifs of the body, without what was reserved.
    """

    llmfit_version: str
    catalog_version: str
    catalog_digest: str
    generation: str
    endpoint: str
    body: dict[str, Any]
    server_max_context: int | None
    machine: Machine


class Posted(Struct, frozen=True):
    """What `explain` adds to the answer to a body.

    asked: All that is needed to ask again.
    """

    asked: PostedBody
