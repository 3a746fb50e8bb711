"""The command of a row for a shell, how its runtime is installed, how it is started (by start() alone)."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from llmfit.errors import LlmfitError

# How a program that starts models is installed, by the system it is for ("" for all others).
INSTALL = {
    "llama-server": {
        "macos": "brew install llama.cpp",
        "windows": "winget install llama.cpp",
        "": "brew install llama.cpp, or a build from https://github.com/ggml-org/llama.cpp/releases",
    },
    "vllm": {"": "pip install vllm"},
    "mlx_lm.server": {"": "pip install mlx-lm"},
    "ollama": {"": "https://ollama.com/download"},
}


def shell_line(run: Sequence[str], run_env: Mapping[str, str]) -> str:
    """One shell-quoted line: variables in front of the command."""
    return " ".join([*(f"{name}={shlex.quote(value)}" for name, value in run_env.items()), shlex.join(run)])


def how_to_install(program: str, system: str) -> str:
    """What to do where the program is missing on `system` (linux, macos, windows)."""
    by_system = INSTALL.get(program, {})
    how = by_system.get(system) or by_system.get("")
    return f"{program} is not installed" + (f": {how}" if how else "")


def found(run: Sequence[str], system: str) -> str:
    """The path of the command's program; LlmfitError that says how to install it where it is missing."""
    path = shutil.which(run[0])
    if path is None:
        raise LlmfitError(how_to_install(run[0], system))
    return path


def start(path: str, run: Sequence[str], run_env: Mapping[str, str]) -> NoReturn:
    """Become the command (on Windows: run it and exit as it does). LlmfitError where the system refuses."""
    environment = {**os.environ, **run_env}
    sys.stdout.flush()
    try:
        if os.name == "nt":
            sys.exit(subprocess.run([path, *run[1:]], env=environment).returncode)
        os.execve(path, list(run), environment)
    except OSError as error:
        raise LlmfitError(f"cannot start {path}: {error.strerror}") from None
