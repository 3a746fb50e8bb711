"""``llmfit system``: the machine as it is seen."""

from __future__ import annotations

import click

from llmfit.cli.common import Command, flags, formats, put, query_of, this_machine

EXAMPLES = """
llmfit system
llmfit system --gpu "RTX 4090" --ram-gb 64       # what that machine would be
"""


@click.command("system", cls=Command, short_help="Show this machine as llmfit sees it.", epilog=EXAMPLES)
@flags("system")
@formats
def command(form: str, **given: tuple[str, ...]) -> None:
    """Show this machine as llmfit sees it."""
    from llmfit import api
    from llmfit.answers.encode import encode, node, system_of
    from llmfit.wire.system import SystemAnswer

    machine = api.changed(this_machine(), query_of("system", given))
    put(form, encode(SystemAnswer(node(), system_of(machine))), "system", "tables.show_system")
