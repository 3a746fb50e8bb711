"""What the commands print on a known machine, at two widths; `python tests/golden/cli.py` writes it anew."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "cli"
PROGRAM = Path(sys.executable).with_name("llmfit")
RIG = ("--gpu", "RTX 4090", "--ram-gb", "64", "--cpu-cores", "16", "--ram-bandwidth-gbps", "80")
RECORDED = Path(__file__).parents[1] / "hardware" / "recorded" / "rtx4090_desktop"
COMMANDS = {
    "fit": ("fit", "-n", "8", *RIG),
    "recommend": ("recommend", "--use-case", "coding", *RIG),
    "search": ("search", "phi-4", "-n", "6", *RIG),
    "info": ("info", "Qwen/Qwen3-8B", *RIG),
    "diff": ("diff", "Qwen/Qwen3-8B", "google/gemma-3-12b-it", *RIG),
    "plan": ("plan", "meta-llama/Llama-3.3-70B-Instruct", "--context", "16384", *RIG),
    "list": ("list", "-n", "6", "--provider", "mistral", "--sort", "date"),
    "summary": (),
    "explain": ("fit", "-n", "1", "--explain", *RIG),
    "system": ("system",),
    "hardware-list": ("hardware", "list"),
    "hardware-show": ("hardware", "show", "aws-g5.xlarge"),
    "help": ("--help",),
}
WIDTHS = (80, 200)


def printed(name: str, width: int) -> str:
    """The output of a command in a pipe, about a recorded machine."""
    words = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    done = subprocess.run(
        [str(PROGRAM), "--from", str(RECORDED), *COMMANDS[name]], capture_output=True, text=True, check=True,
        env={**words, "COLUMNS": str(width), "HOSTNAME": "golden"},
    )  # fmt: skip
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in COMMANDS:
        for width in WIDTHS:
            (FOLDER / f"{name}-{width}.txt").write_text(printed(name, width), encoding="utf-8")
