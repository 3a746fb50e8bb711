"""Fails where a benchmark costs more than its budget: ``python bench/check_budget.py results.json``.

The results are pytest-benchmark's (``pytest bench/bench_*.py --benchmark-json=results.json``). A budget is a ratio of
fastest times: the benchmark's to the yardstick's in the same run. Budgets change only with a commit that says why.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

BUDGET = Path(__file__).with_name("budget.json")
YARDSTICK = "test_yardstick"


def breaches(results: dict[str, list[dict[str, object]]], budget: dict[str, float]) -> list[str]:
    """One line for each benchmark over its budget, without one, or not run."""
    fastest = {str(entry["name"]): float(entry["stats"]["min"]) for entry in results["benchmarks"]}  # type: ignore[index]
    if YARDSTICK not in fastest:
        return [f"{YARDSTICK} was not run: there is nothing to compare with"]
    unit = fastest.pop(YARDSTICK)
    lines = [f"{name}: no budget" for name in sorted(fastest.keys() - budget.keys())]
    lines += [f"{name}: not run" for name in sorted(budget.keys() - fastest.keys())]
    for name in sorted(fastest.keys() & budget.keys()):
        ratio = fastest[name] / unit
        print(f"{name:40} {fastest[name] * 1e6:12.1f} us  {ratio:8.4f} of {budget[name]:g}")
        if ratio > budget[name]:
            lines.append(f"{name}: {ratio:.4f} yardsticks, the budget is {budget[name]:g}")
    return lines


def main(arguments: list[str]) -> int:
    lines = breaches(json.loads(Path(arguments[0]).read_text()), json.loads(BUDGET.read_text()))
    print(*lines, sep="\n", file=sys.stderr)
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
