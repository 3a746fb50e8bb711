"""The derivation of rows, as ``llmfit info`` and ``--explain`` show it."""

from __future__ import annotations

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from llmfit.wire.explanation import Derivation, Explanation, Way

MOST_WAYS = 14
OUTCOMES = {
    "chosen": "chosen",
    "does_not_fit": "does not fit",
    "lower_fit_level": "lower fit level",
    "worse_trade_off": "worse trade-off",
    "not_needed": "not needed",
}


def show(out: Console, explanation: msgspec.Raw, in_full: bool) -> None:
    """Every row that is explained; in full with the ways that were considered and the terms of the quality."""
    for row in msgspec.json.decode(explanation, type=Explanation).rows:
        out.print(f"\n[bold]{row.name}[/]: why {row.fit_level}, why {row.score.score:.1f}")
        out.print(lines(row, in_full))
        if in_full:
            out.print(ways(row))


def lines(row: Derivation, in_full: bool) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for limit in row.limits:
        if in_full or not limit.holds:
            word = "holds" if limit.holds else "fails"
            table.add_row(f"For {limit.needed_for}", f"{limit.rule} {limit.value:g}, limit {limit.limit:g}: {word}")
    change = ", ".join(f"{flip.parameter}={flip.value}: {flip.fit_level}" for flip in row.would_change)
    table.add_row("Would change", change or "nothing that was tried")
    score, quality = row.score, row.quality
    parts = " + ".join(f"{c.weight:g} x {c.name} {c.points:g}" for c in score.components)
    less = score.off_slow_or_strained + score.off_files
    off = f", less {less:g}" if less else ""
    times = f", x {score.factor:g}" if score.factor != 1 else ""
    table.add_row("Score", f"{parts} = {score.weighted:g}{off}{times}: {score.score:g}")
    if in_full:
        terms = ", ".join(f"{term.name} {term.adds:+.2f}" for term in quality.terms)
        own = "none" if quality.own is None else f"{quality.own:.2f} (weight {quality.own_weight:.1f})"
        table.add_row(
            "Quality",
            f"predicted {quality.predicted:.2f} ({terms}, vendor and line {quality.vendor_and_line:+.2f}); own scores "
            f"{own}; pooled {quality.pooled:.2f}; proof {quality.proof:.2f}; ability {quality.theta:.2f}: "
            f"{quality.quality:.1f} points, judged by {quality.judged_by}",
        )
        memory = row.memory
        table.add_row(
            "Memory",
            f"weights {memory.weights_gb:.2f} GiB ({memory.bits_per_weight:.2f} bits x {memory.params_b:.2f} B), cache "
            f"{memory.kv_cache_gb:.2f} ({memory.context} tokens x {memory.sessions}), buffers "
            f"{memory.compute_buffer_gb:.2f}, runtime {memory.overhead_gb:.2f}: {memory.total_gb:.2f}",
        )
        shown = ", ".join(f"{part.name} {part.ms:.2f}" for part in row.speed.parts if part.ms)
        table.add_row("Token time", f"{row.speed.token_ms:.2f} ms: {shown}" if row.speed.parts else "does not run")
    return table


def ways(row: Derivation) -> Table:
    """What was considered: the chosen way first, then the nearest to being chosen."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption_justify="left")
    for name in ("Runtime", "Mode", "Quant", "Fit", "tok/s", "GiB", "Score", "Outcome"):
        table.add_column(name, justify="right" if name in ("tok/s", "GiB", "Score") else "left")

    def nearness(way: Way) -> tuple[bool, float, float]:
        return way.outcome != "chosen", -(way.score or 0), way.total_memory_gb or 1e9

    order = sorted(row.considered, key=nearness)
    for way in order[:MOST_WAYS]:
        table.add_row(
            way.runtime, mode(way), way.quant, way.fit_level, number(way.estimated_tps, 1),
            number(way.total_memory_gb, 2), number(way.score, 1), OUTCOMES[way.outcome],
        )  # fmt: skip
    if len(order) > MOST_WAYS:
        table.caption = f"and {len(order) - MOST_WAYS} more (--json shows them)"
    return table


def mode(way: Way) -> str:
    return f"{way.run_mode} x{way.devices}" if way.devices > 1 else way.run_mode


def number(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"
