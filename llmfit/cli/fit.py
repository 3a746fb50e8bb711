"""``llmfit fit``: the ranking."""

from __future__ import annotations

import click

from llmfit.cli.common import Command, flags, formats, put, query_of, this_machine


@click.command("fit", cls=Command)
@flags("fit")
@formats
def command(form: str, **given: tuple[str, ...]) -> None:
    """Rank the models that fit this machine, or one described by --gpu, --ram-gb and the like."""
    from llmfit import api

    put(form, api.ask(this_machine(), query_of("fit", given)).json, "models", "tables.show_rows")
