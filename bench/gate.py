"""Fails where something costs more than its budget: ``python bench/gate.py [results.json]``.

Two kinds of budget (budget.json), neither of them a bare time: ratios of fastest times, a benchmark's to the
yardstick's in the same run (pytest-benchmark over bench_*.py), and instructions a model of the kernel (callgrind). With
results.json of an earlier run only the ratios are checked. Budgets change only with a commit that says why.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUDGET = HERE / "budget.json"
REPETITIONS = 10
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


def instructions(repetitions: int, names: list[str]) -> int:
    """Of bench/kernel_count.py, counted by callgrind: repeats exactly."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable]
    command += [str(HERE / "kernel_count.py"), str(repetitions), *names]
    found = re.search(r"Collected : (\d+)", subprocess.run(command, capture_output=True, text=True, check=True).stderr)
    assert found, command
    return int(found[1])


def instructions_per_model(names: list[str]) -> dict[str, float]:
    """By machine: instructions for one model in one analysis (estimate and verdict)."""
    from llmfit.catalog import catalog

    start, models = instructions(0, names), REPETITIONS * catalog.default().size
    return {name: (instructions(REPETITIONS, [*(set(names) - {name}), name]) - start) / models for name in names}


def over_count(budget: dict[str, float]) -> list[str]:
    """One line for each machine whose instruction count is over its budget; nothing where valgrind is missing."""
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: instructions are not counted")
        return []
    lines = []
    for machine, count in instructions_per_model(list(budget)).items():
        most = budget[machine]
        print(f"{machine:40} {count:12.1f} instructions a model of {most:g}")
        if count > most:
            lines.append(f"{machine}: {count:.1f} instructions a model, the budget is {most:g}")
    return lines


def benchmarks() -> dict[str, list[dict[str, object]]]:
    """One run of the benchmark suite."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "--import-mode=importlib"]
        command += ["-p", "no:cacheprovider"]
        command += [*map(str, sorted(HERE.glob("bench_*.py"))), f"--benchmark-json={results}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)
        return json.loads(results.read_text())  # type: ignore[no-any-return]


def main(arguments: list[str]) -> int:
    budget = json.loads(BUDGET.read_text())
    results = json.loads(Path(arguments[0]).read_text()) if arguments else benchmarks()
    lines = breaches(results, budget["ratio_to_yardstick"])
    if not arguments:
        lines += over_count(budget["instructions_per_model"])
    print(*lines, sep="\n", file=sys.stderr)
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
