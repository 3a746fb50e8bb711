"""The classes of transformers, each of another size than its own and as save_pretrained writes it: what it allocates.

Recorded by bench/real_transformers.py --record with transformers 5.24.0 on the meta device.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmfit.catalog.catalog import Catalog
from llmfit.files import config
from llmfit.files.one_model_catalog import with_params

RECORD = Path(__file__).with_name("classes.jsonl")
CASES = [json.loads(line) for line in RECORD.read_text().splitlines()]
CLOSE = 0.001


@pytest.mark.parametrize("form", ["published", "saved"])
def test_parameters_are_those_that_transformers_allocates(form: str, catalog: Catalog) -> None:
    wrong = []
    cases = [case for case in CASES if case["form"] == form]
    for case in cases:
        found = with_params(config.model_of("x", case["config"]), catalog)
        assert found.counts is not None, case["model_type"]
        off = found.facts["params_text"] / case["text"] - 1, (found.counts.experts - case["experts"]) / case["text"]
        if max(map(abs, off)) > CLOSE:
            wrong.append((case["model_type"], *off))
    assert not wrong and len(cases) > 200


def of(model_type: str, form: str = "published", **changes: Any) -> dict[str, Any]:
    case = next(case for case in CASES if (case["model_type"], case["form"]) == (model_type, form))
    return case["config"] | changes


ACTIVE = [  # as their makers and transformers count them, in billions
    ("deepseek_v4", 13.8), ("axk1", 32.8), ("glm5_next", 17.4), ("inkling_text", 41.1), ("qwen3_next", 3.87),
]  # fmt: skip


@pytest.mark.parametrize(("model_type", "billions"), ACTIVE)
def test_active_parameters(model_type: str, billions: float, catalog: Catalog) -> None:
    found = with_params(config.model_of("x", of(model_type, "saved")), catalog)
    assert found.facts["params_active"] / 1e9 == pytest.approx(billions, rel=0.005)


def test_tables_that_are_looked_up_are_not_active() -> None:
    counts = config.model_of("x", of("gemma4_text", "saved")).counts
    assert counts is not None and counts.looked_up == 262144 * 30 * 256
    assert counts.active == counts.text - counts.looked_up


def test_null_is_none_whatever_the_class_says() -> None:
    sizes = {"hidden_size": 2048, "num_hidden_layers": 27, "num_attention_heads": 16, "model_type": "deepseek_v2"}
    with_rank = config.model_of("x", sizes).counts
    without = config.model_of("x", sizes | {"q_lora_rank": None}).counts
    assert with_rank is not None and without is not None and with_rank != without


def test_a_class_without_a_rule_says_so() -> None:
    found = config.model_of(
        "x", {"model_type": "xlnet", "d_model": 1024, "n_layer": 24, "n_head": 16, "vocab_size": 32000}
    )
    assert found.counts is None
    assert found.notes[-1] == "there is no rule for how many parameters a model of the class xlnet has"


def test_a_composite_with_an_untied_head_keeps_it() -> None:
    """Checkpoints of InternVL3 store the head, though the composite's class ties by default."""
    text = {"model_type": "qwen2", "hidden_size": 1536, "num_hidden_layers": 13, "vocab_size": 50048}
    silent = config.model_of("x", {"model_type": "internvl", "text_config": text}).counts
    tied = config.model_of("x", {"model_type": "internvl", "text_config": text, "tie_word_embeddings": True}).counts
    assert silent is not None and tied is not None and silent.text - tied.text == 1536 * 50048


SPARSE = [
    ("deepseek_v4", {"compress_ratios": [0, 0] + [4, 128] * 20 + [4]},
     {"csa_layers": 21, "hca_layers": 20, "indexer_width": 128, "sliding_window": 128, "n_kv_heads": 1}),
    ("deepseek_v32", {}, {"indexer_layers": 61, "indexer_width": 128}),
    ("glm_moe_dsa", {"indexer_types": ["full"] * 3 + ["shared", "shared", "full", "shared"] * 18 + ["shared"] * 3},
     {"indexer_layers": 21, "indexer_width": 128}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "more", "wanted"), SPARSE, ids=[kind for kind, _, _ in SPARSE])
def test_what_sparse_attention_keeps(kind: str, more: dict[str, Any], wanted: dict[str, Any]) -> None:
    """The layers with indexer keys of their own and with compressed cells, as llama.cpp b11739 allocates them: V4-Flash
    259 MiB at 32k tokens, V3.2 2,684 (tests/estimate/test_cache_golden.py has the formulas).
    """
    published = next(case["config"] for case in CASES if case["model_type"] == kind and "index_topk" in case["config"])
    said = {key: value for key, value in published.items() if key not in ("layer_types", "compress_rates")}
    facts = config.model_of("config.json", said | more).facts
    assert {key: facts[key] for key in wanted} == wanted
