"""Every row on many simulated machines: its keys and types, its rounding, its words, its facts."""

from __future__ import annotations

import re
from typing import Any

from contract import (
    CAPABILITIES,
    CONFIDENCES,
    DATE,
    FIT_LABELS,
    MODE_LABELS,
    ORIGINS,
    RIG,
    RUNTIME_LABELS,
    SIZE,
    USE_CASES,
    Checked,
    Row,
    names,
    pick,
    report,
    rounded,
    row_faults,
)


def test_keys_and_types(every_row: Checked) -> None:
    every_row(row_faults)


def test_counts_and_unique_names(page: dict[str, Any], everything: dict[str, Any]) -> None:
    got = names(page)
    assert page["total_models"] == page["returned_models"] == len(got), (
        f"{page['asked']}: total {page['total_models']}, returned {page['returned_models']}, rows {len(got)}"
    )
    assert len(set(got)) == len(got), f"{page['asked']}: {len(got) - len(set(got))} names come twice"
    strange = set(got) ^ set(names(everything))
    assert not strange, f"{page['asked']}: the whole list differs from that of {RIG} in {sorted(strange)[:5]}"


def test_facts_do_not_depend_on_the_machine(page: dict[str, Any], everything: dict[str, Any]) -> None:
    keys = ("provider", "parameter_count", "params_b", "context_length", "release_date", "is_moe", "license",
            "supports_tp", "capabilities", "category", "base_model", "origin")  # fmt: skip
    known = {row["name"]: row for row in everything["models"]}
    faults = [
        f"{row['name']}: {key} {row[key]!r}, with {RIG} {known[row['name']][key]!r}"
        for row in page["models"]
        for key in keys
        if row["name"] in known and row[key] != known[row["name"]][key]
    ]
    assert not faults, report(page["asked"], faults)


def test_rounding(every_row: Checked) -> None:
    def check(row: Row) -> object:
        three = {k: v for k, v in row.items() if k.endswith("_gb") and isinstance(v, (int, float))}
        three |= row["memory_breakdown_gb"] | dict(enumerate(row["per_device_gb"]))
        one = {k: row[k] for k in ("score", "utilization_pct")} | row["score_components"]
        two = {k: row[k] for k in ("estimated_tps", "prefill_tps", "measured_tps")}
        two |= dict(enumerate(row["estimated_tps_range"]))
        return [
            f"{key} {value!r} has more than {digits} decimals"
            for digits, numbers in ((3, three), (1, one), (2, two))
            for key, value in numbers.items()
            if not rounded(value, digits)
        ]

    every_row(check)


def test_words(every_row: Checked) -> None:
    def check(row: Row) -> object:
        wrong = [
            key
            for key, label, labels in (
                ("fit_level", "fit_label", FIT_LABELS),
                ("run_mode", "run_mode_label", MODE_LABELS),
                ("runtime", "runtime_label", RUNTIME_LABELS),
            )
            if labels.get(row[key]) != row[label]
        ]
        wrong += ["category"] * (row["category"] not in USE_CASES.values())
        wrong += ["estimate_confidence"] * (row["estimate_confidence"] not in CONFIDENCES)
        wrong += ["origin"] * (row["origin"] not in ORIGINS)
        wrong += ["capabilities"] * (not CAPABILITIES.issuperset(row["capabilities"]))
        wrong += ["capability_ids"] * (row["capability_ids"] != row["capabilities"])
        wrong += [key for key in ("name", "provider", "use_case", "parameter_count") if not row[key].strip()]
        return pick(row, *wrong, "fit_label", "run_mode_label", "runtime_label") if wrong else None

    every_row(check)


def test_release_dates_are_iso_or_null(every_row: Checked) -> None:
    every_row(
        lambda r: (
            r["release_date"] is not None
            and not DATE.fullmatch(r["release_date"])
            and pick(r, "release_date")
        )
    )


def test_parameter_count_agrees_with_params_b(every_row: Checked) -> None:
    unit = {"K": 1e-6, "M": 1e-3, "B": 1.0, "T": 1e3}

    def check(row: Row) -> object:
        text = row["parameter_count"]
        size = SIZE.match(text)
        if row["params_b"] <= 0 or not re.search(r"\d", text):
            return pick(row, "parameter_count", "params_b")
        if size is None or size.group() != re.split(r"-A", text)[0]:
            return None  # 8x7B and the like: the total isn't written there
        stated = float(size.group()[:-1]) * unit[size.group()[-1]]
        off = abs(stated / row["params_b"] - 1)
        return off > 0.18 and pick(row, "parameter_count", "params_b")  # 15 %, of either, and rounding

    every_row(check)


def test_supports_tp(every_row: Checked) -> None:
    every_row(
        lambda r: (
            (r["supports_tp"] != sorted(set(r["supports_tp"])) or min(r["supports_tp"], default=2) < 2)
            and pick(r, "supports_tp")
        )
    )


def test_effective_context(page: dict[str, Any], every_row: Checked) -> None:
    asked = page["asked"].get("max_context", 8192)

    def check(row: Row) -> object:
        window = row["context_length"]
        if window <= 0:
            return None  # unknown: the contract doesn't say
        return row["effective_context_length"] != min(window, asked) and pick(
            row, "context_length", "effective_context_length"
        )

    every_row(check)
