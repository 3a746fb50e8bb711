"""Flags of ``llmfit serve`` from the environment and from a file. The command line comes first, then the environment,
then the file, then the default; each flag is taken whole from the first place that has it.
"""

from __future__ import annotations

import os
import re
from typing import Any

import click

from llmfit.catalog.toml_files import parsed
from llmfit.cli.common import Command
from llmfit.errors import BadParam, LlmfitError
from llmfit.query import params
from llmfit.query.values import FALSE, TRUE, text_of

PREFIX = "LLMFIT_"
MOST_BYTES = 1 << 20
FROM = "llmfit.from"  # in a context's meta: where each value is from
LINKS = "tcp://"  # Kubernetes sets LLMFIT_PORT to such an address in pods beside a service of the name llmfit


class ConfigCommand(Command):
    """A command whose flags may stand elsewhere too; a bad value is told with the place where it stands."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except BadParam as error:
            found = re.match(r"invalid (\w+) value", str(error))
            name = found[1] if found else ""
            place = context.meta.get(FROM, {}).get(name)
            if place and context.get_parameter_source(name) is click.core.ParameterSource.DEFAULT_MAP:
                raise BadParam(f"{error} (from {place})") from None
            raise


def config_option(command: Any) -> Any:
    """``--config FILE``, read before all other flags."""
    return click.option(
        "--config", metavar="FILE", is_eager=True, expose_value=False, callback=fill, envvar=PREFIX + "CONFIG",
        help="TOML file with flags: port = 8787, token_file = \"/etc/llmfit/tokens\".",
    )(command)  # fmt: skip


def fill(context: click.Context, _option: click.Parameter, path: str | None) -> None:
    """Set the defaults of the other flags."""
    options = {option.name: option for option in context.command.params if option.name and option.name != "config"}
    places: dict[str, str] = context.meta.setdefault(FROM, {})
    found: dict[str, Any] = {}
    if path is not None:
        for name, value in table_of(path).items():
            if name not in options:
                import difflib

                near = difflib.get_close_matches(name, [str(known) for known in options], n=1)
                hint = f"did you mean '{near[0]}'?" if near else "use the names of flags, with _ instead of -"
                raise BadParam(f"{path}: unknown key '{name[:40]}': {hint}")
            places[name] = path
            found[name] = value_for(options[name], value, path)
    for name, option in options.items():
        variable = PREFIX + str(name).upper()
        text = os.environ.get(variable)
        if text and name != "no_probe" and not text.startswith(LINKS):  # sources/source.py reads that one
            places[str(name)] = variable
            repeatable = option.multiple and name not in params.BY_NAME
            found[str(name)] = value_for(option, text.split(",") if repeatable else text, variable)
    context.default_map = {**found, **(context.default_map or {})}


def table_of(path: str) -> dict[str, Any]:
    """The keys of a TOML file; LlmfitError with its name, and the line where it is no TOML."""
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise LlmfitError(f"cannot read the config file {path}: {error.strerror or error}") from None
    if len(data) > MOST_BYTES:
        raise LlmfitError(f"{path}: the file is too large: use at most {MOST_BYTES} bytes")
    return parsed(data, path)


def value_for(option: click.Parameter, value: object, place: str) -> Any:
    """The value as the command line would give it."""
    texts = [text_of(each) for each in value] if isinstance(value, list) else [text_of(value)]
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, dict | list) for each in value)):
        raise BadParam(f"invalid {option.name} value: use a text, a number, true or false, or a list (from {place})")
    if any("\0" in text for text in texts):
        raise BadParam(f"invalid {option.name} value: a NUL cannot stand in it (from {place})")
    if getattr(option, "is_flag", False):
        text = texts[0].strip().lower()
        if len(texts) != 1 or text not in TRUE + FALSE:
            raise BadParam(f"invalid {option.name} value: use true|false (from {place})")
        return text in TRUE
    if getattr(option, "multiple", False):
        return (",".join(texts),) if option.name in params.BY_NAME else tuple(texts)
    if isinstance(value, list):
        raise BadParam(f"invalid {option.name} value: use one value, not a list (from {place})")
    return texts[0]
