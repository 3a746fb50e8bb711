"""The command group: each command is a module of its own, imported when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from llmfit._version import __version__
from llmfit.cli.common import folders, format_flags, no_probe, show_examples

# In the order of --help, by section. Each is `command` of the module of its name.
SECTIONS = {
    "Which models": ("recommend", "fit", "search", "list"),
    "One model": ("info", "run", "diff", "plan"),
    "The machine": ("system", "hardware", "doctor"),
    "Serve": ("serve",),
    "More": ("replay", "catalog", "completion"),
}
COMMANDS = tuple(name for names in SECTIONS.values() for name in names)
EXAMPLES = """
llmfit                                     # this machine and its best models
llmfit recommend --use-case coding
llmfit info Qwen/Qwen3-8B --gpu "RTX 4090"
llmfit serve                               # the same over HTTP, and a page for people
"""


class Commands(click.Group):
    """Finds commands by their names in COMMANDS; --help shows them in sections, a line each."""

    def format_help_text(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_help_text(context, formatter)
        show_examples(EXAMPLES, formatter)

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(context, formatter)
        click.Command.format_options(self, context, formatter)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in SECTIONS.items():
            found = [(name, self.get_command(context, name) or self) for name in names]
            lines = [(name.ljust(10), command.get_short_help_str(200)) for name, command in found]
            with formatter.section(title):
                formatter.write_dl(lines)

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"llmfit.cli.{name}").command
        return command

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        if args and args[0] == "help":
            args = [*args[1:2], "--help"]
            if len(args) == 1:
                click.echo(context.get_help())
                context.exit()
        if args and args[0] not in COMMANDS:
            import difflib

            if "/" in args[0] or args[0].endswith((".gguf", ".json", ".safetensors")):
                text = f"'{args[0][:60]}' is no command; for a model: llmfit info {args[0][:60]}."
                raise click.UsageError(text, context)
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
@folders
@click.option("--max-context", metavar="N", help="Context in tokens that rows are computed at, unless a request says.")
@click.option("--from", "recorded", metavar="DIR", help="Answer for the machine that `doctor --record` recorded there.")
@click.pass_context
def cli(context: click.Context, /, max_context: str | None, **others: Any) -> None:
    """Which open-weight LLMs fit this machine, how fast they run on it, and how good they are.

    `llmfit COMMAND --help` shows what a command takes, with examples.
    """
    if max_context is not None:  # before the command it is the default of every command behind it
        context.default_map = {name: {"max_context": (max_context,)} for name in COMMANDS}
        context.default_map |= {"serve": {"max_context": max_context}, "plan": {"context": (max_context,)}}
    if context.invoked_subcommand is None:
        from llmfit.cli.summary import command

        context.invoke(command)
