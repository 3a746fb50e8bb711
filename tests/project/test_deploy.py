"""What stands in docs/deploy works with the flags that there are, and systemd finds nothing wrong with it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs/deploy"
MOST_EXPOSED = 2.0  # of 10, by `systemd-analyze security`; an unhardened service has 9.6
OTHERS = {"LLMFIT_CONFIG", "LLMFIT_NO_PROBE"}


def flag_names() -> set[str]:
    from llmfit.cli.serve import command

    return {str(option.name) for option in command.params}


@pytest.mark.parametrize("path", [*sorted(DEPLOY.iterdir()), ROOT / "docs/serve.md"], ids=lambda path: path.name)
def test_variables_and_flags_exist(path: Path) -> None:
    text, known = path.read_text(), {*flag_names(), "help"}
    for name in set(re.findall(r"\bLLMFIT_[A-Z_]+[A-Z]\b", text)) - OTHERS:
        assert name.removeprefix("LLMFIT_").lower() in known, name
    served = re.findall(r"command: \[serve, (.*)\]|llmfit serve (--[^`\n]*)", text)
    for flag in re.findall(r"--([a-z-]+)", " ".join(map(" ".join, served))):
        assert flag.replace("-", "_") in known, flag


def test_the_example_of_a_config_file_is_one() -> None:
    text = (ROOT / "docs/serve.md").read_text().split("```toml\n")[1].split("```")[0]
    assert set(tomllib.loads(text)) <= flag_names()


def test_the_image_is_not_roots_and_is_asked_for_its_health() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    assert re.fullmatch(r"USER [1-9]\d*:[1-9]\d*", next(line for line in reversed(lines) if line.startswith("USER")))
    assert any(line.startswith("HEALTHCHECK") for line in lines) and "STOPSIGNAL SIGTERM" in lines
    kept = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    for name in (word[1:] for word in kept if word.startswith("!")):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("name", ["build", "requirements"])
def test_the_image_installs_by_digest(name: str) -> None:
    """Every package of a lock file has one version and digests, and what the project needs is among them."""
    text = (DEPLOY / f"{name}.lock").read_text()
    packages = re.findall(r"^(?! )([a-z0-9_.-]+)==\S+", text, re.MULTILINE)
    blocks = re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(packages) and all("--hash=sha256:" in block for block in blocks)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = project["build-system"]["requires"] if name == "build" else project["project"]["dependencies"]
    names = {re.match(r"[\w.-]+", each)[0].lower().replace("_", "-") for each in needed}  # type: ignore[index]
    assert names <= set(packages), names - set(packages)
    assert f"--require-hashes -r /src/docs/deploy/{name}.lock" in (DEPLOY / "Dockerfile").read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_the_unit_is_right_and_closed(tmp_path: Path) -> None:
    unit = DEPLOY / "llmfit.service"
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/llmfit/bin/llmfit", str(Path(sys.executable).with_name("llmfit"))))
    checked = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True)
    assert checked.returncode == 0 and unit.name not in checked.stderr, checked.stderr
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)], capture_output=True, text=True
    )
    found = re.search(r"exposure level for llmfit.service: ([\d.]+)", rated.stdout)
    if found is None:
        pytest.skip("this systemd rates no files")
    assert float(found[1]) <= MOST_EXPOSED
