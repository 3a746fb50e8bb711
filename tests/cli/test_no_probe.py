"""--no-probe and LLMFIT_NO_PROBE: every command that looks at this machine, and what it then says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("llmfit")
pytestmark = pytest.mark.machine("aws_m7i")  # it has no GPU, beside which nothing is measured


def run(folder: Path, *arguments: str, **more: str) -> str:
    words = {key: value for key, value in os.environ.items() if key != "LLMFIT_NO_PROBE"}
    where = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), **more}
    command = [str(PROGRAM), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**words, **where}, check=True).stdout


def test_system_measures_and_keeps_it(tmp_path: Path) -> None:
    system = json.loads(run(tmp_path, "system", "--json"))["system"]
    (kept,) = (tmp_path / "cache/llmfit").iterdir()
    found = json.loads(kept.read_bytes())
    assert (system["ram_bandwidth_gbps"], system["ram_bandwidth_source"]) == (found["gbps"], "measured")
    # the next call reads the file: a figure put there shows
    kept.write_text(json.dumps({**found, "gbps": 11.5}))
    again = json.loads(run(tmp_path, "system", "--json"))["system"]
    assert (again["ram_bandwidth_gbps"], again["ram_bandwidth_source"]) == (11.5, "measured")
    (row,) = json.loads(run(tmp_path, "fit", "-n", "1", "--json"))["models"]
    basis = row["estimate_basis"]
    assert (basis["ddr_bandwidth_gbps"], basis["ddr_bandwidth_source"]) == (11.5, "measured")
    # and none of it where it is not wanted
    plain = json.loads(run(tmp_path, "system", "--json", "--no-probe"))["system"]
    assert plain["ram_bandwidth_source"] != "measured"


@pytest.mark.parametrize("arguments", [
    ("system", "--no-probe"), ("--no-probe", "system"), ("fit", "--no-probe", "-n", "1"),
    ("info", "Qwen/Qwen3-8B", "--no-probe"), ("--no-probe", "fit", "-n", "1"),
], ids=" ".join)  # fmt: skip
def test_nothing_is_read_nor_kept(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert run(tmp_path, *arguments)
    assert not (tmp_path / "cache").exists()


def test_the_environment_says_it_too(tmp_path: Path) -> None:
    run(tmp_path, "system", LLMFIT_NO_PROBE="1")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("command", ["system", "fit", "info", "serve"])
def test_every_command_has_the_flag(command: str, tmp_path: Path) -> None:
    assert "--no-probe" in run(tmp_path, command, "--help")
