"""Scores the shipped, compiled estimator on measured figures.

    python bench/accuracy.py [--decode FILE] [--weights FILE] [--runtime-memory FILE] [--cross-validate] [--json]
    python bench/accuracy.py --markdown     # writes the table of docs/accuracy.md anew

Any CSV with the columns of bench/data/*.csv will do. Architecture columns of the file win, the catalog fills blanks,
what is left falls to the rule that knows a parameter count alone. A row that the estimator cannot handle is 100 % off.
Known file sizes and known speeds are never looked up: the rules are what is judged.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import accuracy_page
import rows as bench
import scores
from scores import Error

from llmfit.catalog import catalog
from llmfit.query.estimator import CACHE_TYPES, Estimator

PAGE = Path(__file__).resolve().parents[1] / "docs" / "accuracy.md"
DATA = Path(__file__).resolve().parent / "data"
FAILED = (ValueError, TypeError, KeyError, LookupError, ArithmeticError)  # msgspec's error is a ValueError
Cells = dict[str, str]


def decode_errors(cells: list[Cells], estimator: Estimator) -> list[Error]:
    found = []
    for row in cells:
        measured, predicted, low, high, facts = float(row["measured_tps"]), 0.0, 0.0, 0.0, {}
        try:
            known = bench.decode_row(row)
            facts = known.facts
            runtime, variant = bench.runtime_of(row)
            result = estimator.decode(
                estimator.shape(**facts), bench.machine_of(row), quant=bench.label_of(row["quant"]),
                tokens=float(row["context_tokens"] or 64), runtime=runtime, engine=variant,
            )  # fmt: skip
            predicted, low, high = result.tps, result.low, result.high
        except FAILED as error:
            facts = {**facts, "failed": str(error)}
        found.append(
            Error(
                predicted, measured, 0.0, scores.decode_groups(row, facts), row.get("hardware_name", ""),
                low <= measured <= high, row.get("id", ""), facts.get("failed", ""),
            )
        )  # fmt: skip
    return found


def prefill_errors(cells: list[Cells], estimator: Estimator) -> list[Error]:
    found = []
    for row in cells:
        if not row.get("prefill_tps") or float(row.get("prompt_tokens") or 512) < 256:
            continue
        predicted, failed, prompt = 0.0, "", float(row.get("prompt_tokens") or 512)
        try:
            known = bench.decode_row(row)
            runtime, variant = bench.runtime_of(row)
            predicted = estimator.prefill(
                estimator.shape(**known.facts), bench.machine_of(row), runtime=runtime, engine=variant,
                quant=bench.label_of(row["quant"]), prompt=prompt,
                depth=max(float(row["context_tokens"] or 0) - prompt, 0.0),
            )  # fmt: skip
            groups = scores.decode_groups(row, known.facts)
        except FAILED as error:
            failed, groups = str(error), scores.decode_groups(row, {})
        found.append(
            Error(predicted, float(row["prefill_tps"]), 0.0, groups, row["hardware_name"], None, row["id"], failed)
        )
    return found


def weight_label(cells: Cells) -> str:
    label = cells["quant"]
    found = re.fullmatch(r"(GPTQ|AWQ)-Int(\d)(?:-g(\d+))?", label, re.IGNORECASE)
    return f"{found[1].upper()}-{found[2]}bit" if found else label.split(" ")[0]


def weight_errors(cells: list[Cells], estimator: Estimator) -> list[Error]:
    def predict(row: Cells) -> float:
        shape = estimator.shape(**bench.memory_row(row).facts)
        group = re.search(r"-g(\d+)$", row["quant"])
        return estimator.weights(
            shape, weight_label(row), imatrix=row.get("imatrix") != "0", group=int(group[1]) if group else None,
            made="" if row.get("recipe") == "uploader-2026" else "2025",
            experts_kept=row.get("recipe") == "experts-mxfp4",
        )  # fmt: skip

    return [scored(row, "size_bytes", predict) for row in cells]


def sizes(row: Cells) -> dict[str, float]:
    """The settings of a memory row as the estimator takes them; tokens are per sequence."""
    n_seq = float(row.get("n_seq") or 1)
    return {
        "context": float(row.get("kv_cells") or row["n_ctx"]) / n_seq,
        "n_seq": n_seq,
        "ubatch": float(row.get("n_ubatch") or 512),
    }


def cache_prediction(row: Cells, estimator: Estimator) -> float:
    facts = bench.memory_row(row).facts
    if row["engine"] == "ik_llama.cpp" and facts.get("attention") == "sliding":
        facts |= {
            "attention": "full",
            "sliding_window": 0,
            "n_full_attn_layers": facts["n_layers"],
        }  # full-length caches
    mode = row.get("mla_mode") or ""
    k = CACHE_TYPES[row.get("type_k") or "f16"]
    v = CACHE_TYPES[row.get("type_v") or row.get("type_k") or "f16"]
    if facts.get("attention") == "mla" and mode == "naive":  # keys and values of every head
        keys = facts.get("head_dim") or facts["qk_nope_head_dim"] + facts["rope_head_dim"]
        facts |= {"attention": "full", "head_dim": keys, "kv_lora_rank": 0, "n_kv_heads": facts["n_heads"]}
    shape = estimator.shape(**facts)
    bytes_ = shape.cache(k_bytes=k, v_bytes=v, **sizes(row))
    if mode in ("latent+kvT", "latent+v"):  # a second copy of the latent without the rotary part
        bytes_ += bytes_ / k * v * facts["kv_lora_rank"] / (facts["kv_lora_rank"] + facts["rope_head_dim"])
    return float(bytes_)


def compute_prediction(row: Cells, estimator: Estimator) -> float:
    shape = estimator.shape(**bench.memory_row(row).facts)
    s = sizes(row)
    flash = row.get("flash_attn") != "0"
    return float(shape.compute(ubatch=s["ubatch"], context=s["context"] * s["n_seq"], flash=flash))


def total_prediction(row: Cells, estimator: Estimator) -> float:
    shape = estimator.shape(**bench.memory_row(row).facts)
    runtime = bench.RUNTIMES.get(row["engine"], "llamacpp")
    k = CACHE_TYPES[row.get("type_k") or "f16"]
    s = sizes(row) if row.get("n_ctx") or row.get("kv_cells") else {"context": 8192.0, "n_seq": 1.0, "ubatch": 512.0}
    weights = float(row.get("weights_bytes") or 0) or estimator.weights(shape, row["quant"].split(" ")[0])
    parts = (
        weights + shape.cache(k_bytes=k, v_bytes=k, **s) + shape.state(s["n_seq"]) + shape.compute(ubatch=s["ubatch"])
    )
    return float(parts + estimator.catalog.engines[runtime, "nvidia"].context_mib * 2**20)


def scored(row: Cells, column: str, predict: Callable[[Cells], float]) -> Error:
    failed, value = "", 0.0
    try:
        value = predict(row)
    except FAILED as error:
        failed = f"{type(error).__name__}: {error}"
    return Error(
        value, float(row[column]), float(row.get("precision_bytes") or 0), scores.memory_groups(row),
        row.get("model", ""), None, row["id"], failed,
    )  # fmt: skip


def memory_errors(cells: list[Cells], estimator: Estimator) -> dict[str, list[Error]]:
    parts: dict[str, tuple[str, Callable[[Cells, Estimator], float]]] = {
        "kv_cache": ("kv_bytes", cache_prediction),
        "recurrent_state": (
            "rs_bytes",
            lambda row, e: float(e.shape(**bench.memory_row(row).facts).state(float(row.get("n_seq") or 1))),
        ),
        "compute_buffer": ("compute_device_bytes", compute_prediction),
        "total": ("total_bytes", total_prediction),
    }
    found: dict[str, list[Error]] = {}
    for part, (column, predict) in parts.items():
        found[part] = [
            scored(row, column, lambda row, f=predict: f(row, estimator))  # type: ignore[misc]
            for row in cells
            if row.get(column) and (part != "compute_buffer" or row["engine"] == "llama.cpp")
        ]
    return found


def left_out(cells: list[Cells], axis: str, file: str = "folds.json", score: Any = decode_errors) -> list[Error]:
    """Every row scored by the coefficients of the fold that has not seen its group."""
    stored = json.loads((DATA / file).read_text(encoding="utf-8"))[axis]
    found = []
    for fold in stored:
        names = set(fold["left_out"])
        mine = [row for row in cells if scores.group_of(row, axis) in names]
        estimator = Estimator(catalog.default().revised(fold["policy"], fold["engines"]))
        found += score(mine, estimator)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decode", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--runtime-memory", type=Path)
    parser.add_argument(
        "--cross-validate", action="store_true", help="decode: machines, families, architectures left out"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="list the N rows that are furthest off")
    parser.add_argument("--markdown", action="store_true", help="write the table of docs/accuracy.md anew")
    options = parser.parse_args()
    options.cross_validate |= options.markdown
    given = any((options.decode, options.weights, options.runtime_memory))
    if given and options.markdown:
        parser.error("--markdown: the page is about the project's own measurements")
    estimator = Estimator()
    errors: dict[str, list[Error]] = {}
    if options.decode or not given:
        cells = bench.read(options.decode or DATA / "decode_speed.csv")
        errors["decode"] = decode_errors(cells, estimator)
        errors["prefill"] = prefill_errors(cells, estimator)
        if options.cross_validate:
            for axis in ("machines", "families", "architectures"):
                errors[f"decode_{axis}_out"] = left_out(cells, axis)
            errors["prefill_machines_out"] = left_out(cells, "machines", "prefill_folds.json", prefill_errors)
    if options.weights or not given:
        cells = bench.read(options.weights or DATA / "weights.csv")
        errors["weights"] = weight_errors(cells, estimator)
    if options.runtime_memory or not given:
        errors |= memory_errors(bench.read(options.runtime_memory or DATA / "runtime_memory.csv"), estimator)
    results = {part: scores.summary(found) for part, found in errors.items() if found}
    if options.markdown:
        PAGE.write_text(accuracy_page.rewritten(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
        print(f"wrote {PAGE}")
    elif options.json:
        print(json.dumps(results, indent=1))
    else:
        scores.print_report(results, errors, options.worst)


if __name__ == "__main__":
    main()
