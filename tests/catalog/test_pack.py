"""Packing: the same text gives the same bytes, and bad data is refused with `file:line: message`."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from llmfit.catalog import pack, records
from llmfit.catalog.catalog import Catalog
from llmfit.catalog.tables import read_csv
from llmfit.errors import CatalogError

ROOT = Path(__file__).parents[2]
DATA = ROOT / "src/data"
EVERY = 150  # one model in so many is in the small folder
Cells = dict[str, str]
Damage = Callable[[list[Cells]], object]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data with few models: a hundred of all kinds."""
    small = tmp_path_factory.mktemp("data") / "small"
    shutil.copytree(DATA, small)
    lines = (DATA / "models.csv").read_text().splitlines(keepends=True)
    (small / "models.csv").write_text("".join([lines[0], *lines[1::EVERY]]))
    return small


@pytest.fixture
def data(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "data"))


def change(path: Path, damage: Damage) -> None:
    """The table with its rows changed in place by `damage`."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = list(rows[0])
    damage(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def refused(data: Path) -> str:
    with pytest.raises(CatalogError) as caught:
        pack.pack(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_packing_twice_gives_the_same_bytes(data: Path) -> None:
    first = pack.pack(data)
    assert pack.pack(data) == first
    command = [sys.executable, "-m", "llmfit.catalog.pack", str(data), str(data / "out")]
    for seed in ("0", "1"):
        subprocess.run(command, check=True, cwd=ROOT, env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)})
        assert (data / "out").read_bytes() == first


def test_the_digest_tells_one_catalog_from_another(data: Path) -> None:
    before = msgspec.msgpack.decode(pack.pack(data), type=pack.Packed)
    change(data / "policy.csv", lambda rows: rows[0].update(value="4096"))
    after = msgspec.msgpack.decode(pack.pack(data), type=pack.Packed)
    assert before.digest != after.digest
    assert before.version == after.version == (DATA / "version.txt").read_text().strip()


def test_the_small_catalog_opens(data: Path) -> None:
    (data / "out").write_bytes(pack.pack(data))
    opened = Catalog(str(data / "out"))
    ids = [row["id"] for row in csv.DictReader((data / "models.csv").open(newline=""))]
    assert opened.size == opened.core.n_rows == len(ids)
    assert [opened.core.index_of(name.upper()) for name in ids] == list(range(len(ids)))


def cell(line: int, **values: str) -> Damage:
    return lambda rows: rows[line - 2].update(values)


def drop(line: int) -> Damage:
    return lambda rows: rows.pop(line - 2)


def swap(line: int, other: int) -> Damage:
    def damage(rows: list[Cells]) -> None:
        rows[line - 2], rows[other - 2] = rows[other - 2], rows[line - 2]

    return damage


def twice(line: int) -> Damage:
    return lambda rows: rows.insert(line - 2, dict(rows[line - 2]))


DAMAGES: list[tuple[str, Damage, str]] = [
    ("models.csv", cell(5, params_total="many"), r"models.csv:5: Expected `float`, got `str` - at `\$.params_total`"),
    ("models.csv", cell(5, params_total="-1"), r"models.csv:5: Expected `float` > 0.0 - at `\$.params_total`"),
    ("models.csv", cell(5, params_total="nan"), r"models.csv:5: .*params_total"),
    ("models.csv", cell(5, params_total=""), r"models.csv:5: .*missing required field `params_total`"),
    ("models.csv", cell(6, format="gguff"), r"models.csv:6: Invalid enum value 'gguff' - at `\$.format`"),
    ("models.csv", cell(6, serves="chat|poetry"), r"models.csv:6: Invalid enum value 'poetry' - at `\$.serves\[1\]`"),
    ("models.csv", cell(7, release_date="May 2024"), r"models.csv:7: .*release_date"),
    ("models.csv", cell(7, release_date="2024-19-39"), r"models.csv:7: .*release_date"),
    ("models.csv", cell(7, release_date="2025-02-29"), r"models.csv:7: release_date 2025-02-29 is not a day"),
    ("models.csv", cell(7, n_layers="2147483648"), r"models.csv:7: .*n_layers"),
    ("models.csv", cell(7, n_layers="4", kv_shared_layers="5"), r"models.csv:7: kv_shared_layers is larger"),
    ("gguf_types.csv", cell(2, fallback="F32"), r"gguf_types.csv: .* falls back on itself"),
    ("models.csv", cell(7, id="a b; rm -rf"), r"models.csv:7: .*\$.id"),
    ("models.csv", cell(7, n_layers="32.5"), r"models.csv:7: .*n_layers"),
    ("models.csv", cell(8, params_text="1e14"), r"models.csv:8: params_text is larger than params_total"),
    ("models.csv", cell(8, n_experts="4", n_experts_active="8"), r"models.csv:8: n_experts_active is larger"),
    ("models.csv", cell(8, n_heads="4", n_kv_heads="8"), r"models.csv:8: n_kv_heads is larger than n_heads"),
    ("models.csv", swap(9, 10), r"models.csv:10: .* is out of order: sort by id, ignoring case"),
    ("models.csv", twice(9), r"models.csv:10: duplicate id '.*'"),
    ("quants.csv", cell(3, runtime="ollama"), r"quants.csv:3: Invalid enum value 'ollama' - at `\$.runtime`"),
    ("quants.csv", cell(3, body_bits="0"), r"quants.csv:3: .*body_bits"),
    ("quants.csv", cell(11, name="MXFP5"), r"quants.csv:1: missing MXFP4"),
    ("engines.csv", cell(2, eta="1.5"), r"engines.csv:2: .*eta"),
    ("policy.csv", twice(4), r"policy.csv:5: duplicate name 'prompt_tokens'"),
    ("policy.csv", drop(2), r"policy.csv:1: missing default_context"),
    ("policy.csv", cell(2, name="nothing"), r"policy.csv:1: missing default_context"),
    ("policy.csv", cell(2, value="nan"), r"policy.csv:2: .*value"),
    ("use_cases.csv", drop(3), r"use_cases.csv:1: missing coding"),
    ("use_cases.csv", swap(2, 3), r"use_cases.csv:1: out of order: wanted general, coding"),
    ("quality.csv", swap(2, 3), r"quality.csv:1: out of order: wanted general, coding"),
    ("quality.csv", drop(7), r"quality.csv:1: missing embedding"),
    ("accelerators.csv", cell(4, match="(rtx"), r"accelerators.csv:4: match does not compile: .*"),
    ("accelerators.csv", cell(4, match="rtx"), r"accelerators.csv:4: match does not find the alias '.*'"),
    ("cpus.csv", cell(2, typical_gbps="0"), r"cpus.csv:2: .*typical_gbps"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "damage", "message"), DAMAGES, ids=[f"{d[0]}-{at}" for at, d in enumerate(DAMAGES)])
def test_damaged_table(data: Path, file: str, damage: Damage, message: str) -> None:
    change(data / file, damage)
    assert re.match(message, text := refused(data)), text


def test_a_format_that_no_table_describes(data: Path) -> None:
    fixed = {row.format for row in read_csv(data / "models.csv", records.Model)} - {"bf16", "gguf"}
    gone = min(fixed)
    change(data / "fixed_formats.csv", lambda rows: rows.remove(next(row for row in rows if row["format"] == gone)))
    assert re.match(rf"models.csv:\d+: fixed_formats.csv has no row for the format '{gone}'", refused(data))


def raw(path: Path, old: bytes, new: bytes) -> None:
    text = path.read_bytes()
    assert old in text
    path.write_bytes(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b",hidden_size,", b",hiden_size,", r"models.csv:1: unknown column 'hiden_size'"),
        (b",vocab_size,", b",n_layers,", r"models.csv:1: missing column 'vocab_size'"),
        (b",flags\n", b",flags,flags\n", r"models.csv:1: repeated column 'flags'"),
        (b"\n", b"\nx,y\n", r"models.csv:2: 2 cells, expected \d+"),
        (b"\n", b'\n"x', r"models.csv:\d+: .*"),
        (b"\n", b"\n\xff", r"models.csv:\d+: 'utf-8' codec can't decode byte 0xff.*"),
    ],
)
def test_damaged_text(data: Path, old: bytes, new: bytes, message: str) -> None:
    raw(data / "models.csv", old, new)
    assert re.match(message, text := refused(data)), text


def test_ids_that_differ_in_case_alone(data: Path) -> None:
    change(data / "models.csv", lambda rows: rows.insert(3, {**rows[2], "id": rows[2]["id"].swapcase()}))
    assert "differs from the line above in case alone" in refused(data)


def test_the_command_says_it_in_one_line(data: Path) -> None:
    command = [sys.executable, "-m", "llmfit.catalog.pack", str(data), str(data / "out")]
    (data / "engines.csv").unlink()
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "engines.csv" in done.stderr
    assert not (data / "out").exists()


def test_derived_text() -> None:
    def model(**facts: object) -> records.Model:
        known = dict(
            id="a/b", provider="A", kind="original", origin="official", params_total=1e9, params_text=1e9,
            format="bf16", use_case="chat", role="generator", tuning="base",
        )  # fmt: skip
        return msgspec.convert({**known, **facts}, records.Model)

    sizes = {70.55e9: "70.5B", 8.03e9: "8B", 999.6e6: "1B", 596.05e6: "596M", 1.5e12: "1500B"}
    for params, label in sizes.items():
        assert pack.size_label(model(params_total=params)) == label
    assert pack.size_label(model(nominal_size="8x7B")) == "8x7B"
    assert pack.tp_sizes(model(n_heads=32, n_kv_heads=8)) == (2, 4, 8, 16, 32)
    assert pack.tp_sizes(model(n_heads=28, n_kv_heads=4)) == (2, 4, 28)
    assert pack.tp_sizes(model(n_heads=14, n_kv_heads=2)) == (2, 14)
    assert pack.tp_sizes(model(n_heads=128, n_kv_heads=128, kv_lora_rank=512))[:3] == (2, 4, 8)
    assert pack.tp_sizes(model()) == ()
    assert pack.search_text(model()) == "a/b\0a\0" + "1b\0conversation and instruction following\0chat\0"
