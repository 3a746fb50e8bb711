"""How the kernel grows: ``python bench/growth.py``. Time a model with 1, 4 and 16 times the catalog, and with 1, 10 and
100 machines in one call without the GIL (`fill_all`), with one thread and with two; the same where growth is linear.

Fastest of several turns, the works in turn, so that a busy machine disturbs all alike and every work finds cold caches.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable
from pathlib import Path

import msgspec

from llmfit._catalog import Catalog
from llmfit._core import Estimates, Ranking, fill_all, keep_freed_memory
from llmfit.catalog import catalog as catalogs
from llmfit.catalog.catalog import wire_words
from llmfit.catalog.checks import POLICY_NAMES
from llmfit.catalog.pack import SHAPE_COLUMNS, Packed
from llmfit.catalog.pack_rows import ROW_COLUMNS
from llmfit.hardware.host import host_of
from llmfit.machine import Machine

MACHINES = Path(__file__).parents[1] / "tests/machines"
TURNS = 15
TEXTS = {
    "row_json": "row_json_ends", "search": "search_ends", "ids": "id_ends", "gguf": "gguf_ends", "mlx": "mlx_ends",
    "notes": "note_ends",
}  # fmt: skip


def repeated(packed: Packed, times: int) -> Packed:
    """A catalog of so many copies of the models, each copy with shapes and base models of its own."""
    steps = {"shape": packed.n_shapes, "group": packed.n_rows, "older": packed.n_rows, "newer": packed.n_rows}

    def columns(matrix: memoryview, n: int, names: tuple[str, ...]) -> memoryview:
        cells, out = matrix.cast("d"), array("d")
        for at, name in enumerate(names):
            column = cells[at * n : (at + 1) * n].tolist()
            for copy in range(times):
                step = copy * steps.get(name, 0)
                out.extend([value + step if value >= 0 else value for value in column])
        return memoryview(out.tobytes())

    changes = {}
    for text, ends in TEXTS.items():
        cut, size = getattr(packed, ends).cast("I").tolist(), len(getattr(packed, text))
        changes[text] = memoryview(bytes(getattr(packed, text)) * times)
        changes[ends] = memoryview(array("I", [end + copy * size for copy in range(times) for end in cut]).tobytes())
    return msgspec.structs.replace(
        packed,
        n_shapes=packed.n_shapes * times,
        n_rows=packed.n_rows * times,
        shapes=columns(packed.shapes, packed.n_shapes, SHAPE_COLUMNS),
        rows=columns(packed.rows, packed.n_rows, ROW_COLUMNS),
        **changes,
    )


def fastest(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each, the least of TURNS, the works in turn."""
    least = dict.fromkeys(works, float("inf"))
    for _ in range(TURNS):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            least[name] = min(least[name], time.perf_counter() - start)
    return least


def on_two_threads(many: list[Estimates]) -> None:
    half = threading.Thread(target=fill_all, args=(many[::2],))
    half.start()
    fill_all(many[1::2])
    half.join()


def main() -> None:
    keep_freed_memory()  # as a server does
    opened = catalogs.default()
    machine = msgspec.json.decode((MACHINES / "rtx-4090-24gb.json").read_bytes(), type=Machine)
    host = host_of(machine, opened)
    sizes = {times: Catalog(repeated(opened._packed, times), wire_words(), POLICY_NAMES) for times in (1, 4, 16)}
    analyses = {f"{times}x": lambda core=core: Ranking(Estimates(core, host)) for times, core in sizes.items()}
    fleets = {n: [Estimates(opened.core, host, later=True) for _ in range(n)] for n in (1, 10, 100)}
    calls = {f"{n} machines": lambda many=many: fill_all(many) for n, many in fleets.items()}
    calls["100 machines, two threads"] = lambda: on_two_threads(fleets[100])
    for name, seconds in fastest(analyses).items():
        models = opened.size * int(name[:-1])
        print(f"{name:>26}: {seconds * 1e9 / models:6.1f} ns a model and analysis, {models} models")
    for name, seconds in fastest(calls).items():
        models = opened.size * int(name.split()[0])
        print(f"{name:>26}: {seconds * 1e9 / models:6.1f} ns a model and machine, {seconds * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
