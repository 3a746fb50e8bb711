"""Asks the real llama.cpp what it makes of models, and prints where the rules differ.

    python bench/llama_cpp sizes HEADERS [--worst N] [--record FILE]
    python bench/llama_cpp buffers HEADERS [--context N] [--outputs N]

sizes: bytes under every file type, with and without an importance matrix, against Estimator.weights; buffers: what
a context reserves. HEADERS is a folder that convert.py fills: true shapes, from config.json by the real converter.
Needs llama-cpp-py-sync (``pip install llama-cpp-py-sync``; its newest release is the next build of llama.cpp).
Files are sparse: a header and a hole. ``--record`` writes the part that tests/estimate/test_gguf_sizes.py holds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent))

from native import FILE_TYPES, Llama, native_version
from sparse import File, Weight

from llmfit._estimator import gguf_metadata_bytes as metadata
from llmfit.catalog import records
from llmfit.files.config import model_of
from llmfit.query.estimator import Estimator

FACTS = {field.name for record in (records.Model, records.Architecture) for field in msgspec.structs.fields(record)}


def read(path: Path) -> tuple[File, dict[str, Any]]:
    """The file, and the facts of its model as llmfit reads them from the configuration."""
    told = json.loads(path.read_text())
    made = File(
        {key: value for key, value in told["metadata"].items() if value != []},
        [Weight(name, tuple(shape), kind) for name, shape, kind in told["tensors"]],
    )
    facts = model_of(path.stem, told["config"]).facts
    facts = {key: value for key, value in facts.items() if key in FACTS and value is not None}
    tied = not any(name == "output.weight" for name, _, _ in told["tensors"])
    return made, {**facts, "tied_embeddings": tied, "params_text": float(made.params)}


def ask_apart(path: Path) -> tuple[dict[str, Any], dict[str, int | None]]:
    """The facts of a header and what `ask` finds, in a process of its own: the library may end it."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        return pool.submit(_asked, path).result()


def _asked(path: Path) -> tuple[dict[str, Any], dict[str, int | None]]:
    made, facts = read(path)
    with tempfile.TemporaryDirectory() as folder:
        return facts, ask(Llama(), made, Path(folder))


def ask(llama: Llama, made: File, folder: Path) -> dict[str, int | None]:
    """Bytes of all tensors by file type; ``TYPE+imatrix`` where an importance matrix changes them; None: refused."""
    path = folder / "asked.gguf"
    made.write(path)
    found: dict[str, int | None] = {}
    for kind in FILE_TYPES:
        try:
            plain, weighted = (llama.quantize(path, kind, imatrix=imatrix).bytes for imatrix in (False, True))
        except RuntimeError as error:
            if "no tensor type fallback" not in str(error):
                raise
            found[kind] = None
            continue
        found[kind] = plain
        if weighted != plain:
            found[f"{kind}+imatrix"] = weighted
    path.unlink()
    return found


def errors(estimator: Estimator, facts: dict[str, Any], real: dict[str, int | None]) -> dict[str, float]:
    """Ours over the real bytes, less one, by file type; metadata apart."""
    shape = estimator.shape(**facts)
    beside = metadata(facts.get("vocab_size", 0))
    found = {}
    for label, size in real.items():
        kind, _, imatrix = label.partition("+")
        if size and kind.lower() in estimator.gguf_labels:
            ours = estimator.weights(shape, kind, imatrix=bool(imatrix), runtime="llamacpp") - beside
            found[label] = ours / size - 1
    return found


def sizes(options: argparse.Namespace) -> int:
    estimator, version = Estimator(), native_version()
    every: list[float] = []
    recorded = []
    print(f"llama.cpp {version}")
    for path in sorted(options.headers.glob("*.json")):
        try:
            facts, real = ask_apart(path)
            found = errors(estimator, facts, real)
        except (RuntimeError, ValueError, KeyError) as error:
            print(f"{path.stem:56} {str(error)[:120]}")
            continue
        worst = sorted(found, key=lambda label: -abs(found[label]))
        text = ", ".join(f"{label} {100 * found[label]:+.2f}" for label in worst[: options.worst])
        print(f"{path.stem:56} median {100 * statistics.median(map(abs, found.values())):.3f} %  {text}", flush=True)
        every += [abs(value) for value in found.values()]
        recorded.append({"name": path.stem, "facts": facts, "bytes": real})
    every.sort()
    if every:
        at = {name: 100 * every[min(int(q * len(every)), len(every) - 1)] for name, q in PARTS.items()}
        print(f"{len(every)} sizes: " + ", ".join(f"{name} {value:.3f} %" for name, value in at.items()))
    if options.record:
        options.record.write_text(
            '{"llama_cpp": "' + version + '", "models": [\n' + ",\n".join(map(json.dumps, recorded)) + "\n]}\n"
        )
    return 0


PARTS = {"median": 0.5, "p90": 0.9, "p97": 0.97, "worst": 1.0}


def buffers(options: argparse.Namespace) -> int:
    llama = Llama()
    print(f"llama.cpp {native_version()}, context {options.context}, {options.outputs or 'all'} outputs, MiB")
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(options.headers.glob("*.json")):
            target = Path(folder) / "asked.gguf"
            try:
                made, _ = read(path)
                made.write(target)
                with llama.model(target, simulate=False) as model:
                    got = llama.context(model, n_ctx=options.context, n_outputs_max=options.outputs)
            except (RuntimeError, ValueError, KeyError) as error:
                print(f"{path.stem:56} {str(error)[:120]}")
                continue
            said = {kind: sum(devices.values()) / 2**20 for kind, devices in got.sizes.items()}
            print(f"{path.stem:56} " + ", ".join(f"{kind} {size:.2f}" for kind, size in said.items()))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, run in (("sizes", sizes), ("buffers", buffers)):
        command = commands.add_parser(name)
        command.add_argument("headers", type=Path)
        command.set_defaults(run=run, worst=3, record=None, context=8192, outputs=1)
    commands.choices["sizes"].add_argument("--worst", type=int, default=3)
    commands.choices["sizes"].add_argument("--record", type=Path)
    commands.choices["buffers"].add_argument("--context", type=int, default=8192)
    commands.choices["buffers"].add_argument("--outputs", type=int, default=1)
    options = parser.parse_args()
    try:
        return int(options.run(options))
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
