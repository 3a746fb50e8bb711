"""Writes expected.json of each recorded machine: ``python tests/hardware/make.py``; review the difference."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec.structs import replace

from llmfit.hardware import ReplaySource, detect
from llmfit.machine import Machine
from llmfit.tables import Accelerator, CpuFamily, Tables, read_csv

RECORDED = Path(__file__).parent / "recorded"
DATA = Path(__file__).parents[2] / "src/data"


def read_tables() -> Tables:
    return Tables(
        accelerators=tuple(read_csv(DATA / "accelerators.csv", Accelerator)),
        cpus=tuple(read_csv(DATA / "cpus.csv", CpuFamily)),
    )


def as_json(machine: Machine) -> str:
    """Without the time, and without what is at its default."""
    fields = {
        name: value
        for name, value in msgspec.to_builtins(replace(machine, observed_at="")).items()
        if value not in (None, "", [])
    }
    fields["devices"] = [
        {name: value for name, value in device.items() if value is not None} for device in fields.get("devices", [])
    ]
    return msgspec.json.format(msgspec.json.encode(fields), indent=1).decode() + "\n"


if __name__ == "__main__":
    tables = read_tables()
    for folder in sorted(RECORDED.iterdir()):
        (folder / "expected.json").write_text(as_json(detect(tables, ReplaySource(folder))), encoding="utf-8")
