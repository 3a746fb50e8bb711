"""``llmfit`` alone: this machine and its best models, on one screen."""

from __future__ import annotations

import click

from llmfit.cli.common import formats, put, query_of, this_machine


@click.command("llmfit")
@formats
def command(form: str) -> None:
    """This machine and the best models for it."""
    from llmfit import api

    put(form, api.ask(this_machine(), query_of("top", {})).json, "models", "tables.show_summary")
