"""Impossible facts are found where they stand: in a folder of tables, and in a packed catalog."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from llmfit.catalog import catalog as catalogs
from llmfit.catalog import pack, plausibility

DATA = Path(__file__).parents[2] / "src/data"
PROGRAM = Path(sys.executable).with_name("llmfit")
WRONG = [  # cells of a model, and what is said of them
    ({"params_total": "9e12", "params_text": "9e12"}, "named 8 B and has 9000.0 B parameters"),
    ({"release_date": "2011-01-01"}, "released 2011-01-01, before there were such models"),
    ({"context_length": "100000000"}, "a context of 100000000 tokens"),
    ({"serves": "general|multimodal", "capabilities": ""}, "serves multimodal and takes no images"),
    ({"tuning": "base", "serves": "chat"}, "a base checkpoint that serves chat"),
    ({"n_experts": "0", "base_id": "Qwen/Qwen3-8B"}, "its own base"),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The tables with few models."""
    shutil.copytree(DATA, tmp_path / "data")
    lines = (DATA / "models.csv").read_text().splitlines(keepends=True)
    kept = [line for line in lines[1:] if line.startswith(("Qwen/Qwen3-8B,", "google/gemma-4-12B-it,"))]
    (tmp_path / "data/models.csv").write_text("".join([lines[0], *kept]))
    for name in ("corrections.csv", "abilities.csv"):
        head = (DATA / name).read_text().splitlines(keepends=True)[0]
        (tmp_path / "data" / name).write_text(head)
    return tmp_path / "data"


def change(data: Path, cells: dict[str, str]) -> None:
    with (data / "models.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    next(row for row in rows if row["id"] == "Qwen/Qwen3-8B").update(cells)
    with (data / "models.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def llmfit(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(PROGRAM), "catalog", *arguments], capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_the_shipped_tables_hold_nothing_impossible() -> None:
    report = plausibility.check(DATA)
    assert report.models > 12000 and [str(finding) for finding in report.findings] == []


def test_nor_does_the_packed_catalog() -> None:
    done = llmfit("check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"the catalog in use: {catalogs.default().size} models, 0 findings\n"


@pytest.mark.parametrize(("cells", "said"), WRONG)
def test_a_wrong_fact_is_found_with_its_line(data: Path, cells: dict[str, str], said: str) -> None:
    change(data, cells)
    done = llmfit("check", str(data))
    line = next(at for at, text in enumerate((data / "models.csv").read_text().splitlines(), 1) if "Qwen3-8B" in text)
    assert done.returncode == 1 and f"models.csv:{line}: Qwen/Qwen3-8B: {said}\n" in done.stdout
    findings = json.loads(llmfit("check", str(data), "--json").stdout)["findings"]
    assert (f"models.csv:{line}", said) in [(finding["where"], finding["text"]) for finding in findings]


def test_one_line_corrects_it(data: Path) -> None:
    change(data, {"release_date": "2011-01-01"})
    with (data / "corrections.csv").open("a") as file:
        file.write("Qwen/Qwen3-8B,,release_date,2025-04-28,the day of its first commit\n")
    assert llmfit("check", str(data)).returncode == 0


def test_a_wrong_fact_in_a_packed_catalog(data: Path, tmp_path: Path) -> None:
    change(data, {"release_date": "2011-01-01"})
    packed = tmp_path / "other.msgpack"
    packed.write_bytes(pack.pack(data))
    done = llmfit("check", str(packed))
    assert done.returncode == 1
    assert "other.msgpack: Qwen/Qwen3-8B: released 2011-01-01, before there were such models" in done.stdout


def test_a_packed_catalog_with_a_flipped_bit(data: Path, tmp_path: Path) -> None:
    packed = tmp_path / "other.msgpack"
    packed.write_bytes(pack.pack(data).replace(b'"provider":"', b'"provider","', 1))
    done = llmfit("check", str(packed))
    assert done.returncode == 1 and done.stderr.startswith("llmfit: the catalog is damaged: "), done


@pytest.mark.parametrize("path", ["no/such/folder", "."])
def test_what_cannot_be_checked_is_said_in_one_line(path: str, tmp_path: Path) -> None:
    done = llmfit("check", str(tmp_path / path))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(("llmfit: cannot check ", "llmfit: cannot open the catalog"))


def test_a_line_that_is_no_model_names_its_place(data: Path) -> None:
    change(data, {"context_length": "many"})
    done = llmfit("check", str(data))
    assert done.returncode == 1 and done.stderr.startswith("llmfit: models.csv:") and "context_length" in done.stderr


def test_info() -> None:
    shown = json.loads(llmfit("info", "--json").stdout)["catalog"]
    assert shown["digest"] == catalogs.default().name.digest
    assert shown["originals"] + shown["packagers_copies"] + shown["personal_models"] == shown["models"]
    assert "accelerators: " in llmfit("info").stdout
