"""The command group: each command is a module of its own, imported when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from llmfit import __version__
from llmfit.cli.common import format_flags, no_probe

# In the order of --help. Each is `command` of the module of its name.
COMMANDS = (
    "recommend", "fit", "search", "info", "diff", "plan", "list", "catalog", "system", "doctor", "hardware", "serve",
    "completion",
)  # fmt: skip


class Commands(click.Group):
    """Finds commands by their names in COMMANDS."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"llmfit.cli.{name}").command
        return command

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"use {'|'.join(COMMANDS)}."
            raise click.UsageError(f"no such command '{args[0][:40]}': {hint}", context)
        return super().resolve_command(context, args)


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True
)
@click.version_option(__version__, "-V", "--version", message="llmfit %(version)s")
@format_flags
@no_probe
@click.option("--max-context", metavar="N", help="Context in tokens that rows are computed at, unless a request says.")
@click.option("--from", "recorded", metavar="DIR", help="Answer for the machine that `doctor --record` recorded there.")
@click.pass_context
def cli(context: click.Context, /, max_context: str | None, **others: Any) -> None:
    """Which open-weight LLMs fit this machine, how fast they run on it, and how good they are."""
    if max_context is not None:  # before the command it is the default of every command behind it
        context.default_map = {name: {"max_context": (max_context,)} for name in COMMANDS}
        context.default_map |= {"serve": {"max_context": max_context}, "plan": {"context": (max_context,)}}
    if context.invoked_subcommand is None:
        from llmfit.cli.summary import command

        context.invoke(command)
