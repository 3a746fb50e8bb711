"""Each command as a real process: exit status, one line for an error, the JSON of HTTP, nothing odd in a pipe."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from commands import PROGRAM, RIG, good, llmfit, refused

from llmfit._version import __version__
from llmfit.cli.group import COMMANDS
from llmfit.query import params
from llmfit.wire import common, models, rows, system

MODEL = "Qwen/Qwen3-8B"


class Answer(msgspec.Struct):
    """An Envelope whose rows are decoded, not raw."""

    node: common.Node
    system: system.System
    total_models: int
    returned_models: int
    filters: dict[str, Any]
    models: list[rows.Row]
    catalog: common.CatalogName
    generation: str
    warnings: list[str]


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_version(flag: str) -> None:
    assert good(flag) == f"llmfit {__version__}\n"


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help(command: tuple[str, ...]) -> None:
    text = good(*command, "--help")
    assert text == good(*command, "-h")
    assert text.startswith("Usage: llmfit ")


def test_every_parameter_is_a_flag() -> None:
    flags = set(re.findall(r"--?[\w-]+(?=[ ,])", good("fit", "--help")))
    for param in params.at("fit"):
        for name in (param.name, *param.aliases):
            assert (f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}") in flags


@pytest.mark.parametrize("arguments", [(), ("fit",), ("system",), ("fit", "-n", "0"), ("fit", *RIG), ("system", *RIG),
                                       ("info", MODEL, *RIG)], ids=" ".join)  # fmt: skip
def test_tables_are_plain_in_a_pipe(arguments: tuple[str, ...]) -> None:
    text = good(*arguments)
    assert text.strip()
    assert "\x1b" not in text
    lines = [line for line in text.splitlines() if not line.startswith(("Run the first: ", "Verify "))]
    assert max(map(len, lines)) <= 80  # but for commands that somebody may copy
    assert good(*arguments, COLUMNS="200").strip()


def test_a_narrow_terminal_does_no_harm() -> None:
    assert good("fit", *RIG, COLUMNS="20").strip()


@pytest.mark.parametrize("arguments", [("--json", "fit", "-n", "3"), ("fit", "--json", "-n", "3")])
def test_json_of_fit(arguments: tuple[str, ...]) -> None:
    text = good(*arguments, *RIG)
    answer = msgspec.json.decode(text, type=Answer)
    assert set(json.loads(text)) == {field.name for field in msgspec.structs.fields(models.Envelope)} - {"explanation"}
    assert answer.returned_models == len(answer.models) == 3 < answer.total_models
    assert answer.system.gpu_name == "GeForce RTX 4090"
    assert answer.filters["limit"] == 3 and answer.filters["gpu"] == "RTX 4090"
    assert text.endswith("}\n")


def test_json_of_system() -> None:
    answer = msgspec.json.decode(good("--json", "system", *RIG), type=system.SystemAnswer)
    assert (answer.system.total_ram_gb, answer.system.cpu_cores, answer.system.gpu_count) == (64.0, 16, 1)


def test_json_of_info() -> None:
    answer = msgspec.json.decode(good("info", MODEL, "--json", *RIG), type=Answer)
    assert [row.name for row in answer.models] == [MODEL]
    assert msgspec.json.decode(good("info", MODEL.lower(), "--json", *RIG), type=Answer).models == answer.models


def test_flags_do_what_the_parameters_do() -> None:
    text = good("--json", "fit", *RIG, "--use-case", "code", "--min-fit", "good", "--sort", "tokens", "-n", "5",
                "--distinct", "--max-context", "4096")  # fmt: skip
    answer = msgspec.json.decode(text, type=Answer)
    speeds = [row.estimated_tps for row in answer.models]
    assert speeds == sorted(speeds, reverse=True)
    assert {row.category for row in answer.models} == {"Coding"}
    assert all(row.effective_context_length <= 4096 for row in answer.models)
    shown = {"use_case": "coding", "min_fit": "good", "sort": "tps", "limit": 5, "distinct": True, "max_context": 4096}
    assert answer.filters.items() >= shown.items()


def test_fields_in_every_form() -> None:
    asked = ("fit", "-n", "3", *RIG, "--fields", "score_components,name")
    rows = json.loads(good("--json", *asked))["models"]
    assert [list(row) for row in rows] == [["name", "score_components"]] * 3
    lines = list(csv.DictReader(io.StringIO(good("--csv", *asked))))
    assert [line["name"] for line in lines] == [row["name"] for row in rows]
    assert list(lines[0])[1] == "score_components.quality"
    table = good(*asked[:-1], "best_quant,score")
    assert re.search(r"score +best_quant", table) and "3 of " in table and "erfect" not in table, table
    assert refused("fit", "--fields", "nmae").startswith("invalid fields value: unknown 'nmae' (did you mean 'name'?)")


def test_a_sheet_has_the_same_columns_whatever_is_null_and_without_rows() -> None:
    whole = next(csv.reader(io.StringIO(good("--csv", "fit", "-n", "0", *RIG))))
    assert {"download.repo", "download.files", "score_components.fit"} <= set(whole) and "download" not in whole
    for sort in ("score", "date"):
        assert next(csv.reader(io.StringIO(good("--csv", "fit", "-n", "3", "--sort", sort, *RIG)))) == whole
    assert good("--csv", "fit", "-n", "0", "--fields", "download,name", *RIG) == "name,download.repo,download.files\n"


def test_csv_of_fit() -> None:
    shown = msgspec.json.decode(good("fit", "--json", "-n", "4", *RIG), type=Answer).models
    lines = list(csv.DictReader(io.StringIO(good("--csv", "fit", "-n", "4", *RIG))))
    assert [line["name"] for line in lines] == [row.name for row in shown]
    for line, row in zip(lines, shown, strict=True):
        assert float(line["memory_breakdown_gb.kv_cache"]) == row.memory_breakdown_gb.kv_cache
        assert line["capabilities"] == " ".join(row.capabilities)
        assert line["is_moe"] == ("true" if row.is_moe else "false")


@pytest.mark.parametrize("arguments", [("system",), ("info", MODEL)], ids=" ".join)
def test_csv_of_one_thing(arguments: tuple[str, ...]) -> None:
    lines = list(csv.DictReader(io.StringIO(good(*arguments, "--csv", *RIG))))
    assert len(lines) == 1 and all(value is not None for value in lines[0].values())


def test_one_form_at_a_time() -> None:
    assert refused("--json", "fit", "--csv") == "invalid output: use --json or --csv, not both"


def test_a_switch_takes_false_too() -> None:
    answer = msgspec.json.decode(good("--json", "fit", *RIG, "--distinct=false", "-n", "0"), type=Answer)
    assert answer.filters["distinct"] is False and answer.models == []


@pytest.mark.parametrize(("arguments", "text"), [
    (("fit", "--min-fit", "best"), "invalid min_fit value: use perfect|good|marginal|too_tight"),
    (("fit", "--limit", "x"), "invalid limit value: use a non-negative integer"),
    (("fit", "--limit", "1", "-n", "2"), "invalid limit value: given more than once"),
    (("fit", "--sort", ""), "invalid sort value: use score|tps|params|mem|ctx|date|use_case"),
    (("fit", "--distinct=maybe"), "invalid distinct value: use true|false"),
    (("fit", "--max-context", "0"), "invalid max_context value: use a positive integer"),
    (("system", "--ram-gb", "-1"), "invalid ram_gb value: use a positive number up to 1000000"),
    (("serve", "--port", "70000"), "invalid port value: use an integer from 0 to 65535"),
    (("serve", "--workers", "none"), "invalid workers value: use an integer from 1 to 64"),
    (("serve", "--max-context", "0"), "invalid max_context value: use a positive integer"),
])  # fmt: skip
def test_bad_values(arguments: tuple[str, ...], text: str) -> None:
    assert refused(*arguments) == text


def test_a_gpu_that_nobody_makes_is_named_with_the_nearest() -> None:
    text = refused("fit", "--gpu", "RTX 4900")
    assert text.startswith("invalid gpu value: ") and "4090" in text


def test_a_model_that_is_not_there() -> None:
    assert refused("info", "no/such-model", status=1) == "no model with the id 'no/such-model' in the catalog"


def test_part_of_a_name_that_names_many() -> None:
    text = refused("info", "qwen3", status=1)
    assert text.startswith("no model with the id 'qwen3' in the catalog; ") and "contain it, among them" in text


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("fit", "--nonsense"), ("info",), ("fit", "--limit")], ids=" ".join
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    done = llmfit(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("llmfit: ") and done.stderr.count("\n") == 1


def test_a_reader_that_leaves_early() -> None:
    program = subprocess.Popen([str(PROGRAM), "--json", "fit", "-n", "12000", "--min-fit", "too_tight"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    assert program.stdout and program.stderr
    program.stdout.read(10)
    program.stdout.close()
    assert b"Traceback" not in program.stderr.read()
    program.stderr.close()
    program.wait(60)


def test_colour_where_it_is_wanted() -> None:
    assert "\x1b[" in good("fit", *RIG, FORCE_COLOR="1")
    assert "\x1b[" not in good("fit", *RIG, NO_COLOR="1")


def test_module_and_script_are_the_same() -> None:
    code = "from llmfit.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True, text=True, cwd="/")
    assert done.stdout == good("--version")


def test_a_profile_by_name_and_by_file(tmp_path: Path) -> None:
    named = msgspec.json.decode(good("--json", "system", "--profile", "dgx-h100"), type=system.SystemAnswer).system
    assert (named.gpu_count, named.gpu_name, named.cpu_cores, named.warnings) == (8, "H100 SXM", 112, ())
    rig = tmp_path / "rig.toml"
    rig.write_text('cpu = "AMD Ryzen 9 7950X"\ncpu_cores = 16\nram_gb = 64\ngpu = "2x RTX 3090"\n')
    for command in (("system",), ("fit", "-n", "1"), ("info", MODEL)):
        answer = json.loads(good("--json", *command, "--profile", str(rig), "--ram-gb", "32"))
        assert (answer["system"]["gpu_count"], answer["system"]["total_ram_gb"]) == (2, 32.0), command
    rig.write_text("cpu = 1\n")
    assert refused("fit", "--profile", str(rig), status=1) == f"{rig}: cpu: expected a text, got a whole number"
    assert refused("system", "--profile", "dgx").startswith('invalid profile value: no such machine "dgx"; nearest: d')


def test_hardware(tmp_path: Path) -> None:
    machines = json.loads(good("--json", "hardware", "list"))["machines"]
    assert len(machines) >= 60 and {"name", "title", "kind", "ram_gb", "gpu", "sources"} <= set(machines[0])
    macs = json.loads(good("hardware", "list", "studio", "--kind", "mac", "--json"))["machines"]
    assert macs and all("mac-studio" in machine["name"] for machine in macs)
    assert len(list(csv.DictReader(io.StringIO(good("hardware", "list", "--csv"))))) == len(machines)
    shown = json.loads(good("hardware", "show", "mac-studio-m4-max-64gb", "--json"))
    assert shown["profile"]["title"] and shown["system"]["gpus"][0]["memory_bandwidth_source"] == "table"
    for text in (good("hardware", "list"), good("hardware", "show", "dgx-spark-128gb")):
        assert text.strip() and max(map(len, text.splitlines())) <= 80
    assert refused("hardware", "show", "foo").startswith("invalid profile value: no such machine")
    assert refused("hardware", "list", "--kind", "x").startswith("invalid kind value: use desktop|")
    fine, bad = tmp_path / "fine.toml", tmp_path / "bad.toml"
    fine.write_text('cpu = "Apple M4"\nram_gb = 16\n')
    bad.write_text('cpu = "Apple M4"\nram_gb = -1\n')
    assert good("hardware", "validate", str(fine)) == f"{fine}: ok\n"
    done = llmfit("hardware", "validate", str(fine), str(bad))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == f"{fine}: ok\n{bad}: ram_gb: expected a number above 0\n"


def test_doctor(tmp_path: Path) -> None:
    report = json.loads(good("--json", "doctor", CUDA_VISIBLE_DEVICES="0"))
    assert {"versions", "catalog", "selectors", "system", "machine", "probes", "recording"} == set(report)
    assert {"name": "llmfit", "value": __version__} in report["versions"]
    assert {"name": "CUDA_VISIBLE_DEVICES", "value": "0"} in report["selectors"]
    probes = {probe["name"]: probe for probe in report["probes"]}
    assert {"CPU", "RAM", "NVIDIA", "AMD", "Intel", "Apple"} <= set(probes)
    asked = probes["RAM"]["asked"]
    assert asked and all({"kind", "what", "outcome", "ms"} == set(ask) for ask in asked)
    assert report["recording"] is None and report["system"]["total_ram_gb"] > 0
    text = good("doctor", COLUMNS="100")
    assert "llmfit " in text and "RAM" in text and "\x1b" not in text


def test_a_recording_is_a_machine_for_every_command(tmp_path: Path) -> None:
    folder = tmp_path / "recorded"
    report = json.loads(good("doctor", "--record", str(folder), "--json"))
    assert report["recording"] == {"path": str(folder), "differs": []}
    assert (folder.stat().st_mode & 0o777) == 0o700
    assert refused("doctor", "--record", str(folder), status=1).endswith("the folder is not empty; name a new one")
    again = json.loads(good("--from", str(folder), "--json", "doctor"))
    assert again["machine"]["cpu_name"] == report["machine"]["cpu_name"]
    behind = json.loads(good("doctor", "--from", str(folder), "--json"))
    assert behind["system"]["total_ram_gb"] == again["system"]["total_ram_gb"]
    for command in ((), ("system",), ("fit", "-n", "1"), ("info", MODEL)):
        system = json.loads(good("--json", "--from", str(folder), *command))["system"]
        assert system["available_ram_gb"] == again["system"]["available_ram_gb"], command


def test_a_recorded_machine_elsewhere() -> None:
    folder = Path(__file__).parents[1] / "hardware/recorded/two_rtx3090"
    system = json.loads(good("--from", str(folder), "--json", "system"))["system"]
    assert (system["gpu_count"], system["gpu_name"]) == (2, "NVIDIA GeForce RTX 3090")
    assert "936 GB/s (driver)" in good("--from", str(folder), "system", COLUMNS="120")
    text = good("--from", str(folder), "doctor", COLUMNS="120")
    assert "seen by nvml" in text and "936.1 GB/s (driver, read)" in text and "/proc/meminfo: " in text


@pytest.mark.parametrize("command", ["system", "fit", "doctor", "serve"])
def test_what_is_no_recording(command: str, tmp_path: Path) -> None:
    assert "this is no recording" in refused("--from", str(tmp_path), command, status=1)
    (tmp_path / "psutil.json").write_text("{")
    assert refused("--from", str(tmp_path), command, status=1).startswith(f"{tmp_path}/psutil.json: ")
