"""Gathers the trending and the newest models of the Hub into one list (llmfit/catalog/hub_lists.py).

Every model that was looked at is written to a journal at once; a later run goes on where this one was cut off. The list
comes into use whole or not at all.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from llmfit.catalog import hub_lists
from llmfit.catalog.catalog import Catalog
from llmfit.catalog.own_models import OwnModel
from llmfit.errors import LlmfitError
from llmfit.hub.card import Cards
from llmfit.hub.client import Hub, Listing, Refused

JOURNAL, MOST_JOURNAL = "gathering.jsonl", 1 << 25
JOURNAL_HOURS = 24.0
SORTS = {"trending": "trendingScore", "newest": "createdAt"}


class Begun(msgspec.Struct, frozen=True):
    """The first line of the journal."""

    made: str
    shipped: str


class Entry(msgspec.Struct, frozen=True):
    """A model that was looked at: its facts, or why it has none."""

    id: str
    model: OwnModel | None = None
    why: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What an update did: `digest` is the list in use now ("": the shipped catalog alone)."""

    digest: str
    pinned: bool
    models: int
    added: int = 0
    looked_at: int = 0
    left_out: dict[str, int] = {}


class Progress:
    """What is told while it goes on; the base tells nothing."""

    def of(self, total: int) -> None: ...
    def one(self, id: str) -> None: ...
    def waiting(self, seconds: float) -> None: ...


def own_of_hub(name: str, shipped: Catalog, id: str | None = None) -> tuple[OwnModel, tuple[str, ...]]:
    """(one model of the Hub, notes on its facts); LlmfitError with what is wrong."""
    hub = Hub()
    try:
        listing = hub.listing(name)
        cards = Cards(shipped)
        cards.looked_at(listing)
        if listing.siblings and not any(file.rfilename == "config.json" for file in listing.siblings):
            raise Refused("it holds no config.json")
        model, notes = cards.model(listing, hub.config(name), note=f"from the Hugging Face Hub, {today()}")
    except Refused as error:
        raise LlmfitError(f"{name} cannot be added: {error}") from None
    if id is not None:
        model = msgspec.convert(msgspec.to_builtins(model) | {"id": id}, OwnModel)
    return model, (f"from {hub.endpoint}/{name}, {today()}", *notes)


def today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


class Journal:
    """The models that were looked at, in a file that no second update writes at the same time."""

    def __init__(self, shipped: str) -> None:
        self.path = os.path.join(hub_lists.folder(), JOURNAL)
        self.seen: dict[str, Entry] = {}
        try:
            os.makedirs(hub_lists.folder(), exist_ok=True)
            self.file: BinaryIO = open(self.path, "a+b")  # noqa: SIM115  (closed in __exit__)
        except OSError as error:
            raise LlmfitError(f"{self.path}: cannot be written: {error.strerror or error}") from None
        with contextlib.suppress(ImportError):
            import fcntl

            try:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise LlmfitError(f"another update is going on: {self.path} is locked") from None
        if not self._read(shipped):
            self.file.truncate(0)
            self._write(Begun(datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), shipped))

    def _read(self, shipped: str) -> bool:
        """Take up what an earlier run has looked at; False where there is none that holds still."""
        self.file.seek(0)
        lines = self.file.read(MOST_JOURNAL).split(b"\n")
        try:
            begun = msgspec.json.decode(lines[0], type=Begun)
            made = datetime.datetime.fromisoformat(begun.made)
            age = (datetime.datetime.now(datetime.UTC) - made).total_seconds() / 3600
        except (msgspec.DecodeError, ValueError, TypeError):
            return False
        if begun.shipped != shipped or not 0 <= age < JOURNAL_HOURS:
            return False
        for line in lines[1:-1]:  # behind the last line end there is at most half a line
            with contextlib.suppress(msgspec.DecodeError):
                entry = msgspec.json.decode(line, type=Entry)
                self.seen[entry.id] = entry
        if lines[-1]:
            self.file.write(b"\n")
        return True

    def add(self, entry: Entry) -> None:
        self.seen[entry.id] = entry
        self._write(entry)

    def _write(self, what: msgspec.Struct) -> None:
        try:
            self.file.write(msgspec.json.encode(what) + b"\n")
            self.file.flush()
        except OSError as error:
            raise LlmfitError(f"{self.path}: cannot be written: {error.strerror or error}") from None

    def done(self) -> None:
        """Forget it all: its list is kept."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def gather(shipped: Catalog, wanted: dict[str, int], progress: Progress) -> Outcome:
    """Look at the first `wanted` models by trending and newest, and bring the list of them into use."""
    hub = Hub(progress.waiting)
    cards = Cards(shipped)
    left_out: Counter[str] = Counter()
    with Journal(shipped.name.digest) as journal:
        found = list(candidates(hub, cards, wanted, left_out))
        progress.of(len(found))
        for listing in found:
            if listing.id not in journal.seen:
                journal.add(looked_at(hub, cards, listing))
            progress.one(listing.id)
        entries = [journal.seen[listing.id] for listing in found]
        left_out.update(kind_of(entry.why) for entry in entries if entry.model is None)
        new = {entry.model.id.lower(): entry.model for entry in entries if entry.model is not None}
        outcome = keep(shipped, cards, new)
        journal.done()
    return msgspec.structs.replace(outcome, looked_at=len(found), left_out=dict(left_out.most_common()))


def candidates(hub: Hub, cards: Cards, wanted: dict[str, int], left_out: Counter[str]) -> Iterator[Listing]:
    """Each model of the lists once, but for those that the catalog has."""
    told = set()
    for name, most in wanted.items():
        for listing in hub.models(SORTS[name], most) if most else ():
            if listing is None:
                left_out["not a description of a model"] += 1
            elif listing.id.lower() in cards.ids:
                left_out["in the catalog already"] += listing.id not in told
                told.add(listing.id)
            elif listing.id not in told:
                told.add(listing.id)
                yield listing


def looked_at(hub: Hub, cards: Cards, listing: Listing) -> Entry:
    """Its facts, or why it has none. Unreachable."""
    try:
        cards.looked_at(listing)
        note = f"from the Hugging Face Hub, {today()}, not checked by hand"
        model, _ = cards.model(listing, hub.config(listing.id), note=note)
    except Refused as error:
        return Entry(listing.id, None, str(error)[:300])
    return Entry(listing.id, model)


def kind_of(why: str) -> str:
    """A reason without what it says of one model alone, so that they can be counted."""
    if why.startswith("the Hub does not give it"):
        return "no config.json, or behind a gate"
    if why.startswith(("its task", "it is an adapter", "it holds GGUF")):
        return "of another task, adapters, GGUF files alone"
    return "by a rule of the catalog"


def keep(shipped: Catalog, cards: Cards, new: dict[str, OwnModel]) -> Outcome:
    """Write the list of these models and of those before it, and bring it into use unless another one is pinned."""
    try:
        now: Any = hub_lists.current()
    except LlmfitError:  # damaged: begun anew
        now = None
    before = {model.id.lower(): model for model in now.models if model.id.lower() not in cards.ids} if now else {}
    models = [*new.values(), *(model for name, model in before.items() if name not in new)][: hub_lists.MOST_MODELS]
    added = sum(name not in before for name in new)
    state = hub_lists.in_use() if now is not None else hub_lists.InUse()
    if now is not None and now.models == models:
        return Outcome(state.digest, state.pinned, len(models))
    made = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    digest = hub_lists.write(hub_lists.Gathered(made, shipped.name.digest, models))
    hub_lists.use(digest)
    return Outcome(digest, False, len(models), added)
