"""``llmfit info``: all about one model."""

from __future__ import annotations

import click

from llmfit.cli.common import Command, answer_for, flags, formats, model_argument, put, this_machine

EXAMPLES = """
llmfit info Qwen/Qwen3-8B
llmfit info Qwen/Qwen3-8B --quant Q8_0 --max-context 32768 --gpu "RTX 4090"
llmfit info Qwen/Qwen3-8B --explain=false --json
"""


@click.command("info", cls=Command, short_help="Show all about one model here, and why.", epilog=EXAMPLES)
@model_argument()
@flags("name", ("machine", "analyse", "score", "explain"))
@formats
def command(form: str, model: str, **given: tuple[str, ...]) -> None:
    """Show all about one model on this machine, and how it came about (unless --explain=false).

    MODEL is its id, what stands behind the slash, or a part that names one model; or a file: a .gguf file, a
    config.json, a .safetensors file or its index, a folder with them.
    """
    given["explain"] = given["explain"] or ("true",)
    put(form, answer_for(this_machine(), model, given).json, "models", "tables.show_model")
