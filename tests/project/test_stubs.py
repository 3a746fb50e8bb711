"""The stubs of the compiled modules name what is there, with the same arguments; the package is typed throughout."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
MODULES = ("_catalog", "_core", "_cases", "_packing", "_rules", "_rules_files", "_rules_ranking", "_stream")
Signature = list[tuple[str, bool]]  # (name, has it a default) of every argument but self


def public(names: object) -> set[str]:
    return {name for name in vars(names) if not name.startswith("_")}


def of_stub(function: ast.FunctionDef) -> Signature:
    args = function.args
    missing = len(args.args) - len(args.defaults)
    found = [(arg.arg, at >= missing) for at, arg in enumerate(args.args) if arg.arg != "self"]
    found += [(arg.arg, default is not None) for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    return found + ([(args.kwarg.arg, False)] if args.kwarg else [])


def of_function(function: object) -> Signature:
    parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    return [(p.name, p.default is not p.empty) for p in parameters if p.name != "self"]


def of_constructor(module: str, name: str) -> Signature:
    """The arguments of __cinit__, which C does not tell: from its source."""
    text = (ROOT / f"src/llmfit/{module}.pyx").read_text()
    found = re.search(rf"cdef class {name}:.*?def __cinit__\(\s*self, (.*?)\s*\):\n", text, re.DOTALL)
    assert found, name
    arguments = [part.partition("=") for part in found[1].replace("\n", " ").split(",") if part.strip()]
    return [(left.split()[-1], bool(equals)) for left, equals, _ in arguments]


def check_class(module: str, stub: ast.ClassDef, real: type) -> None:
    functions = {node.name: node for node in stub.body if isinstance(node, ast.FunctionDef)}
    assert set(functions) - {"__init__"} == public(real), stub.name
    for name, function in functions.items():
        if name == "__init__":
            assert of_stub(function) == of_constructor(module, stub.name), stub.name
        elif function.decorator_list:
            assert not callable(getattr(real, name)), f"{stub.name}.{name} is no property"
        else:
            assert of_stub(function) == of_function(getattr(real, name)), f"{stub.name}.{name}"


@pytest.mark.parametrize("module", MODULES)
def test_stub_is_what_is_there(module: str) -> None:
    real: ModuleType = importlib.import_module(f"llmfit.{module}")
    tree = ast.parse((ROOT / f"llmfit/{module}.pyi").read_text())
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    values = {
        node.target.id for node in tree.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    assert set(classes) | set(functions) | values == public(real)
    for name, stub in classes.items():
        check_class(module, stub, getattr(real, name))
    for name, function in functions.items():
        assert of_stub(function) == of_function(getattr(real, name)), name


@pytest.mark.parametrize(
    "arguments",
    [("mypy", "--strict", "llmfit"), ("ruff", "check", "llmfit", "tests", "bench")],
    ids=lambda a: a[0],
)
def test_checkers_find_nothing(arguments: tuple[str, ...], tmp_path: Path) -> None:
    pytest.importorskip(arguments[0])
    cache = ("--cache-dir", str(tmp_path)) if arguments[0] == "mypy" else ("--no-cache",)
    done = subprocess.run([sys.executable, "-m", *arguments, *cache], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
