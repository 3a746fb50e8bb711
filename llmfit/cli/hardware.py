"""``llmfit hardware``: the machines that have a name, and files that describe one."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from llmfit.catalog import catalog
from llmfit.catalog.tables import KINDS, Profile
from llmfit.cli.common import fail_late, formats, overview, put
from llmfit.wire import system


class Named(msgspec.Struct, frozen=True):
    """The answer of ``hardware list``."""

    machines: tuple[Profile, ...]


class Shown(msgspec.Struct, frozen=True):
    """The answer of ``hardware show``: what was written down, and what is made of it."""

    profile: Profile
    system: system.System


class Checked(msgspec.Struct, frozen=True):
    """One file of ``hardware validate``; ``error`` is None where it describes a machine."""

    path: str
    error: str | None


class Validated(msgspec.Struct, frozen=True):
    """The answer of ``hardware validate``."""

    files: tuple[Checked, ...]


@click.group("hardware", invoke_without_command=True, short_help="List, show and check machines by name (--profile).")
@click.pass_context
def command(context: click.Context) -> None:
    """Machines by name: what --profile takes."""
    overview(context)


@command.command("list", short_help="List the machines that --profile knows.")
@click.argument("part", required=False)
@click.option("--kind", metavar="|".join(KINDS), help="Only machines of this kind.")
@formats
def listed(form: str, part: str | None, kind: str | None) -> None:
    """List the machines that llmfit knows by name; PART: only those whose name or title contains it."""
    if kind is not None and kind not in KINDS:
        from llmfit.errors import BadParam

        raise BadParam(f"invalid kind value: use {'|'.join(KINDS)}")
    words = (part or "").lower().split()
    found = tuple(
        profile
        for profile in catalog.default().tables.machines
        if kind in (None, profile.kind)
        and all(word in f"{profile.name} {profile.title} {profile.gpu}".lower() for word in words)
    )
    put(form, msgspec.json.encode(Named(found)), "machines", "tables.show_machines")


@command.command("show", short_help="Show one machine and what llmfit makes of it.")
@click.argument("machine", metavar="NAME|PATH")
@formats
def shown(form: str, machine: str) -> None:
    """Show one machine: what its profile says and what llmfit makes of it."""
    from llmfit.answers.encode import system_of
    from llmfit.hardware.profile_file import is_path, load_profile
    from llmfit.hardware.profiles import find_profile
    from llmfit.hardware.what_ifs import profile_machine

    tables = catalog.default().tables
    profile = load_profile(machine, tables) if is_path(machine) else find_profile(machine, tables)
    answer = Shown(profile, system_of(profile_machine(profile, tables)))
    put(form, msgspec.json.encode(answer), "system", "tables.show_profile")


@command.command("validate", short_help="Check files that describe machines.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@formats
def validated(form: str, paths: tuple[str, ...]) -> None:
    """Check files that describe machines; exit status 1 where one does not."""
    tables: Any = catalog.default().tables
    checked = tuple(Checked(path, problem(path, tables)) for path in paths)
    put(form, msgspec.json.encode(Validated(checked)), "files", "tables.show_checked")
    fail_late(any(file.error for file in checked))


def problem(path: str, tables: Any) -> str | None:
    """What is wrong with a file, None for nothing."""
    from llmfit.errors import LlmfitError
    from llmfit.hardware.profile_file import load_profile

    try:
        load_profile(path, tables)
    except LlmfitError as error:
        return str(error)
    return None
