"""What commands share. Flags of parameters come from the parameter table: same names, same values, same error texts."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from llmfit.errors import BadParam, printable
from llmfit.query import params
from llmfit.query.param import Param

MOST_COMPLETIONS = 200
FLAGLESS = {"name", "exact", "models"}
SECTIONS = {
    "score": "What it is for", "filter": "Which models", "order": "Order and number", "page": "Order and number",
    "write": "Order and number", "analyse": "How it is run", "machine": "Another machine", "basis": "Another machine",
}  # of --help, in this order, by the stage of a parameter  # fmt: skip


def flags(endpoint: str, stages: tuple[str, ...] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """One option for every parameter of the endpoint (of these stages, if any are named)."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for param in reversed(params.at(endpoint)):
            if param.name not in FLAGLESS and (not stages or param.stage in stages):
                command = option(param)(command)
        return no_probe(command)

    return add


def no_probe(command: Callable[..., None]) -> Callable[..., None]:
    """``--no-probe``, for all that looks at this machine: workers inherit the environment."""

    def chosen(_context: click.Context, _option: click.Parameter, value: bool) -> None:
        if value:
            os.environ["LLMFIT_NO_PROBE"] = "1"

    help_text = "Do not read memory to measure its bandwidth (LLMFIT_NO_PROBE=1 does the same)."
    return click.option("--no-probe", is_flag=True, expose_value=False, callback=chosen, help=help_text)(command)


def folders(command: Callable[..., None]) -> Callable[..., None]:
    """``--models-dir`` and ``--data-dir``: workers inherit the environment."""

    def chosen(context: click.Context, option: click.Parameter, value: str | None) -> None:
        if value is not None:
            if not os.path.isdir(value):
                raise BadParam(f"invalid {option.name} value: {value} is no folder")
            os.environ[f"LLMFIT_{str(option.name).upper()}"] = os.path.abspath(value)

    for name, help_text in (
        ("--data-dir", "Folder below which lists from `llmfit catalog update` lie."),
        ("--models-dir", "Folder with models of your own, a TOML file each."),
    ):
        command = click.option(name, metavar="DIR", expose_value=False, callback=chosen, help=help_text)(command)
    return command


def option(param: Param) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """``--min-fit VALUE``; a switch for a boolean, which also takes ``=false``."""
    names = [f"--{name.replace('_', '-')}" for name in (param.name, *param.aliases) if len(name) > 1]
    names += [f"-{name}" for name in param.aliases if len(name) == 1]
    more: dict[str, Any] = {"is_flag": False, "flag_value": "true"} if param.kind == "bool" else {}
    lists = dict.fromkeys(("words", "names", "choices", "keys"), "A,B")
    kinds = {"bool": "true|false", "text": "TEXT", "date": "DATE", "cache": "TYPE|K,V", **lists}
    meta = "|".join(param.choices) if param.kind == "choice" else kinds.get(param.kind, "N")
    if param.choices:
        more["shell_complete"] = lambda c, p, start: [word for word in param.choices if word.startswith(start.lower())]
    return click.option(*names, param.name, metavar=meta, help=param.help, multiple=True, **more)


def model_argument(name: str = "model", **more: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An argument that a shell completes with the ids that contain what was typed."""

    def ids(context: click.Context, argument: click.Parameter, start: str) -> list[str]:
        from llmfit.catalog import catalog

        core = catalog.default().core
        found = (core.name_of(index) for index, holds in enumerate(core.found((start.lower(),))) if holds)
        return [each for each in found if start.lower() in each.lower()][:MOST_COMPLETIONS]

    return click.argument(name, shell_complete=ids, **more)


def show_examples(text: str, formatter: click.HelpFormatter) -> None:
    """Lines for a shell, as they are."""
    with formatter.section("Examples"):
        for line in text.strip().splitlines():
            formatter.write(f"  {line}\n")


class Command(click.Command):
    """A command whose --help shows its examples (the epilog: lines for a shell), then the parameters in sections."""

    def format_help_text(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_help_text(context, formatter)
        if self.epilog:
            show_examples(self.epilog, formatter)

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Shown above."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {name: [] for name in SECTIONS.values()}
        for option in self.get_params(context):
            if isinstance(option, click.Argument):
                continue
            record = option.get_help_record(context)
            param = params.BY_NAME.get(option.name or "")
            if record is not None:
                sections.setdefault(SECTIONS.get(param.stage if param else "", "Options"), []).append(record)
        for name, records in sections.items():
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)


def query_of(endpoint: str, given: dict[str, tuple[str, ...]], name: str | None = None) -> Any:
    """The Query of the flags; BadParam with the same text that HTTP gives. A profile may be a file here."""
    if len(given.get("gpu") or ()) > 1:  # `--gpu A --gpu B`
        given = {**given, "gpu": (" + ".join(given["gpu"]),)}
    pairs = [(key, value) for key, values in given.items() for value in values]
    try:
        query = params.parse(pairs, endpoint, name).query
    except BadParam as error:
        raise BadParam(str(error) + nearest(str(error), pairs)) from None
    if query.profile is not None:
        from llmfit.catalog import catalog
        from llmfit.hardware.profile_file import is_path, load_profile

        if is_path(query.profile):
            opened = catalog.default()
            opened.add_machine(load_profile(query.profile, opened.tables))
    return query


def nearest(error: str, pairs: list[tuple[str, str]]) -> str:
    """A hint at the value that a misspelt one may have meant."""
    import difflib

    for key, value in pairs:
        param = params.BY_NAME[key]
        if error.startswith(f"invalid {param.name} value: use "):
            near = difflib.get_close_matches(value.lower(), [*param.choices, *param.value_aliases], n=1)
            return f" (did you mean '{near[0]}'?)" if near else ""
    return ""


def this_machine() -> Any:
    """This computer, or the one that ``llmfit --from DIR`` names."""
    from llmfit.catalog import catalog
    from llmfit.hardware import detect as detection

    return detection.detect(catalog.default().tables, recording())


def recording() -> Any:
    """The recording that ``llmfit --from DIR`` names, None for this computer; LlmfitError where it is none."""
    folder = click.get_current_context().find_root().params.get("recorded")
    if folder is None:
        return None
    from llmfit.hardware.sources.source import ReplaySource

    return ReplaySource(folder)


def answer_for(machine: Any, model: str, given: dict[str, tuple[str, ...]]) -> Any:
    """The answer about one model of the catalog, or about a file; whatever its level."""
    from llmfit import api
    from llmfit.catalog import catalog
    from llmfit.files.read import means_file
    from llmfit.files.source import shown

    given["include_too_tight"] = ("true",)
    if means_file(model) and catalog.default().core.index_of(model) < 0:
        return api.of_file(model, machine, query_of("name", given, shown(model)))
    return api.the_one(machine, query_of("name", given, model))


def one_model(machine: Any, model: str, given: dict[str, tuple[str, ...]]) -> Any:
    """The row of one model or file."""
    import msgspec

    from llmfit.wire.models import Envelope

    return msgspec.json.decode(answer_for(machine, model, given).json, type=Envelope).models[0]


def overview(context: click.Context) -> None:
    """What a group of commands without a command prints: its help."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def formats(command: Callable[..., None]) -> Callable[..., None]:
    """``--json`` and ``--csv``, before or behind the command's name; it gets ``form``: json, csv or table."""

    @functools.wraps(command)
    @click.pass_context
    def chosen(context: click.Context, /, as_json: bool, as_csv: bool, **given: Any) -> None:
        outer = context.find_root().params
        as_json, as_csv = as_json or outer.get("as_json", False), as_csv or outer.get("as_csv", False)
        if as_json and as_csv:
            raise BadParam("invalid output: use --json or --csv, not both")
        command(form="json" if as_json else "csv" if as_csv else "table", **given)

    return format_flags(chosen)


def format_flags(command: Callable[..., None]) -> Callable[..., None]:
    """The two flags."""
    as_csv = click.option("--csv", "as_csv", is_flag=True, help="Answer with a sheet: a header and one line for each.")
    as_json = click.option("--json", "as_json", is_flag=True, help="Answer with the same JSON as the HTTP API.")
    return as_json(as_csv(command))


def put(form: str, body: bytes, rows: str, show: str) -> None:
    """Print an answer, given as JSON: as it is, as a sheet of what lies under the key `rows`, or as a table by `show`,
    the name of a function in a module of :mod:`llmfit.cli` (`tables.show_rows`).
    """
    if form == "json":
        click.echo(body)
    elif form == "csv":
        import msgspec

        from llmfit.wire.csv_rows import columns_of, sheet
        from llmfit.wire.rows import Row

        answer = msgspec.json.decode(body)
        found = answer[rows] if isinstance(answer[rows], list) else [answer[rows]]
        asked = found[0] if found else dict.fromkeys(answer.get("filters", {}).get("fields") or ()) or None
        click.echo(sheet(found, columns_of(Row, asked) if rows == "models" else None), nl=False)
    else:
        module, name = show.split(".")
        getattr(import_module(f"llmfit.cli.{module}"), name)(harmless(body))


def harmless(body: bytes) -> bytes:
    """An answer whose texts a terminal may show: no character that it obeys, nothing that is markup of rich."""
    import msgspec
    from rich.markup import escape

    def plain(value: Any) -> Any:
        if isinstance(value, str):
            return escape(printable(value))
        if isinstance(value, list):
            return [plain(part) for part in value]
        return {printable(key): plain(part) for key, part in value.items()} if isinstance(value, dict) else value

    return msgspec.json.encode(plain(msgspec.json.decode(body)))


def fail_late(failed: bool) -> None:
    """Exit status 1 for a command that has said already, in its answer, what failed."""
    if failed:
        click.get_current_context().exit(1)


def whole(name: str, text: str, least: int, most: int) -> int:
    """An integer flag within bounds; BadParam in the style of the parameters."""
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise BadParam(f"invalid {name} value: use an integer from {least} to {most}")
    return int(text)
