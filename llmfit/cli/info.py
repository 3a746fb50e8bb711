"""``llmfit info``: all about one model."""

from __future__ import annotations

import click

from llmfit.cli.common import Command, flags, formats, model_argument, put, query_of, this_machine


@click.command("info", cls=Command)
@model_argument()
@flags("name", ("machine", "analyse", "score", "explain"))
@formats
def command(form: str, model: str, **given: tuple[str, ...]) -> None:
    """Show all about one model on this machine, and how it came about (unless --explain=false).

    MODEL is its id, or part of it that names one model.
    """
    from llmfit import api

    given["explain"] = given["explain"] or ("true",)
    query = query_of("name", {**given, "include_too_tight": ("true",)}, model)
    put(form, api.the_one(this_machine(), query).json, "models", "tables.show_model")
