"""Who may import whom: the arrows of docs/architecture.md, in Python and Cython; and what a start must not load."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE, KERNEL = ROOT / "llmfit", ROOT / "src/llmfit"
# Rooms are folders; a room imports only from rooms on floors below its own: those of one floor (blanks between them) do
# not know one another. What lies in no folder is a room by itself. The first string is the lowest floor.
KERNEL_FLOORS = (
    "estimate", "score", "rows", "ranking", "_catalog", "placement rules/named_numbers",
    "_cases", "_core _estimator _explain _packing _rules _rules_files _rules_ranking _stream",
)  # fmt: skip
PYTHON_FLOORS = (
    "_version codes errors machine", "wire", "catalog runtimes", "hardware/sources hardware/names", "hardware/probes",
    "hardware", "query", "files placement", "hub answers", "openapi", "api", "server/observe", "server/http",
    "server/process server/site", "server/routes", "server", "cli",
)  # fmt: skip
COMPILED = [
    "_catalog", "_core", "_estimator", "_explain", "_cases", "_packing", "_rules", "_rules_files", "_rules_ranking",
    "_stream",
]  # fmt: skip
HEAVY = (
    "sanic", "rich", "psutil", "pynvml", "asyncio", "llmfit._rules", "llmfit._stream", "dataclasses",
    "importlib.resources",
)  # fmt: skip


def floors(rooms: tuple[str, ...]) -> dict[str, int]:
    return {name: floor for floor, names in enumerate(rooms) for name in names.split()}


def room_of(parts: tuple[str, ...], rooms: dict[str, int]) -> str:
    """The innermost room that a file lies in: ``hardware/probes`` before ``hardware``; its own name where it is one."""
    for n in range(len(parts), 0, -1):
        if "/".join(parts[:n]) in rooms:
            return "/".join(parts[:n])
    raise AssertionError(f"{'/'.join(parts)} lies in no room: give it one in {__name__}")


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
            folder = PACKAGE.joinpath(*(node.module or "").split(".")[1:])
            files = {alias.name for alias in node.names if (folder / alias.name).with_suffix(".py").exists()}
            found |= {f"{node.module}.{name}" for name in files} or {node.module or ""}
            assert node.level == 0, f"{path}: relative import"
    return found


PYTHON, CYTHON = floors(PYTHON_FLOORS), floors(KERNEL_FLOORS)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_python_arrows(path: Path) -> None:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if parts == ("__init__",):
        return  # the public face: names of api, loaded when asked for
    own = room_of(parts, PYTHON)
    for name in imports(path):
        other = tuple(name.split(".")[1:])
        if other[0] in COMPILED:
            continue  # the kernel stands below all rooms
        room = room_of(other, PYTHON)
        assert room == own or PYTHON[room] < PYTHON[own], f"{'/'.join(parts)} imports {name}: that is no room below"
        if room != own:
            assert not other[-1].startswith("_") or room == "_version", f"{'/'.join(parts)} imports {name}"


@pytest.mark.parametrize("room", sorted(PYTHON))
def test_no_cycles(room: str) -> None:
    graph = {}
    for path in (PACKAGE / room).glob("*.py"):
        names = imports(path)
        graph[path.stem] = {name.rpartition(".")[2] for name in names if "/".join(name.split(".")[1:-1]) == room}
    graphlib.TopologicalSorter(graph).prepare()  # CycleError names one


def test_every_room_is_there() -> None:
    """A floor names no room that is gone, and each room says in its ``__init__`` what it is for."""
    for room in PYTHON:
        folder = PACKAGE / room
        assert folder.with_suffix(".py").exists() or (folder / "__init__.py").read_text().startswith('"""'), room
    for room in CYTHON:
        assert (KERNEL / room).is_dir() or any(KERNEL.rglob(f"{room.rpartition('/')[2]}.p[yx][dx]")), room


def test_cli_imports_server_only_inside_serve() -> None:
    for path in (PACKAGE / "cli").glob("*.py"):
        tree = ast.parse(path.read_text())
        serve = {id(child) for node in tree.body if isinstance(node, ast.FunctionDef) and path.stem == "serve"
                 for child in ast.walk(node)}  # fmt: skip
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("llmfit.server"):
                assert id(node) in serve, path.name


LEAVES = [("wire/common", {"msgspec"}), ("codes", set()), ("errors", set()), ("_version", set())]


@pytest.mark.parametrize(("module", "allowed"), LEAVES)
def test_leaves_import_little(module: str, allowed: set[str]) -> None:
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    found = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    found |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert found - {"__future__", "typing"} <= allowed


KERNEL_FILES = sorted(KERNEL.rglob("*.p[yx][dx]"))
CIMPORT = re.compile(r"^\s*(?:from|cimport) llmfit\.([\w.]+)", re.MULTILINE)


def cimports(path: Path) -> set[str]:
    lines = [line for line in path.read_text().splitlines() if "cimport" in line]
    return {name.removesuffix(" cimport") for line in lines for name in CIMPORT.findall(line)}


@pytest.mark.parametrize("path", KERNEL_FILES, ids=lambda path: str(path.relative_to(KERNEL)))
def test_kernel_arrows(path: Path) -> None:
    assert "from llmfit cimport" not in path.read_text(), "the build misses such a dependency"
    parts = path.relative_to(KERNEL).with_suffix("").parts
    own = room_of((parts[-1],) if parts[-1] in CYTHON else parts, CYTHON)
    for name in cimports(path):
        room = room_of(tuple(name.split(".")), CYTHON)
        assert room == own or CYTHON[room] < CYTHON[own], f"{path.name} cimports {name}: that is no room below"


def test_no_cycles_in_the_kernel() -> None:
    graph = {".".join(path.relative_to(KERNEL).with_suffix("").parts): cimports(path) for path in KERNEL_FILES}
    graphlib.TopologicalSorter({name: names - {name} for name, names in graph.items()}).prepare()


def test_every_kernel_file_is_used() -> None:
    used = set().union(*map(cimports, KERNEL_FILES))
    assert {".".join(path.relative_to(KERNEL).with_suffix("").parts) for path in KERNEL.rglob("*.pxd")} <= used


def loaded(code: str) -> set[str]:
    code = f"import sys\n{code}\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["llmfit", "llmfit.cli", "llmfit.query.engine", "llmfit.answers.encode"])
def test_light_imports(module: str) -> None:
    assert not loaded(f"import {module}")


def test_the_check_would_notice() -> None:
    assert loaded("import llmfit._rules, asyncio") == {"llmfit._rules", "asyncio"}


def test_nothing_needs_the_rules_modules() -> None:
    everything = "import llmfit.cli.group, llmfit.server.workers, llmfit.answers.encode, llmfit.catalog.pack"
    assert "llmfit._rules" not in loaded(everything)
    for path in PACKAGE.rglob("*.py"):
        assert "_rules" not in path.read_text(), path


def test_files_stay_small() -> None:
    most = {".py": 320, ".pxd": 170, ".pyx": 750}  # docs/architecture.md
    sizes = {path: len(path.read_text().splitlines()) for path in (*PACKAGE.rglob("*.py"), *KERNEL_FILES)}
    large = {path.name: n for path, n in sizes.items() if n > most[path.suffix]}
    # one long sequence each, which reads worse in two files
    assert set(large) <= {"pack.py", "rows.pxd"}, large
