"""``llmfit replay``: a saved answer, computed again."""

from __future__ import annotations

import os

import click

from llmfit.cli.common import Command, fail_late, formats, put
from llmfit.errors import BadParam, printable

MOST_SHOWN, LONGEST = 40, 60


EXAMPLES = """
llmfit fit --explain --json -n 3 > decision.json && llmfit replay decision.json
"""


@click.command("replay", cls=Command, short_help="Compute a saved answer again; say what differs.", epilog=EXAMPLES)
@click.argument("file", type=click.Path())
@formats
def command(form: str, file: str) -> None:
    """Compute a saved answer again: is it the same?

    Exit status 0: it is; 1: what differs is printed; 2: FILE is no such answer.

    FILE is the JSON of any list with explain=true: of the HTTP API, or of `llmfit fit --explain --json`; or of a POST
    whose body has "explain": true. Another version or catalog is said first.
    """
    from llmfit.answers.encode import encode
    from llmfit.answers.replay import MOST_BYTES, replay
    from llmfit.catalog import catalog

    try:
        found = replay(catalog.default(), content(file, MOST_BYTES))
    except BadParam as error:
        raise BadParam(f"cannot replay {printable(file)}: {error}") from None
    if form == "table":
        differ = [part for part in found.parts if not part.same]
        for part in differ[:MOST_SHOWN]:
            click.echo(f"{printable(part.where)}: was {shown(part.was)}, is {shown(part.now)}")
        if len(differ) > MOST_SHOWN:
            click.echo(f"and {len(differ) - MOST_SHOWN} more")
        count = f"{found.models} model{'' if found.models == 1 else 's'}"
        click.echo(f"same: {count}" if found.same else f"not the same: {len(differ)} differences in {count}")
    else:
        put(form, encode(found), "parts", "")
    fail_late(not found.same)


def content(file: str, most: int) -> bytes:
    """The bytes of a file; BadParam where it cannot be read."""
    try:
        if os.path.exists(file) and not os.path.isfile(file):
            raise BadParam("not a file")
        with open(file, "rb") as opened:
            text = opened.read(most + 1)
    except (OSError, ValueError) as error:
        raise BadParam(getattr(error, "strerror", None) or "not a file name") from None
    if len(text) > most:
        raise BadParam(f"too large: use a file of at most {most >> 20} MiB")
    return text


def shown(value: object) -> str:
    from llmfit.answers.encode import encode

    text = "nothing" if value is None else printable(encode(value).decode())
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
