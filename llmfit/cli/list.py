"""``llmfit list``: the catalog."""

from __future__ import annotations

import click

from llmfit.cli.common import Command, flags, formats, put, query_of, this_machine

SHOWN = "50"
EXAMPLES = """
llmfit list --provider mistral --sort date -n 10
llmfit list --released-after 2026-01 --license apache-2.0,mit
"""


@click.command("list", cls=Command, short_help="List the catalog, whether it fits here or not.", epilog=EXAMPLES)
@flags("models", ("filter", "score", "order", "page"))
@formats
def command(form: str, **given: tuple[str, ...]) -> None:
    """List the models of the catalog, fitting or not: 50 on a screen, all of them as JSON or CSV."""
    from llmfit import api

    if form == "table" and not given["limit"]:
        given["limit"] = (SHOWN,)
    given = {**given, "include_too_tight": given["include_too_tight"] or ("true",)}
    put(form, api.ask(this_machine(), query_of("models", given)).json, "models", "tables.show_catalog")
