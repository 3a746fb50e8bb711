"""What lies over the shipped catalog: the user's own models, and below them those that were gathered from the Hub."""

from __future__ import annotations

from llmfit import own, updates
from llmfit.errors import LlmfitError
from llmfit.pack import Packed

Stamp = tuple[own.Stamp, object]


def stamp() -> Stamp:
    """What changes when any of it does."""
    return own.stamp(own.folder()), updates.stamp()


def over(packed: Packed) -> tuple[Packed, tuple[str, ...], Stamp]:
    """(the catalog with them, what was left out and why, the stamp of what was read). Never fails."""
    now = stamp()
    problems: list[str] = []
    new: list[own.OwnModel] = []
    try:
        gathered = updates.current()
        new = gathered.models if gathered is not None else []
    except LlmfitError as error:
        problems.append(str(error))
    folder = own.read_folder(own.folder()) if now[0] else own.Folder([], [])
    if not new and not folder.models:
        return packed, (*problems, *folder.problems), now
    from llmfit.overlay import lay_over

    try:
        packed, wrong = lay_over(packed, [("gathered", model) for model in new], folder.models)
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        wrong = [f"all own models: {error}"]
    return packed, (*problems, *folder.problems, *wrong), now
