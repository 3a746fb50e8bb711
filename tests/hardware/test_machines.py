"""The machines of tests/machines are what their script makes of today's tables."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import msgspec

from llmfit.codes import BACKENDS
from llmfit.machine import Machine

FOLDER = Path(__file__).parents[1] / "machines"
SPEC = importlib.util.spec_from_file_location("make_machines", FOLDER / "make.py")
make = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(make)


def test_files_are_up_to_date(tables):
    assert {path.stem for path in FOLDER.glob("*.json")} == set(make.MACHINES)
    for name in make.MACHINES:
        text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
        assert text == make.as_json(make.make(name, tables)), f"run tests/machines/make.py ({name})"


def test_machines_hold_together():
    for path in FOLDER.glob("*.json"):
        machine = msgspec.json.decode(path.read_bytes(), type=Machine)
        assert 0 < machine.ram_available_bytes <= machine.ram_total_bytes, path.stem
        assert machine.ram_bandwidth_gbps, path.stem
        assert machine.cpu_fp32_tflops, path.stem
        for device in machine.devices:
            assert 0 < device.free_bytes <= device.total_bytes, path.stem
            assert device.backend in BACKENDS, path.stem
            assert not device.unified or device.total_bytes <= machine.ram_total_bytes, path.stem
            assert device.bandwidth_gbps or path.stem == "vram-24gb-unknown-bandwidth"
