"""GGUF files of every attention class, written by the gguf package: the cache and the weights of their rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import pytest

from llmfit.catalog.catalog import Catalog
from llmfit.errors import BadFile
from llmfit.files.gguf_header import Length, read_header
from llmfit.files.model import FileModel, as_records
from llmfit.files.one_model_catalog import shape_of, with_params
from llmfit.files.read import catalog_for, read
from llmfit.query.estimator import Estimator

from .ggufs import BASE, TOKENS, write

CONTEXT = 32768
HEADS = {"attention.head_count": 32, "attention.key_length": 128, "attention.value_length": 128}
PLAIN = {"block_count": 32, "embedding_length": 4096, "feed_forward_length": 14336, "context_length": 131072, **HEADS}

# name: (architecture, metadata, elements of the cache at 32768 tokens, bytes of state): estimate/test_cache_golden.py
CASES: dict[str, tuple[str, dict[str, Any], int, int]] = {
    "mha": ("llama", PLAIN, 32 * 32768 * 32 * (128 + 128), 0),
    "gqa": ("llama", PLAIN | {"attention.head_count_kv": 8}, 32 * 32768 * 8 * 256, 0),
    "gqa, dimension from the width": (
        "llama", {"block_count": 32, "embedding_length": 4096, "attention.head_count": 32,
            "attention.head_count_kv": 8},
        32 * 32768 * 8 * 256, 0,
    ),
    "mqa": (
        "gemma", {"block_count": 18, "embedding_length": 2048, "attention.head_count": 8, "attention.head_count_kv": 1,
                  "attention.key_length": 256, "attention.value_length": 256},
        18 * 32768 * 1 * 512, 0,
    ),
    "a window that llama.cpp does not use": (
        "llama", PLAIN | {"attention.head_count_kv": 8, "attention.sliding_window": 4096}, 32 * 32768 * 8 * 256, 0,
    ),
    "value dimension of its own, experts": (
        "mimo2", PLAIN | {"block_count": 48, "attention.head_count": 64, "attention.head_count_kv": 4,
                          "attention.key_length": 192},
        48 * 32768 * 4 * (192 + 128), 0,
    ),
    # every sixth layer sees everything: 10 of 62; the window of 1024 and a batch of 512 make 1536 cells
    "sliding by architecture": (
        "gemma3", PLAIN | {"block_count": 62, "attention.head_count_kv": 16, "attention.sliding_window": 1024},
        10 * 32768 * 16 * 256 + 52 * 1536 * 16 * 256, 0,
    ),
    # keys of windows in every layer, of cells for 4 tokens (with an indexer of 128) in 21 and for 128 in 20; state
    "compressed and sparse": (
        "deepseek4", {"block_count": 43, "embedding_length": 4096, "attention.head_count": 64,
                      "attention.head_count_kv": 1, "attention.key_length": 512, "attention.value_length": 512,
                      "attention.sliding_window": 128, "attention.compress_ratios": [0, 0, *([4, 128] * 20), 4],
                      "attention.indexer.key_length": 128, "attention.indexer.top_k": 512},
        43 * 768 * 512 + 21 * 8192 * (512 + 128) + 20 * 256 * 512,
        2 * 4 * (21 * 8 * 2 * (512 + 128) + 20 * 128 * 512),
    ),
    "latent with indexers that layers share": (
        "glm-dsa", {"block_count": 8, "embedding_length": 6144, "attention.head_count": 64,
                    "attention.head_count_kv": 1, "attention.key_length": 576, "attention.value_length": 512,
                    "attention.key_length_mla": 256, "attention.value_length_mla": 256, "attention.kv_lora_rank": 512,
                    "rope.dimension_count": 64, "attention.indexer.key_length": 128, "attention.indexer.top_k": 2048,
                    "attention.indexer.types": [1, 1, 1, 0, 0, 0, 1, 0]},
        32768 * (8 * 576 + 4 * 128), 0,
    ),
    "latent inside a hybrid, an indexer that pools": (
        "glm5-next", {"block_count": 8, "embedding_length": 4096, "attention.head_count": 64,
                      "attention.head_count_kv": [0, 0, 0, 1, 0, 0, 0, 1], "attention.key_length": 512,
                      "attention.value_length": 512, "attention.key_length_mla": 256,
                      "attention.value_length_mla": 256, "attention.kv_lora_rank": 512, "rope.dimension_count": 0,
                      "attention.indexer.key_length": 128, "attention.indexer.top_k": 2048,
                      "attention.indexer.kpool": 16, "ssm.conv_kernel": 4, "kda.head_dim": 128},
        2 * 32768 * (512 + 3 * 128), 4 * 6 * (128 * 8192 + 3 * 3 * 8192),
    ),
    "the first of four layers sees everything": (
        "laguna", PLAIN | {"block_count": 5, "attention.head_count_kv": 8, "attention.sliding_window": 512},
        2 * 32768 * 8 * 256 + 3 * 1024 * 8 * 256, 0,
    ),
    # 128 + 512 = 640 pads to 768
    "sliding by a period": (
        "gpt-oss", PLAIN | {"block_count": 36, "attention.head_count": 64, "attention.head_count_kv": 8,
                            "attention.key_length": 64, "attention.value_length": 64, "attention.sliding_window": 128,
                            "attention.sliding_window_pattern": 2},
        18 * 32768 * 8 * 128 + 18 * 768 * 8 * 128, 0,
    ),
    "sliding by a list, full layers of another shape": (
        "gemma4", PLAIN | {"block_count": 60, "attention.head_count_kv": [16, 16, 16, 16, 16, 4] * 10,
                           "attention.key_length": 512, "attention.value_length": 512,
                           "attention.key_length_swa": 256, "attention.value_length_swa": 256,
                           "attention.sliding_window": 1024, "attention.sliding_window_pattern": [True] * 5 * 0 + [
                               layer % 6 != 5 for layer in range(60)]},
        10 * 32768 * 4 * 1024 + 50 * 1536 * 16 * 512, 0,
    ),
    # of 35 layers the last 20 reuse a cache: of layers 4, 9, 14, ... three full ones are their own
    "shared layers": (
        "gemma4", PLAIN | {"block_count": 35, "attention.head_count": 8, "attention.head_count_kv": 1,
                           "attention.key_length": 512, "attention.value_length": 512,
                           "attention.key_length_swa": 256, "attention.value_length_swa": 256,
                           "attention.sliding_window": 512, "attention.shared_kv_layers": 20,
                           "attention.sliding_window_pattern": [layer % 5 != 4 for layer in range(35)]},
        3 * 32768 * 1 * 1024 + 12 * 1024 * 1 * 512, 0,
    ),
    "heads of its own in every layer": (
        "deci", PLAIN | {"block_count": 6, "attention.head_count": [32, 32, 0, 32, 32, 32],
                         "attention.head_count_kv": [8, 4, 0, 2, 1, 8]},
        (8 + 4 + 2 + 1 + 8) * 32768 * 256, 0,
    ),
    "mla": (
        "deepseek2", PLAIN | {"block_count": 61, "attention.head_count": 128, "attention.head_count_kv": 1,
                              "attention.key_length": 576, "attention.value_length": 512,
                              "attention.key_length_mla": 192, "attention.value_length_mla": 128,
                              "attention.kv_lora_rank": 512, "attention.q_lora_rank": 1536,
                              "rope.dimension_count": 64},
        61 * 32768 * (512 + 64), 0,
    ),
    "mla of an old file: full heads": (
        "deepseek2", PLAIN | {"block_count": 61, "attention.head_count": 128, "attention.head_count_kv": 128,
                              "attention.key_length": 192, "attention.value_length": 128,
                              "attention.kv_lora_rank": 512, "rope.dimension_count": 64},
        61 * 32768 * 128 * (192 + 128), 0,
    ),
    "hybrid, gated delta net": (
        "qwen3next", PLAIN | {"block_count": 64, "attention.head_count": 24, "attention.head_count_kv": 4,
                              "attention.key_length": 256, "attention.value_length": 256, "ssm.inner_size": 6144,
                              "ssm.state_size": 128, "ssm.group_count": 16, "ssm.time_step_rank": 48,
                              "ssm.conv_kernel": 4},
        16 * 32768 * 4 * 512, 48 * 4 * (128 * 6144 + 3 * (6144 + 2 * 16 * 128)),
    ),
    "hybrid, delta attention with latent layers": (
        "kimi-linear", PLAIN | {"block_count": 27,
                                "attention.head_count_kv": [1 if i in (3, 7, 11, 15, 19, 23,
                                    26) else 0 for i in range(27)],
                                "attention.key_length": 576, "attention.value_length": 512,
                                "attention.key_length_mla": 192, "attention.value_length_mla": 128,
                                "attention.kv_lora_rank": 512, "rope.dimension_count": 64, "kda.head_dim": 128,
                                "ssm.conv_kernel": 4},
        7 * 32768 * 576, 20 * 4 * (128 * 4096 + 3 * (4096 + 2 * 32 * 128)),
    ),
    # blocks of 52: six of attention, 23 of state space, 23 of feed-forward
    "hybrid, mamba 2 in blocks": (
        "nemotron_h", PLAIN | {"block_count": 52, "attention.head_count": 32,
                               "attention.head_count_kv": [2] * 6 + [0] * 46,
                                   "feed_forward_length": [0] * 29 + [8192] * 23,
                               "ssm.inner_size": 4096, "ssm.state_size": 128, "ssm.group_count": 8,
                               "ssm.time_step_rank": 64, "ssm.conv_kernel": 4},
        6 * 32768 * 2 * 256, 23 * 4 * (128 * 4096 + 3 * (4096 + 2 * 8 * 128)),
    ),
    "hybrid, attention and mamba 2 side by side": (
        "falcon-h1", PLAIN | {"block_count": 44, "attention.head_count": 12, "attention.head_count_kv": 2,
                              "ssm.inner_size": 3072, "ssm.state_size": 256, "ssm.group_count": 1,
                              "ssm.time_step_rank": 24, "ssm.conv_kernel": 4},
        44 * 32768 * 2 * 256, 44 * 4 * (256 * 3072 + 3 * (3072 + 2 * 1 * 256)),
    ),
    "ssm, mamba 1": (
        "mamba", {"block_count": 64, "embedding_length": 2560, "attention.head_count": 0, "feed_forward_length": 0,
                  "ssm.inner_size": 5120, "ssm.state_size": 16, "ssm.conv_kernel": 4, "ssm.time_step_rank": 160},
        0, 64 * 4 * (16 * 5120 + 3 * 5120),
    ),
    "hybrid, short convolution": (
        "lfm2", PLAIN | {"block_count": 16, "embedding_length": 2048, "attention.key_length": 64,
                         "attention.value_length": 64, "shortconv.l_cache": 3,
                         "attention.head_count_kv": [8 if i in (2, 5, 8, 10, 12, 14) else 0 for i in range(16)]},
        6 * 32768 * 8 * 128, 10 * 4 * 2 * 2048,
    ),
    "rwkv 7": (
        "rwkv7", {"block_count": 32, "embedding_length": 4096, "attention.head_count": 0, "feed_forward_length": 16384,
                  "wkv.head_size": 64},
        0, 32 * 4 * (64 * 4096 + 2 * 4096),
    ),
}  # fmt: skip


@pytest.fixture(scope="session")
def estimator(catalog: Catalog) -> Estimator:
    return Estimator(catalog)


def found(tmp_path: Path, catalog: Catalog, family: str, facts: dict[str, Any], **more: Any) -> tuple[FileModel, int]:
    path = tmp_path / "model.gguf"
    total = write(path, family, facts | TOKENS, more.get("tensors", BASE))
    return read(str(path), catalog), total


@pytest.mark.parametrize("name", CASES)
def test_cache(name: str, tmp_path: Path, catalog: Catalog, estimator: Estimator) -> None:
    from array import array

    from llmfit._estimator import Shape

    family, facts, elements, state = CASES[name]
    model, total = found(tmp_path, catalog, family, facts)
    cells = shape_of(model, *as_records(with_params(model, catalog)), catalog, 0)
    shape = Shape(catalog.core, array("d", cells.values()))
    assert shape.known
    assert shape.cache(CONTEXT) == elements * 2
    assert shape.state() == state
    assert cells["file_bytes"] == model.weight_bytes == total


def row_of(path: Path, *flags: str) -> dict[str, Any]:
    from click.testing import CliRunner

    from llmfit.cli.group import cli

    done = CliRunner().invoke(cli, ["--json", "info", str(path), *flags], catch_exceptions=False)
    envelope = json.loads(done.stdout)
    assert envelope["total_models"] == envelope["returned_models"] == len(envelope["models"]) == 1
    return envelope["models"][0]


def test_moe_counts_experts_by_their_tensors(tmp_path: Path, catalog: Catalog) -> None:
    experts = {
        f"blk.{layer}.ffn_{part}_exps.weight": ((8, 256, 256), "Q4_K")
        for layer in (1, 2)
        for part in ("gate", "up", "down")
    }
    facts = PLAIN | {"block_count": 3, "embedding_length": 256, "expert_count": 8, "expert_used_count": 2,
                     "expert_feed_forward_length": 256, "general.file_type": 15}  # fmt: skip
    model, total = found(tmp_path, catalog, "qwen3moe", facts, tensors=BASE | experts)
    routed = 6 * 8 * 256 * 256
    assert model.facts["params_text"] - model.facts["params_active"] == routed * 3 / 4
    assert (model.facts["n_dense_layers"], model.facts["n_experts"]) == (1, 8)
    assert model.quant and model.quant.expert_bits == 4.5
    assert model.weight_bytes == total


def test_row(tmp_path: Path) -> None:
    """The weights of the row are the tensors, the disk size is the file; both exact to the digit that a row has."""
    path = tmp_path / "a model.gguf"
    tensors = {"token_embd.weight": ((4096, 1024), "Q4_K")} | {
        f"blk.{layer}.ffn_{part}.weight": ((4096, 1024), "Q4_K") for layer in range(8) for part in ("up", "gate")
    }
    facts = PLAIN | {
        "block_count": 8,
        "embedding_length": 1024,
        "general.file_type": 15,
        "general.name": "Nothing Like It",
    }
    total = write(path, "llama", facts | TOKENS, tensors)
    row = row_of(path, "--gpu", "RTX 4090", "--ram-gb", "64", "--max-context", "4096")
    assert row["name"] == "a model.gguf"
    assert row["best_quant"] == "Q4_K_M" and row["runtime"] == "llamacpp"
    assert row["memory_breakdown_gb"]["weights"] == -(-total * 1000 // (1 << 30)) / 1000
    assert row["disk_size_gb"] == -(-path.stat().st_size * 1000 // (1 << 30)) / 1000
    assert row["params_b"] == 17 * 4096 * 1024 / 1e9
    assert row["memory_breakdown_gb"]["kv_cache"] == pytest.approx(8 * 4096 * 32 * 256 * 2 / (1 << 30), abs=0.001)
    assert row["installed"] is True and row["base_model"] is None and row["license"] is None
    assert f"weights are exact: {total:,} bytes in 17 tensors, read from the file" in row["notes"]
    assert any("not recognised" in note for note in row["notes"])
    assert row["verify_command"].startswith(f"llama-bench -m '{path}' -ngl 999 ")
    assert row["run"][:3] == ["llama-server", "-m", str(path)]
    assert row_of(path, "--quant", "Q8_0")["fit_level"] == "too_tight"


def test_the_keys_of_a_row_are_those_of_the_catalog(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    write(path, "llama", PLAIN | TOKENS, BASE)
    assert list(row_of(path)) == list(row_of("Qwen/Qwen3-8B"))  # type: ignore[arg-type]


def test_what_the_scanner_reads_the_package_reads_too(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    write(path, "gemma4", CASES["shared layers"][1] | TOKENS | {"general.name": "x", "rope.freq_base": 1e6}, BASE)
    ours, theirs = read_header(str(path)), gguf.GGUFReader(path)
    for key, field in theirs.fields.items():
        if key.startswith("GGUF."):
            continue
        value = field.contents()
        if isinstance(ours.meta[key], Length):
            assert len(value) == ours.meta[key]
        else:
            assert ours.meta[key] == (tuple(value) if isinstance(value, list) else value), key
    assert {t.name: (t.elements, t.bytes, t.type) for t in ours.tensors} == {
        t.name: (int(t.n_elements), int(t.n_bytes), t.tensor_type.name) for t in theirs.tensors
    }


@pytest.mark.parametrize(("number", "label"), [(15, "Q4_K_M"), (0, "Q4_K"), (1, "Q4_K"), (1024, "Q4_K"), (999, "Q4_K")])
def test_label(number: int, label: str, tmp_path: Path, catalog: Catalog) -> None:
    """The header's, unless the tensors hold something else."""
    tensors = {f"blk.{i}.attn_q.weight": ((256, 256), "Q4_K") for i in range(4)}
    model, _ = found(tmp_path, catalog, "llama", PLAIN | {"general.file_type": number}, tensors=BASE | tensors)
    assert model.quant and model.quant.name == label
    assert any("its header calls it" in note for note in model.notes) == (number in (0, 1))


def test_parts(tmp_path: Path, catalog: Catalog) -> None:
    names = [f"m-0000{n}-of-00002.gguf" for n in (1, 2)]
    facts = PLAIN | TOKENS | {"block_count": 2, "general.file_type": 15}
    rest = {"blk.1.attn_q.weight": ((256, 256), "Q4_K")}
    split = {"split.count": 2, "split.tensors.count": 6}
    total = write(tmp_path / names[0], "llama", facts | split | {"split.no": 0}, BASE)
    total += write(tmp_path / names[1], "llama", split | {"split.no": 1}, rest)
    for name in names:
        model = read(str(tmp_path / name), catalog)
        assert model.weight_bytes == total and model.present
        assert model.disk_bytes == sum((tmp_path / name).stat().st_size for name in names)
    (tmp_path / names[1]).unlink()
    model = read(str(tmp_path / names[0]), catalog)
    assert "1 of 2 parts are not here" in model.notes[0] and model.weight_bytes == 0 and not model.present
    row = row_of(tmp_path / names[0])
    assert row["memory_breakdown_gb"]["weights"] > 0 and row["installed"] is False
    (tmp_path / names[0]).rename(tmp_path / "alone.gguf")
    with pytest.raises(BadFile, match="one of 2 parts"):
        catalog_for(str(tmp_path / "alone.gguf"), catalog)


def test_encoders_of_images_are_not_weights_of_the_text(tmp_path: Path, catalog: Catalog) -> None:
    tensors = BASE | {"v.blk.0.attn_q.weight": ((256, 256), "F16")}
    model, total = found(tmp_path, catalog, "gemma3", PLAIN, tensors=tensors)
    assert model.weight_bytes == total - 2 * 256 * 256
    assert model.facts["params_total"] - model.facts["params_text"] == 256 * 256


def test_layers_for_drafting_are_not_loaded(tmp_path: Path, catalog: Catalog) -> None:
    tensors = BASE | {"blk.46.attn_q.weight": ((256, 256), "F16")}
    model, total = found(
        tmp_path, catalog, "glm4moe", PLAIN | {"block_count": 47, "nextn_predict_layers": 1}, tensors=tensors
    )
    assert model.facts["n_layers"] == 46 and model.weight_bytes == total - 2 * 256 * 256


LLAMA = PLAIN | {"attention.head_count_kv": 8, "general.file_type": 15}


@pytest.mark.parametrize(("names", "same"), [
    ({"general.name": "Meta Llama 3.1 8B Instruct", "general.basename": "Llama-3.1", "general.size_label": "8B",
      "general.finetune": "Instruct"}, True),
    ({"general.name": "Mine",
        "general.base_model.0.repo_url": "https://huggingface.co/meta-llama/Llama-3.1-8B-Instruct"}, False),
    ({"general.source.repo_url": "https://huggingface.co/meta-llama/Llama-3.1-8B-Instruct"}, True),
])  # fmt: skip
def test_recognised(names: dict[str, str], same: bool, tmp_path: Path, catalog: Catalog) -> None:
    """By the names in the header, where the shape agrees; a fine-tune has its base's licence and its own quality."""
    path = tmp_path / "x.gguf"
    sparse_llama(path, names)
    row, like = row_of(path), row_of("meta-llama/Llama-3.1-8B-Instruct")  # type: ignore[arg-type]
    assert row["base_model"] == "meta-llama/Llama-3.1-8B-Instruct"
    assert (row["provider"], row["license"]) == (like["provider"], like["license"])
    assert (row["origin"] == "quantized") == same
    assert any(note.startswith("recognised as meta-llama/Llama-3.1-8B-Instruct") for note in row["notes"])
    quality, its = row["score_components"]["quality"], like["score_components"]["quality"]
    assert quality == pytest.approx(its, abs=3.5) if same else quality < its


def sparse_llama(path: Path, names: dict[str, str]) -> None:
    """A header with the 8.03 B parameters of Llama 3.1 8B, and a file with a hole for its tensors."""
    writer = gguf.GGUFWriter(path, "llama")
    for key, value in (LLAMA | names).items():
        full = key if key.startswith("general.") else f"llama.{key}"
        writer.add_string(full, value) if isinstance(value, str) else writer.add_uint32(full, value)
    h, ff, kv = 4096, 14336, 1024
    shapes = {"token_embd.weight": (128256, h), "output.weight": (128256, h)}
    for layer in range(32):
        for name, shape in {"attn_q": (h, h), "attn_k": (kv, h), "attn_v": (kv, h), "attn_output": (h, h),
            "ffn_gate": (ff, h),
                            "ffn_up": (ff, h), "ffn_down": (h, ff)}.items():  # fmt: skip
            shapes[f"blk.{layer}.{name}.weight"] = shape
    kind, total = gguf.GGMLQuantizationType.Q4_K, 0
    for name, shape in shapes.items():
        size = shape[0] * shape[1] // 256 * 144
        writer.add_tensor_info(name, (shape[0], shape[1] // 256 * 144), __import__("numpy").dtype("uint8"), size, kind)
        total += size
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with path.open("r+b") as file:
        file.truncate(-(-path.stat().st_size // 32) * 32 + total)


def test_a_name_with_another_shape_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "Llama-3.1-8B-Instruct-Q4_K_M.gguf"
    write(path, "llama", PLAIN | TOKENS | {"general.name": "Llama 3.1 8B Instruct", "block_count": 4}, BASE)
    row = row_of(path)
    assert row["base_model"] is None and any("not recognised" in note for note in row["notes"])


def test_without_the_package(tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    path = tmp_path / "m.gguf"
    write(path, "llama", PLAIN, BASE)
    monkeypatch.setitem(sys.modules, "gguf.constants", None)
    with pytest.raises(BadFile, match=r"pip install 'llmfit\[gguf\]'"):
        catalog_for(str(path), catalog)
