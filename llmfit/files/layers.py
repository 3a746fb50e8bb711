"""What each layer of a transformers configuration holds: what mixes its tokens, and its feed-forward.

A layer's word is one of MIXERS; `full`, `indexed`, `heavy` and `sparse` keep every token (or a compressed form of all),
`local` a window, `linear` a state, `both` attention and a state side by side, `none` nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from llmfit.files.model import count

if TYPE_CHECKING:
    from llmfit.files.config_file import Config

PERIODS = {
    "gemma2": 2, "gemma3": 6, "gemma3n": 5, "gemma4": 6, "gemma4_unified": 6, "cohere2": 4, "gpt_oss": 2, "olmo3": 4,
    "llama4": 4, "exaone4": 4, "exaone_moe": 4, "afmoe": 4, "beam": 6, "inkling": 6, "inkling2": 6, "inkling2_loop": 6,
    "vaultgemma": 1,
}  # fmt: skip
ALL_SLIDING = ("mistral", "mixtral", "phi3", "starcoder2", "ministral")  # all layers keep a window where one is set
WORDS = {
    "full_attention": "full", "attention": "full", "global": "full", "global_attention": "full",
    "sliding_attention": "local", "chunked_attention": "local", "local": "local", "window_attention": "local",
    "local_attention": "local", "reference_sliding_attention": "local", "hybrid_sliding": "local",
    "linear_attention": "linear", "mamba": "linear", "mamba2": "linear", "conv": "linear", "recurrent": "linear",
    "kda": "linear", "moe": "none", "mlp": "none", "none": "none", "cross_attention": "full",
    "indexed_attention": "indexed", "deepseek_sparse_attention": "indexed", "qwen_sparse_attention": "indexed",
    "minimax_m3_sparse": "blocks", "block_sparse_attention": "blocks", "sparse_attention": "blocks",
    "compressed_sparse_attention": "sparse", "heavily_compressed_attention": "heavy",
}  # fmt: skip
HYBRID = {"zamba": "both", "zamba2": "both", "falcon_h1": "both"}  # what the word hybrid means; elsewhere full
PATTERN = {"M": "linear", "*": "full", "-": "mlp", "E": "moe"}  # Nemotron-H: hybrid_override_pattern
SINGLE = ("nemotron_h", "NemotronH", "nemotron_h_puzzle")  # every layer is one thing: a mixer or a feed-forward


def words_of(c: Config) -> list[Any]:
    """The list that says of each layer what it is, if there is one."""
    said = c.words("layer_types") or c.words("layers_block_type")
    if not said and c.kind == "nemotron_h" and not c.text("hybrid_override_pattern"):
        return ["linear_attention", "moe", "full_attention", "mlp"]  # the class's own
    return said


def layer_count(c: Config, most: int) -> int:
    """Layers of the decoder; where only their list is given, as many as it has."""
    n = c.count("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_decoder_layers", "decoder_layers",
                "num_blocks", most=most)  # fmt: skip
    if c.kind.startswith(SINGLE):
        n = len(words_of(c)) or len(c.text("hybrid_override_pattern")) or n
    if c.kind == "hrm_text":  # two stacks; the number of layers counts each pass through them
        n = 2 * (c.count("num_layers_per_stack") or n)
    if c.kind == "dory" and "mlp" in words_of(c):
        n //= 2
    return n


def layer_words(c: Config, n_layers: int) -> list[str]:
    """The word of each layer; ValueError for one that there is no rule for."""
    kind, said = c.kind, words_of(c)
    if kind == "dory" and "mlp" in said:
        said = said[::2]
    if kind == "recurrent_gemma":
        said = (c.words("block_types") or said) * n_layers
    blocks = c.words("block_configs")
    if blocks:
        return ["none" if dropped(block, "attention") else "full" for block in [*blocks, *[{}] * n_layers][:n_layers]]
    if said:
        if len(said) < n_layers:
            raise ValueError(f"layer_types lists {len(said)} of {n_layers} layers")
        words = [HYBRID.get(kind, "full") if word == "hybrid" else word for word in said[:n_layers]]
        unknown = [
            word for word in words if not isinstance(word, str) or (word not in WORDS and word not in ("full", "both"))
        ]
        if unknown:
            raise ValueError(f"layer_types holds {str(unknown[0])[:40]!r}, for which there is no rule")
        if kind.startswith(SINGLE):
            return words
        words = [WORDS.get(word, word) for word in words]
        if kind.startswith(("qwen2", "qwen3")) and c.first("use_sliding_window") is not True:
            words = ["full" if word == "local" else word for word in words]
        if kind.startswith("gemma4") and words:
            words[-1] = "full" if words[-1] == "local" else words[-1]
        if kind.startswith(("qwen4_exp", "glm5_next")):
            words = ["indexed" if word == "full" else word for word in words]
        return ["both" if word == "linear" else word for word in words] if kind == "falcon_h1" else words
    pattern = c.text("hybrid_override_pattern")
    if pattern:
        if len(pattern) < n_layers or set(pattern) - set(PATTERN):
            raise ValueError("hybrid_override_pattern does not describe every layer")
        return [PATTERN[letter] for letter in pattern[:n_layers]]
    ratios = c.words("compress_ratios")
    if ratios:
        return [{0: "local", 4: "sparse"}.get(ratio, "heavy") for ratio in [*ratios, *[0] * n_layers][:n_layers]]
    return by_rule(c, kind, n_layers)


def layer_kinds(c: Config, kind: str, n_layers: int) -> list[str]:
    """By layer: full (every token is kept), local (a window), linear (a state) or none."""
    kinds = {"moe": "none", "mlp": "none", "both": "full", "indexed": "full", "blocks": "full", "sparse": "full",
             "heavy": "full"}  # fmt: skip
    return [kinds.get(word, word) for word in (WORDS.get(word, word) if c.kind.startswith(SINGLE) else word
                                               for word in layer_words(c, n_layers))]  # fmt: skip


def dropped(block: Any, part: str) -> bool:
    """Whether a layer of a pruned model (block_configs) has lost its attention or its feed-forward."""
    inner = block.get(part) if isinstance(block, dict) else None
    return isinstance(inner, dict) and bool(inner.get("no_op") or inner.get("replace_with_linear"))


def listed(places: list[Any], n_layers: int, first: int = 0, other: str = "linear") -> list[str]:
    """Full attention at the listed places, which count from `first`."""
    full = {count("a layer", place) - first for place in places}
    return ["full" if layer in full else other for layer in range(n_layers)]


def by_rule(c: Config, kind: str, n_layers: int) -> list[str]:
    """The same where a period, a list of places or the type of the model tells it."""
    layers = range(n_layers)
    if kind in ("mamba", "mamba2", "falcon_mamba", "xlstm") or kind.startswith("rwkv"):
        return ["linear"] * n_layers
    if kind == "falcon_h1":
        return ["both"] * n_layers
    if kind in ("deepseek_v32", "glm_moe_dsa", "hy_v4", "axk2", "mistral_large4") or (
        c.count("index_topk") and c.count("kv_lora_rank") and not kind.startswith(("glm5_next", "dots3_note"))
    ):
        return ["indexed"] * n_layers
    if kind.startswith("deepseek_v4"):
        return ["heavy"] * min(n_layers, 2) + ["sparse" if i % 2 else "heavy" for i in range(max(n_layers - 2, 0))]
    for key in ("attn_layer_indices", "full_attn_idxs"):
        if c.words(key):
            return listed(c.words(key), n_layers)
    if kind.startswith("bamba"):
        return ["linear"] * n_layers
    if c.words("hybrid_layer_pattern"):  # MiMo: 1 is a window
        marks = [*c.words("hybrid_layer_pattern"), *[0] * n_layers][:n_layers]
        return ["local" if mark == 1 else "full" for mark in marks]
    if c.words("local_layer_ids"):
        return ["local" if word == "full" else "full" for word in listed(c.words("local_layer_ids"), n_layers)]
    linear = c.part("linear_attn_config")
    if linear.words("full_attn_layers"):
        return listed(linear.words("full_attn_layers"), n_layers, first=1)
    marks = c.words("attn_type_list")
    if marks and 0 in marks:  # MiniMax: 1 is full attention
        return ["full" if mark == 1 else "linear" for mark in [*marks, *[1] * n_layers][:n_layers]]
    if kind == "minimax":
        return ["linear" if layer % 2 else "full" for layer in layers]
    if kind == "kimi_linear":
        return ["full" if layer and layer % 4 == 0 else "linear" for layer in layers]
    if kind.startswith("glm5_next"):
        return ["indexed" if layer % 4 == 3 else "linear" for layer in layers]
    if kind.startswith("dots3_note"):
        return ["indexed" if layer < 2 or layer % 4 == 1 else "local" for layer in layers]
    if kind.startswith("lara_mini"):
        return [("linear", "local", "linear", "full", "local")[layer % 5] for layer in layers]
    if kind.startswith("lfm3"):
        return ["full" if i % 4 == 2 else "local" if i % 4 == 0 and i else "linear" for i in layers]
    if kind.startswith("granitemoehybrid"):
        return ["linear"] * n_layers
    if kind == "mimo_v2_flash":
        return ["full" if i == 0 or (i + 1) % 6 == 0 else "local" for i in layers]
    if kind.startswith("muse_spark"):
        return ["local" if (n_layers - 1 - i) % 4 else "full" for i in layers]
    if kind == "zamba2":
        return ["both" if i in (6, 12, 18, 24, 30, 36, 42, 47, 51) else "linear" for i in layers]
    period = c.count("layer_group_size") if kind.startswith("bailing") else c.count("full_attention_interval")
    if not period and kind.startswith(("qwen3_next", "qwen3_5", "qwen4_exp", "olmo_hybrid", "minicpmv4_7")):
        period = 4
    if period > 1:
        full = "indexed" if kind.startswith("qwen4_exp") else "full"
        return [full if (layer + 1) % period == 0 else "linear" for layer in layers]
    period = c.count("attn_layer_period")
    if period > 1:
        offset = c.count("attn_layer_offset")
        if kind == "zamba":
            return [
                "both" if layer > 1 and (layer == 2 or (layer - offset - 1 + period) % period == 2) else "linear"
                for layer in layers
            ]
        return ["full" if layer % period == offset else "linear" for layer in layers]
    return windows(c, kind, n_layers)


def windows(c: Config, kind: str, n_layers: int) -> list[str]:
    """Layers with a window, by the period at which a full one comes."""
    window = c.count("sliding_window", "attention_chunk_size", "sliding_window_size", most=1 << 30)
    said = c.count("global_attn_every_n_layers", "sliding_window_pattern", "_sliding_window_pattern")
    if not window or c.first("use_sliding_window") is False or kind.startswith(("qwen2", "qwen3")):
        return ["full"] * n_layers
    if kind.startswith(ALL_SLIDING) and window < c.count("max_position_embeddings", most=1 << 40):
        return ["local"] * n_layers
    period = said or PERIODS.get(re.sub(r"_text$", "", kind), 0)
    kinds = ["local" if period and (layer + 1) % period else "full" for layer in range(n_layers)]
    if kind.startswith(("gemma4", "beam")) and kinds:
        kinds[-1] = "full"
    return kinds


def ffn_kinds(c: Config, words: list[str]) -> list[str]:
    """By layer: dense, moe or none (a layer that mixes tokens alone)."""
    kind, n = c.kind, len(words)
    if kind.startswith(SINGLE):
        return [{"moe": "moe", "mlp": "dense"}.get(word, "none") for word in words]
    blocks = c.words("block_configs")
    if blocks:
        return ["none" if dropped(block, "ffn") else "dense" for block in [*blocks, *[{}] * n][:n]]
    if c.experts() <= 1:
        return ["dense"] * n
    if kind in ("zamba", "zamba2", "mamba", "mamba2"):
        return ["none"] * n
    said = c.words("mlp_layer_types")
    if len(said) >= n > 0:
        return ["dense" if word == "dense" else "moe" for word in said[:n]]
    marks = c.words("moe_layer_freq")
    if marks:
        return ["moe" if mark else "dense" for mark in [*marks, *[1] * n][:n]]
    enum = c.first("moe_layers_enum", "moe_layers")
    if isinstance(enum, str):
        enum = [int(item) for item in enum.split(",") if item.strip().isdigit()]
    if isinstance(enum, list) and enum:
        return ["moe" if word == "full" else "dense" for word in listed(enum[:8192], n)]
    return by_places(c, kind, n)


def by_places(c: Config, kind: str, n: int) -> list[str]:
    """The same where the first layers, a step or single places are dense."""
    first = c.count(
        "first_k_dense_replace",
        "num_dense_layers",
        "moe_layer_start_index",
        "n_dense_first_layers",
        "dense_mlp_idx",
        most=1 << 13,
    )
    if (
        not first
        and kind in FIRST_DENSE
        and not c.said("first_k_dense_replace", "num_dense_layers", "mlp_layer_types", "mlp_only_layers")
    ):
        first = FIRST_DENSE[kind]
    end = (
        c.count("moe_layer_end_index", most=1 << 13)
        if isinstance(c.first("moe_layer_end_index"), int) and c.first("moe_layer_end_index") >= 0
        else n - 1
    )
    step = c.count("decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_freq", "moe_layer_interval") or 1
    behind = (
        "decoder_sparse_step"
        if c.count("decoder_sparse_step")
        else "interleave"
        if c.count("interleave_moe_layer_step", "moe_layer_interval")
        else ""
    )
    only = {place for place in c.words("mlp_only_layers") if isinstance(place, int)}
    period, offset = c.count("expert_layer_period"), c.count("expert_layer_offset")
    found = []
    for i in range(n):
        sparse = first <= i <= end and i not in only
        if period > 1:
            sparse = sparse and i % period == offset
        elif step > 1:
            sparse = sparse and (i + 1 if behind else i) % step == 0
        found.append("moe" if sparse else "dense")
    return found


# Dense layers that come first where no key says so.
FIRST_DENSE = {
    "flint": 2,
    "unlimited_ocr_text": 1,
    "axk1": 1,
    "axk2": 1,
    "hy_v3": 1,
    "hy_v4": 1,
    "hy_v4_vl_text": 1,
    "beam": 3,
    "glm4_moe_lite": 1,
    "glm5_next_text": 3,
    "laguna": 1,
    "mimo_v2_flash": 1,
    "dots3_note_text": 1,
    "kimi_linear": 1,
    "step3p5": 3,
    "exaone_moe": 1,
    "ernie4_5_vl_moe_text": 1,
}
