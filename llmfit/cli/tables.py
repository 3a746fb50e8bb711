"""Answers, given as JSON, as tables for a terminal. rich does the work; it is imported only when something is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table

from llmfit.runtimes.commands import shell_line
from llmfit.wire.csv_rows import flat
from llmfit.wire.models import Envelope
from llmfit.wire.rows import Row
from llmfit.wire.system import System, SystemAnswer

UNITS = "Score: of 100. tok/s: while it writes, one user. GiB: all the memory that it takes, at the context below."
NOTHING = "What would: llmfit fit --min-fit too_tight, llmfit plan MODEL."
MORE = "More: llmfit fit · llmfit recommend --use-case coding · llmfit info MODEL · llmfit serve · llmfit --help"
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
    console().print(facts([("Node", f"{answer.node.name} ({answer.node.os})"), *system_facts(answer.system)]))


def system_facts(system: System) -> list[tuple[str, str]]:
    """A machine as lines; where a bandwidth is from stands behind it."""
    rows = [
        ("CPU", f"{system.cpu_name}, {system.cpu_cores} cores"),
        ("RAM", f"{system.total_ram_gb:.1f} GiB, {system.available_ram_gb:.1f} available"),
        ("RAM bandwidth", rate(system.ram_bandwidth_gbps, system.ram_bandwidth_source)),
    ]
    for title, gpus in (("GPU", system.gpus), ("Hidden GPU", system.hidden_gpus)):
        for gpu in gpus:
            count = f"{gpu.count} x " if gpu.count > 1 else ""
            memory = f"{gpu.vram_gb:.1f} GiB{' of RAM' if gpu.unified_memory else ''}, {gpu.free_vram_gb:.1f} free"
            speed = rate(gpu.memory_bandwidth_gbps, gpu.memory_bandwidth_source)
            rows.append((title, f"{count}{gpu.name}, {memory}, {speed}, {gpu.backend}"))
    rows.append(("Backend", system.backend))
    return rows + [("Warning", text) for text in system.warnings]


def rate(gbps: float | None, source: str | None) -> str:
    """GB/s and where the figure is from."""
    return f"{gbps:.0f} GB/s ({source})" if gbps else "bandwidth not known"


def show_machines(body: bytes) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Name", "Kind", "Year", "RAM", "GPU"):
        table.add_column(name, overflow="fold", justify="right" if name in ("Year", "RAM") else "left")
    for profile in msgspec.json.decode(body)["machines"]:
        ram, gpu = f"{profile['ram_gb']:g}", profile["gpu"] or ""
        table.add_row(profile["name"], profile["kind"], str(profile["year"] or ""), ram, gpu)
    console().print(table)


def show_profile(body: bytes) -> None:
    answer = msgspec.json.decode(body)
    profile = answer["profile"]
    rows = [("Profile", profile["name"]), ("Title", profile["title"]), ("Sources", ", ".join(profile["sources"]))]
    system = msgspec.convert(answer["system"], System)
    console().print(facts([row for row in rows if row[1]] + system_facts(system)))


def show_checked(body: bytes) -> None:
    for file in msgspec.json.decode(body)["files"]:
        console().print(file["error"] or f"{file['path']}: ok", soft_wrap=True)


def headed(first: str, *columns: tuple[str, JustifyMethod]) -> Table:
    """A table whose first column takes the room that the others leave."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption_justify="left", expand=True)
    table.add_column(first, overflow="ellipsis", no_wrap=True, ratio=1, min_width=12)
    for name, justify in columns:
        table.add_column(name, justify=justify, no_wrap=True)
    return table


def ranking(rows: tuple[Row, ...]) -> Table:
    """Rows of a ranking; a narrow terminal gets fewer columns, not none of the names."""
    width = console().width
    shown = [(title, justify, cell) for title, justify, least, cell in COLUMNS if width >= least]
    table = headed("Model", *((title, justify) for title, justify, _ in shown))
    for row in rows:
        table.add_row(row.name, *(cell(row) for _, _, cell in shown))
    return table


# Heading, side, the narrowest terminal that shows it, text.
COLUMNS: tuple[tuple[str, JustifyMethod, int, Callable[[Row], str | None]], ...] = (
    ("Score", "right", 60, lambda row: f"{row.score:.1f}"),
    ("Fit", "left", 0, level),
    ("tok/s", "right", 0, lambda row: f"{row.estimated_tps:.1f}" if row.estimated_tps else "-"),
    ("Quant", "left", 56, lambda row: row.best_quant),
    ("GiB", "right", 48, lambda row: f"{row.total_memory_gb:.1f}"),
    ("Mode", "left", 70, lambda row: row.run_mode_label),
)


class Asked(msgspec.Struct):
    """The part of an Envelope that says which keys its rows have."""

    filters: dict[str, Any]


def show_rows(body: bytes) -> None:
    if msgspec.json.decode(body, type=Asked).filters.get("fields"):
        show_columns(body)
        return
    answer = msgspec.json.decode(body, type=Envelope)
    out = console()
    count = f"{answer.returned_models} of {answer.total_models} models"
    if answer.models:
        table = ranking(answer.models)
        table.caption = count
        out.print(table)
    else:
        out.print(count)
    warn(out, answer.warnings)
    if answer.explanation is not msgspec.UNSET:
        from llmfit.cli import derivation

        derivation.show(out, answer.explanation, in_full=False)


def show_summary(body: bytes) -> None:
    """This machine in a line, its best models, the command that runs the first, and where to go on."""
    answer = msgspec.json.decode(body, type=Envelope)
    system, out = answer.system, console()
    gpus = [f"{f'{gpu.count} x ' if gpu.count > 1 else ''}{gpu.name} ({gpu.vram_gb:.0f} GiB)" for gpu in system.gpus]
    cores = f"{system.cpu_cores} core{'s' if system.cpu_cores > 1 else ''}"
    ram = f"{system.available_ram_gb:.0f} of {system.total_ram_gb:.0f} GiB RAM free"
    out.print(" · ".join((*gpus, f"{system.cpu_name}, {cores}", ram)))
    warn(out, (*system.warnings, *answer.warnings))
    if not answer.models:
        out.print(f"No model runs here. [dim]{NOTHING}[/]")
        return
    out.print(ranking(answer.models))
    out.print(f"[dim]{UNITS}[/]")
    show_run(out, answer.models)
    out.print(f"[dim]{MORE}[/]")


def show_run(out: Console, rows: tuple[Row, ...]) -> None:
    """The command that starts the first of the rows."""
    if rows and rows[0].run is not None:
        out.print(f"[dim]Run the first:[/] {shell_line(rows[0].run, rows[0].run_env)}", soft_wrap=True)


def show_recommended(body: bytes) -> None:
    """A ranking, and the command that starts its first row."""
    show_rows(body)
    if not msgspec.json.decode(body, type=Asked).filters.get("fields"):
        show_run(console(), msgspec.json.decode(body, type=Envelope).models)


def show_catalog(body: bytes) -> None:
    answer = msgspec.json.decode(body, type=Envelope)
    table = headed(
        "Model", ("Size", "right"), ("Context", "right"), ("Released", "left"), ("Licence", "left"), ("For", "left")
    )
    for row in answer.models:
        table.add_row(
            row.name, row.parameter_count, str(row.context_length), row.release_date, row.license, row.category
        )
    more = "" if answer.returned_models == answer.total_models else " (--limit N for more)"
    table.caption = f"{answer.returned_models} of {answer.total_models} models{more}"
    console().print(table)


def warn(out: Console, warnings: tuple[str, ...]) -> None:
    for text in warnings:
        out.print(f"[yellow]{text}[/]")


def show_columns(body: bytes) -> None:
    """Rows of which only some keys were asked for: a column for each."""
    answer = msgspec.json.decode(body)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption_justify="left")
    for at, row in enumerate(answer["models"]):
        cells = dict(flat(row))
        if at == 0:
            for name in cells:
                table.add_column(name, overflow="fold")
        table.add_row(*cells.values())
    table.caption = f"{answer['returned_models']} of {answer['total_models']} models"
    console().print(table)


def show_model(body: bytes) -> None:
    answer = msgspec.json.decode(body, type=Envelope)
    row = answer.models[0]
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
    if row.download:
        rows.append(("Download", f"{row.download.repo} {row.download.files or ''}".strip()))
    else:
        rows += [("GGUF", source.repo) for source in row.gguf_sources]
    if row.run is not None:
        rows.append(("Run", shell_line(row.run, row.run_env)))
    if row.ollama_name and row.fit_level != "too_tight":
        rows.append(("Ollama", f"ollama run {row.ollama_name} (its own context and quantization)"))
    if row.verify_command:
        rows.append(("Verify", row.verify_command))
    rows += [("Note", note) for note in row.notes]
    out = console()
    out.print(facts(rows))
    if answer.explanation is not msgspec.UNSET:
        from llmfit.cli import derivation

        derivation.show(out, answer.explanation, in_full=True)
