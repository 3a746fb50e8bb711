"""Tiny GGUF files as the `gguf` package writes them: the metadata of a model, and tensors of zeros."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np

KINDS = gguf.GGMLQuantizationType


def write(path: Path, family: str, facts: dict[str, Any], tensors: dict[str, tuple[tuple[int, ...], str]]) -> int:
    """Write metadata (keys without the family's prefix, or `general.*`) and zero tensors; returns the tensors' bytes.

    Shapes are (rows, columns) or with the experts before; types are ggml's names.
    """
    writer = gguf.GGUFWriter(path, family)
    for key, value in facts.items():
        full = key if key.startswith(("general.", "split.", "tokenizer.")) else f"{family}.{key}"
        if isinstance(value, bool):
            writer.add_bool(full, value)
        elif isinstance(value, int):
            (writer.add_uint16 if full in ("split.no", "split.count") else writer.add_uint32)(full, value)
        elif isinstance(value, float):
            writer.add_float32(full, value)
        elif isinstance(value, str):
            writer.add_string(full, value)
        else:
            writer.add_array(full, list(value))
    total = 0
    for name, (shape, kind) in tensors.items():
        block, size = gguf.GGML_QUANT_SIZES[KINDS[kind]]
        stored = (*shape[:-1], shape[-1] // block * size)
        writer.add_tensor(name, np.zeros(stored, dtype=np.uint8), raw_dtype=KINDS[kind])
        total += int(np.prod(stored))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return total


TOKENS = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": [f"t{i}" for i in range(64)]}
BASE: dict[str, tuple[tuple[int, ...], str]] = {
    "token_embd.weight": ((64, 256), "Q4_K"),
    "output.weight": ((64, 256), "Q6_K"),
    "output_norm.weight": ((256,), "F32"),
    "blk.0.attn_q.weight": ((256, 256), "Q4_K"),
    "blk.0.ffn_down.weight": ((256, 512), "Q5_0"),
}
