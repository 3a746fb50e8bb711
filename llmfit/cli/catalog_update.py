"""``llmfit catalog update``: models of the Hugging Face Hub beside the shipped ones."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from llmfit.cli.common import Command, formats, put, whole
from llmfit.errors import BadParam, LlmfitError

if TYPE_CHECKING:
    from llmfit.hub.gather import Outcome, Progress

MOST = 1000
EXAMPLES = """
llmfit catalog update                    # pip install 'llmfit[hub]'
llmfit catalog update --rollback         # the list before, and keep it
llmfit catalog update --pin shipped      # none of them
llmfit catalog update --pin latest       # the newest list, and let updates change it again
"""


@click.command("update", cls=Command, short_help="Add trending and new models of the Hub.", epilog=EXAMPLES)
@click.option("--trending", default="200", show_default=True, metavar="N", help="How many trending models to look at.")
@click.option("--newest", default="200", show_default=True, metavar="N", help="How many of the newest.")
@click.option("--pin", metavar="DIGEST|latest|shipped", help="Use this list and keep it; without a look at the Hub.")
@click.option("--rollback", is_flag=True, help="Use the list before and keep it; without a look at the Hub.")
@formats
def update(form: str, trending: str, newest: str, pin: str | None, rollback: bool) -> None:
    """Look at the trending and the newest models of the Hugging Face Hub and put those that the catalog lacks into a
    list beside it. An update that was cut off goes on where it was.
    """
    wanted = {"trending": whole("trending", trending, 0, MOST), "newest": whole("newest", newest, 0, MOST)}
    if pin is not None and rollback:
        raise BadParam("invalid pin value: use --pin or --rollback, not both")
    tell(form, pinned(pin) if pin is not None else rolled_back() if rollback else gathered(wanted))


def gathered(wanted: dict[str, int]) -> Outcome:
    from llmfit.catalog import catalog, hub_lists
    from llmfit.hub.gather import gather

    try:
        state = hub_lists.in_use()
    except LlmfitError:
        state = hub_lists.InUse()
    if state.pinned:
        what = state.digest or "the shipped catalog"
        raise LlmfitError(f"{what} is pinned: `llmfit catalog update --pin latest` lets updates change it again")
    with progress() as shown:
        return gather(catalog.Catalog(catalog.shipped_path()), wanted, shown)


def pinned(name: str) -> Outcome:
    from llmfit.catalog import hub_lists

    if name == "shipped":
        return outcome(hub_lists.use("", True))
    if name != "latest":
        return outcome(hub_lists.use(name, True))
    kept = hub_lists.kept()
    if not kept:
        raise LlmfitError(f"there is no list in {hub_lists.folder()}: `llmfit catalog update` makes one")
    return outcome(hub_lists.use(kept[0]))


def rolled_back() -> Outcome:
    from llmfit.catalog import hub_lists

    now = hub_lists.in_use()
    if not now.digest and not now.before:
        raise LlmfitError(f"there is no list before in {hub_lists.folder()}")
    return outcome(hub_lists.use(now.before, True))


def outcome(state: Any) -> Outcome:
    from llmfit.catalog import hub_lists
    from llmfit.hub.gather import Outcome

    return Outcome(state.digest, state.pinned, len(hub_lists.read(state.digest).models) if state.digest else 0)


def tell(form: str, done: Outcome) -> None:
    import msgspec

    if form != "table":
        put(form, msgspec.json.encode({"update": done}), "update", "")
        return
    if done.looked_at:
        click.echo(f"looked at {done.looked_at} models, {done.added} are new")
    for why, n in done.left_out.items():
        click.echo(f"  left out: {n}, {why}")
    what = f"{done.digest}, {done.models} models" if done.digest else "none, the shipped catalog alone"
    click.echo(f"in use: {what}{', pinned' if done.pinned else ''}")


class progress:
    """A bar on a terminal, nothing elsewhere."""

    def __enter__(self) -> Progress:
        from llmfit.hub.gather import Progress

        if not sys.stderr.isatty():
            return Progress()
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        bar = self.bar = Bar(*columns, console=Console(stderr=True), transient=True)
        task = bar.add_task("asking the Hub", total=None)
        bar.start()

        class Shown(Progress):
            def of(self, total: int) -> None:
                bar.update(task, total=total)

            def one(self, id: str) -> None:
                bar.update(task, advance=1, description=id[:40])

            def waiting(self, seconds: float) -> None:
                bar.update(task, description=f"the Hub asks to wait {seconds:.0f} s")

        return Shown()

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "bar"):
            self.bar.stop()
