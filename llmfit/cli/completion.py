"""``llmfit completion``: completion for a shell."""

from __future__ import annotations

import click

from llmfit.cli.common import Command
from llmfit.errors import BadParam

SHELLS = ("bash", "zsh", "fish")

EXAMPLES = """
eval "$(llmfit completion bash)"                 # in ~/.bashrc
llmfit completion fish > ~/.config/fish/completions/llmfit.fish
"""


@click.command("completion", cls=Command, short_help="Print a script that completes for a shell.", epilog=EXAMPLES)
@click.argument("shell", metavar="|".join(SHELLS))
@click.pass_context
def command(context: click.Context, /, shell: str) -> None:
    """Print a script that completes commands, flags, their values and the ids of models."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell) if shell in SHELLS else None
    if found is None:
        raise BadParam(f"invalid shell value: use {'|'.join(SHELLS)}")
    click.echo(found(context.find_root().command, {}, "llmfit", "_LLMFIT_COMPLETE").source())
