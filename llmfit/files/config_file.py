"""A config.json as transformers reads it: keys under any of their names, the text part, defaults of its class."""

from __future__ import annotations

import json
import os
from functools import cache
from typing import Any

from llmfit.files.model import MOST, count

NESTED = (
    "text_config",
    "llm_config",
    "language_config",
    "language_model",
    "thinker_config",
    "lm_config",
    "text_model_config",
    "decoder",
)
HIDDEN = ("hidden_size", "n_embd", "d_model", "dim", "embed_dim", "dim_model", "emb_dim")
TIED = ("gemma", "cohere", "gpt2", "bloom", "falcon", "mpt", "t5", "opt", "mamba", "lfm2", "gpt_bigcode", "starcoder2")
SIZES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "max_position_embeddings",
)
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_moe_experts")
CHOSEN = (
    "num_experts_per_tok",
    "num_experts_per_token",
    "moe_topk",
    "moe_k",
    "top_k_experts",
    "moe_top_k",
    "num_selected_experts",
)


def parsed(text: bytes) -> dict[str, Any]:
    """The object of a config.json; ValueError where it is none. NaN and Infinity stand in real ones."""
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"it is not JSON ({str(error)[:80]})") from None
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    return found


class Config:
    """The part of a configuration that describes the language model; behind it the outer part, then the class."""

    def __init__(self, outer: dict[str, Any], defaults: dict[str, dict[str, Any]] | None = None) -> None:
        self.outer = self.inner = outer
        for _ in range(3):  # omni models nest twice
            inner = next((self.inner[key] for key in NESTED if isinstance(self.inner.get(key), dict)), None)
            if inner is None:
                break
            self.inner = inner
        kind = self.inner.get("model_type") or ""
        known = defaults or {}
        if self.inner is outer and known.get(str(kind), {}).get("text"):  # a composite that leaves its text part out
            kind = known[str(kind)]["text"]
        self.kind = kind if isinstance(kind, str) else ""
        if not self.kind and self.inner is not outer:
            said = outer.get("model_type")
            self.kind = known.get(said, {}).get("text", said) if isinstance(said, str) else ""
        self.defaults: dict[str, Any] = known.get(self.kind, {})
        said = outer.get("model_type")
        self.composite: dict[str, Any] = (
            known.get(said, {}) if self.inner is not outer and isinstance(said, str) else {}
        )

    def first(self, *keys: str) -> Any:
        """What stands under the first of these keys that says something, in the inner part, then in the outer one."""
        for part in (self.inner, self.outer):
            for key in keys:
                if part.get(key) is not None:
                    return part[key]
        if any(key in self.inner for key in keys):  # null: none, whatever the class says
            return None
        return next((self.defaults[key] for key in keys if key in self.defaults), None)

    def said(self, *keys: str) -> bool:
        """Whether the file itself says one of these."""
        return any(part.get(key) is not None for part in (self.inner, self.outer) for key in keys)

    def assumed(self) -> list[str]:
        """The sizes that a file leaves to the defaults of its class."""
        return [
            key for key in SIZES if self.defaults.get(key) and not any(key in part for part in (self.inner, self.outer))
        ]

    def count(self, *keys: str, most: int = 1 << 25) -> int:
        """A whole number under one of these keys, 0 where none is there; of a list the largest."""
        value = self.first(*keys)
        if isinstance(value, list):
            return max((count(keys[0], item, most) for item in value[:8192]), default=0)
        if value == "auto":
            return 0
        return count(keys[0], value, most)

    def words(self, key: str) -> list[Any]:
        """A list of at most as many items as a model has layers."""
        value = self.first(key)
        return value[: MOST["n_layers"]] if isinstance(value, list) else []

    def part(self, key: str) -> Config:
        """An object within, empty where there is none."""
        value = self.first(key)
        return Config(value if isinstance(value, dict) else {})

    def text(self, key: str) -> str:
        value = self.first(key)
        return value if isinstance(value, str) else ""

    def layer(self, i: int, word: str) -> dict[str, Any]:
        """What a layer has of its own: per_layer_config, and lists with an item a layer."""
        found: dict[str, Any] = {}
        for key, name in PER_LAYER.items():
            items = self.first(key)
            if isinstance(items, list) and len(items) > i:
                found[name] = items[i]
        if self.kind.startswith("hy_v4") and not self.words("indexer_types") and i and (i - 1) % 4:
            found["indexer_types"] = "shared"
        if self.kind.startswith("dots3_note") and word == "local":
            found |= {name: self.count(f"swa_{name}") or usual for name, usual in DOTS3_WINDOW.items()}
        own = self.first("per_layer_config")
        if not isinstance(own, dict) and word == "full" and self.kind.startswith("gemma4"):
            found["head_dim"] = self.count("global_head_dim") or 512
            if self.count("num_global_key_value_heads") and self.first("attention_k_eq_v") is True:
                found["num_key_value_heads"] = self.count("num_global_key_value_heads")
        if isinstance(own, dict):
            said = own.get(str(i), own.get(f"{i:02d}", own.get(f"{i:03d}")))
            found |= said if isinstance(said, dict) else {}
        return found

    def overlaid(self, own: dict[str, Any]) -> Config:
        """The same with keys of one layer before all others."""
        other = object.__new__(Config)
        other.outer, other.defaults, other.kind, other.composite = self.outer, self.defaults, self.kind, self.composite
        other.inner = {**self.inner, **own} if own else self.inner
        return other

    def tied(self) -> bool:
        """Whether one matrix is embedding and output: the outer flag, else the text part, else its class."""
        outer = self.outer.get("tie_word_embeddings")
        if (
            not isinstance(outer, bool)
            and self.composite.get("tie_word_embeddings") is False
            and not self.said("tie_word_embeddings")
        ):
            return False
        said = outer if isinstance(outer, bool) else self.first("tie_word_embeddings")
        return said if isinstance(said, bool) else self.kind.startswith(TIED)

    def hidden(self) -> int:
        return self.count(*HIDDEN)

    def vocab(self) -> int:
        return self.count("vocab_size", "padded_vocab_size", "n_vocab", "n_words")

    def context(self) -> int:
        return self.count(
            "max_position_embeddings",
            "n_positions",
            "max_seq_len",
            "seq_length",
            "max_sequence_length",
            "n_ctx",
            "model_max_length",
            "max_sequence_length",
            "context_length",
            most=1 << 40,
        )

    def experts(self) -> int:
        """Routed experts of a layer; 0 or 1: none."""
        if self.kind == "doge" and self.first("is_moe") is not True:
            return 0
        if self.kind.startswith("gemma4") and self.first("enable_moe_block") is not True:
            return 0
        if self.kind.startswith("step3p5"):
            return self.count("moe_num_experts", "n_routed_experts")
        return self.count(*EXPERTS) or self.part("ffn_config").count("moe_num_experts")

    def chosen(self) -> int:
        """Experts that one token uses."""
        return min(self.experts(), self.count(*CHOSEN) or self.part("ffn_config").count("moe_top_k"))

    def expert_width(self) -> int:
        """Width of one routed expert."""
        if self.kind.startswith("llama4"):
            return self.count("intermediate_size")
        wide = self.count("moe_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size")
        wide = wide or self.count("intermediate_size", "ffn_hidden_size")
        return wide or self.part("ffn_config").count("ffn_hidden_size")

    def shared_width(self) -> int:
        """Width of all shared experts of a layer together."""
        if self.kind.startswith("llama4"):
            return self.count("intermediate_size")
        number = self.count("n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert")
        own = self.count(
            "shared_expert_intermediate_size",
            "shared_intermediate_size",
            "moe_shared_expert_intermediate_size",
            "share_expert_dim",
            "shared_experts_intermediate_size",
        )
        if self.kind.startswith("nemotron_h"):
            return own if number else 0
        if self.kind.startswith("dots3_note") and own:
            return number * own
        if self.kind.startswith("deepseek_v4"):
            return self.expert_width()
        if self.kind.startswith("hunyuan_v1_moe"):
            return (self.count("num_shared_expert") or 1) * self.count("intermediate_size")
        return own or number * self.expert_width()


# What window layers of dots3-note have where the file does not say swa_...
DOTS3_WINDOW = {
    "num_attention_heads": 64, "num_key_value_heads": 64, "q_lora_rank": 1024, "kv_lora_rank": 1024,
    "qk_nope_head_dim": 192, "qk_rope_head_dim": 64, "v_head_dim": 128,
}  # fmt: skip
PER_LAYER = {
    "indexer_types": "indexer_types",
    "num_attention_heads_per_layer": "num_attention_heads",
    "intermediate_size": "intermediate_size",
    "num_key_value_heads": "num_key_value_heads",
    "num_query_heads": "num_attention_heads",
    "num_kv_heads": "num_kv_heads",
    "no_rope_layers": "no_rope_layers",
}


@cache
def class_defaults() -> dict[str, dict[str, Any]]:
    """By model type what its class takes for a key left out; `text`: the type of a composite's text part."""
    found: dict[str, dict[str, Any]] = json.loads(resource("class_defaults.json"))
    return found


def resource(name: str) -> bytes:
    with open(os.path.join(os.path.dirname(__file__), name), "rb") as file:
        return file.read()
