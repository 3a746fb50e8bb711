"""Broken files of models of one's own (docs/own.md)."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec

from llmfit.catalog import own_models as own
from llmfit.catalog import pack
from llmfit.catalog.catalog import Catalog
from llmfit.catalog.overlay import lay_over
from llmfit.errors import LlmfitError

from .broken import DOUBLES, INTEGERS, TEXTS, bytes_of, text_of
from .catalogs import small, use
from .driver import One

DENSE: dict[str, Any] = {
    "id": "me/dense-8b", "params_total": 8030261248, "n_layers": 32, "hidden_size": 4096, "n_heads": 32,
    "n_kv_heads": 8, "head_dim": 128, "intermediate_size": 14336, "vocab_size": 128256, "context_length": 131072,
    "attention": "full", "model_type": "llama", "release_date": "2026-05-01", "use_case": "coding",
    "gguf_repos": ["me/dense-8b-GGUF"], "note": "trained at home",
}  # fmt: skip
MODELS: tuple[dict[str, Any], ...] = (
    DENSE,
    DENSE | {"id": "me/moe", "n_experts": 64, "n_experts_active": 8, "moe_intermediate_size": 1408,
             "params_active": 2.4e9, "base_id": "Qwen/Qwen3-8B"},
    DENSE | {"id": "me/hybrid", "linear_kind": "mamba2", "n_linear_layers": 24, "ssm_inner": 8192, "ssm_state": 128,
             "ssm_groups": 8, "ssm_heads": 128, "ssm_conv": 4},
    DENSE | {"id": "me/sized", "weight_bytes": 16 << 30, "disk_bytes": 17 << 30, "format": "bf16",
             "cells": {"context": 4096, "window": 1024}},
)  # fmt: skip


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value)


def own_models(folder: Path) -> One:
    """A file of facts with a value or bytes changed: refused in one line, or a row that is ranked as any other."""
    packed = msgspec.msgpack.decode(pack.pack(small(folder)), type=pack.Packed)

    def one(chance: random.Random) -> None:
        facts = dict(chance.choice(MODELS))
        for _ in range(chance.choice((0, 1, 1, 2))):
            key = chance.choice((*facts, *own.KEYS))
            changed = text_of(chance, str(facts.get(key, "x")))
            others = (*INTEGERS, *DOUBLES, *TEXTS, True, [1], [], {"a": 1}, {"name": "Q4_K_M"}, changed)
            facts[key] = chance.choice(others)
        text = "".join(f"{key} = {toml(value)}\n" for key, value in facts.items()).encode("utf-8", "replace")
        model = own.model_of(bytes_of(chance, text) if chance.randrange(3) == 0 else text, "m.toml")
        whole, problems = lay_over(packed, [], [("m.toml", model)])
        if problems:
            raise LlmfitError(problems[0])
        use(catalog := Catalog.of(whole))
        assert catalog.core.index_of(model.id) >= 0

    return one
