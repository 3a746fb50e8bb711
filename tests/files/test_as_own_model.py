"""A model that is added from a file gives the row that the file itself gives: memory, speed, quality."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llmfit._core import Estimates, Ranking
from llmfit.catalog.catalog import Catalog
from llmfit.catalog.overlay import lay_over
from llmfit.catalog.own_models import model_of
from llmfit.files.as_own_model import own_of_file, toml_of, written
from llmfit.files.read import catalog_for
from llmfit.hardware.host import host_of
from llmfit.machine import Machine

from .configs import CONFIGS
from .ggufs import write
from .test_gguf import CASES

MACHINES = Path(__file__).parents[1] / "machines"
SAME = (
    "memory_required_gb", "total_memory_gb", "memory_breakdown_gb", "disk_size_gb", "estimated_tps", "prefill_tps",
    "fit_level", "run_mode", "runtime", "best_quant", "score_components", "usable_context", "context_length",
    "parameter_count", "params_b", "is_moe", "capabilities", "license", "release_date", "provider", "supports_tp",
)  # fmt: skip


def row_of(catalog: Catalog, index: int) -> dict[str, Any]:
    machine = msgspec.json.decode((MACHINES / "rtx-4090-24gb.json").read_bytes(), type=Machine)
    ranking = Ranking(Estimates(catalog.core, host_of(machine, catalog)))
    row: dict[str, Any] = json.loads(ranking.encode([index]))[0]
    return row


def both(path: Path, catalog: Catalog) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the row of a file, the row of the model that was added from it)."""
    alone, _ = catalog_for(str(path), catalog)
    model, notes = own_of_file(str(path), catalog, "mine/kept")
    text = toml_of(model, notes)
    again = model_of(text.encode(), "kept.toml")
    assert again == model, text
    packed, problems = lay_over(catalog.packed, [], [("kept.toml", again)])
    assert not problems and packed.n_rows == catalog.size + 1
    laid = Catalog.of(packed)
    return row_of(alone, 0), row_of(laid, laid.core.index_of("mine/kept"))


@pytest.mark.parametrize("name", [*list(CONFIGS)[::4], "openai/gpt-oss-20b", "deepseek-ai/DeepSeek-V3"])
def test_of_a_configuration(name: str, tmp_path: Path, catalog: Catalog) -> None:
    path = tmp_path / name.split("/")[1] / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(CONFIGS[name] | {"_name_or_path": name}))
    file, own = both(path, catalog)
    if not file["context_length"] or "max_position_embeddings" not in str(CONFIGS[name]):
        for row in (file, own):  # the catalog's context counts for the model that is kept
            row["usable_context"] = row["score_components"]["context"] = None
    assert {key: own[key] for key in SAME} == {key: file[key] for key in SAME}


@pytest.mark.parametrize("name", list(CASES)[::3])
def test_of_a_gguf_file(name: str, tmp_path: Path, catalog: Catalog) -> None:
    family, facts = CASES[name][:2]
    path = tmp_path / "some model.gguf"
    shapes = {"token_embd.weight": ((64, 256), "Q4_K"), "blk.0.ffn_down.weight": ((256, 512), "Q6_K")}
    write(path, family, facts, shapes)
    file, own = both(path, catalog)
    assert {key: own[key] for key in SAME} == {key: file[key] for key in SAME} | {"provider": "mine"}
    assert own["download"] is None and (own["verify_command"] is None) == (file["verify_command"] is None)
    assert not own["verify_command"] or own["verify_command"].startswith("llama-bench -m './some model.gguf' -ngl ")
    assert not own["run"] or own["run"][:3] == ["llama-server", "-m", "./some model.gguf"]


@pytest.mark.parametrize("text", ["plain", 'a "quote" and \\', "tab\tand\nline", "é\u202e🙂", "\x00\x1f\x7f"])
def test_texts_as_toml_writes_them(text: str) -> None:
    import tomllib

    assert tomllib.loads(f"a = {written(text)}") == {"a": text}
