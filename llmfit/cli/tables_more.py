"""Answers of `plan` and `diff` as tables."""

from __future__ import annotations

from typing import Any

import msgspec
from rich import box
from rich.table import Table

from llmfit import codes
from llmfit.cli.tables import LEVEL_STYLES, console, facts, headed, level
from llmfit.wire.models import Envelope
from llmfit.wire.plan import Hardware, Plan
from llmfit.wire.rows import Row

MODES = {
    code.title().replace("_", ""): label for code, label in zip(codes.RUN_MODES, codes.LABELS["run_mode"], strict=True)
}
PATH_NAMES = {"gpu": "GPU", "cpu_offload": "GPU + RAM", "cpu_only": "CPU"}


def show_plan(body: bytes) -> None:
    plan = msgspec.json.decode(body, type=Plan)
    out = console()
    now = plan.current
    target = f", {plan.target_tps:g} tok/s" if plan.target_tps else ""
    sessions = f", {plan.concurrency} sessions" if plan.concurrency > 1 else ""
    parts = now.memory_breakdown_gb
    rows = [
        ("Model", f"{plan.model_name} at {plan.quantization}, {plan.context} tokens of context"
                  f"{sessions}{target}"),
        ("Memory", f"{now.total_memory_gb:.2f} GiB: weights {parts.weights:.2f}, cache {parts.kv_cache:.2f}, "
                   f"buffers {parts.compute_buffer:.2f}, runtime {parts.overhead:.2f}"),
        ("Download", f"{plan.disk_size_gb:.1f} GiB"),
        ("Here", f"{styled(now.fit_level)}, {MODES[now.run_mode]}, {now.estimated_tps:.1f} tok/s "
                 f"({now.estimated_tps_range[0]:.1f} to {now.estimated_tps_range[1]:.1f})"),
    ]  # fmt: skip
    rows += [("Upgrade", delta.description) for delta in plan.upgrade_deltas]
    rows += [("Warning", text) for text in plan.warnings]
    out.print(facts(rows))
    table = headed("Way", ("VRAM GiB", "right"), ("RAM GiB", "right"), ("Fit", "left"), ("tok/s", "right"))
    for path in plan.run_paths:
        name = PATH_NAMES[path.path]
        speed = "" if path.estimated_tps is None else f"{path.estimated_tps:.1f}"
        if path.minimum != path.recommended:
            table.add_row(f"{name}, at least", *sizes(path.minimum), "runs", "")
            name += ", better"
        table.add_row(name, *sizes(path.recommended), styled(path.fit_level) if path.feasible else "[red]no[/]", speed)
    out.print(table)
    for path in plan.run_paths:
        notes = list(path.notes)
        if path.bandwidth_gbps:
            notes.append(f"{path.bandwidth_gbps:.0f} GB/s give the speed asked for")
        if notes:
            out.print(f"[dim]{PATH_NAMES[path.path]}:[/] {'; '.join(notes)}", soft_wrap=True)
    known = [other for other in plan.kv_alternatives if other.kv_quant in ("f16", "q8_0", "q4_0")]  # the usual ones
    caches = ", ".join(f"{other.kv_quant} {other.memory_required_gb:.2f} GiB" for other in known)
    out.print(f"[dim]By cache type:[/] {caches}", soft_wrap=True)


def styled(word: str) -> str:
    """TooTight as "Too Tight", in its colour."""
    code = "too_tight" if word == "TooTight" else word.lower()
    return f"[{LEVEL_STYLES[code]}]{code.replace('_', ' ').title()}[/]"


def sizes(hardware: Hardware | None) -> tuple[str, str]:
    """GPU memory and RAM; a dash for none."""
    vram, ram = (hardware.vram_gb, hardware.ram_gb) if hardware else (None, None)
    return f"{vram:.2f}" if vram else "-", f"{ram:.2f}" if ram else "-"


def show_diff(body: bytes) -> None:
    """Models as columns; the best figure of a line stands out."""
    rows = msgspec.json.decode(body, type=Envelope).models
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", style="dim", no_wrap=True)
    for row in rows:
        table.add_column(row.name, overflow="fold")
    for name, texts in lines(rows):
        table.add_row(name, *texts)
    for name, figures, digits, better in numbers(rows):
        best = better(figures)
        shown = [f"{figure:.{digits}f}" for figure in figures]
        ahead = [figure == best and len(set(shown)) > 1 for figure in figures]
        table.add_row(name, *(f"[bold]{text}[/]" if first else text for text, first in zip(shown, ahead, strict=True)))
    table.add_section()
    table.add_row("Notes", *("; ".join(row.notes) for row in rows))
    console().print(table)


def lines(rows: tuple[Row, ...]) -> list[tuple[str, list[str]]]:
    return [
        ("Provider", [row.provider for row in rows]),
        ("Size", [row.parameter_count for row in rows]),
        ("Released", [row.release_date or "not known" for row in rows]),
        ("Licence", [row.license or "not known" for row in rows]),
        ("Can", [", ".join(row.capabilities) for row in rows]),
        ("Fit", [level(row) for row in rows]),
        ("Runs as", [f"{row.run_mode_label}, {row.runtime_label}, {row.best_quant}" for row in rows]),
    ]


def numbers(rows: tuple[Row, ...]) -> list[tuple[str, list[float], int, Any]]:
    return [
        ("Score", [row.score for row in rows], 1, max),
        ("Quality", [row.score_components.quality for row in rows], 1, max),
        ("tok/s", [row.estimated_tps for row in rows], 1, max),
        ("Prompt tok/s", [row.prefill_tps or 0.0 for row in rows], 0, max),
        ("Memory GiB", [row.total_memory_gb for row in rows], 2, min),
        ("Download GiB", [row.disk_size_gb for row in rows], 1, min),
        ("Context", [float(row.usable_context) for row in rows], 0, max),
    ]
