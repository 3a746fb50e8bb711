"""How many parameters a configuration's decoder has: embedding, routed experts and what one token uses, apart.

Layers that are alike are counted once. Formulas by kind of layer stand in mixers.py, what only a class knows in
classes.py; bench/configs.py compares the sums with the weights that transformers allocates.
"""

from __future__ import annotations

import json
import math
from collections import Counter

from llmfit.files import mixers
from llmfit.files.classes import UNCOUNTED, Traits, traits_of
from llmfit.files.config_file import Config
from llmfit.files.layers import ffn_kinds, layer_words
from llmfit.files.model import Counts


def counted(c: Config, n_layers: int, tied: bool) -> Counts:
    """The parameters of the decoder; ValueError where a fact that they need is missing."""
    hidden, vocab = c.hidden(), c.vocab()
    if not vocab:
        raise ValueError("it does not say how large its vocabulary is, so its parameters cannot be counted")
    if c.kind in UNCOUNTED:
        raise ValueError(f"there is no rule for how many parameters a model of the class {c.kind} has")
    t, words = traits_of(c.kind), layer_words(c, n_layers)
    ffns, own = ffn_kinds(c, words), n_layers - c.count("num_kv_shared_layers")
    blocks = c.words("block_configs")
    groups = Counter(
        (
            word,
            ffn,
            i >= own > 0,
            json.dumps(c.layer(i, word), sort_keys=True),
            json.dumps(blocks[i] if i < len(blocks) else 0),
        )
        for i, (word, ffn) in enumerate(zip(words, ffns, strict=True))
    )
    total = experts = used = 0
    for (word, ffn, copied, own_keys, block), times in groups.items():
        layer = c.overlaid(json.loads(own_keys) | pruned(json.loads(block), c, hidden))
        norms = t.norms + t.cross
        total += times * (mixer(layer, t, hidden, word, copied) + norms * hidden * (2 if "n" in t.bias else 1))
        if ffn == "moe":
            rest, routed, chosen = moe(layer, t, hidden, copied)
            total, experts, used = total + times * (rest + routed), experts + times * routed, used + times * chosen
        elif ffn == "dense":
            total += times * dense(layer, t, hidden, copied)
        else:
            total -= times * hidden  # one norm alone
    wide = c.count("word_embed_proj_dim", "embedding_size", "input_embedding_size") or hidden
    out = c.count("output_embedding_size") or wide
    embedding = vocab * wide
    total += (
        embedding
        + (0 if tied else (c.count("unpadded_vocab_size") or vocab) * out)
        + hidden * (2 if "n" in t.bias else 1)
    )
    if t.positions >= 0:
        total += ((c.count("max_target_positions") or c.context()) + t.positions) * wide
    if t.encoder:
        total += c.count("type_vocab_size") * wide + vocab + hidden * (0 if c.kind == "bert-generation" else out + 1)
    if wide != hidden:
        total += hidden * wide + (hidden * wide if c.kind == "opt" else hidden)
    if c.kind in ("gptj", "phi", "codegen", "ctrl", "git"):
        total += vocab
    if c.kind == "roformer":
        total += c.context() * (hidden // max(c.count(*mixers.HEADS), 1))
    if c.kind.startswith("modernbert"):
        total += hidden * hidden + vocab
    shared, looked_up = beside(c, t, hidden, n_layers, words)
    total += shared + looked_up
    return Counts(total, embedding, experts, total - experts + used - looked_up, looked_up)


def pruned(block: object, c: Config, hidden: int) -> dict[str, int]:
    """The sizes of one layer of block_configs (Nemotron NAS): key/value heads by group, feed-forward by multiple."""
    found: dict[str, int] = {}
    if not isinstance(block, dict):
        return found
    attention, ffn = Config(block.get("attention") or {}), Config(block.get("ffn") or {})
    group = attention.count("n_heads_in_group")
    if group:
        found["num_key_value_heads"] = c.count(*mixers.HEADS) // group
    multiple = ffn.first("ffn_mult")
    if isinstance(multiple, int | float) and 0 < multiple < 64:
        found["intermediate_size"] = -(-int(2 * multiple * hidden / 3) // 256) * 256
    return found


def mixer(c: Config, t: Traits, hidden: int, word: str, copied: bool) -> int:
    """What mixes the tokens of one layer."""
    if word in ("moe", "mlp", "none"):
        return 0
    if word in ("linear", "mamba", "linear_attention", "recurrent"):
        return mixers.recurrent(c, t, hidden)
    if c.kind.startswith("deepseek_v4"):
        return mixers.compressed(c, hidden, word)
    if c.kind == "falcon_h1":
        return mixers.recurrent(c, t, hidden) + mixers.attention(c, t, hidden)
    if word == "both":  # Zamba: attention is shared, see beside()
        return mixers.recurrent(c, t, hidden) + hidden * hidden
    if c.kind == "jetmoe":
        return 0  # attention's experts, see moe()
    total = (
        mixers.latent(c, t, hidden)
        if c.count("kv_lora_rank")
        else mixers.attention(c, t, hidden, word == "local", copied)
    )
    if word in ("indexed", "blocks") and c.first("indexer_types") != "shared":
        total += mixers.indexer(c, hidden)
    if t.cross:
        total += mixers.attention(c, t, hidden)
    if c.kind == "zaya":
        heads, kv, dim, _ = mixers.heads_of(c, hidden)
        total += (heads + kv) * dim * (c.count("cca_time0") + dim * c.count("cca_time1") + 2) + 8 * hidden
    if c.kind.startswith("inkling"):
        heads = (c.count("swa_num_attention_heads") if word == "local" else 0) or c.count(*mixers.HEADS)
        total += hidden * heads * (c.count("d_rel") + (1 if c.kind.startswith("inkling2") else 0)) + 8 * hidden
    return total * 2 if c.kind == "longcat_flash" else total


def width(c: Config, hidden: int) -> int:
    """Width of a dense feed-forward."""
    wide = (
        c.count("dense_intermediate_size", "prefix_dense_intermediate_size", "intermediate_size_mlp")
        if c.experts() > 1
        else 0
    )
    wide = wide or c.count(
        "intermediate_size",
        "n_inner",
        "ffn_hidden_size",
        "ffn_dim",
        "d_ff",
        "d_inner",
        "mlp_hidden_size",
        "block_ff_dim",
        "dff",
        "decoder_ffn_dim",
    )
    if c.kind in ("lfm2",) and c.first("block_auto_adjust_ff_dim") is True:
        wide = int(2 * wide / 3)
        multiplier, multiple = c.first("block_ffn_dim_multiplier"), c.count("block_multiple_of")
        if isinstance(multiplier, int | float) and multiple:
            wide = multiple * math.ceil(int(multiplier * wide) / multiple)
    if c.kind == "recurrent_gemma":
        wide //= 2
    if c.kind == "xlstm":
        multiple = c.count("ffn_round_up_to_multiple_of") or 64
        wide = -(-int(hidden * float(c.first("ffn_proj_factor") or 2.667)) // multiple) * multiple
    return wide or 4 * hidden


def dense(c: Config, t: Traits, hidden: int, copied: bool = False) -> int:
    """A dense feed-forward: two or three matrices."""
    wide = width(c, hidden)
    if copied and c.first("use_double_wide_mlp") is True:
        wide *= 2
    if c.kind in ("zamba", "zamba2", "mamba", "mamba2", "falcon_mamba"):
        return 0
    if c.kind == "moshi":
        return hidden * wide + hidden * wide // 2
    if c.kind == "rwkv":
        return 2 * hidden * wide + hidden * hidden + 2 * hidden
    biased = "m" in t.bias or c.first("mlp_bias") is True or c.first("use_bias", "bias") is True
    total = t.matrices * hidden * wide + ((t.matrices - 1) * wide + hidden if biased else 0)
    return total * 2 if c.kind == "longcat_flash" else total


def moe(c: Config, t: Traits, hidden: int, copied: bool = False) -> tuple[int, int, int]:
    """(router and what every token passes, routed experts, of those what one token uses)."""
    n, used = c.experts(), c.chosen()
    latent = c.count("moe_latent_size", "routed_expert_hidden_size", "moe_hidden_size")
    read, wide = latent or hidden, c.expert_width()
    routed = n * t.matrices * read * wide
    rest = hidden * n + 2 * hidden * latent + t.matrices * hidden * c.shared_width()
    if c.kind in ("gpt_oss",):
        routed += n * (2 * wide + hidden)
    if c.kind.startswith("qwen2_moe") or c.count("shared_expert_intermediate_size"):
        rest += hidden
    if c.kind == "longcat_flash":
        rest += hidden * c.count("zero_expert_num") + dense(c, t, hidden)
    if c.first("enable_moe_block") is True:
        rest += dense(c, t, hidden, copied) + 2 * hidden
    if c.kind == "jetmoe":
        inner = c.count("kv_channels") * c.count("num_key_value_heads")
        routed += n * 2 * hidden * inner
        rest += 2 * hidden * inner + hidden * n
    if c.kind == "zaya":
        small = c.count("router_hidden_size")
        rest += hidden * small + 2 * small * small + small * (n + 1) - hidden * n
    chosen = routed * used // n if n else 0
    if c.kind.startswith("ernie4_5_vl"):
        said = c.first("moe_intermediate_size")
        if isinstance(said, list) and len(said) == 2:  # experts of images lie in the decoder too
            routed += n * t.matrices * hidden * int(min(said))
            rest += hidden * n
    return rest, routed, chosen


def beside(c: Config, t: Traits, hidden: int, n_layers: int, words: list[str]) -> tuple[int, int]:
    """(what stands beside the layers or is alike in all, tables that are looked up)."""
    rest = looked_up = 0
    streams = c.count("hc_mult")
    if streams > 1:
        rows = 2 * streams if c.kind.startswith("hy_v4") else streams * (2 + streams)
        rest += n_layers * 2 * rows * streams * hidden + streams * streams * hidden
    per_layer = c.count("hidden_size_per_layer_input")
    if per_layer:
        looked_up = (c.count("vocab_size_per_layer_input") or c.vocab()) * n_layers * per_layer
        rest += 3 * n_layers * per_layer * hidden
    if c.kind.startswith("gemma3n"):
        inputs = c.count("altup_num_inputs")
        rest += 2 * (inputs - 1) * hidden * hidden + n_layers * hidden * (2 * c.count("laurel_rank") + 3 + inputs)
    if c.count("loop_gate_rank"):
        looped = min(c.count("loop_layer_index_end"), n_layers) - c.count("loop_layer_index_start")
        rest += looped * 16 * hidden * c.count("loop_gate_rank")
    if c.count("gated_norm_rank"):
        rest += n_layers * 4 * hidden * c.count("gated_norm_rank")
    if c.kind in ("zamba", "zamba2"):
        rest += shared_blocks(c, hidden, words)
    return rest, looked_up


def shared_blocks(c: Config, hidden: int, words: list[str]) -> int:
    """Zamba: blocks of attention and feed-forward over twice the width, one or a few for all hybrid layers."""
    inner, wide, uses = c.count("attention_hidden_size") or 2 * hidden, width(c, hidden), words.count("both")
    one = 3 * 2 * hidden * inner + inner * hidden + 3 * hidden * wide
    if c.kind == "zamba":
        return one
    rank, blocks = c.count("adapter_rank"), c.count("num_mem_blocks") or 1
    adapters = uses * rank * (hidden + 2 * wide)
    if c.first("use_shared_attention_adapter") is True:
        adapters += uses * 3 * rank * 2 * inner
    return blocks * one + adapters
