"""What the commands show of how a row came about."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("llmfit")
RIG = ("--gpu", "RTX 4090", "--ram-gb", "64", "--cpu-cores", "16", "--ram-bandwidth-gbps", "80")
MODEL = "Qwen/Qwen3-8B"


def good(*arguments: str, **environment: str) -> str:
    done = subprocess.run([str(PROGRAM), *arguments], capture_output=True, text=True, env={**os.environ, **environment})
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_info_shows_how_the_row_came_about() -> None:
    shown = good("info", MODEL, *RIG, COLUMNS="200")
    assert "Would change" in shown and "vram_gb=" in shown and "chosen" in shown and "predicted" in shown
    assert "Would change" not in good("info", MODEL, *RIG, "--explain=false")
    answer = json.loads(good("--json", "info", MODEL, *RIG))
    (row,) = answer["explanation"]["rows"]
    assert row["name"] == MODEL and row["fit_level"] == answer["models"][0]["fit_level"]


def test_fit_explains_when_asked() -> None:
    assert good("fit", *RIG, "-n", "3", "--explain").count("Would change") == 3
    assert "explanation" not in json.loads(good("--json", "fit", *RIG, "-n", "1"))


def test_an_empty_table_says_why() -> None:
    assert "min_tps=99999 removed" in good("fit", *RIG, "--min-tps", "99999", COLUMNS="200")
