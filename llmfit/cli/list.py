"""``llmfit list``: the catalog."""

from __future__ import annotations

import click

from llmfit.cli.common import Command, flags, formats, put, query_of, this_machine


@click.command("list", cls=Command)
@flags("models", ("filter", "score", "order", "page"))
@formats
def command(form: str, **given: tuple[str, ...]) -> None:
    """List all models of the catalog, whether they fit this machine or not."""
    from llmfit import api

    given = {**given, "include_too_tight": given["include_too_tight"] or ("true",)}
    put(form, api.ask(this_machine(), query_of("models", given)).json, "models", "tables.show_catalog")
