"""``llmfit recommend``: the best few, one of each base model."""

from __future__ import annotations

import click

from llmfit.cli.common import Command, flags, formats, put, query_of, this_machine

EXAMPLES = """
llmfit recommend
llmfit recommend --use-case coding --min-tps 20
llmfit recommend --profile mac-studio-m4-max-64gb
"""


@click.command("recommend", cls=Command, short_help="Name the best models, one of each base model.", epilog=EXAMPLES)
@flags("top")
@formats
def command(form: str, **given: tuple[str, ...]) -> None:
    """Name the best few models for this machine (5 unless --limit), one row for each base model."""
    from llmfit import api

    put(form, api.ask(this_machine(), query_of("top", given)).json, "models", "tables.show_recommended")
