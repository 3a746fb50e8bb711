"""Answers, given as JSON, as tables for a terminal. rich does the work; it is imported only when something is shown."""

from __future__ import annotations

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from llmfit.shapes import Envelope, Row, SystemAnswer

LEVEL_STYLES = {"perfect": "bold green", "good": "green", "marginal": "yellow", "too_tight": "red"}


def console() -> Console:
    """A console that knows its terminal: no colour when piped or with NO_COLOR."""
    return Console(highlight=False)


def facts(rows: list[tuple[str, str]]) -> Table:
    """Two columns without lines: what, and its value."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def level(row: Row) -> str:
    """The label of its fit level in its colour."""
    return f"[{LEVEL_STYLES[row.fit_level]}]{row.fit_label}[/]"


def show_system(body: bytes) -> None:
    answer = msgspec.json.decode(body, type=SystemAnswer)
    system = answer.system
    rows = [
        ("Node", f"{answer.node.name} ({answer.node.os})"),
        ("CPU", f"{system.cpu_name}, {system.cpu_cores} cores"),
        ("RAM", f"{system.total_ram_gb:.1f} GiB, {system.available_ram_gb:.1f} available"),
        ("RAM bandwidth", f"{system.ram_bandwidth_gbps:.0f} GB/s" if system.ram_bandwidth_gbps else "not known"),
    ]
    for gpu in system.gpus:
        bandwidth = f"{gpu.memory_bandwidth_gbps:.0f} GB/s" if gpu.memory_bandwidth_gbps else "bandwidth not known"
        count = f"{gpu.count} x " if gpu.count > 1 else ""
        memory = f"{gpu.vram_gb:.1f} GiB, {gpu.free_vram_gb:.1f} free"
        rows.append(("GPU", f"{count}{gpu.name}, {memory}, {bandwidth}, {gpu.backend}"))
    rows.append(("Backend", system.backend))
    rows += [("Warning", text) for text in system.warnings]
    console().print(facts(rows))


def show_rows(body: bytes) -> None:
    answer = msgspec.json.decode(body, type=Envelope)
    out = console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption_justify="left")
    table.add_column("Model", overflow="ellipsis", no_wrap=True, ratio=1)
    for name, justify in (
        ("Score", "right"), ("Fit", "left"), ("tok/s", "right"), ("Quant", "left"), ("GiB", "right"), ("Mode", "left"),
    ):  # fmt: skip
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for row in answer.models:
        table.add_row(
            row.name, f"{row.score:.1f}", level(row), f"{row.estimated_tps:.1f}", row.best_quant,
            f"{row.total_memory_gb:.1f}", row.run_mode_label,
        )  # fmt: skip
    table.caption = f"{answer.returned_models} of {answer.total_models} models"
    table.expand = True
    out.print(table)


def show_model(body: bytes) -> None:
    row = msgspec.json.decode(body, type=Envelope).models[0]
    low, high = row.estimated_tps_range
    parts = row.memory_breakdown_gb
    rows = [
        ("Model", f"{row.name} ({row.provider}, {row.origin})"),
        ("Size", f"{row.parameter_count}, context {row.context_length} tokens, licence {row.license or 'not known'}"),
        ("Fit", f"{level(row)}, {row.run_mode_label}, {row.runtime_label}, {row.best_quant}"),
        ("Memory", f"{row.total_memory_gb:.2f} GiB: weights {parts.weights:.2f}, cache {parts.kv_cache:.2f}, "
                   f"buffers {parts.compute_buffer:.2f}, runtime {parts.overhead:.2f}"),
        ("Pool", f"{row.memory_required_gb:.2f} of {row.memory_available_gb:.2f} GiB ({row.utilization_pct:.0f} %)"),
        ("Speed", f"{row.estimated_tps:.1f} tok/s ({low:.1f} to {high:.1f}), confidence {row.estimate_confidence}"),
        ("Context", f"estimated at {row.effective_context_length}, up to {row.usable_context} fit"),
        ("Score", f"{row.score:.1f} as {row.category}: quality {row.score_components.quality:.0f}, speed "
                  f"{row.score_components.speed:.0f}, fit {row.score_components.fit:.0f}, context "
                  f"{row.score_components.context:.0f}"),
    ]  # fmt: skip
    rows += [("GGUF", source.repo) for source in row.gguf_sources]
    if row.verify_command:
        rows.append(("Verify", row.verify_command))
    rows += [("Note", note) for note in row.notes]
    console().print(facts(rows))
