"""One list of words, one of integers, one of constants: what is written twice is held equal here."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from llmfit import _rules, codes
from llmfit.catalog import catalog, checks, pack
from llmfit.hardware import host

ROOT = Path(__file__).parents[2]
KERNEL = ROOT / "src/llmfit"
# Which table of codes.py stands for which enum of estimate/codes.pxd, and where a word is not the name in lower case.
TABLES = {
    "FitLevel": codes.FIT_LEVELS, "RunMode": codes.RUN_MODES, "Runtime": codes.RUNTIMES, "UseCase": codes.USE_CASES,
    "Attention": codes.ATTENTIONS, "LinearKind": codes.LINEAR_KINDS, "Format": codes.FORMATS,
    "Origin": codes.ORIGINS, "Role": codes.ROLES, "Tuning": codes.TUNINGS, "Confidence": codes.CONFIDENCES,
    "Method": codes.METHODS, "CacheType": codes.CACHE_TYPES, "SortKey": codes.SORT_KEYS, "Blocker": codes.BLOCKERS,
    "Brief": codes.BRIEF, "Backend": codes.BACKENDS,
}  # fmt: skip
PREFIXES = {"Format": "F_", "CacheType": "KV_", "SortKey": "BY_", "Method": "METHOD_", "Brief": "BRIEF_"}
WORDS = {
    "UNKNOWN_ATTENTION": "", "NO_STATE": "", "NO_REASON": "", "EMBEDDER": "embedding", "ALWAYS_REASONING": "reasoning",
    "UNKNOWN_TUNING": "unknown", "BACKEND_CPU": "cpu",
}  # fmt: skip


def enums(file: str) -> dict[str, list[str]]:
    """The names of every commented enum of a .pxd, in order."""
    found: dict[str, list[str]] = {}
    text = (KERNEL / file).read_text()
    for title, body in re.findall(r"^cdef enum:  # (\w+)\n((?:    .*\n)+)", text, re.MULTILINE):
        found[title] = re.findall(r"\w+", body)
    return found


def struct_fields(file: str, name: str) -> list[str]:
    body = re.search(rf"^cdef struct {name}:\n((?:(?:    .*)?\n)+)", (KERNEL / file).read_text(), re.MULTILINE)
    assert body, name
    lines = (line.partition("#")[0].strip() for line in body[1].splitlines())
    return [part.split()[-1].strip("*") for line in lines if line for part in line.split(",")]


def test_all_enums_are_compared() -> None:
    assert set(enums("estimate/codes.pxd")) == set(TABLES) == set(_rules.CODES)


@pytest.mark.parametrize("enum", TABLES)
def test_integers_stand_for_the_words(enum: str) -> None:
    names = [name for name in enums("estimate/codes.pxd")[enum] if not name.startswith("N_")]
    assert _rules.CODES[enum] == {name: at for at, name in enumerate(names)}
    words = tuple(WORDS.get(name, name.removeprefix(PREFIXES.get(enum, "")).lower()) for name in names)
    assert words == TABLES[enum]


def test_labels_go_with_their_words() -> None:
    tables = {"fit_level": codes.FIT_LEVELS, "run_mode": codes.RUN_MODES, "runtime": codes.RUNTIMES,
              "use_case": codes.USE_CASES, "confidence": codes.CONFIDENCES}  # fmt: skip
    assert codes.LABELS.keys() == tables.keys()
    for name, words in tables.items():
        assert len(codes.LABELS[name]) == len(set(codes.LABELS[name])) == len(words), name
    assert len(codes.USE_CASE_PHRASES) == len(codes.USE_CASES)


def test_policy_is_the_same_in_c_python_and_csv() -> None:
    with (ROOT / "src/data/policy.csv").open(newline="") as file:
        values = [row["name"] for row in csv.DictReader(file)]
    assert checks.POLICY_NAMES == _rules.POLICY_FIELDS
    assert tuple(struct_fields("estimate/policy.pxd", "Policy")) == _rules.POLICY_FIELDS
    assert sorted(values) == sorted(_rules.POLICY_FIELDS)


def test_notes_are_the_notes_of_the_kernel() -> None:
    found = enums("rows/notes.pxd")
    assert [f"NOTE_{name.upper()}" for name in codes.NOTES] == found["NoteId"][:-1]
    assert found["NoteId"][-1] == "N_NOTES"
    assert [f"FIELD_{name.upper()}" for name in ("none", *catalog.NOTE_FIELDS)] == found["NoteField"]
    used = {name for text in codes.NOTES.values() for name in re.findall(r"\{(\w+)\}", text)}
    assert used == set(catalog.NOTE_FIELDS)


def test_blockers_are_notes_in_the_same_order() -> None:
    notes = list(codes.NOTES)
    first = notes.index("too_big")
    assert tuple(notes[first : first + len(codes.BLOCKERS) - 1]) == codes.BLOCKERS[1:]
    modes = codes.RUN_MODES[1:]
    where = notes.index("tensor_parallel")
    by_mode = {"moe_offload": "experts_in_ram", "cpu_offload": "layers_in_ram"}
    assert tuple(notes[where : where + len(modes)]) == tuple(by_mode.get(mode, mode) for mode in modes)


def assignments(function: str, target: str) -> dict[int, str]:
    """Which column a loader of ranking/columns.pxd reads into which field."""
    text = (KERNEL / "ranking/columns.pxd").read_text()
    body = text[text.index(f" {function}(") :]
    body = body[: body.find("\ncdef ", 10)] if "\ncdef " in body[10:] else body
    read = {}
    for line in body.splitlines():
        fields, _, values = line.partition(" = ")
        columns = re.findall(r"f\[(?:(\d+) \* )?(n \+ )?i\]", values)
        names = re.findall(rf"\b{target}\.(\w+)", fields)
        if len(names) == len(columns):
            read |= {int(times or bool(one)): name for name, (times, one) in zip(names, columns, strict=True)}
    return read


def test_shape_columns_are_read_in_order() -> None:
    read = assignments("load_model", "m")
    assert [read[at] for at in range(len(read))] == list(pack.SHAPE_COLUMNS)
    assert set(pack.SHAPE_COLUMNS) <= set(_rules.MODEL_FIELDS)


def test_row_columns_are_read_in_order() -> None:
    """What is not a field of a row makes its quality: single columns, and one for each use case from a first one on."""
    read = assignments("load_row", "r")
    assert read == {at: name for at, name in enumerate(pack.ROW_COLUMNS) if at in read}
    text = (KERNEL / "ranking/columns.pxd").read_text()
    body = text[text.index(" pooled_ability(") :]
    single = {int(at) for at in re.findall(r"f\[(\d+) \* n \+ i\]", body)}
    first = [int(at) for at in re.findall(r"f\[\((\d+) \+ use_case\) \* n \+ i\]", body)]
    many = {at + use_case for at in first for use_case in range(len(codes.USE_CASES))}
    assert set(read) | single | many == set(range(len(pack.ROW_COLUMNS)))
    assert [pack.ROW_COLUMNS[at] for at in sorted(single - set(read))] == [
        "quality_date", "sparsity", "thinks", "coder", "vision", "distill", "finetune",
    ]  # fmt: skip
    assert [pack.ROW_COLUMNS[at] for at in first] == ["effect_general", "own_general", "weight_general"]


def test_room_for_devices_is_the_same() -> None:
    text = (KERNEL / "estimate/machine.pxd").read_text()
    sizes = dict(re.findall(r"(MAX_\w+) = (\d+)", text))
    assert (int(sizes["MAX_DEVICES"]), int(sizes["MAX_KINDS"])) == (host.MAX_DEVICES, host.MAX_KINDS)
    assert len(codes.FORMATS) <= int(sizes["MAX_FORMATS"])


def test_directives_are_in_cmake_alone() -> None:
    for path in (*KERNEL.glob("*.pyx"), *KERNEL.glob("*.pxd")):
        assert "# cython:" not in path.read_text(), path.name
