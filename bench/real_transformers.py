"""Our reader of configurations against the real transformers: every class on the meta device, sizes of several kinds.

    pip install transformers torch     # beside llmfit; CPU builds do
    python bench/real_transformers.py              # where we differ, by class, size and form
    python bench/real_transformers.py qwen3 llama  # some classes alone
    python bench/real_transformers.py --record     # writes what tests/files/test_classes.py reads, and class defaults

Each class of AutoModelForCausalLM and AutoModelForImageTextToText is built from its own defaults and from two sets of
other sizes, and read back in two forms: the keys alone that were chosen (published), and what save_pretrained writes.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
RECORD, DEFAULTS = ROOT / "tests/files/classes.jsonl", ROOT / "llmfit/files/class_defaults.json"
CLOSE = 0.001
# Modules that are no text decoder: what sees, hears and draws, what joins it on, what drafts.
OTHER = re.compile(
    r"(^|\.)(visual\w*|vision(?!_moe)\w*|audio\w*|image\w*|multi_?modal\w*|mm_\w+|vit\w*|vqmodel|talker|aligner\w*|qformer\w*|"
    r"connector|perceiver\w*|resampler\w*|speech\w*|mtp\w*|embed_vision|embed_audio|projector|language_projection|query_tokens|"
    r"generation_\w+|view_separator|merger|mlp_AR|video_tower|high_res\w*|embeddings\.(class|patch)\w*|"
    r"gated_cross_attn_layers)(\.|$)"
)
PARTS = ("text_config", "llm_config", "language_config")
ODD: dict[str, Any] = {
    "hidden_size": 1536, "n_embd": 1536, "d_model": 1536, "num_attention_heads": 12, "n_head": 12, "num_heads": 12,
    "num_key_value_heads": 4, "num_hidden_layers": 13, "n_layer": 13, "num_layers": 13, "n_layers": 13,
    "intermediate_size": 4032, "ffn_dim": 4032, "n_inner": 4032, "ffn_hidden_size": 4032, "vocab_size": 50048,
    "moe_intermediate_size": 640, "num_experts": 24, "num_local_experts": 24, "n_routed_experts": 24,
    "moe_num_experts": 24, "num_experts_per_tok": 3, "moe_k": 3, "moe_topk": 3, "q_lora_rank": 384, "kv_lora_rank": 192,
    "first_k_dense_replace": 2, "num_dense_layers": 2, "n_shared_experts": 3, "num_shared_experts": 3,
    "max_position_embeddings": 4096, "index_n_heads": 8, "index_head_dim": 64, "expert_ffn_hidden_size": 640,
    "n_group": 1, "topk_group": 1, "pad_token_id": 1,
}  # fmt: skip
WIDE: dict[str, Any] = {
    "hidden_size": 2304, "n_embd": 2304, "d_model": 2304, "num_attention_heads": 18, "n_head": 18, "num_heads": 18,
    "num_key_value_heads": 6, "num_hidden_layers": 20, "n_layer": 20, "num_layers": 20, "n_layers": 20, "head_dim": 96,
    "intermediate_size": 7168, "ffn_dim": 7168, "n_inner": 7168, "ffn_hidden_size": 7168, "vocab_size": 99968,
    "moe_intermediate_size": 448, "num_experts": 32, "num_local_experts": 32, "n_routed_experts": 32,
    "moe_num_experts": 32, "num_experts_per_tok": 5, "moe_k": 5, "moe_topk": 5, "attention_bias": True,
    "mlp_bias": True, "use_bias": True, "shared_expert_intermediate_size": 512, "shared_intermediate_size": 768,
    "swa_num_key_value_heads": 3, "v_head_dim": 96, "qk_nope_head_dim": 96, "qk_rope_head_dim": 32,
    "decoder_sparse_step": 2, "mlp_only_layers": [3], "interleave_moe_layer_step": 2, "moe_layer_interval": 2,
    "num_kv_shared_layers": 6, "use_double_wide_mlp": True, "enable_moe_block": True, "attention_k_eq_v": True,
    "hidden_size_per_layer_input": 128, "n_group": 1, "topk_group": 1, "linear_num_value_heads": 24,
    "linear_num_key_heads": 12, "linear_key_head_dim": 96, "linear_value_head_dim": 64, "conv_L_cache": 5, "hc_mult": 2,
    "pad_token_id": 1,
}  # fmt: skip
# What a class refuses in some combination is left out step by step.
LESS = (
    (), ("attention_bias", "mlp_bias", "use_bias"), ("head_dim", "v_head_dim", "qk_nope_head_dim", "qk_rope_head_dim"),
    ("num_kv_shared_layers", "enable_moe_block", "hidden_size_per_layer_input"),
    ("hidden_size", "n_embd", "d_model", "num_attention_heads", "n_head", "num_heads", "num_key_value_heads"),
    ("n_shared_experts", "num_experts_per_tok", "decoder_sparse_step"),
)  # fmt: skip
# What a class needs and has no default for.
NEEDED: dict[str, dict[str, Any]] = {
    "qwen4_exp_text": {"indexer_n_heads": 4, "indexer_kv_heads": 1, "indexer_head_dim": 128, "indexer_budget": 2048,
                       "indexer_compress_ratio": 4, "output_gate_type": "sigmoid"},
}  # fmt: skip


# What a class fills in after its fields.
FILLED: dict[str, dict[str, Any]] = {"ernie4_5_vl_moe_text": {"moe_intermediate_size": [1536, 512]}}


class Case(NamedTuple):
    """A configuration in one form, and what transformers allocates for it."""

    model_type: str
    size: str
    form: str
    config: dict[str, Any]
    text: int
    experts: int


def classes() -> Iterator[tuple[str, Any]]:
    """(model type, the automatic class that builds it), causal models first."""
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
    from transformers.models.auto import modeling_auto as names

    for name in names.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        yield name, AutoModelForCausalLM
    for name in names.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        if name not in names.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
            yield name, AutoModelForImageTextToText


def built(kind: Any, config: Any) -> tuple[int, int]:
    """(parameters of the text decoder, routed experts among them); shared matrices count once."""
    import torch

    with torch.device("meta"):
        model = kind.from_config(config)
    text = experts = 0
    for name, tensor in model.named_parameters():
        if OTHER.search(name):
            continue
        text += tensor.numel()
        if re.search(r"\.experts\.|\.(input|output)_linear\.", name) and not re.search("shared_mlp|expert_bias", name):
            experts += tensor.numel()
    return text, experts


def saved(config: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        config.save_pretrained(folder)
        found: dict[str, Any] = json.loads((Path(folder) / "config.json").read_text())
    return found


def cases(model_type: str, kind: Any) -> Iterator[Case]:
    """All sizes and forms of a class; a class that cannot be built is told on standard error."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    cls = CONFIG_MAPPING[model_type]
    inner = next((key for key in PARTS if key in (getattr(cls, "sub_configs", None) or {})), None)
    for size, chosen in (("default", {}), ("odd", ODD), ("wide", WIDE)):
        wrong: Exception | None = None
        for step in range(len(LESS)):
            without = {key for keys in LESS[: step + 1] for key in keys}
            try:
                published = keys_of(cls, model_type, inner, {k: v for k, v in chosen.items() if k not in without})
                config = cls(**{key: value for key, value in published.items() if key != "model_type"})
                text, experts = built(kind, config)
            except Exception as error:
                wrong = error
                continue
            if len(published) > 1 or inner:
                yield Case(model_type, size, "published", published, text, experts)
            yield Case(model_type, size, "saved", saved(config), text, experts)
            break
        else:
            print(f"{model_type} {size}: not built: {type(wrong).__name__} {str(wrong)[:90]}", file=sys.stderr)


def keys_of(cls: Any, model_type: str, inner: str | None, chosen: dict[str, Any]) -> dict[str, Any]:
    """The keys of a file that makes these choices, as far as the class has them."""
    part = type(getattr(cls(), inner)) if inner else cls
    has = {field.name for field in dataclasses.fields(part)}
    own = {key: value for key, value in {**chosen, **NEEDED.get(part.model_type, {})}.items() if key in has}
    if not inner:
        return {"model_type": model_type, **own}
    return {"model_type": model_type, inner: {"model_type": part.model_type, **own}}


def known_keys() -> set[str]:
    """The keys that the reader asks for."""
    files = (ROOT / "llmfit/files").glob("*.py")
    return set(re.findall(r'"([a-zA-Z_0-9]+)"', "".join(path.read_text() for path in files)))


def short(config: dict[str, Any], known: set[str]) -> dict[str, Any]:
    """What of a configuration the reader asks for."""
    return {
        key: short(value, known) if isinstance(value, dict) and not key.isdigit() else value
        for key, value in config.items()
        if key.isdigit() or (key in known and not key.startswith(("vision", "audio")) and value not in (None, {}))
    }


def defaults() -> dict[str, dict[str, Any]]:
    """By model type what its class takes for the keys that the reader knows; `text`: a composite's text part."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    known = known_keys()
    found: dict[str, dict[str, Any]] = {}

    def add(cls: Any, model_type: str) -> None:
        own = found.setdefault(model_type, {})
        for field in dataclasses.fields(cls):
            value = field.default
            if value is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
                with contextlib.suppress(Exception):
                    value = field.default_factory()
            if field.name in known and isinstance(value, int | float | list | tuple | dict) and value not in ([], {}):
                own[field.name] = list(value) if isinstance(value, tuple) else value
        parts = getattr(cls, "sub_configs", None) or {}
        for key in (*PARTS, "thinker_config", "decoder"):
            part = getattr(cls(), key, None) if key in parts else None
            if part is not None:
                own["text"] = part.model_type
                own.pop("vocab_size", None), own.pop("hidden_size", None)
                if part.model_type not in found:
                    add(type(part), part.model_type)
                return

    for model_type, _ in classes():
        with contextlib.suppress(Exception):
            add(CONFIG_MAPPING[model_type], model_type)
    for model_type, own in FILLED.items():
        found[model_type] |= own
    return found


def compared(case: Case) -> tuple[bool, str]:
    """(do we agree, one line)."""
    from llmfit.files.config import model_of

    where = f"{case.model_type} {case.size} {case.form}"
    try:
        found = model_of(where, case.config)
    except ValueError as error:
        return False, f"{where}: {error}"
    if found.counts is None:
        return False, f"{where}: {'; '.join(found.notes)}"
    text, experts = found.counts.text / case.text - 1, (found.counts.experts - case.experts) / case.text
    line = f"{where}: {case.text / 1e9:.4f} B, ours {100 * text:+.3f} %"
    line += f"; experts {case.experts / 1e9:.3f} B, {100 * experts:+.3f} %"
    return abs(text) < CLOSE and abs(experts) < CLOSE, line


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    arguments.add_argument("types", nargs="*", help="model types; without: all")
    arguments.add_argument("--record", action="store_true", help="write the test's record and the defaults of classes")
    asked = arguments.parse_args()
    sys.path[:] = [place for place in sys.path if Path(place).resolve() != ROOT / "bench"]  # http.py there is ours
    os.environ["HF_HUB_OFFLINE"] = "1"
    warnings.filterwarnings("ignore")
    try:
        import transformers
    except ImportError:
        print("transformers and torch are not installed: pip install transformers torch", file=sys.stderr)
        return 2
    transformers.logging.set_verbosity_error()
    if asked.record:
        lines = (
            f"{json.dumps(name)}:{json.dumps(own, separators=(',', ':'), sort_keys=True)}"
            for name, own in sorted(defaults().items())
        )
        DEFAULTS.write_text("{" + ",\n".join(lines) + "}\n")
    agree, differ, kept = 0, [], []
    for model_type, kind in classes():
        if asked.types and model_type not in asked.types:
            continue
        for case in cases(model_type, kind):
            same, line = compared(case)
            agree += same
            if not same:
                differ.append(line)
            elif (case.size, case.form) in (("odd", "published"), ("default", "saved")):
                kept.append(case)
    print("\n".join(differ))
    print(f"transformers {transformers.__version__}: {agree} agree within {100 * CLOSE} %, {len(differ)} do not")
    if asked.record:
        known = known_keys()
        short_ones = (case._replace(config=short(case.config, known)) for case in kept)
        RECORD.write_text("".join(json.dumps(case._asdict(), separators=(",", ":")) + "\n" for case in short_ones))
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
