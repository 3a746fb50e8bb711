"""llmfit as a real process, for the tests of the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("llmfit")
RIG = ("--gpu", "RTX 4090", "--ram-gb", "64", "--cpu-cores", "16", "--ram-bandwidth-gbps", "80")


def llmfit(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    words = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    done = subprocess.run([str(PROGRAM), *arguments], capture_output=True, text=True, env={**words, **environment})
    assert "Traceback" not in done.stderr, done.stderr
    return done


def good(*arguments: str, **environment: str) -> str:
    done = llmfit(*arguments, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(*arguments: str, status: int = 2) -> str:
    """The one line on stderr of a command that must fail."""
    done = llmfit(*arguments)
    assert (done.returncode, done.stdout) == (status, ""), done
    assert done.stderr.startswith("llmfit: ") and done.stderr.count("\n") == 1
    return done.stderr.removeprefix("llmfit: ").rstrip("\n")
