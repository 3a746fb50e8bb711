"""llmfit replay: the same answer, another one, and files that are none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import llmfit
from llmfit.answers.encode import answer
from llmfit.answers.replay import replay
from llmfit.catalog import catalog
from llmfit.query.engine import Engine
from llmfit.query.params import parse

PROGRAM = Path(sys.executable).with_name("llmfit")
RIG = llmfit.Machine(
    cpu_name="x", cpu_cores=16, cpu_arch="x86", ram_total_bytes=64 << 30, ram_available_bytes=50 << 30,
    ram_bandwidth_gbps=80.0, ram_bandwidth_source="table",
)  # fmt: skip
QUESTIONS: list[tuple[str, str | None, dict[str, str]]] = [
    ("models", None, {"limit": "4"}), ("top", None, {"use_case": "coding", "gpu": "2x RTX 3090"}),
    ("top", None, {"min_tps": "0.333", "license": "mit,apache-2.0", "capability": "tool_use,vision"}),
    ("name", "qwen3-8b", {"max_context": "30000", "limit": "3", "kv_quant": "q8_0", "profile": "aws-g5.xlarge"}),
    ("name", "Qwen/Qwen3-8B", {"exact": "true", "fields": "name,score"}), ("fit", None, {"limit": "0"}),
    ("models", None, {"limit": "3", "nope": "1", "basis": "total"}),
]  # fmt: skip


def asked(endpoint: str, name: str | None, given: dict[str, str], context: int | None = None) -> dict[str, Any]:
    opened = catalog.default()
    parsed = parse([("explain", "true"), *given.items()], endpoint, name)
    page = Engine(opened, RIG, context).run(parsed.query)
    found: dict[str, Any] = json.loads(answer(opened, page, parsed.query, parsed.warnings))
    return found


def run(path: Path | str, *flags: str) -> tuple[int, str, str]:
    done = subprocess.run([str(PROGRAM), *flags, "replay", str(path)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: f"{q[0]}-{','.join(q[2])}")
def test_the_same(question: tuple[str, str | None, dict[str, str]]) -> None:
    found = asked(*question, context=16384)
    again = replay(catalog.default(), json.dumps(found, indent=2).encode())
    assert again.same, [part for part in again.parts if not part.same]
    assert {"models", "generation", "system", "explanation"} <= {part.where for part in again.parts}
    assert again.models == len(found["models"])


def test_of_the_command_line(tmp_path: Path) -> None:
    for words in (("fit", "-n", "2", "--explain"), ("info", "Qwen/Qwen3-8B")):
        path = tmp_path / "answer.json"
        done = subprocess.run([str(PROGRAM), "--json", *words, "--gpu", "RTX 4090"], capture_output=True, check=True)
        path.write_bytes(done.stdout)
        status, said, wrong = run(path)
        assert (status, wrong) == (0, "") and said.startswith("same: "), said


def test_what_differs_is_said(tmp_path: Path) -> None:
    found = asked("top", None, {})
    found["models"][1]["score"] += 1
    found["models"][2]["memory_breakdown_gb"]["kv_cache"] = "\x1b[31m"
    del found["models"][3]
    found["explanation"]["asked"]["catalog_digest"] = "0" * 16
    found["explanation"]["asked"]["llmfit_version"] = "0.0.9"
    found["explanation"]["asked"]["parameters"]["new_thing"] = 1
    path = tmp_path / "answer.json"
    path.write_text(json.dumps(found))
    status, said, wrong = run(path)
    lines = said.splitlines()
    assert (status, wrong) == (1, "") and "\x1b" not in said
    assert lines[0].startswith('llmfit_version: was "0.0.9", is "') and lines[1].startswith('catalog_digest: was "0000')
    assert lines[2] == "explanation.asked.parameters.new_thing: was 1, is nothing"
    assert any(line.startswith("models[1].score: was ") for line in lines)
    assert any(line.startswith("models[2].memory_breakdown_gb.kv_cache: was ") for line in lines)
    assert "models (how many): was 4, is 5" in lines and lines[-1].startswith("not the same: ")
    status, said, _ = run(path, "--json")
    assert status == 1 and json.loads(said)["same"] is False
    assert run(path, "--csv")[1].startswith("where,same,was,now\n")


def test_a_changed_machine_or_parameter_is_noticed() -> None:
    found = asked("top", None, {})
    found["explanation"]["asked"]["machine"]["ram_available_bytes"] >>= 2
    places = {part.where for part in replay(catalog.default(), json.dumps(found).encode()).parts if not part.same}
    assert {"generation", "system.available_ram_gb"} <= places
    found = asked("top", None, {})
    found["explanation"]["asked"]["parameters"]["max_context"] = 4096
    places = {part.where for part in replay(catalog.default(), json.dumps(found).encode()).parts if not part.same}
    assert "filters.max_context" in places and "models[0].effective_context_length" in places


def changed(where: str, value: object) -> bytes:
    found = asked("top", None, {"limit": "1"})
    at = found["explanation"]["asked"]
    *path, last = where.split(".")
    for key in path:
        at = at[key]
    at[last] = value
    return json.dumps(found).encode()


BROKEN = {
    "empty": b"", "not JSON": b"{", "deep": b"[" * 100_000, "bytes": b"\xff\xfe\x00", "list": b"[]", "null": b"null",
    "lines": b'{"name":"a"}\n{"name":"b"}\n', "no explanation": b'{"models":[]}',
    "no asked": b'{"models":[],"explanation":{}}', "wrong type": b'{"models":1,"explanation":{"asked":1}}',
}  # fmt: skip
HOSTILE: list[tuple[str, object]] = [
    ("endpoint", "compare"), ("endpoint", 1), ("name", ""), ("name", "x" * 10_000), ("parameters", []),
    ("parameters.limit", -1), ("parameters.limit", {"a": 1}), ("parameters.sort", "nope"), ("parameters.sort", None),
    ("parameters.concurrency", None), ("parameters.gpu", "nope"), ("parameters.quant", "Q99"),
    ("parameters.concurrency", 1 << 40), ("parameters.limit", True), ("server_max_context", 0),
    ("server_max_context", 1 << 60), ("machine", {}), ("machine.cpu_cores", 0), ("machine.ram_total_bytes", -1),
    ("machine.ram_available_bytes", 1 << 80), ("machine.ram_bandwidth_gbps", 0.0), ("machine.ram_bandwidth_gbps", "x"),
    ("machine.ram_bandwidth_source", "nope"), ("machine.devices", [{}]), ("machine.cpu_fp32_tflops", 1e300),
    ("machine.devices", [
        {"name": f"g{at}", "vendor": "nvidia", "backend": "cuda", "total_bytes": 1 << 30, "free_bytes": 1 << 30}
        for at in range(100)
    ]),
]  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(BROKEN[name])
    status, said, wrong = run(path)
    assert (status, said) == (2, "") and wrong.startswith(f"llmfit: cannot replay {path}: ") and wrong.count("\n") == 1


@pytest.mark.parametrize(("where", "value"), HOSTILE, ids=lambda value: str(value)[:30])
def test_hostile_files(where: str, value: object) -> None:
    with pytest.raises(llmfit.BadParam) as error:
        replay(catalog.default(), changed(where, value))
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path, "/dev/zero"):
        status, said, wrong = run(path)
        assert (status, said) == (2, "") and wrong.startswith("llmfit: cannot replay ") and wrong.count("\n") == 1


BODIES: list[tuple[str, dict[str, Any]]] = [
    ("plan", {"model": "Qwen/Qwen3-32B", "context": 32768, "target_tps": 20, "gpu": "RTX 4090", "nope": 1}),
    ("plan", {"model": "Qwen/Qwen3-8B", "basis": "total"}),
    ("place", {"demands": [{"name": "a", "model": "Qwen/Qwen3-8B", "replicas": 2, "spread": True}]}),
    ("fit", {"models": ["Qwen/Qwen3-8B", "microsoft/phi-4"], "machines": [{"gpu": "RTX 4090"}, {}]}),
    ("fit", {"models": {"limit": 3, "use_case": "coding"}, "fields": ["name", "score"]}),
    ("place", {
        "demands": [{"model": "Qwen/Qwen3-8B", "context": 4096 + at} for at in range(9)] + [{"use_case": "coding"}],
        "machines": [{"gpu": "2x RTX 3090", "ram_gb": 64, "free_vram_gb": [24, 10]}, "aws-g5.xlarge", {}],
        "policy": "spread",
    }),
]  # fmt: skip


@pytest.mark.parametrize(("endpoint", "body"), BODIES, ids=lambda value: str(value)[:30])
def test_plans_and_placements(endpoint: str, body: dict[str, Any], tmp_path: Path) -> None:
    from llmfit.answers.bodies import answered, fitted
    from llmfit.answers.encode import encode

    engine = Engine(catalog.default(), RIG, 16384)
    if endpoint == "fit":
        found = json.loads(fitted(engine, body | {"explain": True}))
        plain = {key: value for key, value in found.items() if key != "explanation"}
        assert len(found["rows"]) == (4 if "machines" in body else 3)
    else:
        plain = json.loads(encode(answered(engine, endpoint, body)))
        found = json.loads(encode(answered(engine, endpoint, body | {"explain": True})))
    told = found.pop("explanation")["asked"]
    assert found == plain and told["body"] == body and told["catalog_digest"] == catalog.default().name.digest
    found["explanation"] = {"asked": told}
    again = replay(catalog.default(), json.dumps(found).encode())
    assert again.same, [part for part in again.parts if not part.same]
    told["machine"]["ram_bandwidth_gbps"] = 20.0
    told["catalog_version"] = "2020"
    path = tmp_path / "answer.json"
    path.write_text(json.dumps(found))
    status, said, wrong = run(path)
    assert (status, wrong) == (1, "") and said.startswith('catalog_version: was "2020", is "')
    assert "explanation.asked.generation: was " in said
    told["body"][{"place": "demands", "plan": "model", "fit": "models"}[endpoint]] = 5
    path.write_text(json.dumps(found))
    status, said, wrong = run(path)
    assert status == 2 and wrong.count("\n") == 1 and "this catalog cannot answer it: invalid " in wrong
    told["endpoint"] = "other"
    path.write_text(json.dumps(found))
    assert "use plan|place|fit" in run(path)[2]
