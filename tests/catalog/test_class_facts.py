"""Rows put right by the classes of their types: caches, active and text parameters; what is not known says so."""

from __future__ import annotations

from array import array

import pytest

from llmfit._estimator import Shape
from llmfit.catalog.catalog import Catalog
from llmfit.catalog.contradictions import attention, experts, unknowns
from llmfit.catalog.records import Model
from llmfit.files.recognise import CatalogIndex

CACHE = {  # bytes a token at 16 bits, as transformers 5.24.0 keeps them; an indexer's keys apart
    "sarvamai/sarvam-105b": 36_864, "skt/A.X-K1": 70_272, "inclusionAI/Ling-3.0-flash": 8_064,
    "zai-org/GLM-5.3-Flash": 11_264, "dots-studio/dots3-note-prev": 14_976, "stepfun-ai/Step-3.7-Flash": 12 * 4096,
}  # fmt: skip
ACTIVE = {"thinkingmachines/Inkling": 41.0, "arcee-ai/Trinity-Large-Thinking": 13.4, "zai-org/GLM-4.5-Air-Base": 13.4,
          "skt/A.X-K1": 32.8, "zai-org/GLM-5.3-Flash": 17.4}  # fmt: skip
TEXT = {"deepseek-ai/DeepSeek-V4-Flash-0731": 284.33, "deepseek-ai/DeepSeek-V4-Flash-DSpark": 284.33,
        "deepseek-ai/DeepSeek-V4-Pro": 1573.0, "baidu/ERNIE-4.5-VL-28B-A3B-PT": 28.62,
        "meta-models/Muse-Glimmer-30B": 27.85}  # fmt: skip


def shape_of(id: str, catalog: Catalog) -> dict[str, float]:
    return CatalogIndex(catalog).shape(catalog.core.index_of(id))


@pytest.mark.parametrize("id", CACHE)
def test_cache_of_a_token(id: str, catalog: Catalog) -> None:
    shape = shape_of(id, catalog)
    facts = Shape(catalog.core, array("d", shape.values()))
    more = facts.cache(1 << 20) - facts.cache(1 << 19)
    extra = shape.get("indexer_layers", 0) * shape.get("indexer_width", 0) * 2
    assert facts.known and more / (1 << 19) - extra == CACHE[id]


@pytest.mark.parametrize("id", ACTIVE)
def test_active_parameters(id: str, catalog: Catalog) -> None:
    assert shape_of(id, catalog)["active"] / 1e9 == pytest.approx(ACTIVE[id], rel=0.01)


@pytest.mark.parametrize("id", TEXT)
def test_text_parameters(id: str, catalog: Catalog) -> None:
    assert shape_of(id, catalog)["params"] / 1e9 == pytest.approx(TEXT[id], rel=0.001)


def test_what_nobody_knows_is_a_bound_and_says_so(catalog: Catalog) -> None:
    unknown = shape_of("upstage/Solar-Open2-250B", catalog)
    facts = Shape(catalog.core, array("d", unknown.values()))
    assert not facts.known
    all_kept = unknown["n_layers"] * unknown["n_kv_heads"] * 2 * unknown["head_dim"] * 2 * 8192
    assert facts.cache(8192) == all_kept


def model(**facts: object) -> Model:
    rest = {
        "id": "o/m",
        "provider": "",
        "kind": "original",
        "origin": "official",
        "params_total": 1e11,
        "params_text": 1e11,
        "format": "bf16",
        "use_case": "general",
        "role": "generator",
        "tuning": "unknown",
    }
    return Model(**(rest | facts))  # type: ignore[arg-type]


def test_the_check_finds_each_kind() -> None:
    heads = {"n_layers": 32, "hidden_size": 4096, "n_kv_heads": 64, "head_dim": 576}
    latent = model(model_type="sarvam_mla", attention="full", **heads)
    assert len(list(attention(latent, {}))) == 2
    assert not list(attention(model(model_type="sarvam_mla", attention="mla", n_layers=32, kv_lora_rank=512), {}))
    many = {"n_layers": 61, "hidden_size": 7168, "n_experts": 384, "n_experts_active": 8, "moe_intermediate_size": 2048}
    wrong = model(params_total=1.1e12, params_text=1.1e12, params_active=650e9, **many)
    assert len(list(experts(wrong, {}))) == 1
    assert len(list(unknowns(model(n_layers=4), {}))) == 1
    assert not list(unknowns(model(n_layers=4, flags=("attn_unknown",)), {}))
