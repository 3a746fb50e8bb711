"""The weight matrices of a configuration by module, as quantizers name them: what each takes is decided one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from llmfit.files import mixers
from llmfit.files.classes import traits_of
from llmfit.files.config_file import Config
from llmfit.files.counting import width
from llmfit.files.layers import ffn_kinds, layer_words


class Module(NamedTuple):
    """`spelled`: the names under which checkpoints know it; `small`: a router or a recurrence that is left as it is."""

    name: str
    kind: str  # body, experts, embedding, output
    params: float
    spelled: tuple[str, ...]
    small: bool = False


def modules_of(c: Config, n_layers: int) -> Iterator[Module]:
    """All that a quantizer may take."""
    hidden, vocab, t = c.hidden(), c.vocab(), traits_of(c.kind)
    words = layer_words(c, n_layers)
    yield Module(
        "embed_tokens",
        "embedding",
        vocab * hidden,
        ("model.embed_tokens", "embed_tokens", "model.language_model.embed_tokens"),
    )
    if not c.tied():
        yield Module("lm_head", "output", vocab * hidden, ("lm_head", "language_model.lm_head"))
    for i, (word, ffn) in enumerate(zip(words, ffn_kinds(c, words), strict=True)):
        layer = c.overlaid(c.layer(i, word))
        parts = [(f"self_attn.{name}", "body", n, False) for name, n in attention_of(layer, hidden, word, t.gate)]
        if ffn == "moe":
            wide, n = layer.expert_width(), layer.experts()
            read = c.count("moe_latent_size", "routed_expert_hidden_size", "moe_hidden_size") or hidden
            gates = ("gate_proj", "up_proj", "down_proj") if t.matrices == 3 else ("up_proj", "down_proj")
            parts += [(f"mlp.experts.{name}", "experts", float(n) * read * wide, False) for name in gates]
            shared = layer.shared_width()
            name = "mlp.shared_experts." if layer.count("n_shared_experts") else "mlp.shared_expert."
            parts += [(name + gate, "body", hidden * shared, False) for gate in gates if shared]
            parts.append(("mlp.gate", "body", hidden * n, True))
        elif ffn == "dense":
            gates = ("gate_proj", "up_proj", "down_proj") if t.matrices == 3 else ("up_proj", "down_proj")
            parts += [(f"mlp.{name}", "body", hidden * width(layer, hidden), False) for name in gates]
        for name, kind, params, small in parts:
            spelled = tuple(
                f"{before}layers.{i}.{name}"
                for before in ("model.", "model.language_model.", "language_model.model.", "backbone.")
            )
            if ".experts." in name:
                spelled += tuple(one.replace(".experts.", ".experts.0.") for one in spelled)
            yield Module(f"layers.{i}.{name}", kind, params, spelled, small)


def attention_of(c: Config, hidden: int, word: str, gate: str) -> Iterator[tuple[str, float]]:
    """(module, parameters) of what mixes the tokens of one layer."""
    if word in ("linear", "mamba", "linear_attention", "recurrent", "both"):
        yield "linear_attn.in_proj", mixers.recurrent(c, traits_of(c.kind), hidden)
        return
    if word in ("none", "moe", "mlp"):
        return
    heads = c.count(*mixers.HEADS)
    if c.count("kv_lora_rank"):
        nope, rope, value = c.count("qk_nope_head_dim"), c.count("qk_rope_head_dim"), c.count("v_head_dim")
        rank, q_rank = c.count("kv_lora_rank"), c.count("q_lora_rank")
        if q_rank:
            yield "q_a_proj", hidden * q_rank
            yield "q_b_proj", q_rank * heads * (nope + rope)
        else:
            yield "q_proj", hidden * heads * (nope + rope)
        yield "kv_a_proj_with_mqa", hidden * (rank + rope)
        yield "kv_b_proj", rank * heads * (nope + value)
        yield "o_proj", heads * value * hidden
        return
    heads, kv, dim, value = mixers.heads_of(c, hidden)
    yield "q_proj", hidden * heads * dim * (2 if gate == "query" else 1)
    yield "k_proj", hidden * kv * dim
    yield "v_proj", hidden * kv * value
    yield "o_proj", heads * value * hidden
    if gate == "full":
        yield "gate_proj", hidden * heads * value
