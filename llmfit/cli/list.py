"""``llmfit list``: the catalog."""

from __future__ import annotations

import click

from llmfit.cli.common import Command, flags, formats, put, query_of, this_machine

SHOWN = "50"


@click.command("list", cls=Command)
@flags("models", ("filter", "score", "order", "page"))
@formats
def command(form: str, **given: tuple[str, ...]) -> None:
    """List the models of the catalog, fitting or not: 50 on a screen, all of them as JSON or CSV."""
    from llmfit import api

    if form == "table" and not given["limit"]:
        given["limit"] = (SHOWN,)
    given = {**given, "include_too_tight": given["include_too_tight"] or ("true",)}
    put(form, api.ask(this_machine(), query_of("models", given)).json, "models", "tables.show_catalog")
