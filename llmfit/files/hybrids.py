"""What each layer of a transformers configuration keeps, and the recurrent state of those without attention."""

from __future__ import annotations

from typing import Any

from llmfit.files.config_file import Config
from llmfit.files.model import count

PERIODS = {
    "gemma2": 2, "gemma3": 6, "gemma3n": 5, "gemma4": 6, "cohere2": 4, "gpt_oss": 2, "olmo3": 4, "llama4": 4,
    "exaone4": 4, "afmoe": 4,
}  # fmt: skip
ALL_SLIDING = ("mistral", "mixtral", "phi3", "starcoder2")  # all layers keep a window where one is set
WORDS = {
    "full_attention": "full", "attention": "full", "global": "full", "sliding_attention": "local",
    "chunked_attention": "local",
    "local": "local", "linear_attention": "linear", "mamba": "linear", "mamba2": "linear", "conv": "linear",
    "recurrent": "linear", "moe": "none", "mlp": "none",
}  # fmt: skip
PATTERN = {"M": "linear", "*": "full", "-": "none", "E": "none"}  # Nemotron-H: hybrid_override_pattern


def layer_kinds(c: Config, kind: str, n_layers: int) -> list[str]:
    """By layer: full, local (a window), linear (a state) or none (feed-forward alone); ValueError for another word."""
    said = c.words("layer_types") or c.words("layers_block_type")
    if said:
        if len(said) < n_layers:
            raise ValueError(f"layer_types lists {len(said)} of {n_layers} layers")
        unknown = [word for word in said if not isinstance(word, str) or word not in WORDS]
        if unknown:
            raise ValueError(f"layer_types holds {str(unknown[0])[:40]!r}, for which there is no rule")
        kinds = [WORDS[word] for word in said[:n_layers]]
        if kind.startswith(("qwen2", "qwen3")) and c.first("use_sliding_window") is not True:
            return ["full" if word == "local" else word for word in kinds]
        return kinds
    pattern = c.text("hybrid_override_pattern")
    if pattern:
        if len(pattern) < n_layers or set(pattern) - set(PATTERN):
            raise ValueError("hybrid_override_pattern does not describe every layer")
        return [PATTERN[letter] for letter in pattern[:n_layers]]
    return by_rule(c, kind, n_layers)


def listed(places: list[Any], n_layers: int, first: int = 0) -> list[str]:
    """Full attention at the listed places, which count from `first`."""
    full = {count("a layer", place) - first for place in places}
    return ["full" if layer in full else "linear" for layer in range(n_layers)]


def by_rule(c: Config, kind: str, n_layers: int) -> list[str]:
    """The same where a period, a list of places or the type of the model tells it."""
    if kind in ("mamba", "mamba2", "falcon_mamba") or kind.startswith("rwkv"):
        return ["linear"] * n_layers
    for key in ("attn_layer_indices", "full_attn_idxs"):
        if c.words(key):
            return listed(c.words(key), n_layers)
    linear = c.part("linear_attn_config")
    if linear.words("full_attn_layers"):
        return listed(linear.words("full_attn_layers"), n_layers, first=1)
    marks = c.words("attn_type_list")
    if marks and 0 in marks:  # MiniMax: 1 is full attention
        return ["full" if mark == 1 else "linear" for mark in [*marks, *[1] * n_layers][:n_layers]]
    period = c.count("full_attention_interval")
    if period > 1:
        return ["full" if (layer + 1) % period == 0 else "linear" for layer in range(n_layers)]
    period = c.count("attn_layer_period")
    if period > 1:
        offset = c.count("attn_layer_offset")
        return ["full" if layer % period == offset else "linear" for layer in range(n_layers)]
    window = c.count("sliding_window", "attention_chunk_size", most=1 << 30)
    if not window or c.first("use_sliding_window") is False or kind.startswith(("qwen2", "qwen3")):
        return ["full"] * n_layers
    if kind.startswith(ALL_SLIDING) and window < c.count("max_position_embeddings", most=1 << 40):
        return ["local"] * n_layers
    period = c.count("sliding_window_pattern", "_sliding_window_pattern") or PERIODS.get(kind.removesuffix("_text"), 0)
    return ["local" if period and (layer + 1) % period else "full" for layer in range(n_layers)]


def linear_facts(c: Config, kind: str, kinds: list[str], attention: dict[str, Any]) -> dict[str, Any]:
    """The recurrent state of the layers without attention: kind, widths, convolution. Empty where there are none."""
    n = len(kinds) if kind == "falcon_h1" else kinds.count("linear")
    if not n:
        return {}
    hidden = c.count("hidden_size", "n_embd", "d_model")
    facts: dict[str, Any] = {"n_linear_layers": n, "n_full_attn_layers": kinds.count("full")}
    if c.count("linear_num_value_heads"):
        heads, groups = c.count("linear_num_value_heads"), c.count("linear_num_key_heads")
        return facts | {
            "linear_kind": "gated_delta_net", "ssm_inner": heads * c.count("linear_value_head_dim"), "ssm_heads": heads,
            "ssm_state": c.count("linear_key_head_dim"), "ssm_groups": groups,
            "ssm_conv": c.count("linear_conv_kernel_dim"),
        }  # fmt: skip
    kda = c.part("linear_attn_config")
    if kda.count("num_heads"):
        heads, dim = kda.count("num_heads"), kda.count("head_dim")
        return facts | {"linear_kind": "kda", "ssm_inner": heads * dim, "ssm_heads": heads, "ssm_state": dim,
                        "ssm_groups": heads, "ssm_conv": kda.count("short_conv_kernel_size")}  # fmt: skip
    if c.count("conv_L_cache"):
        return facts | {"linear_kind": "short_conv", "ssm_inner": hidden, "ssm_conv": c.count("conv_L_cache")}
    if kind.startswith("rwkv"):
        return facts | {
            "linear_kind": "rwkv7",
            "ssm_inner": hidden,
            "ssm_state": c.count("head_dim", "head_size") or 64,
        }
    if kind.startswith(("minimax", "bailing")):
        inner = attention["n_heads"] * attention["head_dim"]
        return facts | {"linear_kind": "lightning", "ssm_inner": inner, "ssm_heads": attention["n_heads"],
                        "ssm_state": attention["head_dim"], "ssm_groups": attention["n_heads"]}  # fmt: skip
    heads = c.count("mamba_n_heads", "mamba_num_heads") or (c.count("num_heads") if kind == "mamba2" else 0)
    dim = c.count("mamba_d_head", "mamba_head_dim") or (c.count("head_dim") if kind == "mamba2" else 0)
    inner = (
        c.count("mamba_d_ssm")
        or heads * dim
        or c.count("mamba_expand", "expand") * hidden
        or c.count("d_inner", "intermediate_size")
    )
    state = c.count("mamba_d_state", "ssm_state_size", "state_size")
    conv = c.count("mamba_d_conv", "conv_kernel", "mamba_conv_kernel")
    if not state or not inner:
        raise ValueError(f"the state of its recurrent layers ({kind[:40] or 'no model_type'}) is not described")
    facts |= {"ssm_inner": inner, "ssm_state": state, "ssm_conv": conv}
    if heads:
        return facts | {
            "linear_kind": "mamba2",
            "ssm_heads": heads,
            "ssm_groups": c.count("mamba_n_groups", "n_groups") or 1,
        }
    return facts | {"linear_kind": "mamba1"}
