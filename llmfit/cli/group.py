"""The command group: each command is a module of its own, imported when it is called."""

from __future__ import annotations

from importlib import import_module

import click

from llmfit import __version__
from llmfit.cli.common import format_flags

# In the order of --help. Each is `command` of the module of its name.
COMMANDS = ("fit", "info", "system", "serve")


class Commands(click.Group):
    """Finds commands by their names in COMMANDS."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"llmfit.cli.{name}").command
        return command


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(__version__, "-V", "--version", message="llmfit %(version)s")
@format_flags
@click.option("--max-context", metavar="N", help="Context in tokens that rows are computed at, unless a request says.")
@click.pass_context
def cli(context: click.Context, /, max_context: str | None, **formats: bool) -> None:
    """Which open-weight LLMs fit this machine, how fast they run on it, and how good they are."""
    if max_context is not None:  # before the command it is the default of every command behind it
        for name in ("serve", "fit", "info"):
            context.default_map = {
                **(context.default_map or {}),
                name: {"max_context": max_context if name == "serve" else (max_context,)},
            }
    if context.invoked_subcommand is None:
        from llmfit.cli.fit import command

        context.invoke(command)
