"""What each layer of a GGUF model keeps, as llama.cpp runs it (its src/llama-model.cpp and src/llama-hparams.cpp).

A KV head count of 0 marks a layer without attention; a window is used only where the architecture has one; an MLA cache
needs `key_length_mla`.
"""

from __future__ import annotations

from typing import Any

from llmfit.files.gguf_header import Length
from llmfit.files.model import attention_of, count

# Every n-th layer sees everything, the others a window; where the file does not say (llama.cpp's set_swa_pattern).
PERIODS = {
    "afmoe": 4, "cohere2": 4, "exaone4": 4, "exaone-moe": 4, "gemma2": 2, "gemma3": 6, "gemma3n": 5,
    "gemma-embedding": 6,
    "gpt-oss": 2, "llama4": 4, "olmo2": 4, "plamo3": 8, "smallthinker": 4, "laguna": 4, "mellum": 4, "muse-glimmer": 4,
    "cohere2moe": 4, "modern-bert": 3,
}  # fmt: skip
FULL_FIRST = {"laguna", "cohere2moe", "modern-bert", "smallthinker"}  # the first of each n, not the last
NO_WINDOW = {"llama", "mistral3", "phi3", "phimoe", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "starcoder2"}
CHUNKS = {"llama4": 8192}  # attention in chunks, whose size no key holds
ENCODERS = {
    "bert",
    "modern-bert",
    "nomic-bert",
    "nomic-bert-moe",
    "neo-bert",
    "jina-bert-v2",
    "jina-bert-v3",
    "eurobert",
}
RECURRENT = {
    "mamba": "mamba1",
    "mamba2": "mamba2",
    "rwkv6": "rwkv7",
    "rwkv6qwen2": "rwkv7",
    "rwkv7": "rwkv7",
    "arwkv7": "rwkv7",
}


def per_layer(value: Any, n_layers: int, what: str) -> list[int]:
    """One count for each layer, of a number or a list."""
    if isinstance(value, Length):
        raise ValueError(f"{what} lists {value} layers")
    values = list(value) if isinstance(value, tuple) else [value or 0] * n_layers
    if len(values) < n_layers:
        raise ValueError(f"{what} lists {len(values)} of {n_layers} layers")
    return [count(what, item) for item in values[:n_layers]]


def window_layers(get: Any, family: str, n_layers: int) -> list[bool]:
    """By layer: whether it keeps a window only."""
    pattern = get("attention.sliding_window_pattern")
    if isinstance(pattern, tuple):
        if len(pattern) < n_layers:
            raise ValueError(f"attention.sliding_window_pattern lists {len(pattern)} of {n_layers} layers")
        return [bool(item) for item in pattern[:n_layers]]
    period = count("attention.sliding_window_pattern", pattern) or PERIODS.get(family, 0)
    if not period or family in NO_WINDOW:
        return [False] * n_layers
    full = 0 if family in FULL_FIRST else period - 1
    return [layer % period != full for layer in range(n_layers)]


def attention_facts(get: Any, family: str, n_layers: int) -> tuple[dict[str, Any], dict[str, float], list[bool]]:
    """(facts, cells, by layer: has it attention)."""
    heads = per_layer(get("attention.head_count"), n_layers, "attention.head_count")
    kv_value = get("attention.head_count_kv")
    kv = heads if kv_value is None else per_layer(kv_value, n_layers, "attention.head_count_kv")
    interval = count("full_attention_interval", get("full_attention_interval"))
    if not interval and family in ("qwen3next", "qwen35", "qwen35moe", "qwen4exp"):
        interval = 4
    attends = [bool(n) and (not interval or (layer + 1) % interval == 0) for layer, n in enumerate(kv)]
    if family in RECURRENT:
        attends = [False] * n_layers
    n_heads = max(heads)
    hidden = count("embedding_length", get("embedding_length"))
    dim = count("attention.key_length", get("attention.key_length")) or (hidden // n_heads if n_heads else 0)
    value = count("attention.value_length", get("attention.value_length")) or dim
    window = count("attention.sliding_window", get("attention.sliding_window"), 1 << 30) or CHUNKS.get(family, 0)
    sliding = window_layers(get, family, n_layers) if window else [False] * n_layers
    facts: dict[str, Any] = {"n_heads": n_heads, "head_dim": dim, "v_head_dim": value if value != dim else 0}
    facts["n_full_attn_layers"] = sum(a and not s for a, s in zip(attends, sliding, strict=True))
    cells: dict[str, float] = {}
    key_mla = count("attention.key_length_mla", get("attention.key_length_mla"))
    if key_mla:  # files from before llama.cpp's latent cache lack it, and are run with a cache of full heads
        rope = count("rope.dimension_count", get("rope.dimension_count"))
        facts |= {
            "kv_lora_rank": count("attention.kv_lora_rank", get("attention.kv_lora_rank")), "rope_head_dim": rope,
            "head_dim": key_mla, "v_head_dim": count("attention.value_length_mla", get("attention.value_length_mla")),
            "q_lora_rank": count("attention.q_lora_rank", get("attention.q_lora_rank")),
            "qk_nope_head_dim": max(key_mla - rope, 0), "n_kv_heads": n_heads,
        }  # fmt: skip
        return facts | indexer_facts(get, family, attends, 0), cells, attends
    if family == "deepseek4":
        return facts | compressed_facts(get, n_layers, window), cells, attends
    shared = count("attention.shared_kv_layers", get("attention.shared_kv_layers"), n_layers)
    facts["kv_shared_layers"] = shared
    own = range(n_layers - shared)
    full = [kv[layer] for layer in own if attends[layer] and not sliding[layer]]
    windowed = [kv[layer] for layer in own if attends[layer] and sliding[layer]]
    facts["n_kv_heads"] = max(windowed or full, default=0)
    if windowed:
        swa_dim = count("attention.key_length_swa", get("attention.key_length_swa")) or dim
        facts |= {
            "sliding_window": window,
            "full_kv_heads": max(full, default=0),
            "full_head_dim": dim,
            "head_dim": swa_dim,
        }
        facts["full_attention_layers"] = tuple(i for i in range(n_layers) if attends[i] and not sliding[i])
    facts |= indexer_facts(get, family, attends, value)
    if len(set(full)) > 1:  # so many caches of one head each
        cells = {"n_full": float(sum(full)), "full_kv_heads": 1.0}
    return facts, cells, attends


def compressed_facts(get: Any, n_layers: int, window: int) -> dict[str, Any]:
    """Of DeepSeek-V4 (llama.cpp's llama-kv-cache-dsv4.cpp): every layer keeps a window of keys, most of them compressed
    cells besides; other ratios than these two are not known to it.
    """
    what = "attention.compress_ratios"
    ratios = per_layer(get(what), n_layers, what)
    facts = {"sliding_window": window, "n_full_attn_layers": 0, "n_kv_heads": 1, "v_head_dim": 0}
    facts["q_lora_rank"] = count("attention.q_lora_rank", get("attention.q_lora_rank"))
    facts["indexer_width"] = count("attention.indexer.key_length", get("attention.indexer.key_length"))
    return facts | {"csa_layers": ratios.count(4), "hca_layers": ratios.count(128)}


def indexer_facts(get: Any, family: str, attends: list[bool], value: int) -> dict[str, Any]:
    """Keys by which sparse attention chooses what it reads, cached beside the rest; nothing where there is no indexer.

    A layer whose `attention.indexer.types` is 0 uses another's. A pooling indexer keeps its rows side by side: key,
    gate and pooled key (GLM-5.3), key and pooled key (Qwen3.8-Flash-Next); MiniMax-M3's cache holds a value besides.
    """
    width = count("attention.indexer.key_length", get("attention.indexer.key_length"))
    if not width or not count("attention.indexer.top_k", get("attention.indexer.top_k")):
        return {}
    own = list(attends)
    types = get("attention.indexer.types")
    if isinstance(types, tuple):
        own = [have and bool(kind) for have, kind in zip(attends, types, strict=False)]
    elif family == "glm-dsa" and count("context_length", get("context_length"), 1 << 30) >= 1 << 20:  # GLM-5.2
        own = [have and (layer < 3 or layer % 4 == 2) for layer, have in enumerate(attends)]
    if family == "minimax-m3":
        first = count("leading_dense_block_count", get("leading_dense_block_count"), len(own))
        own, width = [have and layer >= first for layer, have in enumerate(own)], width + value
    rows = {"glm5-next": 3, "qwen4exp": 2 if isinstance(get("attention.compress_ratios"), tuple) else 1}
    return {"indexer_layers": sum(own), "indexer_width": width * rows.get(family, 1)}


def linear_facts(get: Any, family: str, n_linear: int, n_layers: int, hidden: int) -> dict[str, Any]:
    """What the `n_linear` layers without attention keep; nothing where there are none."""
    conv = count("ssm.conv_kernel", get("ssm.conv_kernel"))
    inner, state = count("ssm.inner_size", get("ssm.inner_size")), count("ssm.state_size", get("ssm.state_size"))
    groups, ranks = (
        count("ssm.group_count", get("ssm.group_count")),
        count("ssm.time_step_rank", get("ssm.time_step_rank")),
    )
    short, kda = count("shortconv.l_cache", get("shortconv.l_cache")), count("kda.head_dim", get("kda.head_dim"))
    wkv = count("wkv.head_size", get("wkv.head_size"))
    if family == "falcon-h1":
        n_linear = n_layers  # attention and state space side by side in every layer
    if not n_linear or not (conv or short or wkv):
        return {}
    facts = {"n_linear_layers": n_linear, "ssm_inner": inner, "ssm_state": state, "ssm_groups": groups,
             "ssm_heads": ranks,             "ssm_conv": conv}  # fmt: skip
    if short:
        return {"n_linear_layers": n_linear, "linear_kind": "short_conv", "ssm_inner": hidden, "ssm_conv": short}
    if wkv:
        return {"n_linear_layers": n_linear, "linear_kind": "rwkv7", "ssm_inner": hidden, "ssm_state": wkv}
    if kda:
        heads = max(per_layer(get("attention.head_count"), n_layers, "attention.head_count"))
        return facts | {
            "linear_kind": "kda",
            "ssm_inner": heads * kda,
            "ssm_state": kda,
            "ssm_groups": heads,
            "ssm_heads": heads,
        }
    if family.startswith(("qwen3", "qwen4")):
        return facts | {"linear_kind": "gated_delta_net"}
    return facts | {"linear_kind": "mamba2" if groups else "mamba1"}


def attention_word(family: str, facts: dict[str, Any], linear: dict[str, Any], causal: object) -> str:
    """The class of codes.ATTENTIONS."""
    if family in ENCODERS or causal is False:
        return "encoder"
    if family in ("t5", "t5encoder"):
        return "encoder_decoder"
    if family == "deepseek4":
        return "compressed_sparse"
    return attention_of(linear.get("linear_kind", ""), facts, not facts["n_full_attn_layers"])
