"""Parameters of what mixes tokens in one layer, by kind: attention, latent attention, recurrences, their indexers.

Every function takes the configuration of one layer and the width of the model, and returns a number of parameters.
Formulas follow the weights that transformers 5.24 allocates (bench/configs.py asks it again).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmfit.files.classes import Traits
    from llmfit.files.config_file import Config

HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "decoder_attention_heads", "attention_heads")
KV_HEADS = ("num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num", "num_attention_groups")
DIMS = ("head_dim", "attention_head_dim", "kv_channels", "d_kv")


def heads_of(c: Config, hidden: int) -> tuple[int, int, int, int]:
    """(heads, key/value heads, width of a key, width of a value) of plain attention."""
    heads = c.count(*HEADS)
    extra = c.part("attn_config")
    kv = c.count(*KV_HEADS) or extra.count("kv_n_heads") or heads
    if c.first("multi_query") is True and c.first("new_decoder_architecture") is not True:
        kv = 1  # Falcon 7B, StarCoder: one for all, whatever else is said
    dim = c.count(*DIMS) or (hidden // heads if heads else 0)
    return heads, kv, dim, c.count("v_head_dim") or dim


def attention(c: Config, t: Traits, hidden: int, local: bool = False, copied: bool = False) -> int:
    """Query, key, value, output of one layer; gates and biases as its class has them.

    h (q + n_kv d_k + n_kv d_v) + n d_v h, q = n d_k; `copied`: keys and values are another layer's.
    """
    heads, kv, dim, value = heads_of(c, hidden)
    if local:
        heads = c.count("swa_num_attention_heads", "num_sliding_attention_heads") or heads
        kv = c.count("swa_num_key_value_heads") or kv * (2 if c.kind == "mimo_v2_flash" else 1)
        dim, value = c.count("swa_head_dim") or dim, c.count("swa_v_head_dim", "swa_head_dim") or value
    read = t.reads * hidden
    out = hidden if c.kind == "helium" else heads * value
    q, k, v = heads * dim, kv * dim, kv * value
    if t.same_kv and not local and c.first("attention_k_eq_v") is True:
        v = 0
    if copied:
        k = v = 0
    total = read * (q * (2 if t.gate == "query" else 1) + k + v) + out * hidden
    if t.gate == "full":
        total += hidden * heads * value
    elif t.gate == "heads":
        total += hidden * heads
    bias = t.bias
    if c.first("attention_bias", "qkv_bias", "use_qkv_bias") is True or c.first("use_bias", "bias") is True:
        bias += "qkvo"
    total += sum(width for letter, width in zip("qkvo", (q, k, v, hidden), strict=True) if letter in bias)
    if t.qk_norm:
        total += (q + k) if t.qk_norm == "wide" else 2 * dim
    return total


def latent(c: Config, t: Traits, hidden: int) -> int:
    """Multi-head latent attention: h r_q + r_q n (d_nope + d_rope) + h (r + d_rope) + r n (d_nope + d_v) + n d_v h."""
    heads = c.count(*HEADS)
    nope, rope, value = c.count("qk_nope_head_dim"), c.count("qk_rope_head_dim"), c.count("v_head_dim")
    value = value or hidden // max(heads, 1)
    rank, q_rank = c.count("kv_lora_rank"), c.count("q_lora_rank")
    query = heads * (nope + rope)
    if t.gate == "rank":  # twice the latent makes query and gate
        query = 2 * (query + heads * value)
    total = hidden * q_rank + q_rank * query + q_rank if q_rank else hidden * query
    total += hidden * (rank + rope) + rank + rank * heads * (nope + value) + heads * value * hidden
    if t.gate == "full":
        total += hidden * heads * value
    elif t.gate == "heads":
        total += hidden * heads
    return total


def indexer(c: Config, hidden: int) -> int:
    """The keys, queries and weights that choose which tokens latent attention reads (DeepSeek-V3.2)."""
    heads, dim = c.count("index_n_heads"), c.count("index_head_dim")
    total = (c.count("q_lora_rank") or hidden) * heads * dim + hidden * dim + 2 * dim + hidden * heads
    if c.count("index_kpool"):
        total += c.count("index_kpool") * dim + hidden * dim
    return total


def compressed(c: Config, hidden: int, word: str) -> int:
    """Low-rank attention over one shared key and value, with a compressor of the far past (DeepSeek-V4)."""
    heads, dim, rank = c.count(*HEADS), c.count("head_dim"), c.count("q_lora_rank")
    groups, o_rank = c.count("o_groups") or 1, c.count("o_lora_rank")
    total = hidden * rank + rank + rank * heads * dim + hidden * dim + dim + heads
    total += heads * dim * o_rank + groups * o_rank * hidden  # the output projection of each group, then together
    rates = c.part("compress_rates")
    if word == "heavy":
        total += 2 * hidden * dim + dim + (rates.count("heavily_compressed_attention") or 128) * dim
    elif word == "sparse":
        rate, width = rates.count("compressed_sparse_attention") or 4, 2 * dim
        index, index_heads = c.count("index_head_dim"), c.count("index_n_heads")
        total += 2 * hidden * width + rate * width + dim
        total += 2 * hidden * 2 * index + rate * 2 * index + index + rank * index_heads * index + hidden * index_heads
    return total


def delta_net(c: Config, hidden: int) -> int:
    """Gated delta net (Qwen3-Next): in h (2 K d_k + V d_v), gate h V d_v, alpha and beta 2 h V, convolution, out."""
    heads, conv = c.count("linear_num_value_heads") or c.count(*HEADS), c.count("linear_conv_kernel_dim")
    dim = c.count("linear_key_head_dim") or 3 * hidden // (4 * heads)  # OLMo's, where none is said
    keys = (c.count("linear_num_key_heads") or heads) * dim
    values = heads * (c.count("linear_value_head_dim") or 2 * dim)
    return (
        hidden * (2 * keys + 3 * values + 2 * heads)
        + (2 * keys + values) * conv
        + 2 * heads
        + c.count("linear_value_head_dim")
    )


def kda(c: Config, t: Traits, hidden: int) -> int:
    """Kimi delta attention: q, k, v, out of n d each; forget and output gates through d (Kimi) or whole (Ling)."""
    inner = c.part("linear_attn_config")
    heads = inner.count("num_heads") or c.count("linear_num_heads") or c.count(*HEADS)
    dim = inner.count("head_dim") or c.count("linear_head_dim") or c.count("head_dim")
    conv = inner.count("short_conv_kernel_size") or c.count("linear_conv_kernel_dim", "short_conv_kernel_size")
    width = heads * dim
    gates = 2 * hidden * width if t.whole_gates else 2 * (hidden * dim + dim * width)
    return 4 * hidden * width + gates + hidden * heads + 3 * width * conv + width + heads + dim


def mamba1(c: Config, hidden: int) -> int:
    """Selective scan: in 2 h I, out I h, x I (R + 2 S), dt R I, convolution, A and D."""
    inner = width_of_state(c, hidden)
    rank = c.first("mamba_dt_rank", "time_step_rank", "dt_rank")
    rank = rank if isinstance(rank, int) and not isinstance(rank, bool) else -(-hidden // 16)
    state = c.count("mamba_d_state", "state_size", "ssm_state_size")
    conv = c.count("mamba_d_conv", "conv_kernel", "d_conv")
    return inner * (3 * hidden + rank + 2 * state + rank + 1 + state + 1 + conv + 1)


def width_of_state(c: Config, hidden: int) -> int:
    """Inner width of a Mamba layer: said, else heads times their width, else expansion times the model's width."""
    if c.kind in ("mamba", "falcon_mamba"):
        return c.count("intermediate_size", "d_inner") or c.count("expand") * hidden
    heads = c.count("mamba_n_heads", "mamba_num_heads", "n_mamba_heads")
    heads = heads or (c.count("num_heads") if c.kind == "mamba2" else 0)
    dim = c.count("mamba_d_head", "mamba_head_dim") or (c.count("head_dim") if c.kind == "mamba2" else 0)
    said = c.count("mamba_d_ssm")
    return said or heads * dim or c.count("mamba_expand", "expand") * hidden or c.count("d_inner", "intermediate_size")


def mamba2(c: Config, hidden: int) -> int:
    """State-space duality: in h (2 I + 2 G S + n), convolution over I + 2 G S, out I h."""
    inner = width_of_state(c, hidden)
    heads = c.count("mamba_n_heads", "mamba_num_heads", "n_mamba_heads") or c.count("num_heads")
    groups = c.count("mamba_n_groups", "n_groups", "mamba_ngroups") or 1
    state = c.count("mamba_d_state", "ssm_state_size", "state_size")
    conv = c.count("mamba_d_conv", "conv_kernel", "mamba_conv_kernel")
    wide = inner + 2 * groups * state
    return hidden * (inner + wide + heads) + wide * (conv + 1) + 3 * heads + inner + inner * hidden


def recurrent(c: Config, t: Traits, hidden: int) -> int:
    """The recurrence of one layer without attention, by what the configuration describes."""
    kind = c.kind
    if kind.startswith("recurrent_gemma"):
        width, heads, conv = c.count("lru_width") or hidden, c.count(*HEADS), c.count("conv1d_width")
        return 3 * hidden * width + 3 * width + hidden + width * (conv + 1) + 2 * width * width // heads + 3 * width
    if kind == "xlstm":
        heads, qk = c.count("num_heads"), int(hidden * float(c.first("qk_dim_factor") or 0.5))
        value = int(hidden * float(c.first("v_dim_factor") or 1.0))
        return hidden * (2 * qk + 3 * value + 2 * heads) + 2 * heads + value
    if c.count("linear_num_value_heads") or kind.startswith("olmo_hybrid"):
        return delta_net(c, hidden)
    if kind.startswith(("kimi_linear", "bailing_hybrid", "glm5_next")) or c.part("linear_attn_config").count(
        "num_heads"
    ):
        return kda(c, t, hidden)
    if c.count("conv_L_cache"):
        return hidden * c.count("conv_L_cache") + 4 * hidden * hidden
    if kind == "rwkv":
        inner = c.count("attention_hidden_size") or hidden
        return 4 * hidden * inner + 2 * inner + 3 * hidden
    if kind.startswith("rwkv"):
        return 4 * hidden * hidden
    if kind.startswith(("minimax", "bailing")):
        heads, _, dim, _ = heads_of(c, hidden)
        return 5 * hidden * heads * dim + heads * dim
    if kind.startswith(
        ("mamba2", "nemotron", "NemotronH", "bamba", "falcon_h1", "granitemoehybrid", "granite4", "zamba2", "plamo2")
    ) or c.count("mamba_n_heads", "mamba_num_heads"):
        return mamba2(c, hidden)
    return mamba1(c, hidden)
