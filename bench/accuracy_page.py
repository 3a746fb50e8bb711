"""The table of docs/accuracy.md, made from the figures of bench/accuracy.py --cross-validate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Results = dict[str, Any]
BEGIN, END = "<!-- bench/accuracy.py --markdown: begin -->", "<!-- end -->"


def figures(part: str, *fields: str, group: tuple[str, str] | None = None, digits: int = 1) -> Callable[[Results], str]:
    """Statistics of a part, or of one of its groups, as text."""

    def text(results: Results) -> str:
        own = results[part] if group is None else results[part]["groups"][group[0]][group[1]]
        return " / ".join(f"{own[field]:.{digits}f}" for field in fields)

    return text


def together(text: str, *parts: Callable[[Results], str]) -> Callable[[Results], str]:
    return lambda results: text.join(part(results) for part in parts)


MEDIAN, SHARE, MACRO, COVERED = "median_ape_pct", "within_15_pct", "macro_median_ape_pct", "interval_coverage_pct"
MACHINES, FAMILIES, ARCHITECTURES = "decode_machines_out", "decode_families_out", "decode_architectures_out"
# What, target, and the figure that was reached.
LINES: tuple[tuple[str, str, Callable[[Results], str]], ...] = (
    ("decode, machines left out: median / within 15 % / per-hardware median", "<= 12 / >= 58 / <= 11",
     figures(MACHINES, MEDIAN, SHARE, MACRO)),
    ("decode, families left out: median / within 15 % / per-hardware median", "<= 10 / >= 65 / <= 11",
     figures(FAMILIES, MEDIAN, SHARE, MACRO)),
    ("- CPU only, per-machine median", "<= 18", figures(FAMILIES, MACRO, group=("vendor", "cpu cpu"))),
    ("- mixtures of experts", "<= 12", figures(FAMILIES, MEDIAN, group=("moe", "moe"))),
    ("- context from 16 k tokens", "<= 15", figures(FAMILIES, MEDIAN, group=("context", ">= 16384 tokens"))),
    ("- under 2 B active parameters", "<= 15", figures(FAMILIES, MEDIAN, group=("size", "< 2 B active"))),
    ("decode, architectures left out: median / within 15 %", "-", figures(ARCHITECTURES, MEDIAN, SHARE)),
    ("decode, in sample (information only): median", "-", figures("decode", MEDIAN)),
    ("ranges: share of measurements inside, machines / families left out", "75 to 85",
     together(" / ", figures(MACHINES, COVERED), figures(FAMILIES, COVERED))),
    ("weights by rule, standard GGUF of current rules: median / mean / p90", "<= 0.2 / <= 1.2 / <= 3.5",
     figures("weights", MEDIAN, "mean_ape_pct", "p90_ape_pct", group=("standard_current", "yes"), digits=2)),
    ("weights by rule, all GGUF: median", "<= 0.5", figures("weights", MEDIAN, group=("format", "gguf"), digits=2)),
    ("GPTQ (4 rows) / AWQ (1 row): median", "-",
     together(" / ", *(figures("weights", MEDIAN, group=("format", name)) for name in ("gptq", "awq")))),
    ("KV cache / recurrent state: worst row", "<= 0.1",
     together(" / ", *(figures(part, "max_ape_pct", digits=2) for part in ("kv_cache", "recurrent_state")))),
    ("compute buffer, llama.cpp: median", "<= 5", figures("compute_buffer", MEDIAN)),
    ("prefill: median in sample / machines left out", "<= 35",
     together(" / ", figures("prefill", MEDIAN), figures("prefill_machines_out", MEDIAN))),
    ("whole-device memory (10 rows): median", "-", figures("total", MEDIAN)),
)  # fmt: skip


def table(results: Results) -> str:
    """The table as Markdown."""
    lines = ["| what | target | reached |", "| --- | --- | --- |"]
    return "\n".join(lines + [f"| {what} | {target} | {reached(results)} |" for what, target, reached in LINES])


def rewritten(page: str, results: Results) -> str:
    """The page with the table between its marks; ValueError where it has none."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks {BEGIN} or {END}")
    return f"{head}{BEGIN}\n{table(results)}\n{END}{tail}"
