"""What lies over the shipped catalog: the user's own models, and below them those that were gathered from the Hub."""

from __future__ import annotations

from typing import NamedTuple

from llmfit.catalog import hub_lists, own_models
from llmfit.catalog.pack import Packed, ids_of
from llmfit.errors import LlmfitError

Stamp = tuple[own_models.Stamp, object]


class Layers(NamedTuple):
    """What was laid over a catalog."""

    own: int = 0  # models
    gathered: int = 0
    problems: tuple[str, ...] = ()  # what was left out and why
    stamp: Stamp = ((), None)  # of what was read


def stamp() -> Stamp:
    """What changes when any of it does; own_models.CannotLook."""
    return own_models.stamp(own_models.folder()), hub_lists.stamp()


def over(packed: Packed) -> tuple[Packed, Layers]:
    """The catalog with them. own_models.CannotLook where no file can be opened at the moment; nothing else."""
    now = stamp()
    problems: list[str] = []
    new: list[own_models.OwnModel] = []
    try:
        gathered = hub_lists.current()
        new = gathered.models if gathered is not None else []
    except LlmfitError as error:
        problems.append(str(error))
    folder = own_models.read_folder(own_models.folder()) if now[0] else own_models.Folder([], [])
    if not new and not folder.models:
        return packed, Layers(0, 0, (*problems, *folder.problems), now)
    from llmfit.catalog.overlay import lay_over

    before = packed.n_rows
    try:
        packed, wrong = lay_over(packed, [("gathered", model) for model in new], folder.models)
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        return packed, Layers(0, 0, (*problems, *folder.problems, f"all own models: {error}"), now)
    kept = len(folder.models) - sum(not problem.startswith("gathered: ") for problem in wrong)
    mine = {model.id.lower() for _, model in folder.models}
    gathered_ids = {model.id.lower() for model in new} - mine
    placed = sum(id.lower() in gathered_ids for id in ids_of(packed)[before:]) if new else 0
    return packed, Layers(kept, placed, (*problems, *folder.problems, *wrong), now)
