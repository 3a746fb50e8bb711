"""Models in a local store are marked, by id, GGUF repository or ollama tag; stores that are not there hold none."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from llmfit.answers import encode
from llmfit.catalog.catalog import Catalog
from llmfit.machine import GIB, Machine
from llmfit.query.engine import Engine
from llmfit.query.params import parse
from llmfit.runtimes.installed import installed_names
from llmfit.wire.models import Envelope

PLAIN = Machine(
    cpu_name="c", cpu_cores=8, cpu_arch="x86", ram_total_bytes=64 * GIB, ram_available_bytes=60 * GIB,
    ram_bandwidth_gbps=80.0, cpu_fp32_tflops=1.0,
)  # fmt: skip


def store(home: Path) -> None:
    for name in ("models--Qwen--Qwen3-8B", "models--unsloth--gpt-oss-20b-GGUF", "datasets--a--b", "models--odd", "x"):
        (home / ".cache/huggingface/hub" / name).mkdir(parents=True)
    (home / ".ollama/models/manifests/registry.ollama.ai/library/qwen3").mkdir(parents=True)
    (home / ".ollama/models/manifests/registry.ollama.ai/library/qwen3/4b").write_text("{}")


def test_names_of_both_stores(tmp_path: Path) -> None:
    store(tmp_path)
    assert installed_names({}, str(tmp_path)) == {"Qwen/Qwen3-8B", "unsloth/gpt-oss-20b-GGUF", "qwen3:4b"}


def test_the_environment_moves_the_stores(tmp_path: Path) -> None:
    (tmp_path / "hub/models--a--b").mkdir(parents=True)
    assert installed_names({"HF_HOME": str(tmp_path), "OLLAMA_MODELS": "/nowhere"}, "/nowhere") == {"a/b"}
    assert installed_names({"HF_HUB_CACHE": "/nowhere"}, "/nowhere") == set()


def test_rows_say_so(catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path)
    for name in ("HF_HOME", "HF_HUB_CACHE", "OLLAMA_MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    try:
        engine = Engine(catalog, PLAIN)
        query = parse([("include_too_tight", "true")], "models").query
        text = encode.answer(catalog, engine.run(query), query)
        marked = {row.name for row in msgspec.json.decode(text, type=Envelope).models if row.installed}
    finally:
        catalog.core.mark_installed([])
    assert {"Qwen/Qwen3-8B", "openai/gpt-oss-20b"} <= marked
    assert len(marked) < 12
