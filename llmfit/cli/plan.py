"""``llmfit plan``: what it takes to run a model."""

from __future__ import annotations

import click

from llmfit.cli.common import Command, flags, formats, model_argument, put, query_of, this_machine

EXAMPLES = """
llmfit plan Qwen/Qwen3-32B
llmfit plan Qwen/Qwen3-32B --context 32768 --target-tps 20 --concurrency 4
llmfit plan Qwen/Qwen3-32B --gpu "RTX 4090" --ram-gb 64
"""


@click.command("plan", cls=Command, short_help="Say what hardware a model needs, what to add here.", epilog=EXAMPLES)
@model_argument()
@flags("plan")
@formats
def command(form: str, model: str, **given: tuple[str, ...]) -> None:
    """Say what hardware a model needs: on GPUs, with a part in RAM, on the CPU; and what to add to this machine."""
    from llmfit import api
    from llmfit.answers.encode import encode

    put(form, encode(api.planned(this_machine(), query_of("plan", given, model))), "run_paths", "tables_more.show_plan")
