"""The commands. Flags of parameters come from the parameter table: same names, same values, same error texts."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from llmfit import __version__, params
from llmfit.errors import BadParam, UnknownModel
from llmfit.params import Param

FLAGLESS = {"name", "exact"}


def flags(endpoint: str, stages: tuple[str, ...] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """One option for every parameter of the endpoint (of these stages, if any are named)."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for param in reversed(params.at(endpoint)):
            if param.name not in FLAGLESS and (not stages or param.stage in stages):
                command = option(param)(command)
        return command

    return add


def option(param: Param) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """``--min-fit VALUE``; a switch for a boolean, which also takes ``=false``."""
    names = [f"--{name.replace('_', '-')}" for name in (param.name, *param.aliases) if len(name) > 1]
    names += [f"-{name}" for name in param.aliases if len(name) == 1]
    more: dict[str, Any] = {"is_flag": False, "flag_value": "true"} if param.kind == "bool" else {}
    kinds = {"bool": "true|false", "text": "TEXT", "words": "A,B"}
    meta = "|".join(param.choices) if param.choices else kinds.get(param.kind, "N")
    return click.option(*names, param.name, metavar=meta, help=param.help, multiple=True, **more)


def query_of(endpoint: str, given: dict[str, tuple[str, ...]], name: str | None = None) -> Any:
    """The Query of the flags; BadParam with the same text that HTTP gives."""
    pairs = [(key, value) for key, values in given.items() for value in values]
    return params.parse(pairs, endpoint, name).query


def engine_for(max_context: int | None = None) -> Any:
    """The engine over this machine."""
    from llmfit import catalog
    from llmfit.hardware import detect
    from llmfit.query import Engine

    opened = catalog.default()
    return Engine(opened, detect(opened.tables), max_context)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(__version__, "-V", "--version", message="llmfit %(version)s")
@click.option("--json", "as_json", is_flag=True, help="Answer with the same JSON as the HTTP API.")
@click.option("--max-context", metavar="N", help="Context in tokens that rows are computed at, unless a request says.")
@click.pass_context
def cli(context: click.Context, as_json: bool, max_context: str | None) -> None:
    """Which open-weight LLMs fit this machine, how fast they run on it, and how good they are."""
    context.obj = as_json
    if max_context is not None:  # before the command it is the default of every command behind it
        for name in ("serve", "fit", "info"):
            context.default_map = {
                **(context.default_map or {}),
                name: {"max_context": max_context if name == "serve" else (max_context,)},
            }
    if context.invoked_subcommand is None:
        context.invoke(fit)


def json_flag(command: Callable[..., None]) -> Callable[..., None]:
    """``--json`` behind the command as well as before it."""
    return click.option("--json", "as_json", is_flag=True, help="Answer with the same JSON as the HTTP API.")(command)


@cli.command()
@flags("system")
@json_flag
@click.pass_obj
def system(outer_json: bool, /, as_json: bool, **given: tuple[str, ...]) -> None:
    """Show this machine as llmfit sees it."""
    from llmfit.encode import encode, node, system_of
    from llmfit.shapes import SystemAnswer

    query = query_of("system", given)
    machine = engine_for().machine_for(query)[0]
    answer = SystemAnswer(node(), system_of(machine))
    if as_json or outer_json:
        click.echo(encode(answer))
        return
    from llmfit.cli.tables import show_system

    show_system(answer)


@cli.command()
@flags("fit")
@json_flag
@click.pass_obj
def fit(outer_json: bool, /, as_json: bool = False, **given: tuple[str, ...]) -> None:
    """Rank the models that fit this machine, or one described by --gpu, --ram-gb and the like."""
    from llmfit.encode import answer

    query = query_of("fit", given)
    engine = engine_for()
    text = answer(engine.catalog, engine.run(query), query)
    if as_json or outer_json:
        click.echo(text)
        return
    from llmfit.cli.tables import show_rows

    show_rows(envelope_of(text))


@cli.command()
@click.argument("model")
@flags("name", ("machine", "analyse", "score"))
@json_flag
@click.pass_obj
def info(outer_json: bool, /, model: str, as_json: bool, **given: tuple[str, ...]) -> None:
    """Show all about one model on this machine. MODEL is its id, or part of it that names one model."""
    from llmfit.encode import answer

    engine = engine_for()
    query = query_of("name", {**given, "include_too_tight": ("true",)}, model)
    page = engine.run(query)
    if engine.catalog.core.index_of(model) < 0 and page.total != 1:
        names = [row.name for row in envelope_of(answer(engine.catalog, page, query)).models[:3]]
        hint = f"; {page.total} contain it, among them {', '.join(names)}" if names else ""
        raise UnknownModel(f"no model with the id '{model}' in the catalog{hint}")
    page = type(page)(page.machine, page.generation, page.ranking, 1, page.indices[:1])
    text = answer(engine.catalog, page, query)
    if as_json or outer_json:
        click.echo(text)
        return
    from llmfit.cli.tables import show_model

    show_model(envelope_of(text))


def envelope_of(text: bytes) -> Any:
    """An answer as an Envelope with its rows."""
    import msgspec

    from llmfit.shapes import Envelope

    return msgspec.json.decode(text, type=Envelope)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default="8787", show_default=True, metavar="N", help="TCP port to listen on.")
@click.option("--unix-socket", metavar="PATH", help="Listen on a Unix socket (mode 0660) instead of TCP.")
@click.option("--workers", default="1", show_default=True, metavar="N", help="Worker processes.")
@click.option("--max-context", metavar="N", help="Context in tokens that rows are computed at, unless a request says.")
@flags("system")
def serve(
    host: str, port: str, unix_socket: str | None, workers: str, max_context: str | None, **given: tuple[str, ...]
) -> None:
    """Serve the HTTP API until SIGTERM."""
    query = query_of("system", given)
    context = params.value_of(params.BY_NAME["max_context"], max_context) if max_context is not None else None
    settings: dict[str, Any] = {
        "host": host,
        "port": whole("port", port, 0, 65535),
        "unix_socket": os.path.abspath(unix_socket) if unix_socket is not None else None,
        "workers": whole("workers", workers, 1, 64),
        "max_context": context,
    }
    from llmfit import catalog
    from llmfit.hardware import WhatIf, apply_whatif, detect
    from llmfit.hardware.steady import steady

    whatif = WhatIf(**{name: getattr(query, name) for name in params.WHATIF_NAMES})
    tables = catalog.default().tables
    machine = apply_whatif(steady(detect(tables)), whatif, tables)
    from llmfit.server.app import Settings
    from llmfit.server.workers import serve as run

    run(Settings(machine=machine, whatif=whatif, **settings))


def whole(name: str, text: str, least: int, most: int) -> int:
    """An integer flag within bounds; BadParam in the style of the parameters."""
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise BadParam(f"invalid {name} value: use an integer from {least} to {most}")
    return int(text)
