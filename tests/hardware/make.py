"""Writes expected.json of each recorded machine: ``python tests/hardware/make.py``; review the difference."""

from __future__ import annotations

from pathlib import Path

from llmfit.catalog.tables import Accelerator, CpuFamily, Tables, read_csv
from llmfit.hardware.detect import detect
from llmfit.hardware.sources.recording import as_json
from llmfit.hardware.sources.source import ReplaySource

RECORDED = Path(__file__).parent / "recorded"
DATA = Path(__file__).parents[2] / "src/data"


def read_tables() -> Tables:
    return Tables(
        accelerators=tuple(read_csv(DATA / "accelerators.csv", Accelerator)),
        cpus=tuple(read_csv(DATA / "cpus.csv", CpuFamily)),
    )


if __name__ == "__main__":
    tables = read_tables()
    for folder in sorted(RECORDED.iterdir()):
        (folder / "expected.json").write_text(as_json(detect(tables, ReplaySource(folder))), encoding="utf-8")
