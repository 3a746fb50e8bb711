"""`llmfit run`: the command that a row shows, printed or started."""

from __future__ import annotations

import json
import os
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
from commands import RIG, good, llmfit, refused

from llmfit.errors import LlmfitError
from llmfit.runtimes.commands import found, how_to_install, shell_line

MODEL = "Qwen/Qwen3-8B"
STORED = str(Path(__file__).parents[1] / "hardware/recorded")
ON = ("--runtime", "llamacpp")


def row(*arguments: str) -> dict[str, object]:
    answer = json.loads(good("--json", "info", MODEL, *RIG, *arguments))
    found: dict[str, object] = answer["models"][0]
    return found


@pytest.mark.parametrize(
    "arguments", [ON, ("--concurrency", "3", "--kv-quant", "q8_0,q4_0", *ON), ("--runtime", "vllm", "--quant", "BF16")]
)
def test_every_screen_prints_the_command_of_the_row(arguments: tuple[str, ...]) -> None:
    words = row(*arguments)["run"]
    assert isinstance(words, list)
    line = good("run", MODEL, *RIG, *arguments, "--print").rstrip("\n")
    assert shlex.split(line) == words
    assert line in " ".join(good("info", MODEL, *RIG, *arguments, "--explain=false", COLUMNS="400").split())


def test_the_best_comes_with_its_command() -> None:
    answer = json.loads(good("--json", "recommend", *RIG))
    assert shell_line(answer["models"][0]["run"], {}) in good("recommend", *RIG, COLUMNS="400")


def test_sessions_and_types_of_cache_are_said() -> None:
    words = row("--concurrency", "3", "--max-context", "1000", "--kv-quant", "q8_0,q4_0", *ON)["run"]
    assert isinstance(words, list)
    at = dict(pairwise(words))
    assert (at["-c"], at["-np"], at["-ctk"], at["-ctv"]) == ("3072", "3", "q8_0", "q4_0")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--kv-quant", "q8_0", "--runtime", "vllm"), "invalid kv_quant value: vllm has f16|bf16|fp8"),
        (("--kv-quant", "q8_0", "--force-runtime", "mlx"), "invalid kv_quant value: mlx has f16|bf16"),
        (("--kv-quant", "fp8", "--runtime", "llamacpp"),
         "invalid kv_quant value: llamacpp has f16|q8_0|q4_0|bf16|f32|q5_1|q5_0|q4_1|iq4_nl, or K,V"),
        (("--kv-quant", "f16,fp8"), "invalid kv_quant value: keys and values in two types are llamacpp's, which has "
         "f16|q8_0|q4_0|bf16|f32|q5_1|q5_0|q4_1|iq4_nl, or K,V"),
    ],
)  # fmt: skip
def test_a_type_that_the_runtime_lacks_is_refused(arguments: tuple[str, ...], text: str) -> None:
    assert refused("run", MODEL, *RIG, *arguments, "--print") == text


def test_a_type_of_one_runtime_chooses_it() -> None:
    assert (row("--kv-quant", "fp8")["runtime"], row("--kv-quant", "q5_1")["runtime"]) == ("vllm", "llamacpp")
    body = good("--json", "info", "Qwen/Qwen2.5-7B-Instruct-AWQ", *RIG, "--kv-quant", "q8_0")
    unasked = json.loads(body)["models"][0]
    assert unasked["fit_level"] == "too_tight" and unasked["run"] is None
    assert "no runtime that runs this model here has a KV cache of the requested type" in unasked["notes"]


def test_what_has_no_command_says_why() -> None:
    assert "GiB more memory" in refused("run", "deepseek-ai/DeepSeek-V3", *RIG, "--print", status=1)
    text = refused("run", "bigscience/mt0-small", *RIG, "--runtime", "vllm", "--print", status=1)
    assert text.startswith("no command starts bigscience/mt0-small here: this runtime has no server")


def test_another_machine_is_not_started() -> None:
    assert refused("run", MODEL, *RIG).endswith("use --print")


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """A folder with a program that says how it was called."""
    program = tmp_path / "llama-server"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 7\n')
    program.chmod(0o755)
    return tmp_path


@pytest.mark.skipif(os.name == "nt", reason="the program is a shell script")
def test_the_command_is_started_as_it_stands(runtime: Path) -> None:
    small = ("HuggingFaceTB/SmolLM2-135M-Instruct", "--runtime", "llamacpp")
    here = ("--from", f"{STORED}/{next(iter(sorted(os.listdir(STORED))))}")
    path = f"{runtime}{os.pathsep}{os.environ['PATH']}"
    words = shlex.split(good(*here, "run", *small, "--print"))
    done = llmfit(*here, "run", *small, "--yes", PATH=path)
    line, *said = done.stdout.splitlines()
    assert done.returncode == 7 and shlex.split(line) == words and said == words[1:]
    unasked = llmfit(*here, "run", *small, PATH=path)
    assert unasked.returncode == 2
    assert unasked.stderr.endswith("use --yes to start it, --print to see the command alone\n")


def test_a_missing_program_is_named_with_its_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LlmfitError, match=r"^vllm is not installed: pip install vllm$"):
        found(["vllm", "serve"], "linux")
    assert how_to_install("llama-server", "macos").endswith("brew install llama.cpp")
    assert how_to_install("stranger", "linux") == "stranger is not installed"


def test_lines_are_for_a_shell() -> None:
    assert shell_line(["a b", "it's"], {"X": "1 2"}) == "X='1 2' 'a b' 'it'\"'\"'s'"
