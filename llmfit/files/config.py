"""From a transformers configuration (config.json) to the facts of its model, whatever the dialect calls them."""

from __future__ import annotations

from typing import Any

from llmfit.files.config_facts import attention_facts, experts_facts, linear_facts, sparse_facts
from llmfit.files.config_file import Config, class_defaults, parsed
from llmfit.files.counting import counted, width
from llmfit.files.layers import layer_count, layer_kinds, layer_words
from llmfit.files.model import MOST, FileModel, attention_of
from llmfit.files.quantized import stored_as

__all__ = ["ENCODERS", "Config", "model_of", "parsed"]

ENCODERS = (
    "bert", "roberta", "mpnet", "electra", "xlm-roberta", "deberta", "nomic_bert", "modernbert", "new", "eurobert",
    "camembert", "ernie", "data2vec-text", "megatron-bert", "roformer", "rembert",
)  # fmt: skip
DECODERS = ("modernbert-decoder", "ernie4_5")


def is_encoder(kind: str) -> bool:
    """Whether a class of this model type is an encoder: it has no cache."""
    return kind.startswith(ENCODERS) and not kind.startswith(DECODERS)


def use_of(c: Config, kind: str) -> dict[str, Any]:
    """What the class in `architectures` tells of the use."""
    named = c.outer.get("architectures")
    classes = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
    if any(key in c.outer for key in ("vision_config", "visual", "vision_tower")):
        return {"use_case": "multimodal", "capabilities": ("vision",)}
    if is_encoder(kind) or any(name.endswith(("Embedding", "SequenceClassification")) for name in classes):
        return {"use_case": "embedding", "role": "embedding"}
    return {}


def model_of(name: str, outer: dict[str, Any]) -> FileModel:
    """The model of a configuration; ValueError with what is wrong. Parameters are counted where its class is known."""
    c = Config(outer, class_defaults())
    kind = c.kind
    n_layers, hidden = layer_count(c, MOST["n_layers"]), c.hidden()
    if n_layers < 1 or hidden < 1 or not says_what(c):
        raise ValueError(
            "it does not say how many layers, or how wide a language model has: not a model's configuration"
        )
    words, kinds = layer_words(c, n_layers), layer_kinds(c, kind, n_layers)
    attention = attention_facts(c, kinds, n_layers, hidden)
    linear = linear_facts(c, kinds, words, attention, hidden)
    experts = experts_facts(c, words)
    stored = stored_as(c, n_layers)
    context, tied = c.context(), c.tied()
    facts: dict[str, Any] = {
        "model_type": kind.removesuffix("_text"), "n_layers": n_layers, "hidden_size": hidden, "vocab_size": c.vocab(),
        "intermediate_size": width(c, hidden), "format": stored.format, "bits": stored.bits, "tied_embeddings": tied,
        "context_length": min(context, 1 << 30) or None,
        "per_layer_embedding": c.count("hidden_size_per_layer_input"), **attention, **experts, **linear,
        **sparse_facts(c, words), **use_of(c, kind),
    }  # fmt: skip
    facts["attention"] = attention_word(c, facts, linear)
    if facts["attention"] == "ssm" and kind.endswith(("mamba", "mamba2")):
        facts["intermediate_size"] = 0  # the width of the state, not of a feed-forward
    if "roberta" in kind and context > 2:
        facts["context_length"] = context - 2  # positions begin behind the padding's
    notes, counts = [], None
    assumed = c.assumed()
    if assumed:
        notes.append(f"{', '.join(assumed)}: not in the file, taken from the defaults of {kind}")
    try:
        counts = counted(c, n_layers, tied)
    except ValueError as error:
        notes.append(str(error))
    said = c.outer.get("_name_or_path") or c.outer.get("name_or_path")
    called = (said,) if isinstance(said, str) and said else ()
    return FileModel(name=name, facts=facts, called=called, notes=tuple(notes), counts=counts,
                     stored=stored if stored.format != "bf16" else None)  # fmt: skip


def says_what(c: Config) -> bool:
    """Whether the file says something of its size itself, or is a composite of a class that is known."""
    own = c.said(
        "num_hidden_layers",
        "n_layer",
        "n_layers",
        "num_layers",
        "hidden_size",
        "n_embd",
        "d_model",
        "layer_types",
        "layers_block_type",
        "hybrid_override_pattern",
        "decoder_layers",
        "num_blocks",
        "dim",
        "num_decoder_layers",
    )
    return own or c.inner is not c.outer or "text" in class_defaults().get(str(c.outer.get("model_type")), {})


def attention_word(c: Config, facts: dict[str, Any], linear: dict[str, Any]) -> str:
    """The class of codes.ATTENTIONS; empty where the layers keep something that llmfit has no rule for."""
    if c.first("is_encoder_decoder") is True:
        return "encoder_decoder"
    if is_encoder(c.kind):
        return "encoder"
    if c.first("compress_ratios", "compress_rates") is not None or c.kind.startswith("deepseek_v4"):
        return "compressed_sparse"
    no_attention = not facts.get("n_full_attn_layers") and not facts.get("kv_lora_rank")
    return attention_of(linear.get("linear_kind", ""), facts, no_attention)
