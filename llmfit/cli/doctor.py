"""``llmfit doctor``: what was seen, by which probe, and why not more."""

from __future__ import annotations

import getpass
import os
import platform
import socket
from contextlib import suppress
from typing import Any

import click
import msgspec

from llmfit._version import __version__
from llmfit.catalog import catalog
from llmfit.cli.common import Command, formats, put, recording
from llmfit.hardware.detect import detect
from llmfit.hardware.examine import Named, Probed, examine
from llmfit.hardware.sources.source import LiveSource
from llmfit.machine import Machine
from llmfit.wire import common, system


class Recorded(msgspec.Struct, frozen=True):
    """Where a recording lies, and which facts it gives otherwise than the machine did."""

    path: str
    differs: tuple[str, ...]


class Diagnosis(msgspec.Struct, frozen=True):
    """The answer of ``doctor``."""

    versions: tuple[Named, ...]
    catalog: common.CatalogName
    selectors: tuple[Named, ...]
    system: system.System
    machine: Machine
    probes: tuple[Probed, ...]
    recording: Recorded | None

EXAMPLES = """
llmfit doctor
llmfit doctor --record ./recorded                # for a bug report
llmfit --from ./recorded fit                     # any command, for that machine
"""


@click.command("doctor", cls=Command, short_help="Show which probe saw what; record it for a report.", epilog=EXAMPLES)
@click.option("--record", metavar="DIR", help="Write all that was read, less serials and names, to a new folder.")
@click.option("--from", "replay", metavar="DIR", help="Look at the machine that was recorded there.")
@formats
def command(form: str, record: str | None, replay: str | None) -> None:
    """Show what llmfit sees of this machine, by which probe, how long that took, and every warning."""
    from llmfit.answers.encode import system_of
    from llmfit.hardware.sources.recording import check_target

    if record is not None:
        check_target(record)
    outer = click.get_current_context().find_root().params
    outer["recorded"] = replay or outer.get("recorded")
    opened = catalog.default()
    report, watched = examine(opened.tables, recording() or LiveSource())
    written = written_to(record, watched, report.machine, opened.tables) if record is not None else None
    versions = (Named("llmfit", __version__), Named("Python", platform.python_version()), *report.drivers)
    answer = Diagnosis(
        versions, opened.name, report.selectors, system_of(report.machine), report.machine, report.probes, written
    )
    put(form, msgspec.json.encode(answer), "probes", "tables_doctor.show_doctor")


def written_to(target: str, watched: Any, machine: Machine, tables: Any) -> Recorded:
    """Record, and look at what the recording gives."""
    from llmfit.hardware.sources.recording import record
    from llmfit.hardware.sources.scrub import Scrubber

    names = Scrubber(hosts(), users())
    differs = record(watched, machine, target, names, lambda source: detect(tables, source))
    return Recorded(os.path.abspath(target), tuple(differs))


def hosts() -> list[str]:
    """The names of this computer."""
    return [name for name in {socket.gethostname(), platform.node(), os.environ.get("HOSTNAME", "")} if name]


def users() -> list[str]:
    """The names of who runs this."""
    names = {os.environ.get(key, "") for key in ("USER", "LOGNAME", "USERNAME", "SUDO_USER")}
    names.add(os.path.basename(os.path.expanduser("~")))
    with suppress(Exception):  # no entry in the password file
        names.add(getpass.getuser())
    return [name for name in names if name]
