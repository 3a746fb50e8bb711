"""Who may import whom: the arrows of docs/architecture.md, in Python and Cython; and what a start must not load."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE, KERNEL = ROOT / "llmfit", ROOT / "src/llmfit"
# A file imports only from layers above its own. Neighbours on a line do not know one another.
KERNEL_LAYERS = (
    "codes policy buffer arith goal", "model cut", "tensors", "gguf", "quant", "machine memory", "speed", "job",
    "fit score", "place_gpu place_ram evidence", "choose", "estimate", "parts", "verdict detail sketch",
    "match order notes", "rows columns brief", "ways scored left", "forms",
    "choices packing", "lay",
    "seats", "sites", "plans swaps", "rooms moves", "_catalog", "given",
    "_core _estimator _explain _cases _rules _rules_ranking _stream", "_packing",
)  # fmt: skip
PYTHON_LAYERS = (
    "__init__ codes errors shapes sheet machine installed plain", "shapes_plan shapes_place shapes_fleet values",
    "tables records shapes_explain shapes_posted", "checks evidence corrections", "pack_rows", "pack",
    "_catalog _core _estimator _explain _cases _packing _rules _rules_ranking _stream", "intact own",
    "overlay updates", "layers", "catalog",
    "catalog_check hardware", "host params", "estimator trial explain empties", "files", "query filling",
    "planning packing demands encode fleet hub", "placing", "posted", "openapi_booking openapi_fleet replay",
    "openapi options", "apidocs api", "server", "cli",
)  # fmt: skip
HEAVY = (
    "sanic", "rich", "psutil", "pynvml", "asyncio", "llmfit._rules", "llmfit._stream", "dataclasses",
    "importlib.resources",
)  # fmt: skip


def level(layers: tuple[str, ...], name: str) -> int:
    found = [at for at, names in enumerate(layers) if name in names.split()]
    assert len(found) == 1, f"{name} has no layer: give it one in {__name__}"
    return found[0]


def imports(path: Path) -> set[str]:
    """The llmfit modules that a file imports where Python runs it (not for type checkers alone)."""
    tree = ast.parse(path.read_text())
    typing_only = {
        child for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.walk(node)
    }  # fmt: skip
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("llmfit.")}
        elif isinstance(node, ast.ImportFrom) and node.module == "llmfit":
            found |= {f"llmfit.{alias.name}" for alias in node.names if not alias.name.startswith("__")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("llmfit."):
            found.add(node.module or "")
            assert node.level == 0, f"{path}: relative import"
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_python_arrows(path: Path) -> None:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    own = level(PYTHON_LAYERS, parts[0])
    for name in imports(path):
        other = name.split(".")[1:]
        if other[0] == parts[0]:
            continue  # within a folder: test_no_cycles
        if parts[0] == "cli" and other[0] == "server":
            assert own > level(PYTHON_LAYERS, "server")
        else:
            assert level(PYTHON_LAYERS, other[0]) < own, f"{'/'.join(parts)} imports {name}"


@pytest.mark.parametrize("folder", sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()))
def test_no_cycles(folder: str) -> None:
    graph = {}
    for path in (PACKAGE / folder).glob("*.py"):
        prefix = f"llmfit.{folder}."
        graph[path.stem] = {
            name.removeprefix(prefix).split(".")[0] for name in imports(path) if name.startswith(prefix)
        }
    graphlib.TopologicalSorter(graph).prepare()  # CycleError names one


def test_cli_imports_server_only_inside_serve() -> None:
    for path in (PACKAGE / "cli").glob("*.py"):
        tree = ast.parse(path.read_text())
        serve = {id(child) for node in tree.body if isinstance(node, ast.FunctionDef) and path.stem == "serve"
                 for child in ast.walk(node)}  # fmt: skip
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("llmfit.server"):
                assert id(node) in serve, path.name


@pytest.mark.parametrize(("module", "allowed"), [("shapes", {"msgspec"}), ("codes", set()), ("errors", set())])
def test_leaves_import_little(module: str, allowed: set[str]) -> None:
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    found = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    found |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert found - {"__future__", "typing"} <= allowed


@pytest.mark.parametrize("path", sorted(KERNEL.glob("*.p[yx][dx]")), ids=lambda path: path.name)
def test_kernel_arrows(path: Path) -> None:
    text = path.read_text()
    names = set(re.findall(r"^\s*(?:from|cimport) llmfit\.(\w+)", text, re.MULTILINE))
    assert "from llmfit cimport" not in text, "the build misses such a dependency"
    for name in names - {path.stem}:
        assert level(KERNEL_LAYERS, name) < level(KERNEL_LAYERS, path.stem), f"{path.name} cimports {name}"


def test_every_kernel_file_is_used() -> None:
    used = {
        name
        for path in KERNEL.glob("*.p[yx][dx]")
        for name in re.findall(r"(?:from|cimport) llmfit\.(\w+)", path.read_text())
    }
    assert {path.stem for path in KERNEL.glob("*.pxd")} <= used


def loaded(code: str) -> set[str]:
    code = f"import sys\n{code}\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["llmfit", "llmfit.cli", "llmfit.params", "llmfit.query", "llmfit.encode"])
def test_light_imports(module: str) -> None:
    assert not loaded(f"import {module}")


def test_the_check_would_notice() -> None:
    assert loaded("import llmfit._rules, asyncio") == {"llmfit._rules", "asyncio"}


def test_nothing_needs_the_glass_case() -> None:
    everything = "import llmfit.cli.group, llmfit.server.workers, llmfit.query, llmfit.encode, llmfit.pack"
    assert "llmfit._rules" not in loaded(everything)
    for path in PACKAGE.rglob("*.py"):
        assert "_rules" not in path.read_text(), path


def test_files_stay_small() -> None:
    most = {".py": 320, ".pxd": 170, ".pyx": 750}  # docs/architecture.md
    sizes = {path: len(path.read_text().splitlines()) for path in (*PACKAGE.rglob("*.py"), *KERNEL.glob("*.p[yx][dx]"))}
    large = {path.name: n for path, n in sizes.items() if n > most[path.suffix]}
    # one long sequence each, which reads worse in two files
    assert set(large) <= {"pack.py", "rows.pxd", "shapes.py"}, large
