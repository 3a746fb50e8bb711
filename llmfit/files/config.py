"""From a transformers configuration (config.json) to the facts of its model, whatever the dialect calls them."""

from __future__ import annotations

from typing import Any

from llmfit.files.config_file import Config
from llmfit.files.hybrids import layer_kinds, linear_facts
from llmfit.files.model import MOST, FileModel, attention_of

ENCODERS = (
    "bert",
    "roberta",
    "mpnet",
    "electra",
    "xlm-roberta",
    "deberta",
    "nomic_bert",
    "modernbert",
    "new",
    "eurobert",
)
TIED = (
    "gemma", "cohere", "gpt2", "bloom", "falcon", "mpt", "t5", "opt", "mamba", "lfm2", "gpt_bigcode", "starcoder2",
    *ENCODERS,
)  # fmt: skip
WIDE = {
    "gpt2": 4,
    "gpt_bigcode": 4,
    "bloom": 4,
    "falcon": 4,
    "mpt": 4,
    "gptj": 4,
    "gpt_neo": 4,
}  # feed-forward over hidden

def attention_facts(c: Config, kind: str, kinds: list[str], n_layers: int) -> dict[str, Any]:
    """Heads, their dimensions, latent caches, windows."""
    hidden = c.count("hidden_size", "n_embd", "d_model", "dim")
    heads = (
        c.count("num_attention_heads", "n_head", "n_heads", "num_heads")
        if kinds.count("linear") < n_layers or not kinds
        else 0
    )
    extra = c.part("attn_config")
    kv = c.count("num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num", "num_attention_groups")
    kv = kv or extra.count("kv_n_heads") or (1 if c.first("multi_query") is True else heads)
    dim = c.count("head_dim", "attention_head_dim", "kv_channels", "d_kv") or (hidden // heads if heads else 0)
    facts: dict[str, Any] = {"n_heads": heads, "n_kv_heads": min(kv, heads), "head_dim": dim}
    latent = c.count("kv_lora_rank")
    if latent:
        rope, nope = c.count("qk_rope_head_dim"), c.count("qk_nope_head_dim")
        return facts | {
            "kv_lora_rank": latent, "rope_head_dim": rope, "head_dim": nope + rope, "n_kv_heads": heads,
            "v_head_dim": c.count("v_head_dim"), "q_lora_rank": c.count("q_lora_rank"), "qk_nope_head_dim": nope,
        }  # fmt: skip
    value = c.count("v_head_dim")
    facts["v_head_dim"] = value if value != dim else 0
    local = [i for i, word in enumerate(kinds) if word == "local"]
    if local:
        facts["sliding_window"] = c.count("sliding_window", "attention_chunk_size", "window_size", most=1 << 30)
        facts["full_attention_layers"] = tuple(i for i, word in enumerate(kinds) if word == "full")
        facts["full_head_dim"] = c.count("global_head_dim")
        facts["full_kv_heads"] = c.count("num_global_key_value_heads")
    facts["kv_shared_layers"] = c.count("num_kv_shared_layers")
    facts["n_full_attn_layers"] = kinds.count("full")
    return facts


def experts_facts(c: Config, kind: str, n_layers: int) -> dict[str, Any]:
    """Experts, how many are used and shared, which layers have none."""
    n = c.count("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_moe_experts")
    n = n or c.part("ffn_config").count("moe_num_experts")
    if n <= 1:
        return {}
    wide = c.count("moe_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size") or c.count(
        "intermediate_size", "ffn_hidden_size"
    )
    wide = wide or c.part("ffn_config").count("ffn_hidden_size")
    shared = c.count("n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert")
    shared_wide = c.count(
        "shared_expert_intermediate_size", "shared_intermediate_size", "moe_shared_expert_intermediate_size"
    )
    if kind == "llama4_text" or kind == "llama4":
        wide, shared_wide = c.count("intermediate_size"), c.count("intermediate_size")
    dense = c.count("first_k_dense_replace", "num_dense_layers", "moe_layer_start_index", most=n_layers)
    dense += len(c.words("mlp_only_layers"))
    step = c.count("interleave_moe_layer_step", "decoder_sparse_step", "expert_layer_period", "moe_layer_freq_step")
    if step > 1:
        dense = n_layers - n_layers // step
    return {
        "n_experts": n, "moe_intermediate_size": wide,
        "n_experts_active": min(n, c.count("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k",
                                           "top_k_experts",
                                           "num_selected_experts") or c.part("ffn_config").count("moe_top_k")),
        "n_experts_shared": shared, "shared_intermediate_size": shared_wide or shared * wide,
        "n_dense_layers": min(dense, n_layers), "moe_latent_size": c.count("moe_latent_size"),
    }  # fmt: skip


def format_of(c: Config) -> tuple[str, float | None]:
    """(format of codes.FORMATS, bits) of the weights; ValueError for a quantization that llmfit has no rule for."""
    q = c.part("quantization_config")
    if not q.outer:
        mlx = c.part("quantization")
        return ("mlx", float(mlx.count("bits", most=16) or 4)) if mlx.outer else ("bf16", 16.0)
    method = (q.text("quant_method") or q.text("quant_algo") or q.text("quant_library")).lower().replace("_", "-")
    bits = float(q.count("bits", "w_bit", "nbits", most=16)) or None
    if method in ("compressed-tensors", "modelopt"):
        return compressed(q)
    if method == "bitsandbytes":
        return "bnb", 4.0 if q.first("load_in_4bit", "_load_in_4bit") else 8.0
    if method in ("fp8", "fbgemm-fp8"):
        return "fp8", 8.0
    if method in ("exl2", "exl3"):
        value = q.first("bits")
        return method, float(value) if isinstance(value, int | float) and 0 < value <= 16 else 4.0
    plain = {"awq": "awq", "gptq": "gptq", "auto-round": "autoround", "autoround": "autoround", "mxfp4": "mxfp4",
             "mxfp8": "mxfp8", "nvfp4": "nvfp4", "mlx": "mlx"}  # fmt: skip
    if method in plain:
        return plain[method], bits
    if q.first("group_size") and bits:
        return "mlx", bits
    raise ValueError(f"there is no rule for the quantization {method[:40]!r}")


def compressed(q: Config) -> tuple[str, float | None]:
    """The format that compressed-tensors or modelopt describes by its groups."""
    algorithm = (q.text("quant_algo") or q.text("format")).lower().replace("_", "-")
    for word, format, bits in (("nvfp4", "nvfp4", 4.0), ("mxfp4", "mxfp4", 4.0), ("mxfp8", "mxfp8", 8.0),
                               ("float-quant", "fp8", 8.0),
                               ("fp8", "fp8", 8.0)):  # fmt: skip
        if word in algorithm:
            return format, bits
    groups = q.first("config_groups")
    for group in groups.values() if isinstance(groups, dict) else ():
        weights = Config(group if isinstance(group, dict) else {}).part("weights")
        bits = float(weights.count("num_bits", most=16)) or 8.0
        if weights.text("type") == "float":
            return ("nvfp4", 4.0) if bits == 4 else ("fp8", 8.0)
        return "int", bits
    return "int", 8.0


def use_of(c: Config, kind: str) -> dict[str, Any]:
    """What the class in `architectures` tells of the use."""
    named = c.outer.get("architectures")
    classes = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
    if any(key in c.outer for key in ("vision_config", "visual", "vision_tower")):
        return {"use_case": "multimodal", "capabilities": ("vision",)}
    if kind.startswith(ENCODERS) or any(name.endswith(("Embedding", "SequenceClassification")) for name in classes):
        return {"use_case": "embedding", "role": "embedding"}
    return {}


def model_of(name: str, outer: dict[str, Any]) -> FileModel:
    """The model of a configuration; ValueError with what is wrong. Parameters are counted elsewhere."""
    c = Config(outer)
    kind = c.inner.get("model_type") or c.outer.get("model_type") or ""
    kind = kind if isinstance(kind, str) else ""
    n_layers = c.count(
        "num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_decoder_layers", most=MOST["n_layers"]
    )
    hidden = c.count("hidden_size", "n_embd", "d_model", "dim")
    if n_layers < 1 or hidden < 1:
        raise ValueError(
            "it does not say how many layers, or how wide a language model has: not a model's configuration"
        )
    kinds = layer_kinds(c, kind, n_layers)
    attention = attention_facts(c, kind, kinds, n_layers)
    linear = linear_facts(c, kind, kinds, attention)
    tied = c.first("tie_word_embeddings")
    format, bits = format_of(c)
    wide = c.count(
        "intermediate_size", "intermediate_size_mlp", "n_inner", "ffn_hidden_size", "ffn_dim", "d_ff", "d_inner"
    )
    if kind.startswith("llama4"):
        wide = c.count("intermediate_size_mlp")
    context = c.count(
        "max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "max_sequence_length", "n_ctx",
        "model_max_length",
        most=1 << 40,
    )  # fmt: skip
    facts: dict[str, Any] = {
        "model_type": kind.removesuffix("_text"), "n_layers": n_layers,
        "hidden_size": hidden, "vocab_size": c.count("vocab_size", "padded_vocab_size", "n_vocab"),
        "intermediate_size": wide or WIDE.get(kind, 0) * hidden, "format": format, "bits": bits,
        "tied_embeddings": tied if isinstance(tied, bool) else kind.startswith(TIED),
        "context_length": min(context, 1 << 30) or None,
        "per_layer_embedding": c.count("hidden_size_per_layer_input"), **attention, **experts_facts(c, kind, n_layers),
        **linear,
        **use_of(c, kind),
    }  # fmt: skip
    facts["attention"] = attention_word(kind, facts, linear, c)
    if facts["attention"] == "ssm" and kind.endswith(("mamba", "mamba2")):
        facts["intermediate_size"] = 0  # the width of the state, not of a feed-forward
    if "roberta" in kind and context > 2:
        facts["context_length"] = context - 2  # positions begin behind the padding's
    assumed = c.assumed()
    notes = (f"{', '.join(assumed)}: not in the file, taken from the defaults of {kind}",) if assumed else ()
    said = c.outer.get("_name_or_path") or c.outer.get("name_or_path")
    called = (said,) if isinstance(said, str) and said else ()
    return FileModel(name=name, facts=facts, called=called, notes=notes)


def attention_word(kind: str, facts: dict[str, Any], linear: dict[str, Any], c: Config) -> str:
    """The class of codes.ATTENTIONS; empty where the layers keep something that llmfit has no rule for."""
    if c.first("is_encoder_decoder") is True:
        return "encoder_decoder"
    if kind.startswith(ENCODERS):
        return "encoder"
    if c.first("compress_ratios", "compress_rates") is not None:
        return "compressed_sparse"
    no_attention = not facts.get("n_full_attn_layers") and not facts.get("kv_lora_rank")
    return attention_of(linear.get("linear_kind", ""), facts, no_attention)
