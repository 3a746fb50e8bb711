"""From the header of a GGUF file to the facts of its model. Names of keys: the gguf package's constants.Keys."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from llmfit import codes
from llmfit.catalog.pack import FixedQuant
from llmfit.files.gguf_header import Header, Tensor, file_type_label
from llmfit.files.gguf_layers import NO_WINDOW, attention_facts, attention_word, linear_facts, per_layer
from llmfit.files.model import MOST, FileModel, count, speed_class

# llama.cpp's name of an architecture: the configuration's, where more than a hyphen differs.
MODEL_TYPES = {
    "deepseek2": "deepseek_v3", "glm4moe": "glm4_moe", "granitehybrid": "granitemoehybrid",
    "nemotron_h_moe": "nemotron_h",
    "phi2": "phi", "qwen2moe": "qwen2_moe", "qwen35": "qwen3_5", "qwen35moe": "qwen3_5_moe", "qwen3moe": "qwen3_moe",
    "qwen3next": "qwen3_next",
}  # fmt: skip
NOT_MODELS = {"mmproj": "a projector (mmproj) for images or sound", "adapter": "a LoRA adapter",
              "imatrix": "an importance matrix",
              "vocab": "a vocabulary alone"}  # fmt: skip
OTHER_PARTS = ("v.", "mm.", "a.", "vision.", "audio.")  # encoders of images and sound in the same file


def block_of(name: str) -> int:
    """The layer of a tensor, -1 outside the layers."""
    found = re.match(r"blk\.(\d{1,5})\.", name)
    return int(found[1]) if found else -1


def bits(tensors: Iterable[Tensor]) -> float:
    """Bits a weight over some tensors; 0 where there are none."""
    tensors = list(tensors)
    elements = sum(tensor.elements for tensor in tensors)
    return 8.0 * sum(tensor.bytes for tensor in tensors) / elements if elements else 0.0


def quant_of(label: str, known: dict[str, FixedQuant], text: list[Tensor]) -> tuple[FixedQuant, tuple[str, ...]]:
    """The quantization of the file: named by the header, by the type of most bytes where that names none or another."""
    wide = [tensor for tensor in text if len(tensor.dims) > 1] or text
    sizes: Counter[str] = Counter()
    for tensor in wide:
        sizes[tensor.type] += tensor.bytes
    ends = {"token_embd.weight", "output.weight"}
    inner = [tensor for tensor in wide if tensor.name not in ends] or wide
    most, average = sizes.most_common(1)[0][0], bits(inner)
    notes: tuple[str, ...] = ()
    like = known.get(label)
    if like and not 0.7 * min(like.body_bits, like.expert_bits) < average < 1.6 * max(like.body_bits, like.expert_bits):
        notes = (f"its header calls it {label}, but it holds {average:.2f} bits a weight, mostly {most}: named {most}",)
    if not label or notes:
        label = most
        like = known.get(label)
    body = bits(tensor for tensor in inner if "_exps" not in tensor.name) or average
    experts = bits(tensor for tensor in wide if "_exps" in tensor.name) or body
    embedding = bits(tensor for tensor in wide if tensor.name == "token_embd.weight") or body
    output = bits(tensor for tensor in wide if tensor.name == "output.weight") or embedding
    return FixedQuant(
        label, codes.RUNTIMES.index("llamacpp"), body, experts, output, embedding, average,
        like.loss_bits if like else min(average, 16.0), like.speed if like else speed_class(average),
    ), notes  # fmt: skip


def names_of(meta: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(what the model may be called, what its base may be called), the surest first."""

    def said(key: str) -> str:
        value = meta.get(f"general.{key}")
        return value if isinstance(value, str) else ""

    def repository(key: str) -> str:
        found = re.search(r"huggingface\.co/([\w.-]+/[\w.-]+)", said(key))
        return found[1] if found else ""

    parts = [said("basename"), said("finetune"), said("size_label")]
    own = [repository("source.repo_url"), repository("source.url"), said("source.huggingface.repository"), said("name"),
           "-".join(filter(None, (parts[0], parts[2], parts[1]))), "-".join(filter(None, parts)),
           "-".join(filter(None, (parts[0], parts[2])))]  # fmt: skip
    base = [repository("base_model.0.repo_url"), said("base_model.0.name")]
    return tuple(filter(None, own)), tuple(filter(None, base))


def model_of(name: str, headers: list[Header], known: dict[str, FixedQuant], complete: bool) -> FileModel:
    """The model of a GGUF file (of all its parts); ValueError with what is wrong. `known`: quantizations by label."""
    meta = headers[0].meta
    family, kind = meta.get("general.architecture"), meta.get("general.type", "model")
    if not isinstance(family, str) or not family:
        raise ValueError("general.architecture is missing")
    what = NOT_MODELS.get("mmproj" if family == "clip" else "imatrix" if family == "imatrix" else str(kind))
    if what:
        raise ValueError(f"it is {what}, not a language model")

    def get(key: str) -> Any:
        return meta.get(f"{family}.{key}")

    draft = count("nextn_predict_layers", get("nextn_predict_layers"))
    n_layers = count("block_count", get("block_count"), MOST["n_layers"]) - draft
    hidden = count("embedding_length", get("embedding_length"))
    if n_layers < 1 or hidden < 1:
        raise ValueError(f"{family}.block_count or {family}.embedding_length is missing or 0: not a language model")
    attention, cells, attends = attention_facts(get, family, n_layers)
    ff = per_layer(get("feed_forward_length"), n_layers, "feed_forward_length")
    single = family.startswith("nemotron_h")  # every block is one of attention, state space, feed-forward
    n_linear = sum(not (a or (single and f)) for a, f in zip(attends, ff, strict=True))
    linear = linear_facts(get, family, n_linear, n_layers, hidden)

    tensors = [tensor for header in headers for tensor in header.tensors]
    other = [tensor for tensor in tensors if tensor.name.startswith(OTHER_PARTS)]
    drafts = [tensor for tensor in tensors if block_of(tensor.name) >= n_layers]
    aside = {tensor.name for tensor in (*other, *drafts)}
    text = [tensor for tensor in tensors if tensor.name not in aside]
    if not text:
        raise ValueError("it holds no tensors of a language model")
    if len({tensor.name for tensor in tensors}) < len(tensors):
        raise ValueError("its parts hold the same tensor twice")
    experts = [tensor for tensor in text if "_exps" in tensor.name]
    n_experts, used = count("expert_count", get("expert_count")), count("expert_used_count", get("expert_used_count"))
    params = sum(tensor.elements for tensor in text)
    routed = sum(tensor.elements for tensor in experts)
    expert_ff = count("expert_feed_forward_length", get("expert_feed_forward_length")) or (max(ff) if n_experts else 0)
    shared = count("expert_shared_feed_forward_length", get("expert_shared_feed_forward_length")) or expert_ff * count(
        "expert_shared_count", get("expert_shared_count")
    )
    moe_layers = len({block_of(tensor.name) for tensor in experts})
    blocks = n_layers - (attends.count(True) + n_linear if single else 0)
    embedding = next((tensor for tensor in text if tensor.name == "token_embd.weight"), None)
    vocab = get("vocab_size") or meta.get("tokenizer.ggml.tokens") or (embedding.dims[-1] if embedding else 0)
    context = count("context_length", get("context_length"), 1 << 30)
    license = meta.get("general.license")
    facts: dict[str, Any] = {
        "model_type": MODEL_TYPES.get(family, family.replace("-", "_")), "format": "gguf", "n_layers": n_layers,
        "hidden_size": hidden, "intermediate_size": max(ff),
        "vocab_size": embedding.dims[-1] if embedding else count("vocab_size", vocab),
        "tied_embeddings": complete and not any(tensor.name == "output.weight" for tensor in text),
        "context_length": context or None, "n_experts": n_experts, "n_experts_active": used,
        "moe_intermediate_size": expert_ff, "shared_intermediate_size": shared,
        "n_dense_layers": max(blocks - moe_layers, 0) if n_experts else 0,
        "per_layer_embedding": count("embedding_length_per_layer_input", get("embedding_length_per_layer_input")),
        "moe_latent_size": count("moe_latent_size", get("moe_latent_size")),
        "attention": attention_word(family, attention, linear, get("attention.causal")),
        "license": license.lower() if isinstance(license, str) and re.fullmatch(r"[\w.+-]{1,60}", license) else None,
        **attention, **linear,
    }  # fmt: skip
    if facts["attention"] == "encoder" or get("pooling_type"):
        facts |= {"use_case": "embedding", "role": "embedding"}
    if complete:
        facts |= {"params_text": float(params), "params_total": float(sum(tensor.elements for tensor in tensors))}
        if n_experts and used:
            facts["params_active"] = float(params - routed * (1 - used / n_experts))
    quant, notes = quant_of(file_type_label(meta.get("general.file_type")), known, text)
    weight_bytes = sum(tensor.bytes for tensor in text)
    if complete:
        notes += (f"weights are exact: {weight_bytes:,} bytes in {len(text)} tensors, read from the file",)
    for what, part in (
        ("encoders of images or sound", other),
        ("layers for drafting, which llama.cpp does not load,", drafts),
    ):
        if part:
            notes += (f"{what} take {sum(tensor.bytes for tensor in part):,} bytes more of the file",)
    if attention.get("sliding_window") is None and get("attention.sliding_window") and family not in NO_WINDOW:
        notes += ("which layers keep a window only is not known: all are taken to keep the whole context",)
    called, base = names_of(meta)
    return FileModel(
        name=name, facts=facts, called=called, base=base, weight_bytes=weight_bytes if complete else 0,
        disk_bytes=sum(header.size for header in headers) if complete else 0, quant=quant, cells=cells, notes=notes,
        present=complete,
    )  # fmt: skip
