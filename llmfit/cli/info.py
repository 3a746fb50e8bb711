"""``llmfit info``: all about one model."""

from __future__ import annotations

from typing import Any

import click

from llmfit.cli.common import engine_for, flags, formats, put, query_of
from llmfit.errors import UnknownModel


@click.command("info")
@click.argument("model")
@flags("name", ("machine", "analyse", "score"))
@formats
def command(form: str, model: str, **given: tuple[str, ...]) -> None:
    """Show all about one model on this machine. MODEL is its id, or part of it that names one model."""
    from llmfit.encode import answer

    engine = engine_for()
    query = query_of("name", {**given, "include_too_tight": ("true",)}, model)
    put(form, answer(engine.catalog, the_one(engine, query, model), query), "models", "show_model")


def the_one(engine: Any, query: Any, model: str) -> Any:
    """The Page with the one row that a name means; UnknownModel where it means none or several."""
    page = engine.run(query)
    if engine.catalog.core.index_of(model) < 0 and page.total != 1:
        import msgspec

        rows = msgspec.json.decode(page.ranking.encode(page.indices[:3], b"[", b"]"))
        names = [row["name"] for row in rows]
        hint = f"; {page.total} contain it, among them {', '.join(names)}" if names else ""
        raise UnknownModel(f"no model with the id '{model}' in the catalog{hint}")
    return type(page)(page.machine, page.generation, page.ranking, 1, page.indices[:1])
