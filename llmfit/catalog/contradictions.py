"""Rules of ``llmfit catalog check`` on shapes: caches, experts, and what a row does not know and has to say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llmfit.catalog.records import Model

Known = Mapping[str, Model]
# Types whose classes in transformers keep one latent for all heads.
LATENT_TYPES = frozenset(
    (
        "glm5_next", "bailing_hybrid", "bailing_moe_v3_vl", "hy_v4", "hy_v4_vl", "sarvam_mla", "dots3_note", "axk1",
        "axk2", "youtu", "youtu_vl", "glm5v", "glm_moe_dsa", "deepseek_v2", "deepseek_v3", "deepseek_v32",
        "kimi_k2", "kimi_k25", "kimi_k3", "kimi_linear", "glm4_moe_lite", "longcat_flash", "mistral4", "minicpm3",
    )
)  # fmt: skip
# Experts not in each layer or in a narrower width than the model; tables that are looked up beside them.
ODD_EXPERTS = (
    "nemotron_h", "jetmoe", "muse_spark", "qwen4_exp", "qwen4_exp_text", "deepseek_v41", "llama4", "llama4_text",
    "jamba", "gemma4", "gemma4_text", "k2_horizon", "ernie4_5_moe_vl", "ernie4_5_vl_moe",
)  # fmt: skip


def attention(model: Model, known: Known) -> Iterator[str]:
    """Latent caches that a row does not know, heads that cannot be."""
    told = "attn_unknown" in model.flags
    if model.model_type in LATENT_TYPES and not model.kv_lora_rank and model.attention and model.n_layers and not told:
        yield f"a class that keeps one latent for all heads ({model.model_type}), and no kv_lora_rank"
    width = model.n_kv_heads * model.head_dim
    if not model.kv_lora_rank and model.hidden_size and width > 4 * model.hidden_size and not told:
        yield f"keys of {width} a layer in a model {model.hidden_size} wide"


def experts(model: Model, known: Known) -> Iterator[str]:
    """Routed experts that are more than the model, active parameters that are far from what its experts leave."""
    if model.n_experts <= 1 or not model.moe_intermediate_size or not model.hidden_size or not model.n_layers:
        return
    if not 0 < model.n_experts_active < model.n_experts or model.origin == "community":
        return
    if model.model_type in ODD_EXPERTS:
        return
    matrices = 2 if model.model_type.lower().startswith("nemotron") else 3
    layers = model.n_layers - model.n_dense_layers
    routed = float(matrices * model.hidden_size * model.moe_intermediate_size * model.n_experts * layers)
    if not 0.3 * model.params_text < routed < model.params_text:
        return
    right = model.params_text - routed * (1 - model.n_experts_active / model.n_experts)
    if model.params_active and not 0.4 < model.params_active / right < 2:
        yield f"{model.params_active / 1e9:.3g} B active parameters, its experts leave {right / 1e9:.3g} B"


def unknowns(model: Model, known: Known) -> Iterator[str]:
    """What a row of the shipped tables has to say of itself."""
    if not model.attention and model.n_layers and "attn_unknown" not in model.flags:
        yield "an attention that is not known, and no flag attn_unknown"
    if model.attention and "attn_unknown" in model.flags:
        yield "an attention, and the flag attn_unknown"
