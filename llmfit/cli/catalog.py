"""``llmfit catalog``: what the catalog holds, and whether it can be true."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmfit.cli.catalog_own import add, listed, remove
from llmfit.cli.catalog_update import update
from llmfit.cli.common import formats, overview, put
from llmfit.errors import CatalogError

if TYPE_CHECKING:
    from llmfit.catalog.plausibility import Report


@click.group("catalog", invoke_without_command=True, short_help="Show the version of the facts; check them.")
@click.pass_context
def command(context: click.Context) -> None:
    """What the catalog holds, and whether it can be true."""
    overview(context)


for each in (add, remove, listed, update):
    command.add_command(each)


@command.command("info", short_help="Show its version and how much it holds.")
@formats
def info(form: str) -> None:
    """Show the version of the catalog and how much it holds."""
    import msgspec

    from llmfit.answers.encode import encode
    from llmfit.catalog import catalog, plausibility

    summary = plausibility.summary(catalog.default())
    if form == "table":
        for name, value in msgspec.structs.asdict(summary.catalog).items():
            click.echo(f"{name.replace('_', ' ')}: {value}")
    else:
        put(form, encode(summary), "catalog", "")


@command.command("check", short_help="Find facts that cannot be true.")
@click.argument("path", required=False)
@formats
def check(form: str, path: str | None) -> None:
    """Find facts that cannot be true; the exit status is 1 where there are any.

    PATH is a folder of tables (src/data) or of own models, or a packed catalog; without it the catalog in use is
    checked, own models too.
    """
    from llmfit.answers.encode import encode

    report = report_on(path)
    if form == "table":
        for finding in report.findings:
            click.echo(str(finding))
        click.echo(f"{report.checked}: {report.models} models, {len(report.findings)} findings")
    else:
        put(form, encode(report), "findings", "")
    sys.exit(1 if report.findings else 0)


def report_on(path: str | None) -> Report:
    from llmfit.catalog import catalog, own_models, plausibility

    if path is not None and Path(path).is_dir() and own_models.names(path)[0]:
        return plausibility.check_own(path, catalog.Catalog(catalog.shipped_path()))
    if path is not None and Path(path).is_dir():
        missing = [name for name in ("models.csv", "corrections.csv", "abilities.csv") if not Path(path, name).exists()]
        if missing:
            raise CatalogError(f"cannot check {path}: it has no {', '.join(missing)}")
        return plausibility.check(Path(path))
    opened = catalog.Catalog(path or catalog.shipped_path())
    report = plausibility.check_packed(opened, path or "the catalog in use")
    if path is None and any(own_models.names(own_models.folder())):
        mine = plausibility.check_own(own_models.folder(), opened)
        report = plausibility.Report(
            report.checked, report.models + mine.models, [*report.findings, *mine.findings]
        )
    return report
