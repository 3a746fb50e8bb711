"""``llmfit fit``: the ranking."""

from __future__ import annotations

import click

from llmfit.cli.common import Command, flags, formats, put, query_of, this_machine

EXAMPLES = """
llmfit fit --use-case coding --min-fit good
llmfit fit --gpu "2x RTX 3090" --ram-gb 64       # on another machine
llmfit fit --capability vision --max-mem-gb 12 --sort tps
llmfit fit --csv --limit 100 > models.csv
"""


@click.command("fit", cls=Command, short_help="Rank all models that run on this machine, best first.", epilog=EXAMPLES)
@flags("fit")
@formats
def command(form: str, **given: tuple[str, ...]) -> None:
    """Rank the models that run on this machine, or on one described by --gpu, --ram-gb and so on: 20 unless --limit."""
    from llmfit import api

    put(form, api.ask(this_machine(), query_of("fit", given)).json, "models", "tables.show_rows")
