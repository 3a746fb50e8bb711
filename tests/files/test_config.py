"""config.json of many families, safetensors folders and indexes: the same shape as the catalog's, exact weights."""

from __future__ import annotations

import json
import struct
from array import array
from pathlib import Path
from typing import Any

import pytest

from llmfit._estimator import Shape
from llmfit.catalog.catalog import Catalog
from llmfit.errors import BadFile
from llmfit.files import config
from llmfit.files.model import as_records
from llmfit.files.one_model_catalog import shape_of, with_params
from llmfit.files.read import catalog_for, read
from llmfit.files.recognise import CatalogIndex

from .configs import CONFIGS
from .test_gguf import row_of

# What the catalog counts and the reader does not, or the other way round.
UNCOUNTED: dict[str, float] = {}


@pytest.mark.parametrize("name", CONFIGS)
def test_shape_is_that_of_the_catalog(name: str, catalog: Catalog) -> None:
    model = with_params(config.model_of("x", CONFIGS[name]), catalog)
    own = shape_of(model, *as_records(model), catalog, 0)
    held = CatalogIndex(catalog).shape(catalog.core.index_of(name))
    mine, its = (Shape(catalog.core, array("d", shape.values())) for shape in (own, held))
    assert mine.known == its.known is True
    for context in (4096, 32768):
        assert mine.cache(context) == its.cache(context)
    assert mine.state() == its.state()
    assert own["params"] == pytest.approx(held["params"], rel=UNCOUNTED.get(name, 0.001))
    for fact in (
        "n_layers",
        "hidden",
        "vocab",
        "n_heads",
        "n_kv_heads",
        "n_experts",
        "n_experts_active",
        "tied",
        "attention",
    ):
        assert own[fact] == held[fact], fact
    assert own["context"] == held["context"] or not own["context"]


COMPARED = ("provider", "parameter_count", "params_b", "context_length", "license", "supports_tp", "is_moe",
    "use_case", "category",
            "score_components", "estimated_tps", "prefill_tps", "usable_context", "fit_level", "run_mode", "runtime",
                "best_quant",
            "total_memory_gb", "memory_breakdown_gb", "disk_size_gb", "release_date")  # fmt: skip
OTHERWISE = {
    "state-spaces/mamba-2.8b-hf",  # the catalog counts the width of its state as a feed-forward
    "ai21labs/AI21-Jamba-Mini-1.5",  # experts in every second layer only
    "deepseek-ai/DeepSeek-V2-Lite", "moonshotai/Kimi-Linear-48B-A3B-Instruct", "zai-org/GLM-4.5-Air",  # shared experts
    "meta-llama/Llama-4-Scout-17B-16E-Instruct", "mistralai/Mixtral-8x7B-Instruct-v0.1",
        "ibm-granite/granite-4.0-h-small",
    "openai/gpt-oss-20b", "deepseek-ai/DeepSeek-V3",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in CONFIGS if name not in OTHERWISE])
def test_row_is_that_of_the_catalog(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name.split("/")[1]
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIGS[name]))
    flags = ("--gpu", "RTX 4090", "--ram-gb", "128")
    row, its = row_of(folder, *flags), row_of(name, *flags)  # type: ignore[arg-type]
    assert row["name"] == folder.name and row["base_model"] == name
    assert {key: row[key] for key in COMPARED} == {key: its[key] for key in COMPARED}
    assert any(note.startswith(f"recognised as {name} by the name") for note in row["notes"])


def test_a_config_alone_says_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIGS["Qwen/Qwen3-30B-A3B"] | {"hidden_size": 2304, "num_hidden_layers": 47}))
    row = row_of(path)
    assert row["name"] == "config.json" and row["installed"] is False and row["base_model"] is None
    assert row["provider"] == "unknown" and row["release_date"] is None and row["license"] is None
    assert {"only the configuration was read: sizes are by rule"} < set(row["notes"])
    assert any("counted from its shape" in note for note in row["notes"])


def test_heads_that_are_not_given_make_an_upper_bound(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(
        json.dumps({"hidden_size": 2048, "num_hidden_layers": 20, "vocab_size": 32000, "intermediate_size": 5632})
    )
    row = row_of(path)
    assert row["estimate_confidence"] == "low"
    assert "the model's shape is not known: memory is a safe upper bound" in row["notes"]


QUANTIZED = [
    ({"quant_method": "fp8"}, "FP8"),
    ({"quant_method": "awq", "bits": 4, "group_size": 128}, "AWQ-4bit"),
    ({"quant_method": "gptq", "bits": 8}, "GPTQ-8bit"),
    ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "BNB-4bit"),
    ({"quant_method": "auto-round", "bits": 4}, "AutoRound-4bit"),
    ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "NVFP4"),
    ({"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"}, "NVFP4"),
    ({"quant_method": "compressed-tensors", "format": "pack-quantized",
      "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int"}}}}, "INT4"),
    ({"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 8,
        "type": "float"}}}}, "FP8"),
    ({"quant_method": "mxfp4"}, "MXFP4"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "label"), QUANTIZED)
def test_quantizations(said: dict[str, Any], label: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIGS["meta-llama/Llama-3.1-8B-Instruct"] | {"quantization_config": said}))
    row = row_of(path, "--gpu", "H100", "--ram-gb", "128")
    assert (row["best_quant"], row["runtime"], row["fit_level"] != "too_tight") == (label, "vllm", True)


def test_mlx(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    said = {"quantization": {"group_size": 64, "bits": 6}}
    path.write_text(json.dumps(CONFIGS["meta-llama/Llama-3.1-8B-Instruct"] | said))
    assert row_of(path)["best_quant"] == "MLX-6bit"


def safetensors(path: Path, tensors: dict[str, tuple[str, list[int], int]], sparse: bool = False) -> int:
    """A file of (dtype, shape, bytes of an element) with a hole for its data; returns the bytes of the tensors."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, (dtype, shape, width) in tensors.items():
        size = width
        for dim in shape:
            size *= dim
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)
    return at


SMALL = {"model_type": "llama", "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2,
    "num_attention_heads": 4,
         "num_key_value_heads": 2, "vocab_size": 1000, "max_position_embeddings": 2048,
             "tie_word_embeddings": False}  # fmt: skip
LAYERS = {
    f"model.layers.{layer}.{name}.weight": ("BF16", shape, 2)
    for layer in range(2)
    for name, shape in {
        "self_attn.q_proj": [256, 256],
        "self_attn.k_proj": [128, 256],
        "mlp.down_proj": [256, 512],
    }.items()
}
ENDS = {"model.embed_tokens.weight": ("BF16", [1000, 256], 2), "lm_head.weight": ("BF16", [1000, 256], 2)}


def folder_of(tmp_path: Path, **changes: Any) -> Path:
    folder = tmp_path / "a model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(SMALL | changes))
    return folder


def test_safetensors_are_exact(tmp_path: Path, catalog: Catalog) -> None:
    folder = folder_of(tmp_path)
    vision = {"vision_tower.layer.weight": ("BF16", [64, 64], 2)}
    draft = {"model.layers.2.mlp.weight": ("BF16", [64, 64], 2)}
    first = safetensors(folder / "model-00001-of-00002.safetensors", LAYERS | vision)
    second = safetensors(folder / "model-00002-of-00002.safetensors", ENDS | draft)
    model = read(str(folder), catalog)
    assert model.weight_bytes == first + second - 2 * 2 * 64 * 64
    assert model.facts["params_text"] == model.weight_bytes / 2
    assert model.facts["params_total"] == (first + second) / 2
    assert model.disk_bytes == sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    row = row_of(folder, "--gpu", "RTX 4090", "--runtime", "vllm")
    assert row["name"] == "a model" and row["installed"] is True and row["best_quant"] == "BF16"
    assert row["memory_breakdown_gb"]["weights"] == -(-model.weight_bytes * 1000 // (1 << 30)) / 1000
    assert row["verify_command"].startswith(f"vllm bench latency --model '{folder}' --max-model-len ")
    assert row["run"][:3] == ["vllm", "serve", str(folder)]
    index = {"metadata": {"total_size": first + second},
             "weight_map": {name: "model-00001-of-00002.safetensors" for name in LAYERS}
             | {name: "model-00002-of-00002.safetensors" for name in ENDS}}  # fmt: skip
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    for named in (folder, path):
        assert read(str(named), catalog).weight_bytes == model.weight_bytes
    (folder / "model-00002-of-00002.safetensors").unlink()
    alone = read(str(path), catalog)
    assert alone.weight_bytes == first + second and not alone.present
    assert any("1 of 2 weight files are not here" in note for note in alone.notes)


def test_tied_embeddings_show_in_the_files(tmp_path: Path, catalog: Catalog) -> None:
    folder = folder_of(tmp_path, tie_word_embeddings=True)
    safetensors(folder / "model.safetensors", LAYERS | ENDS)
    assert read(str(folder), catalog).facts["tied_embeddings"] is False


def test_packed_weights_are_bytes_but_not_parameters(tmp_path: Path, catalog: Catalog) -> None:
    folder = folder_of(tmp_path, quantization_config={"quant_method": "awq", "bits": 4, "group_size": 128})
    packed = {
        "model.layers.0.mlp.down_proj.qweight": ("I32", [512, 256], 4),
        "model.layers.0.mlp.down_proj.scales": ("F16", [4, 256], 2),
    }
    total = safetensors(folder / "model.safetensors", ENDS | packed)
    model = with_params(read(str(folder), catalog), catalog)
    assert model.weight_bytes == total
    assert model.facts["params_text"] == with_params(config.model_of("x", SMALL), catalog).facts["params_text"]


def test_32_bit_files_are_loaded_in_16(tmp_path: Path, catalog: Catalog) -> None:
    folder = folder_of(tmp_path)
    total = safetensors(
        folder / "model.safetensors", {name: ("F32", shape, 4) for name, (_, shape, _) in (LAYERS | ENDS).items()}
    )
    model = read(str(folder), catalog)
    assert (model.weight_bytes, model.facts["params_text"]) == (0, total / 4)


def test_a_folder_of_gguf_files(tmp_path: Path, catalog: Catalog) -> None:
    from .ggufs import BASE, TOKENS, write
    from .test_gguf import PLAIN

    write(tmp_path / "m.gguf", "llama", PLAIN | TOKENS, BASE)
    (tmp_path / "mmproj-F16.gguf").write_bytes(b"")
    assert read(str(tmp_path), catalog).name == "m.gguf"
    write(tmp_path / "n.gguf", "llama", PLAIN | TOKENS, BASE)
    with pytest.raises(BadFile, match="holds 2 GGUF models: name one"):
        catalog_for(str(tmp_path), catalog)
