"""A built wheel: what is in it, and that it works alone. LLMFIT_WHEEL names it, else the newest of dist/ is taken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from llmfit._version import __version__

ROOT = Path(__file__).parents[2]


def find() -> Path | None:
    if named := os.environ.get("LLMFIT_WHEEL"):
        return Path(named)
    return max((ROOT / "dist").glob("llmfit-*.whl"), key=lambda path: path.stat().st_mtime, default=None)


WHEEL = find()
pytestmark = pytest.mark.skipif(WHEEL is None, reason="no wheel: build one into dist/ or set LLMFIT_WHEEL")


@pytest.fixture(scope="module")
def names() -> list[str]:
    assert WHEEL
    with zipfile.ZipFile(WHEEL) as file:
        assert file.testzip() is None
        return file.namelist()


def test_name_says_one_abi_for_all_pythons() -> None:
    assert WHEEL
    name, version, python, abi, platform = WHEEL.stem.split("-")
    assert (name, version, python, abi) == ("llmfit", __version__, "cp311", "abi3")
    assert platform != "any"


def test_contents(names: list[str]) -> None:
    modules = {Path(name).name.split(".")[0] for name in names if name.endswith((".so", ".pyd"))}
    assert modules >= {"_catalog", "_core", "_rules", "_rules_files", "_rules_ranking"}
    stubs = {Path(name).stem for name in names if name.endswith(".pyi")}
    assert stubs == modules
    for wanted in ("llmfit/__init__.py", "llmfit/catalog.msgpack", "llmfit/py.typed", "llmfit/cli/__init__.py",
                   "llmfit/server/app.py", "llmfit/hardware/__init__.py", "llmfit/web/index.html", "llmfit/web/main.js",
                   "llmfit/web/style.css", "llmfit/web/words.en.json"):  # fmt: skip
        assert wanted in names
    assert all("abi3" in name for name in names if name.endswith(".so"))


def test_nothing_else_is_in_it(names: list[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert tops == {"llmfit", f"llmfit-{__version__}.dist-info"}
    endings = {".py", ".pyi", ".so", ".pyd", ".msgpack", ".typed"}
    data = {"llmfit/files/class_defaults.json"}
    page = {".html", ".js", ".css", ".json", ".svg"}
    inside = [name for name in names if name.startswith("llmfit/")]
    served = {name for name in inside if name.startswith("llmfit/web/")}
    inside = [name for name in inside if name not in data]
    assert {Path(name).suffix for name in inside if name not in served and not name.endswith("/py.typed")} <= endings
    assert {Path(name).suffix for name in served} == page
    assert not [name for name in names if "test" in name.lower() or name.endswith((".c", ".csv", ".pyx", ".pxd"))]


def test_size() -> None:
    assert WHEEL
    assert WHEEL.stat().st_size < 12e6


def test_licence_and_entry_point(names: list[str]) -> None:
    assert WHEEL
    info = f"llmfit-{__version__}.dist-info"
    assert f"{info}/licenses/LICENSE" in names
    with zipfile.ZipFile(WHEEL) as file:
        assert "MIT" in file.read(f"{info}/licenses/LICENSE").decode()
        assert "llmfit = llmfit.cli:main" in file.read(f"{info}/entry_points.txt").decode()
        metadata = file.read(f"{info}/METADATA").decode()
    assert "Requires-Python: >=3.11" in metadata and "License-Expression: MIT" in metadata


def test_works_in_a_fresh_environment(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    scripts = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    subprocess.run([scripts / "python", "-m", "pip", "install", "-q", str(WHEEL)], check=True)

    def run(*arguments: str) -> str:
        return subprocess.run(
            [scripts / "llmfit", *arguments], check=True, capture_output=True, text=True, cwd="/"
        ).stdout

    assert run("--version") == f"llmfit {__version__}\n"
    answer = json.loads(run("--json", "fit", "-n", "1"))
    assert answer["returned_models"] == len(answer["models"]) == 1
