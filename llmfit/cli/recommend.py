"""``llmfit recommend``: the best few, one of each base model."""

from __future__ import annotations

import click

from llmfit.cli.common import Command, flags, formats, put, query_of, this_machine


@click.command("recommend", cls=Command)
@flags("top")
@formats
def command(form: str, **given: tuple[str, ...]) -> None:
    """Name the best models for this machine, one row for each base model, as GET /api/v1/models/top does."""
    from llmfit import api

    put(form, api.ask(this_machine(), query_of("top", given)).json, "models", "tables.show_rows")
