"""``llmfit diff``: models side by side."""

from __future__ import annotations

import click

from llmfit.cli.common import Command, flags, formats, model_argument, put, query_of, this_machine

EXAMPLES = """
llmfit diff Qwen/Qwen3-8B microsoft/phi-4
llmfit diff Qwen/Qwen3-8B microsoft/phi-4 --gpu "RTX 4090" --use-case coding
"""


@click.command("diff", cls=Command, short_help="Compare two to eight models.", epilog=EXAMPLES)
@model_argument("models", nargs=-1, required=True, metavar="MODEL MODEL...")
@flags("compare")
@formats
def command(form: str, models: tuple[str, ...], **given: tuple[str, ...]) -> None:
    """Compare two to eight models on this machine. MODEL is an id, or what stands behind its slash."""
    from llmfit import api

    query = query_of("compare", {**given, "models": (",".join(models),)})
    put(form, api.compared(this_machine(), query).json, "models", "tables_more.show_diff")
