"""Pages made from the parameter table say what the table says; `python tests/project/test_docs.py` writes them anew."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llmfit.openapi.document import document
from llmfit.query import params
from llmfit.query.param import ENDPOINTS, LISTS, SCORED, Param
from llmfit.query.values import allowed
from llmfit.wire import models, rows, system

DOCS = Path(__file__).parents[2] / "docs"
WHERE = {
    ENDPOINTS: "everywhere", SCORED: "lists, compare, plan", LISTS: "lists", ("name",): "by name",
}  # fmt: skip


def parameter_table() -> str:
    """The parameters as Markdown."""
    lines = ["| parameter | takes | default | where | what |", "| --- | --- | --- | --- | --- |"]
    for param in params.PARAMS:
        names = ", ".join(f"`{name}`" for name in (param.name, *param.aliases))
        takes = allowed(param).replace("|", r"\|")
        if param.value_aliases:
            takes += "; " + ", ".join(f"`{alias}` = `{value}`" for alias, value in param.value_aliases.items())
        if param.hidden_choices:
            takes += "; also " + ", ".join(f"`{value}`" for value in param.hidden_choices)
        defaults = [shown(param.default)] + [f"{shown(value)} on {end}" for end, value in param.defaults.items()]
        where = WHERE.get(param.endpoints) or ", ".join(param.endpoints).replace("models, top, name, fit", "lists")
        lines.append(f"| {names} | {takes} | {', '.join(defaults)} | {where} | {param.help} |")
    return "\n".join(lines)


STRUCTS = (
    rows.Row, rows.MemoryBreakdown, rows.ScoreComponents, rows.EstimateBasis, rows.Download,
    rows.Copy, rows.GgufSource, models.Envelope, system.System, system.Gpu,
)  # fmt: skip
BEGIN, END = "<!-- tests/project/test_docs.py: begin -->", "<!-- end -->"


def key_tables() -> str:
    """The keys of the structs, by their docstrings, as Markdown."""
    schemas = document()["components"]["schemas"]
    lines = [BEGIN]
    for struct in STRUCTS:
        schema = schemas[struct.__name__]
        lines += ["", f"### {struct.__name__}", "", schema["description"], ""]
        lines += ["| key | type | what |", "| --- | --- | --- |"]
        for key, value in schema["properties"].items():
            optional = "" if key in schema["required"] or "default" in value else ", or absent"
            lines.append(f"| `{key}` | {kind(value)}{optional} | {value['description']} |")
    return "\n".join([*lines, "", END])


def kind(schema: Any) -> str:
    """The type of a value, in words."""
    if "anyOf" in schema:
        return " or ".join(kind(each) for each in schema["anyOf"])
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})" if name in {struct.__name__ for struct in STRUCTS} else name
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    items = schema.get("prefixItems") or [schema.get("items")]
    if schema.get("type") == "array" and items[0]:
        return f"{'two of' if len(items) == 2 else 'list of'} {kind(items[0])}"
    return str(schema.get("type", "any"))


def test_the_keys_of_the_api_page_are_those_of_the_structs() -> None:
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    assert key_tables() in page, "run `python tests/project/test_docs.py`"
    for field in msgspec.structs.fields(rows.Row):
        assert re.search(rf"^\| `{field.name}` \| .+ \| .+ \|$", page, re.MULTILINE), field.name


def shown(value: object) -> str:
    return "none" if value is None else str(value).lower()


def test_the_parameter_table_of_the_api_page_is_the_parameter_table() -> None:
    assert parameter_table() in (DOCS / "api.md").read_text(encoding="utf-8")


def options_module() -> str:
    """llmfit/query/options.py: the parameters as types."""
    lines = [
        '"""The parameters as types, for editors and type checkers: written from the parameter table by',
        '`python tests/project/test_docs.py`, and nothing at run time needs it."""',
        "",
        "from __future__ import annotations",
        "",
        "from collections.abc import Sequence",
        "from typing import Literal, TypedDict",
    ]
    for name, base, what, endpoint in (
        ("Machines", "TypedDict, total=False", "Facts of a machine.", "system"),
        ("Options", "Machines, total=False", "What a ranking depends on.", "fit"),
        ("Comparisons", "Machines, total=False", "What a comparison depends on.", "compare"),
        ("Plans", "Machines, total=False", "What a plan depends on.", "plan"),
    ):
        lines += ["", "", f"class {name}({base}):", f'    """{what}"""', ""]
        for param in params.at(endpoint):
            # always strict; rows are whole; an argument of its own; that of Machines
            known = param.stage in ("parse", "write") or param.name == "models"
            if known or (base[0] == "M" and "system" in param.endpoints):
                continue
            lines += [f"    {param.name}: {TYPES.get(param.kind) or literal(param)} | None", f'    """{param.help}"""']
    return "\n".join(lines) + "\n"


TYPES = {
    "bool": "bool", "count": "int", "positive": "int", "number": "float", "amount": "float", "text": "str",
    "date": "str", "words": "str | Sequence[str]", "choices": "str | Sequence[str]", "names": "Sequence[str]",
    "cache": "str",
}  # fmt: skip


def literal(param: Param) -> str:
    line = ", ".join(f'"{value}"' for value in dict.fromkeys((*param.choices, *param.hidden_choices)))
    return f"Literal[{line}]"


def test_the_types_of_options_are_those_of_the_parameter_table() -> None:
    assert (DOCS.parent / "llmfit" / "query" / "options.py").read_text(encoding="utf-8") == options_module()


def test_every_page_is_named_and_every_link_leads_somewhere() -> None:
    root = DOCS.parent
    readme = (root / "README.md").read_text(encoding="utf-8")
    config = (DOCS / "site/mkdocs.yml").read_text(encoding="utf-8")
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    for page in DOCS.glob("*.md"):
        assert f" {page.name}\n" in config
        if page.name != "index.md":
            assert f"({page.name})" in index
            assert f"(docs/{page.name})" in readme
    for page in (root / "README.md", root / "CONTRIBUTING.md", *DOCS.glob("*.md")):
        named = re.findall(r"\]\(([\w/.-]+)\)", page.read_text(encoding="utf-8"))
        assert not [link for link in named if not (page.parent / link).exists()], page


def test_flags_and_the_openapi_document_are_the_parameter_table() -> None:
    """Names, choices and help texts; the table of the page is held above."""
    import click

    from llmfit.cli.group import cli

    paths = {"models": "/api/v1/models", "top": "/api/v1/models/top", "compare": "/api/v1/compare"}
    commands = {"models": "list", "top": "recommend", "compare": "diff"}
    for endpoint, path in paths.items():
        told = {each["name"]: each for each in document()["paths"][path]["get"]["parameters"]}
        table = {param.name: param for param in params.at(endpoint)}
        assert set(told) == set(table)
        command = cli.get_command(click.Context(cli), commands[endpoint])
        flags = {option.name: option for option in command.params if option.name in table}
        if endpoint == "top":
            assert set(flags) == set(table) - {"models"}
        for name, param in table.items():
            assert param.help in told[name]["description"]
            assert set(told[name]["schema"].get("enum", param.choices)) >= set(param.choices)
            if name in flags and name != "models":
                assert flags[name].help == param.help
                assert {f"--{alias.replace('_', '-')}" for alias in (name, *param.aliases) if len(alias) > 1} <= set(
                    flags[name].opts
                )


def test_the_site_is_built(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="pip install '.[docs]'")
    config = str(DOCS / "site/mkdocs.yml")
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "-f", config, "-d", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    for page in DOCS.glob("*.md"):
        text = (tmp_path / page.with_suffix(".html").name).read_text(encoding="utf-8")
        assert not re.search(r"(?:src|href)=\"https?://(?!www\.mkdocs\.org)[^\"]*\.(?:js|css)", text)
    assert not list(tmp_path.rglob("*.yml"))


if __name__ == "__main__":
    page = DOCS / "api.md"
    text = page.read_text(encoding="utf-8")
    table = re.compile(r"\| parameter \| takes.*?(?=\n\n)", re.DOTALL)
    (DOCS.parent / "llmfit" / "query" / "options.py").write_text(options_module(), encoding="utf-8")
    text = table.sub(lambda _: parameter_table(), text)
    keys = re.compile(f"{BEGIN}.*?{END}", re.DOTALL)
    page.write_text(keys.sub(lambda _: key_tables(), text), encoding="utf-8")

