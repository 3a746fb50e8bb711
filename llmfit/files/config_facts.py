"""The facts of records.Model and records.Architecture that memory and speed follow from, out of a configuration."""

from __future__ import annotations

from typing import Any

from llmfit.files import mixers
from llmfit.files.config_file import Config
from llmfit.files.layers import ffn_kinds


def attention_facts(c: Config, kinds: list[str], n_layers: int, hidden: int) -> dict[str, Any]:
    """Heads, their dimensions, latent caches, windows."""
    if kinds and not {"full", "local"} & set(kinds):
        return {"n_heads": 0, "n_kv_heads": 0, "head_dim": 0, "v_head_dim": 0, "n_full_attn_layers": 0}
    at = kinds.index("full") if "full" in kinds else 0
    full = c.overlaid(c.layer(at, "full"))
    heads, kv, dim, value = mixers.heads_of(full, hidden)
    twice = 2 if c.kind == "longcat_flash" else 1  # two blocks of attention a layer
    facts: dict[str, Any] = {"n_heads": heads, "n_kv_heads": min(kv, heads), "head_dim": dim}
    latent = c.count("kv_lora_rank")
    if latent:
        rope, nope = c.count("qk_rope_head_dim"), c.count("qk_nope_head_dim")
        facts |= {
            "kv_lora_rank": latent, "rope_head_dim": rope, "head_dim": nope + rope, "n_kv_heads": heads,
            "v_head_dim": c.count("v_head_dim"), "q_lora_rank": c.count("q_lora_rank"), "qk_nope_head_dim": nope,
        }  # fmt: skip
        return facts | ({"n_full_attn_layers": 2 * n_layers} if twice == 2 else {})
    facts["v_head_dim"] = value if value != dim else 0
    local = [i for i, word in enumerate(kinds) if word == "local"]
    if local:
        near = c.overlaid(c.layer(local[0], "local"))
        _, near_kv, near_dim, near_value = mixers.heads_of(near, hidden)
        near_kv = c.count("swa_num_key_value_heads") or near_kv * (2 if c.kind == "mimo_v2_flash" else 1)
        near_dim = c.count("swa_head_dim") or near_dim
        facts |= {
            "n_kv_heads": min(near_kv, max(heads, near_kv)),
            "head_dim": near_dim,
            "v_head_dim": near_value if near_value != near_dim else 0,
            "full_kv_heads": kv if kv != near_kv else 0,
            "full_head_dim": dim if dim != near_dim else 0,
        }
        facts["sliding_window"] = window_of(c)
        facts["full_attention_layers"] = tuple(i for i, word in enumerate(kinds) if word == "full")
    facts["kv_shared_layers"] = c.count("num_kv_shared_layers")
    facts["n_full_attn_layers"] = kinds.count("full")
    return facts


def window_of(c: Config) -> int:
    """Tokens that a window layer keeps."""
    return c.count(
        "sliding_window",
        "sliding_window_size",
        "attention_chunk_size",
        "window_size",
        "attention_window_size",
        "local_attention",
        most=1 << 30,
    )


def experts_facts(c: Config, words: list[str]) -> dict[str, Any]:
    """Experts, how many are used and shared, how many layers have none."""
    ffns = ffn_kinds(c, words)
    n = c.experts()
    if n <= 1 or "moe" not in ffns:
        return {}
    shared = c.shared_width()
    if c.first("enable_moe_block") is True:  # a dense feed-forward beside the experts
        shared += c.count("intermediate_size")
    return {
        "n_experts": n,
        "n_experts_active": c.chosen(),
        "moe_intermediate_size": c.expert_width(),
        "n_experts_shared": c.count(
            "n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert"
        ),
        "shared_intermediate_size": shared,
        "n_dense_layers": ffns.count("dense"),
        "moe_latent_size": c.count("moe_latent_size", "routed_expert_hidden_size", "moe_hidden_size"),
    }


def linear_facts(
    c: Config, kinds: list[str], words: list[str], attention: dict[str, Any], hidden: int
) -> dict[str, Any]:
    """The recurrent state of the layers without attention: kind, widths, convolution. Empty where there are none."""
    n = kinds.count("linear") + words.count("both")
    if not n:
        return {}
    kind = c.kind
    facts: dict[str, Any] = {"n_linear_layers": n, "n_full_attn_layers": kinds.count("full")}
    if c.count("linear_num_value_heads") or kind.startswith("olmo_hybrid"):
        heads = c.count("linear_num_value_heads") or c.count(*mixers.HEADS)
        dim = c.count("linear_key_head_dim") or 3 * hidden // (4 * heads)
        return facts | {
            "linear_kind": "gated_delta_net", "ssm_inner": heads * (c.count("linear_value_head_dim") or 2 * dim),
            "ssm_heads": heads, "ssm_state": dim, "ssm_groups": c.count("linear_num_key_heads") or heads,
            "ssm_conv": c.count("linear_conv_kernel_dim"),
        }  # fmt: skip
    inner = c.part("linear_attn_config")
    if inner.count("num_heads") or kind.startswith(("kimi_linear", "bailing_hybrid", "glm5_next")):
        heads = inner.count("num_heads") or c.count("linear_num_heads") or c.count(*mixers.HEADS)
        dim = inner.count("head_dim") or c.count("linear_head_dim") or c.count("head_dim")
        conv = inner.count("short_conv_kernel_size") or c.count("linear_conv_kernel_dim", "short_conv_kernel_size")
        return facts | {"linear_kind": "kda", "ssm_inner": heads * dim, "ssm_heads": heads, "ssm_state": dim,
                        "ssm_groups": heads, "ssm_conv": conv}  # fmt: skip
    if c.count("conv_L_cache"):
        return facts | {"linear_kind": "short_conv", "ssm_inner": hidden, "ssm_conv": c.count("conv_L_cache")}
    if kind.startswith("rwkv"):
        return facts | {
            "linear_kind": "rwkv7",
            "ssm_inner": hidden,
            "ssm_state": c.count("head_dim", "head_size") or 64,
        }
    if kind.startswith(("minimax", "bailing")):
        return facts | {"linear_kind": "lightning", "ssm_inner": attention["n_heads"] * attention["head_dim"],
                        "ssm_heads": attention["n_heads"], "ssm_state": attention["head_dim"],
                        "ssm_groups": attention["n_heads"]}  # fmt: skip
    if kind == "xlstm":
        heads = c.count("num_heads")
        key = int(hidden * float(c.first("qk_dim_factor") or 0.5)) // max(heads, 1)
        return facts | {
            "linear_kind": "lightning",
            "ssm_inner": hidden,
            "ssm_heads": heads,
            "ssm_state": key,
            "ssm_groups": heads,
        }
    if kind.startswith("recurrent_gemma"):
        return facts | {"linear_kind": "mamba1", "ssm_inner": c.count("lru_width") or hidden, "ssm_state": 1,
                        "ssm_conv": c.count("conv1d_width")}  # fmt: skip
    return facts | mamba_facts(c, hidden)


def mamba_facts(c: Config, hidden: int) -> dict[str, Any]:
    """The state of a Mamba layer of either generation."""
    kind = c.kind
    heads = c.count("mamba_n_heads", "mamba_num_heads", "n_mamba_heads") or (
        c.count("num_heads") if kind == "mamba2" else 0
    )
    wide = mixers.width_of_state(c, hidden)
    state = c.count("mamba_d_state", "ssm_state_size", "state_size")
    conv = c.count("mamba_d_conv", "conv_kernel", "mamba_conv_kernel")
    if not state or not wide:
        raise ValueError(f"the state of its recurrent layers ({kind[:40] or 'no model_type'}) is not described")
    facts = {"ssm_inner": wide, "ssm_state": state, "ssm_conv": conv}
    if heads and kind != "zamba":
        return facts | {"linear_kind": "mamba2", "ssm_heads": heads,
                        "ssm_groups": c.count("mamba_n_groups", "n_groups", "mamba_ngroups") or 1}  # fmt: skip
    return facts | {"linear_kind": "mamba1"}


def sparse_facts(c: Config, words: list[str]) -> dict[str, Any]:
    """What layers keep beside or instead of keys and values: an indexer's keys (a shared indexer's stand in another
    layer), cells of several tokens behind a window of keys (DeepSeek-V4).
    """
    width, csa, hca = c.count("index_head_dim"), words.count("sparse"), words.count("heavy")
    if csa or hca:
        facts = {"n_full_attn_layers": 0, "n_kv_heads": 1, "v_head_dim": 0, "full_attention_layers": ()}
        window = c.count("sliding_window") or 128
        return {**facts, "sliding_window": window, "csa_layers": csa, "hca_layers": hca, "indexer_width": width}
    types = c.words("indexer_types")
    own = sum(word == "indexed" and "shared" not in types[at : at + 1] for at, word in enumerate(words))
    return {"indexer_layers": own, "indexer_width": width} if own and width else {}
