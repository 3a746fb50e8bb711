"""The first five rows on fourteen machines and six use cases, held to hard rules and to an expert's picks.

``python bench/lists.py [--show] [--json] [--all] [machine ...]`` uses the installed llmfit. A machine is a file of
``tests/machines``. ``picks.csv`` says which models an expert would accept as the first pick of a list. The list of all
use cases mixed (a request without ``use_case``) and, with ``--all``, every other machine are held to the rules alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

sys.path.append(str(Path(__file__).parent))
from hard_rules import RULES, Context, Row

from llmfit import codes
from llmfit.catalog import catalog
from llmfit.catalog.corrections import read_models
from llmfit.machine import Machine
from llmfit.query import params
from llmfit.query.engine import Engine

HERE = Path(__file__).parent
MACHINES = HERE.parent / "tests/machines"
HEAD = 5
MIXED = "mixed"  # without use_case


def read_picks() -> dict[tuple[str, str], list[str]]:
    """Patterns of acceptable first picks, by machine and use case; ``@name`` stands for a group of the file."""
    with (HERE / "picks.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    groups = {row["list"]: row["picks"].split() for row in rows if row["list"].startswith("@")}
    return {
        (row["list"], row["use_case"]): [name for pick in row["picks"].split() for name in groups.get(pick, [pick])]
        for row in rows
        if not row["list"].startswith("@")
    }


def read_facts() -> dict[str, Row]:
    """The catalog's lines as they are packed."""
    return {model.id: msgspec.structs.asdict(model) for model in read_models(HERE.parent / "src/data")}


def engine_for(machine: str) -> Engine:
    text = (MACHINES / f"{machine}.json").read_bytes()
    return Engine(catalog.default(), msgspec.json.decode(text, type=Machine))


def rows_of(engine: Engine, **query: object) -> list[Row]:
    pairs = [(key, str(value)) for key, value in query.items() if value is not None]
    page = engine.run(params.parse(pairs, "top").query)
    rows: list[Row] = json.loads(page.ranking.encode(page.indices))
    return rows


def context_of(engine: Engine, use_case: str, ranked: list[Row], facts: dict[str, Row]) -> Context:
    devices = engine.machine.devices
    backend = devices[0].backend if devices else "cpu"
    return Context(use_case, backend, any(d.unified for d in devices), facts, ranked)


def accepted(row: Row, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, p) for p in patterns for name in (row["name"], row["base_model"] or ""))


def judge(engine: Engine, use_case: str, facts: dict[str, Row]) -> tuple[list[Row], list[str]]:
    """The first rows of one list, and what is wrong with them."""
    ranked = rows_of(engine, use_case=None if use_case == MIXED else use_case, limit=400)
    context = context_of(engine, "general" if use_case == MIXED else use_case, ranked, facts)
    return ranked[:HEAD], [f"{rule.__name__}: {text}" for rule in RULES for text in rule(ranked[:HEAD], context)]


def shown(row: Row) -> str:
    parts = " ".join(f"{name[0]}{value:5.1f}" for name, value in row["score_components"].items())
    return (
        f"{row['score']:5.1f} {parts} {row['estimated_tps']:7.1f} t/s {row['best_quant']:10} {row['run_mode']:11} "
        f"{row['fit_level']:8} {row['name']}"
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("machines", nargs="*")
    parser.add_argument("--show", action="store_true", help="print the rows of every list")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--all", action="store_true", help="every machine of tests/machines")
    given = parser.parse_args(arguments)
    picks, facts = read_picks(), read_facts()
    machines = given.machines or list(dict.fromkeys(machine for machine, _ in picks))
    if given.all:
        machines = sorted(path.stem for path in MACHINES.glob("*.json"))
    report: list[dict[str, Any]] = []
    for machine in machines:
        engine = engine_for(machine)
        for use_case in (*codes.USE_CASES, MIXED):
            rows, violations = judge(engine, use_case, facts)
            wanted = picks.get((machine, use_case))
            good = bool(rows) and accepted(rows[0], wanted) if wanted else None
            report.append({
                "machine": machine, "use_case": use_case, "first": rows[0]["name"] if rows else None, "accepted": good,
                "rows": [row["name"] for row in rows], "violations": violations,
            })  # fmt: skip
            if not given.json and (given.show or violations or good is False):
                judged = {True: "accepted", False: "NOT ACCEPTED", None: "not judged"}[good]
                print(f"{machine} / {use_case}: first pick {judged}")
                for row in rows if given.show else rows[:1]:
                    print(f"   {shown(row)}")
                for text in violations:
                    print(f"   VIOLATION {text}")
    picked = [item["accepted"] for item in report if item["accepted"] is not None]
    share = sum(picked) / max(len(picked), 1)
    broken = sum(bool(item["violations"]) for item in report)
    if given.json:
        print(json.dumps({"accepted": share, "lists_with_violations": broken, "lists": report}, indent=1))
    else:
        print(f"{len(report)} lists, {broken} with a violation; first pick accepted in {share:.0%} of {len(picked)}")
    return 1 if broken or (picked and share < 0.85) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
