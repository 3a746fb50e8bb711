"""``llmfit fit``: the ranking."""

from __future__ import annotations

import click

from llmfit.cli.common import engine_for, flags, formats, put, query_of


@click.command("fit")
@flags("fit")
@formats
def command(form: str, **given: tuple[str, ...]) -> None:
    """Rank the models that fit this machine, or one described by --gpu, --ram-gb and the like."""
    from llmfit.encode import answer

    query = query_of("fit", given)
    engine = engine_for()
    put(form, answer(engine.catalog, engine.run(query), query), "models", "show_rows")
