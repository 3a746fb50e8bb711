"""File sizes against those of the real quantizer, recorded: `python bench/llama_cpp sizes HEADERS --record FILE`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmfit._estimator import gguf_metadata_bytes
from llmfit.query.estimator import Estimator

LOOSE = {"google__gemma-4-E2B-it": 5e-3}  # layers without a cache of their own are twice as wide
RECORDED = json.loads((Path(__file__).parent / "gguf_sizes.json").read_text())["models"]


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return Estimator()


@pytest.mark.parametrize("model", RECORDED, ids=lambda model: str(model["name"]))
def test_every_file_type_is_as_large_as_the_quantizer_makes_it(model: dict[str, Any], estimator: Estimator) -> None:
    shape = estimator.shape(**model["facts"])
    beside = gguf_metadata_bytes(model["facts"]["vocab_size"])
    off = {}
    for label, real in model["bytes"].items():
        kind, _, imatrix = label.partition("+")
        if real is None:  # refused: rows that do not divide into blocks, and no type that takes over
            continue
        ours = estimator.weights(shape, kind, imatrix=bool(imatrix), runtime="llamacpp") - beside
        if abs(ours / real - 1) > LOOSE.get(model["name"], 1e-4):
            off[label] = ours / real - 1
    assert not off


def test_the_rules_of_before_march_2026(estimator: Estimator) -> None:
    """Fused query, key and value of Phi-3.5 mini: bartowski's files of 2024, GB to two digits."""
    shape = estimator.shape(
        params_text=3821079552, n_layers=32, hidden_size=3072, n_heads=32, n_kv_heads=32, head_dim=96,
        intermediate_size=8192, vocab_size=32064, attention="full", model_type="phi3",
    )  # fmt: skip
    for label, published in (("Q2_K", 1.42), ("IQ2_M", 1.32), ("Q3_K_L", 2.09), ("Q4_K_M", 2.39)):
        assert estimator.weights(shape, label, made="2024-08") / 1e9 == pytest.approx(published, abs=0.006)
    assert estimator.weights(shape, "Q2_K") / 1e9 > 1.5


def test_packagers_who_keep_experts(estimator: Estimator) -> None:
    """gpt-oss-20b: 12.05 GB where the quantizer makes Q2_K of all tensors, 11.56 where the experts stay MXFP4."""
    shape = estimator.shape(
        params_text=20914757184, n_layers=24, hidden_size=2880, n_heads=64, n_kv_heads=8, head_dim=64,
        moe_intermediate_size=2880, n_experts=32, n_experts_active=4, vocab_size=201088, attention="sliding",
        sliding_window=128, n_full_attn_layers=12, model_type="gpt_oss",
    )  # fmt: skip
    beside = gguf_metadata_bytes(201088)
    assert estimator.weights(shape, "Q2_K") - beside == pytest.approx(12052505856, rel=1e-3)
    assert estimator.weights(shape, "Q4_K_M") - beside == pytest.approx(15792128256, rel=1e-3)
    assert estimator.weights(shape, "Q2_K", experts_kept=True) == pytest.approx(11.56e9, rel=1e-2)
