"""Commands in a terminal and in a pipe: golden outputs at two widths, colour, completion, bad input for every flag."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cli import COMMANDS, FOLDER, PROGRAM, RIG, WIDTHS, printed

from llmfit.cli.group import COMMANDS as NAMES
from llmfit.cli.group import cli
from llmfit.query import params

pty = pytest.importorskip("pty", reason="no terminals here")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
ARGUMENTS = {"run": ("Qwen/Qwen3-8B", "--print", *RIG), 
    "info": ("Qwen/Qwen3-8B",), "search": ("phi",), "diff": ("Qwen/Qwen3-8B", "google/gemma-3-4b-it"),
    "plan": ("Qwen/Qwen3-8B",), "completion": ("bash",), "hardware": ("list",), "catalog": ("info",),
}  # fmt: skip


def saved() -> str:
    """A file with an answer that can be replayed."""
    import subprocess
    import tempfile

    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder, "answer.json")
    asked = [str(PROGRAM), "--json", "fit", "-n", "2", "--explain", *RIG]
    path.write_bytes(subprocess.run(asked, capture_output=True, check=True).stdout)
    return str(path)


ARGUMENTS["replay"] = (saved(),)
BAD = {"cache": "q9", 
    "bool": "maybe", "count": "-1", "positive": "0", "number": "0", "amount": "x", "choice": "nothing", "text": " ",
    "date": "yesterday", "words": ",", "names": ",", "choices": "nothing", "keys": "nothing",
}  # fmt: skip


def in_terminal(*arguments: str, width: int = 100, **environment: str) -> tuple[int, str]:
    """Exit status and output of a command that runs in a terminal of its own."""
    import fcntl
    import struct
    import termios

    child, screen = pty.fork()
    if child == 0:
        words = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
        os.execve(str(PROGRAM), [str(PROGRAM), *arguments], {**words, "TERM": "xterm-256color", **environment})
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    said = b""
    while True:
        try:
            part = os.read(screen, 65536)
        except OSError:
            break
        if not part:
            break
        said += part
    os.close(screen)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said.decode()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", COMMANDS)
def test_golden(name: str, width: int) -> None:
    text = printed(name, width)
    assert text == (FOLDER / f"{name}-{width}.txt").read_text(encoding="utf-8"), "run `python tests/golden/cli.py`"
    assert "\x1b" not in text
    lines = [line for line in text.splitlines() if not line.startswith("Run the first:")]  # to be copied: never broken
    assert name == "help" or max(map(len, lines)) <= max(width, 100)


@pytest.mark.parametrize("name", ["", *(name for name in NAMES if name != "serve")])
def test_every_command_in_a_terminal(name: str) -> None:
    status, said = in_terminal(*([name] if name else []), *ARGUMENTS.get(name, ()))
    assert status == 0 and said.strip() and "Traceback" not in said


def test_serve_in_a_terminal_ends_with_a_key() -> None:
    """Ctrl-C, once it listens."""
    import signal
    import threading
    import time

    child, screen = pty.fork()
    if child == 0:
        os.execve(str(PROGRAM), [str(PROGRAM), "serve", "--port", "0"], {**os.environ, "TERM": "xterm-256color"})
    rescue = threading.Timer(60, os.kill, (child, signal.SIGKILL))
    rescue.start()
    said = b""
    while b"listening on" not in said:
        said += os.read(screen, 4096)
    time.sleep(0.3)
    os.write(screen, b"\x03")
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    rescue.cancel()
    os.close(screen)
    assert (status, b"Traceback" in said) == (0, False), said


def test_colour_in_a_terminal_unless_it_is_unwanted() -> None:
    status, said = in_terminal("fit", "-n", "3", *RIG)
    assert status == 0 and COLOUR.search(said)
    plain = in_terminal("fit", "-n", "3", *RIG, NO_COLOR="1")[1]
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", plain.replace("\x1b[2;3m", ""))  # bold, dim and italic are no colours


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("serve", "completion", "run")])
def test_json_and_csv_of_every_command(name: str) -> None:
    import subprocess

    for flag in ("--json", "--csv"):
        done = subprocess.run([str(PROGRAM), name, *ARGUMENTS.get(name, ()), flag], capture_output=True, check=True)
        assert done.stderr == b"" and done.stdout.endswith(b"\n")
        if flag == "--json":
            assert isinstance(msgspec.json.decode(done.stdout), dict)
        else:
            assert done.stdout.count(b"\n") >= 2


def flags() -> Iterator[tuple[str, str, str]]:
    """(command, parameter, bad value) for every flag that comes from the table."""
    for name in NAMES:
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        for option in command.params:
            param = params.BY_NAME.get(option.name or "")
            if param is not None and option.param_type_name == "option" and name != "serve":
                yield name, param.name, BAD[param.kind]


def test_bad_input_for_every_flag(capfd: pytest.CaptureFixture[str]) -> None:
    """In this process: some two hundred of them."""
    from llmfit.cli import main

    tried = 0
    for name, flag, bad in flags():
        sys.argv = ["llmfit", name, *ARGUMENTS.get(name, ()), f"--{flag.replace('_', '-')}={bad}"]
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr()
        assert (ended.value.code, said.out) == (2, ""), sys.argv
        assert said.err.startswith(f"llmfit: invalid {flag} value: ") and said.err.count("\n") == 1, said.err
        tried += 1
    assert tried > 150


@pytest.mark.parametrize(("words", "at", "wanted"), [
    ("llmfit pl", 1, {"plan"}), ("llmfit fit --use-case c", 3, {"coding", "chat"}),
    ("llmfit info qwen/qwen3-8b-aw", 2, {"Qwen/Qwen3-8B-AWQ"}),
])  # fmt: skip
def test_completion(words: str, at: int, wanted: set[str]) -> None:
    import subprocess

    words_of = {**os.environ, "COMP_WORDS": words, "COMP_CWORD": str(at), "_LLMFIT_COMPLETE": "bash_complete"}
    done = subprocess.run([str(PROGRAM)], capture_output=True, text=True, env=words_of)
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == wanted


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    import subprocess

    done = subprocess.run([str(PROGRAM), "completion", shell], capture_output=True, text=True, check=True)
    assert "_LLMFIT_COMPLETE" in done.stdout


@pytest.mark.parametrize(("arguments", "text"), [
    (("recomend",), "no such command 'recomend': did you mean 'recommend'? Try 'llmfit --help'."),
    (("fit", "--limt", "3"), "No such option '--limt'. Did you mean '--limit'? Try 'llmfit fit --help'."),
    (("info",), "Missing argument 'MODEL'. Try 'llmfit info --help'."),
    (("fit", "--use-case", "codng"),
     "invalid use_case value: use general|coding|reasoning|chat|multimodal|embedding (did you mean 'coding'?)"),
    (("completion", "tcsh"), "invalid shell value: use bash|zsh|fish"),
    (("diff", "Qwen/Qwen3-8B"), "invalid models value: use two to 8 ids, with commas between"),
])  # fmt: skip
def test_a_slip_is_named_with_what_is_near(arguments: tuple[str, ...], text: str) -> None:
    import subprocess

    done = subprocess.run([str(PROGRAM), *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"llmfit: {text}\n")
