"""The Python API: its examples, its types, and that it says what HTTP says."""

from __future__ import annotations

import csv
import doctest
import io
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import llmfit
from llmfit import api
from llmfit.query import params

RIG = {"gpu": "RTX 4090", "ram_gb": 64, "cpu_cores": 16, "ram_bandwidth_gbps": 80}
MODEL = "Qwen/Qwen3-8B"


@pytest.fixture(scope="module")
def rig() -> llmfit.Machine:
    return llmfit.describe(**RIG)


def test_examples() -> None:
    done = doctest.testmod(api)
    assert done.attempted >= 6 and not done.failed


def test_the_public_names_are_there() -> None:
    assert {getattr(llmfit, name).__name__ for name in llmfit.__all__} == set(llmfit.__all__)
    assert set(llmfit.__all__) <= set(dir(llmfit))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        llmfit.nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_a_rank_is_what_the_parameters_ask_for(rig: llmfit.Machine) -> None:
    found = llmfit.rank(rig, use_case="coding", min_fit="good", sort="tps", license=["apache-2.0", "mit"], limit=4)
    assert len(found) == 4 < found.total and found.system.gpu_name == "GeForce RTX 4090"
    assert {row.category for row in found} == {"Coding"}
    assert [row.estimated_tps for row in found] == sorted((row.estimated_tps for row in found), reverse=True)
    assert found[0] == found.rows[0] and found[:2] == found.rows[:2]


def test_numbers_arrive_as_they_are(rig: llmfit.Machine) -> None:
    asked = {"max_params_b": 1e-3, "min_tps": 1 / 3, "max_mem_gb": 100000.0, "distinct": False}
    filters = llmfit.rank(rig, **asked).envelope.filters
    assert filters["min_tps"] == pytest.approx(1 / 3) and filters["max_params_b"] == 1e-3
    assert filters["max_mem_gb"] == 100000 and filters["distinct"] is False


def test_capabilities_are_all_wanted_and_fields_none(rig: llmfit.Machine) -> None:
    found = llmfit.rank(rig, capability=["vision", "tool_use"], limit=9)
    assert len(found) == 9 and all({"vision", "tool_use"} <= set(row.capabilities) for row in found)
    with pytest.raises(llmfit.BadParam, match="invalid fields value: from Python a row has all its keys"):
        llmfit.rank(rig, fields="name")  # type: ignore[call-arg]


def test_rows_as_dictionaries_sheet_and_tables(rig: llmfit.Machine) -> None:
    found = llmfit.rank(rig, limit=3)
    names = [row.name for row in found]
    assert [row["name"] for row in found.to_dicts()] == names
    assert [line["name"] for line in csv.DictReader(io.StringIO(found.to_csv()))] == names
    assert all(name in repr(found) and name in found._repr_html_() for name in names)
    assert found._repr_html_().count("<tr>") == 4


def test_html_is_escaped() -> None:
    row = llmfit.rank(limit=1).to_dicts()[0] | {"name": "<script>"}
    answer = msgspec.json.decode(llmfit.rank(limit=1).json) | {"models": [row]}
    assert "<script>" not in llmfit.Answer(msgspec.json.encode(answer))._repr_html_()


def test_one_model(rig: llmfit.Machine) -> None:
    row = llmfit.estimate(MODEL, rig, max_context=4096)
    assert (row.name, row.effective_context_length) == (MODEL, 4096)
    assert llmfit.estimate(MODEL.lower(), rig, max_context=4096) == row
    assert llmfit.estimate("deepseek-ai/DeepSeek-V3", rig).fit_level == "too_tight"


def test_many_machines(rig: llmfit.Machine) -> None:
    small = llmfit.describe(gpu_count=0, ram_gb=8)
    answers = list(llmfit.rank_many([rig, small, rig], limit=2))
    assert [answer.json for answer in answers[:2]] == [llmfit.rank(each, limit=2).json for each in (rig, small)]
    assert answers[2].json == answers[0].json != answers[1].json


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda: llmfit.rank(use_case="poetry"), llmfit.BadParam, "invalid use_case value: use general|"),
    (lambda: llmfit.rank(use_cas="coding"), llmfit.BadParam, r"unknown parameter 'use_cas' \(did you mean 'use_case'"),
    (lambda: llmfit.rank(max_context=0), llmfit.BadParam, "invalid max_context value"),
    (lambda: llmfit.rank(min_tps=float("nan")), llmfit.BadParam, "invalid min_tps value"),
    (lambda: llmfit.describe(gpu="RTX 4900"), llmfit.BadParam, "invalid gpu value"),
    (lambda: llmfit.estimate("no/such"), llmfit.UnknownModel, "no model with the id 'no/such' in the catalog$"),
    (lambda: llmfit.estimate("qwen3"), llmfit.UnknownModel, "contain it, among them"),
])  # fmt: skip
def test_what_is_wrong_is_said(call, error: type[Exception], text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=text):
        call()


TYPED = """
import llmfit
from typing import assert_type
machine = llmfit.describe(gpu="RTX 4090", ram_gb=64)
assert_type(machine, llmfit.Machine)
answer = llmfit.rank(machine, use_case="coding", limit=3, license=["mit"])
assert_type(answer[0].estimated_tps, float)
assert_type([row.name for row in answer], list[str])
assert_type(llmfit.estimate("x", max_context=4096).best_quant, str | None)
"""
WRONG = {
    'llmfit.rank(use_case="poetry")': "typeddict-item", 'llmfit.rank(limit="3")': "typeddict-item",
    "llmfit.rank(colour=1)": "call-arg", "llmfit.describe(limit=3)": "call-arg", "llmfit.rank()[0].nme": "attr-defined",
}  # fmt: skip


def test_types(tmp_path: Path) -> None:
    """A user's type checker knows the options and their values."""
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text(TYPED)
    bad.write_text("import llmfit\n" + "".join(f"{line}\n" for line in WRONG))
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")]
    done = subprocess.run([*command, str(good), str(bad)], capture_output=True, text=True, cwd=tmp_path)
    lines = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert [line.split(":")[:2] for line in lines] == [["bad.py", str(at)] for at in range(2, 2 + len(WRONG))], done


def test_every_parameter_is_an_option() -> None:
    text = (Path(llmfit.__file__).parent / "query" / "options.py").read_text()
    assert all(f"    {param.name}: " in text for param in params.at("fit") if param.stage not in ("parse", "write"))
