"""``llmfit plan``: what it takes to run a model."""

from __future__ import annotations

import click

from llmfit.cli.common import Command, flags, formats, model_argument, put, query_of, this_machine


@click.command("plan", cls=Command)
@model_argument()
@flags("plan")
@formats
def command(form: str, model: str, **given: tuple[str, ...]) -> None:
    """Say what hardware a model needs: on GPUs, with a part in RAM, on the CPU; and what to add to this machine."""
    from llmfit import api
    from llmfit.encode import encode

    put(form, encode(api.planned(this_machine(), query_of("plan", given, model))), "run_paths", "tables_more.show_plan")
