"""``llmfit search``: models by a part of what they are called."""

from __future__ import annotations

import click

from llmfit.cli.common import Command, flags, formats, put, query_of, this_machine

EXAMPLES = """
llmfit search qwen3
llmfit search 70B --gpu "2x RTX 3090"
"""


@click.command("search", cls=Command, short_help="Find models by name, provider or size.", epilog=EXAMPLES)
@click.argument("text")
@flags("fit")
@formats
def command(form: str, text: str, **given: tuple[str, ...]) -> None:
    """Find models by a part of their name, provider, size or use case; those that do not fit too."""
    from llmfit import api

    given = {**given, "search": (*given["search"], text)}
    if not (given["min_fit"] or given["perfect"] or given["include_too_tight"]):
        given["include_too_tight"] = ("true",)
    put(form, api.ask(this_machine(), query_of("fit", given)).json, "models", "tables.show_rows")
