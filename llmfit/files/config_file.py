"""A config.json as nested values: the language model's part, then the outer part, then its class's defaults."""

from __future__ import annotations

import json
from typing import Any

from llmfit.files.model import MOST, count

NESTED = ("text_config", "llm_config", "language_config", "language_model", "thinker_config")

# What published configurations leave to the defaults of transformers' classes.
LLAMA = {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32}
DEFAULTS: dict[str, dict[str, int]] = {
    "gemma3_text": {"vocab_size": 262208, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
                    "max_position_embeddings": 131072},
    "llama": {**LLAMA, "vocab_size": 32000},
    "mistral": {**LLAMA, "vocab_size": 32000, "intermediate_size": 14336, "num_key_value_heads": 8},
}  # fmt: skip


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
    """The part of a configuration that describes the language model, with the outer part behind it."""

    def __init__(self, outer: dict[str, Any]) -> None:
        self.outer = self.inner = outer
        for _ in range(3):  # omni models nest twice
            inner = next((self.inner[key] for key in NESTED if isinstance(self.inner.get(key), dict)), None)
            if inner is None:
                break
            self.inner = inner
        kind = self.inner.get("model_type")
        nested = self.inner is not outer and isinstance(kind, str)
        self.defaults = DEFAULTS.get(kind, {}) if nested and isinstance(kind, str) else {}

    def first(self, *keys: str) -> Any:
        """What stands under the first of these keys that says something, in the inner part, then in the outer one."""
        for part in (self.inner, self.outer):
            for key in keys:
                if part.get(key) is not None:
                    return part[key]
        return next((self.defaults[key] for key in keys if key in self.defaults), None)

    def assumed(self) -> list[str]:
        """The keys that it leaves to the defaults of its class."""
        return [key for key in self.defaults if self.inner.get(key) is None and self.outer.get(key) is None]

    def count(self, *keys: str, most: int = 1 << 25) -> int:
        """A whole number under one of these keys, 0 where none is there; of a list the largest."""
        value = self.first(*keys)
        if isinstance(value, list):
            return max((count(keys[0], item, most) for item in value[:8192]), default=0)
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
