"""Help is an overview: sections, a line each, examples that are commands; and what a newcomer types is understood."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from commands import RIG, good, refused

from llmfit.cli.group import COMMANDS, SECTIONS, cli

ROOT = Path(__file__).parents[2]
CUT = re.compile(r"\w\.\.\.")  # a line that did not have the room
CONTEXT = click.Context(cli, info_name="llmfit")


def command(name: str) -> click.Command:
    found = cli.get_command(CONTEXT, name)
    assert found is not None
    return found


def test_the_overview_has_each_command_in_a_line_of_its_section() -> None:
    text = good("--help", COLUMNS="80")
    assert not CUT.search(text) and max(map(len, text.splitlines())) <= 92  # an example with its remark
    at = [text.index(f"\n{title}:\n") for title in SECTIONS]
    assert at == sorted(at) and text.index("\nOptions:\n") > at[-1]
    for name in COMMANDS:
        assert f"\n  {name.ljust(10)}  {command(name).get_short_help_str(200)}\n" in text


@pytest.mark.parametrize("name", [name for name in COMMANDS if not isinstance(command(name), click.Group)])
def test_help_of_a_command_has_examples(name: str) -> None:
    """tests/project/test_docs_commands.py runs them."""
    text = command(name).get_help(click.Context(command(name), CONTEXT, name))
    lines = (command(name).epilog or "").strip().splitlines()
    assert lines and all(f"  {line}\n" in text for line in lines)
    assert text.index("Examples:") < text.index("\nOptions:")
    assert command(name).get_short_help_str(200).endswith(".")


@pytest.mark.parametrize("name", ["hardware", "catalog"])
def test_a_group_alone_shows_its_help(name: str) -> None:
    text = good(name)
    assert text == good(name, "--help") and not CUT.search(text)


def test_help_is_a_word_too() -> None:
    assert good("help") == good("--help")
    assert good("help", "fit") == good("fit", "--help")


def test_a_model_in_place_of_a_command() -> None:
    assert refused("Qwen/Qwen3-8B").startswith("'Qwen/Qwen3-8B' is no command; for a model: llmfit info Qwen/Qwen3-8B.")


def test_the_name_behind_the_slash_is_enough() -> None:
    """Though many ids contain it."""
    assert good("info", "qwen3-8b", "--csv", *RIG) == good("info", "Qwen/Qwen3-8B", "--csv", *RIG)
    assert "contain it, among them" in refused("info", "qwen3", status=1)


def test_a_narrow_terminal_keeps_the_names() -> None:
    for width in (30, 40, 60):
        text = good("fit", "-n", "3", *RIG, COLUMNS=str(width))
        assert text.count("/") >= 4 and max(map(len, text.splitlines())) <= width, text  # tok/s, and three ids


def test_what_cannot_run_has_no_speed() -> None:
    lines = good("search", "405B", "-n", "1", *RIG).splitlines()
    row = next(line for line in lines if "Too Tight" in line)
    assert " - " in row and " 0.0 " not in row


def test_no_table_without_rows() -> None:
    text = good("fit", "--min-tps", "900000", *RIG)
    assert text.startswith("0 of 0 models\n") and "\nmin_tps=900000 removed " in text


def test_python_in_the_source_folder_says_what_is_wrong() -> None:
    """There the folder llmfit shadows the installed package."""
    words = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    code = "import llmfit; llmfit.detect()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=words, capture_output=True, text=True)
    if done.returncode == 0:
        pytest.skip("an editable installation")
    assert done.stderr.splitlines()[-1].endswith("and start Python outside llmfit's source folder")


def test_the_first_screen_says_what_its_figures_are_and_where_to_go_on() -> None:
    text = good()
    assert "GiB RAM free" in text
    if "No model runs here" not in text:
        assert "Score: of 100." in text and "More: llmfit fit" in text


def test_a_gpu_that_is_named_again_is_another_one() -> None:
    from llmfit.cli.common import query_of

    assert query_of("system", {"gpu": ("RTX 4090", "2x RTX 3060")}).gpu == "RTX 4090 + 2x RTX 3060"
    assert query_of("system", {"gpu": ("RTX 4090",)}).gpu == "RTX 4090"
