"""What public reports of real machines say, against what detection makes of them.

`public_reports.json` was written by hand from each report and the sources that its `recording.json` names, before the
code was run on it. `expected.json` beside the recording then holds the whole machine (test_recorded.py).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REPORTS = json.loads((HERE / "public_reports.json").read_text(encoding="utf-8"))
MIB = 1 << 20


def test_every_report_has_facts():
    for folder in (HERE / "recorded").iterdir():
        about = json.loads((folder / "recording.json").read_text(encoding="utf-8"))
        assert (about["origin"] == "public report") == (folder.name in REPORTS), folder.name


@pytest.mark.parametrize("name", REPORTS)
def test_cpu_and_ram(machine, name):
    facts, result = REPORTS[name], machine(name)
    for key in ("cpu_cores", "cpu_arch", "cpu_name"):
        assert getattr(result, key) == facts.get(key, getattr(result, key)), key
    assert re.search(facts.get("cpu_name_re", ""), result.cpu_name)
    if "ram_total_bytes" in facts:
        assert result.ram_total_bytes == pytest.approx(facts["ram_total_bytes"], abs=1024)
    if "ram_bandwidth_gbps" in facts:
        wanted = facts["ram_bandwidth_gbps"]
        assert result.ram_bandwidth_gbps == (wanted if wanted is None else pytest.approx(wanted, rel=0.005))
    for text in facts.get("warn", []):
        assert any(re.search(text, warning) for warning in result.warnings), (text, result.warnings)


@pytest.mark.parametrize("name", [name for name in REPORTS if "devices" in REPORTS[name]])
def test_devices(machine, tables, name):
    wanted = [facts for facts in REPORTS[name]["devices"] for _ in range(facts.get("times", 1))]
    devices = machine(name).devices
    assert len(devices) == len(wanted)
    for device, facts in zip(devices, wanted, strict=True):
        assert (device.vendor, device.record) == (facts["vendor"], facts["record"])
        assert device.unified is facts.get("unified", False)
        assert device.visible is facts.get("visible", True)
        assert device.memory_source == facts.get("memory_source", device.memory_source)
        assert facts.get("name_re", "") in device.name
        if facts.get("at_least"):
            assert device.total_bytes >= facts["total_bytes"]
        else:
            assert device.total_bytes == pytest.approx(facts["total_bytes"], rel=facts.get("tolerance", 0.001))
        if "free_bytes" in facts:
            assert device.free_bytes == pytest.approx(facts["free_bytes"], abs=MIB)
        if "bandwidth_gbps" in facts:
            assert device.bandwidth_gbps == pytest.approx(facts["bandwidth_gbps"], rel=0.012)
        if "compute" in facts:
            whole = next(row for row in tables.accelerators if row.id == device.record)
            assert device.fp32_tflops == pytest.approx(whole.fp32_tflops * facts["compute"], rel=0.02)
