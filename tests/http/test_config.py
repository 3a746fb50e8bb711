"""Flags of the server from the command line, the environment and a file: in this order."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from wire import SYSTEM, TOP, Server

Start = Callable[..., Server]
PROGRAM = Path(sys.executable).with_name("llmfit")


def refusal(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [PROGRAM, "serve", *arguments], capture_output=True, text=True, timeout=30, env={**os.environ, **environment}
    )
    assert done.returncode in (1, 2) and done.stderr.count("\n") == 1, (done.returncode, done.stderr)
    return done.stderr.removeprefix("llmfit: ").rstrip()


def context_of(server: Server) -> int:
    return server.ok(TOP, limit=1)["models"][0]["effective_context_length"]


def test_every_flag_may_stand_elsewhere() -> None:
    from llmfit.cli.config import value_for
    from llmfit.cli.serve import command

    for option in command.params:
        if option.name == "config":
            assert isinstance(option, click.Option) and option.envvar == "LLMFIT_CONFIG"
            continue
        given = value_for(option, "true", "x")
        kind = bool if option.is_flag and not option.multiple else tuple if option.multiple else str
        assert isinstance(given, kind), option.name


def test_the_command_line_then_the_environment_then_the_file(start_server: Start, tmp_path: Path) -> None:
    path = tmp_path / "llmfit.toml"
    path.write_text('max_context = 2048\ngpu = "RTX 4090"\nram_gb = 64.5\nallow_host = ["a.example", "b.example"]\n')
    config = ("--config", str(path))
    own = start_server(*config)
    assert context_of(own) == 2048
    system = own.ok(SYSTEM)["system"]
    assert (system["gpu_name"], system["total_ram_gb"]) == ("GeForce RTX 4090", 64.5)
    for host in ("a.example", "b.example"):
        assert own.get(TOP, {"Host": host}).status == 200, host
    environment = {"LLMFIT_MAX_CONTEXT": "4096", "LLMFIT_ALLOW_HOST": "c.example,d.example"}
    own = start_server(*config, env=environment)
    assert context_of(own) == 4096
    statuses = [own.get(TOP, {"Host": f"{name}.example"}).status for name in "abcd"]
    assert statuses == [403, 403, 200, 200], "a flag is taken whole from one place"
    assert context_of(start_server(*config, "--max-context", "8192", env=environment)) == 8192
    assert context_of(start_server(*config, before=("--max-context", "1024"), env=environment)) == 1024
    assert context_of(start_server(env={"LLMFIT_CONFIG": str(path)})) == 2048


def test_what_kubernetes_sets_for_a_service_is_no_port(start_server: Start) -> None:
    start_server("--host", "127.0.0.1", env={"LLMFIT_PORT": "tcp://10.0.0.1:8787"})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("port = 70000", "invalid port value: use an integer from 0 to 65535 (from {path})"),
        ("port = [1, 2]", "invalid port value: use one value, not a list (from {path})"),
        ("insecure = \"maybe\"", "invalid insecure value: use true|false (from {path})"),
        ("gpu = {name = 1}", "invalid gpu value: use a text, a number, true or false, or a list (from {path})"),
        ("ram_gb = -1", "invalid ram_gb value: use a positive number up to 1000000 (from {path})"),
        ("prot = 1", "{path}: unknown key 'prot': did you mean 'port'?"),
        ("xyzzy_q = 1", "{path}: unknown key 'xyzzy_q': use the names of flags, with _ instead of -"),
        ("port = 1\nport = 2", "{path}:2: Cannot overwrite a value"),
        ("port =", "{path}:1: Invalid value"),
        ("config = 'x'", "{path}: unknown key 'config'"),
        ("log_format = 'xml'", "invalid log_format value: use text|json (from {path})"),
        ("rate_limit = 0", "invalid rate_limit value: use RATE or RATE:BURST"),
    ],
)  # fmt: skip
def test_files_that_are_no_good(tmp_path: Path, text: str, wanted: str) -> None:
    path = tmp_path / "llmfit.toml"
    path.write_text(text)
    assert refusal("--config", str(path)).startswith(wanted.format(path=path))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert refusal("--config", str(tmp_path)) == f"cannot read the config file {tmp_path}: Is a directory"
    (tmp_path / "x").write_bytes(b"\xff")
    assert refusal("--config", str(tmp_path / "x")) == f"{tmp_path}/x:1: this is not UTF-8"
    (tmp_path / "x").write_bytes(b"#" * (1 << 20) + b"#")
    assert "too large" in refusal("--config", str(tmp_path / "x"))


def test_a_bad_variable_is_named() -> None:
    assert refusal(LLMFIT_PORT="x") == "invalid port value: use an integer from 0 to 65535 (from LLMFIT_PORT)"
    assert refusal("--port", "x", LLMFIT_PORT="1") == "invalid port value: use an integer from 0 to 65535"
    assert refusal(LLMFIT_INSECURE="2") == "invalid insecure value: use true|false (from LLMFIT_INSECURE)"
    assert refusal(LLMFIT_GPU="RTX 4900").endswith("(from LLMFIT_GPU)")
