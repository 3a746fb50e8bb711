"""``llmfit run``: start a model as its row says."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from llmfit.cli.common import Command, flags, model_argument, one_model, this_machine
from llmfit.errors import BadParam, LlmfitError

if TYPE_CHECKING:
    from llmfit.wire.rows import Row

EXAMPLES = """
llmfit run Qwen/Qwen3-8B --print
llmfit run Qwen/Qwen3-8B --max-context 32768 --kv-quant q8_0,q4_0 --print
llmfit run Qwen/Qwen3-32B --profile dgx-h100 --print
"""


@click.command("run", cls=Command, short_help="Start a model as its row says, or print the command.", epilog=EXAMPLES)
@model_argument()
@click.option("--print", "show", is_flag=True, help="Print the command, start nothing.")
@click.option("--yes", "-y", is_flag=True, help="Start it without asking.")
@click.option("--ollama", is_flag=True, help="Let ollama run it, where its name there is known.")
@flags("name", ("machine", "analyse", "score"))
def command(model: str, show: bool, yes: bool, ollama: bool, **given: tuple[str, ...]) -> None:
    """Start MODEL (an id, a part of one, or a file) with the runtime, context and placement that `llmfit info` shows.

    The command is shown, then asked about; the runtime fetches the files and shows how far it is.
    """
    from llmfit.query.params import WHATIF_NAMES
    from llmfit.runtimes.commands import found, shell_line, start

    machine = this_machine()
    if not show and any(given[name] for name in WHATIF_NAMES):
        raise BadParam("another machine is asked about, and this one would run it: use --print")
    row = one_model(machine, model, given)
    run, env = with_ollama(row) if ollama else (row.run, row.run_env)
    if run is None:
        raise LlmfitError(f"no command starts {row.name} here: {why_not(row)}")
    line = shell_line(run, env)
    if show:
        click.echo(line)
        return
    path = found(run, machine.os)
    click.echo(line)
    if not yes:
        if not sys.stdin.isatty():
            raise BadParam("nobody can be asked: use --yes to start it, --print to see the command alone")
        here = "" if row.installed else f" It fetches up to {row.disk_size_gb:.1f} GiB."
        click.confirm(f"Start it?{here}", abort=True)
    start(path, run, env)


def with_ollama(row: Row) -> tuple[tuple[str, ...], dict[str, str]]:
    """What ollama calls it; LlmfitError where that is not known. Context and quantization are ollama's own."""
    if row.ollama_name is None or row.fit_level == "too_tight":
        reason = why_not(row) if row.ollama_name else "its name in ollama is not known"
        raise LlmfitError(f"ollama does not run {row.name} here: {reason}")
    return ("ollama", "run", row.ollama_name), {}


def why_not(row: Row) -> str:
    """The note that says why there is no command: why it cannot run, or what is missing: files, a server."""
    from llmfit import codes

    if row.fit_level == "too_tight":
        return row.notes[0]
    reasons = [codes.NOTES[name] for name in ("convert", "convert_mlx", "no_server")]
    return next((note for note in row.notes if note in reasons), "no files of it are known")
