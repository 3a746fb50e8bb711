"""Every command that README, the pages of docs/ and --help show is run; every Python block too.

A line of a ```sh block is a command (`#` begins a remark, a backslash joins). Those that read and print run in this
process, servers on a free port, the rest in a shell with this Python's programs and a server behind 8787.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from commands import PROGRAM
from wire import Server

from llmfit import cli
from llmfit.catalog import catalog
from llmfit.cli import group

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "tests/hardware/recorded/rtx4090_desktop"  # the reader's machine, so that there is something to find
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# What is not run, and why. Each must be there.
SKIPPED = {
    r"pip install": "installs: every run of the tests has done it",
    r"\.venv/bin/(pip|pytest)": "installs, or runs these tests",
    r'export PATH="\$PWD': "the tests' own programs are in front",
    r"^ASAN_OPTIONS=": "needs a build with sanitizers",
    r"curl -N ": "never ends: tests/http/test_events.py",
    r"catalog (add|remove|update)": "needs a file of the reader's or the Hub: tests/catalog",
    r"info \./(model-|Qwen3-8B|model\.safetensors)": "needs a file of the reader's: tests/files",
}
SHELL = re.compile(r"[|<>`;&$]|^curl|^\w+=")


def blocks(page: Path, language: str) -> Iterator[str]:
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    yield from fence.findall(page.read_text(encoding="utf-8"))


def lines_of(text: str) -> Iterator[str]:
    """The commands of a block; where it shows output too, those behind `$ `."""
    lines = joined(text.replace("\\\n", " ").splitlines())
    prompted = [line[2:] for line in lines if line.startswith("$ ")]
    for line in prompted or lines:
        if line.strip() and not line.lstrip().startswith("#"):
            yield re.sub(r"\s{2,}#.*$", "", line).strip()


def joined(lines: list[str]) -> list[str]:
    """A quote that is left open goes on in the next line."""
    whole: list[str] = []
    for line in lines:
        if whole and whole[-1].count("'") % 2:
            whole[-1] += f" {line.strip()}"
        else:
            whole.append(line)
    return whole


def helped() -> Iterator[str]:
    """The examples of --help."""
    yield from lines_of(group.EXAMPLES)
    context = click.Context(group.cli)
    for name in group.COMMANDS:
        command = group.cli.get_command(context, name)
        assert command is not None
        for each in [command, *getattr(command, "commands", {}).values()]:
            yield from lines_of(each.epilog or "")


SHOWN = {page.name: [line for text in blocks(page, "sh") for line in lines_of(text)] for page in PAGES}
SHOWN["--help"] = list(helped())
ALL = [(page, line) for page, lines in SHOWN.items() for line in lines]
RUN = [(page, line) for page, line in ALL if not any(re.search(pattern, line) for pattern in SKIPPED)]
LINES = list(dict.fromkeys(line for _, line in RUN))
SERVERS = [line for line in LINES if re.search(r"\bllmfit serve\b", line)]
SHELLS = [line for line in LINES if line not in SERVERS and SHELL.search(line)]
PLAIN = [line for line in LINES if line not in (*SERVERS, *SHELLS)]


def test_there_is_much_to_run() -> None:
    assert len(RUN) > 60 and len(SHOWN["README.md"]) > 12 and len(SHOWN["tutorial.md"]) > 15
    assert len(SERVERS) >= 4


@pytest.mark.parametrize("pattern", SKIPPED)
def test_what_is_not_run_is_still_shown(pattern: str) -> None:
    assert any(re.search(pattern, line) for _, line in ALL)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = Server.start((), tmp_path_factory.mktemp("docs") / "server.log", before=("--from", str(RECORDED)))
    yield one
    assert one.stop() == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where commands run: a clone as far as they see one, with the profile that a page shows."""
    found = tmp_path_factory.mktemp("reader")
    (found / "src").symlink_to(ROOT / "src")
    (found / ".config/fish/completions").mkdir(parents=True)
    (found / "rig.toml").write_text(next(blocks(ROOT / "docs/hardware.md", "toml")))
    return found


@pytest.mark.parametrize("line", PLAIN)
def test_a_command(
    line: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    words = shlex.split(line)
    assert words[0] == "llmfit"
    recorded = [] if "--from" in words or "doctor" in words else ["--from", str(RECORDED)]
    shutil.rmtree(folder / "recorded", ignore_errors=True)  # which one line writes, and others read
    if "--from" in words:
        shutil.copytree(RECORDED, folder / "recorded")
    monkeypatch.setattr(sys, "argv", ["llmfit", *recorded, *words[1:]])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capfd.readouterr()
    assert (ended.value.code or 0, said.err) == (0, "")
    assert said.out.strip() and not re.match(r"0 of ", said.out), "an example should find something"


@pytest.mark.skipif(not shutil.which("bash") or not shutil.which("curl"), reason="needs bash and curl")
@pytest.mark.parametrize("line", SHELLS)
def test_a_line_for_a_shell(line: str, folder: Path, server: Server) -> None:
    """The line that sets a variable comes before those that use it."""
    sets = {each.partition("=")[0]: each for each in SHELLS if re.match(r"\w+=", each)}
    before = [each for name, each in sets.items() if f"${name}" in line]
    script = "\n".join([*before, line.replace("curl ", "curl -sf ")])
    script = script.replace(":8787", f":{server.port}")
    path = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PATH": path, "HOME": str(folder)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done
    if "%{http_code}" in line:
        assert done.stdout == "304\n"
    elif not re.search(r">|eval|^\w+=|DELETE", line):
        assert done.stdout.strip() and "error" not in done.stdout[:20]


@pytest.mark.parametrize("line", SERVERS)
def test_a_server(line: str, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    line = re.sub(r"--port \d+", "", line).replace("/run/llmfit.sock", str(tmp_path / "s"))
    before, _, behind = line.partition(" serve")
    one = Server.start(tuple(shlex.split(behind)), tmp_path / "log", before=tuple(shlex.split(before)[1:]))
    assert one.ok("/health")["status"] == "ok"
    assert one.stop() == 0


@pytest.mark.parametrize("page", [page for page in PAGES if any(blocks(page, "python"))], ids=lambda page: page.name)
def test_python(page: Path) -> None:
    names: dict[str, object] = {}
    for text in blocks(page, "python"):
        exec(text, names)
    assert len(names) > 2


def test_round_numbers_of_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    opened = catalog.default()
    for pattern, n in ((r"over ([\d,]+) models", opened.size), (r"names over (\d+)", len(opened.tables.machines))):
        found = re.search(pattern, text)
        assert found, pattern
        said = int(found[1].replace(",", ""))
        assert said < n < 1.5 * said
