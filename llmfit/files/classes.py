"""How the classes of transformers differ from a plain decoder: what no key of a configuration tells.

A plain decoder has query, key, value and output, three matrices in its feed-forward and two norms a layer.
Read from the weights that transformers 5.24.0 allocates; bench/configs.py asks it again.
"""

from __future__ import annotations

from typing import NamedTuple


class Traits(NamedTuple):
    """What a class has that a plain decoder has not."""

    matrices: int = 3  # of a feed-forward: 2 without a gate
    gate: str = ""  # of attention's output: full (n d), heads (n), query (inside the query), rank (from the query's)
    bias: str = ""  # q, k, v, o, m(lp), n(orm), h(ead): always there
    norms: int = 2  # a layer
    qk_norm: str = ""  # head: each head's width; wide: all heads'
    positions: int = -1  # an embedding of positions: as many more rows than max_position_embeddings; -1: none
    reads: int = 1  # attention reads so many widths (Zamba: 2)
    same_kv: bool = False  # attention_k_eq_v leaves the values' projection out
    whole_gates: bool = False  # of a delta net: not through a bottleneck
    dense_beside: bool = False  # a dense feed-forward beside the experts
    cross: bool = False  # a decoder whose layers look at an encoder's output too
    encoder: bool = False  # BERT and its kin: types of tokens, a transform before the head


PLAIN = Traits()
TWO = Traits(matrices=2)
CLASSES: dict[str, Traits] = {}


def _set(names: str, **traits: object) -> None:
    for name in names.split():
        CLASSES[name] = CLASSES.get(name, PLAIN)._replace(**traits)  # type: ignore[arg-type]


_set(
    "arcee nemotron nemotron_h NemotronH_Nano_VL_V2 apertus apertus1p5 apertus1p5_text jais2 nanochat moshi", matrices=2
)
_set("starcoder2 phi fuyu persimmon gpt_neox gpt_neox_japanese gptj gpt_neo codegen mpt falcon bloom ctrl", matrices=2)
_set("gpt2 gpt-sw3 gpt_bigcode openai-gpt opt xglm biogpt git blip_text_model", matrices=2)
_set(
    "gpt2 gpt-sw3 gpt_bigcode openai-gpt biogpt bloom persimmon fuyu phi jais2 starcoder2 opt xglm gpt_neox ctrl",
    bias="qkvomn",
)
_set(
    "qwen2 qwen2_moe qwen2_vl qwen2_5_vl qwen2_vl_text qwen2_5_vl_text qwen2_5_omni_text qwen seed_oss got_ocr2",
    bias="qkv",
)
_set("glm glm4 chatglm", bias="qkv")
_set("gpt_oss", bias="qkvo")
_set("gptj codegen", bias="m")
_set("gpt_neo", bias="omn")
_set("gpt2 gpt-sw3 gpt_bigcode openai-gpt gpt_neo", positions=0)
_set("opt biogpt", positions=2)
_set("afmoe beam muse_glimmer_text muse_spark_text hrm_text dory hy_v4 hy_v4_vl_text", gate="full")
_set("dots3_note_text dots3_note laguna lfm3 lfm3_text step3p5 step3p7_text", gate="heads")
_set("qwen3_next qwen3_5 qwen3_5_text qwen3_5_moe qwen3_5_moe_text", gate="query")
_set("qwen4_exp qwen4_exp_text minicpmv4_6 minicpmv4_7 minicpm_ocr", gate="query")
_set("axk2", gate="rank")
_set("gemma4 gemma4_text gemma4_unified gemma4_unified_text", same_kv=True)
_set("bailing_hybrid", whole_gates=True)
_set("gemma2 gemma3 gemma3_text gemma3n gemma3n_text gemma4 gemma4_text gemma4_unified_text glm4 afmoe beam", norms=4)
_set("muse_glimmer_text vaultgemma lfm3 hyperclovax", norms=4)
_set("qwen3 qwen3_moe qwen3_5 qwen3_5_text qwen3_5_moe qwen3_5_moe_text qwen3_next", qk_norm="head")
_set("gemma3 gemma3_text gemma4 gemma4_text", qk_norm="head")
_set("afmoe beam hy_v3 hunyuan_v1_dense hunyuan_v1_moe laguna lfm2 lfm2_moe lfm3", qk_norm="head")
_set("inkling_text qwen3_vl_text qwen3_vl_moe_text", qk_norm="head")
_set("olmo2 olmo3 olmoe flex_olmo olmo_hybrid minimax_m2", qk_norm="wide")
_set("cosmos3_edge_text ctrl", matrices=2)
_set("inkling2_text inkling2_loop_text", gate="full")
_set(
    "bert bert-generation ernie camembert roberta xlm-roberta data2vec-text megatron-bert roformer xlm-roberta-xl",
    encoder=True,
)
_set("roberta-prelayernorm electra rembert", encoder=True)
_set(
    "bert bert-generation ernie camembert roberta xlm-roberta data2vec-text megatron-bert roformer xlm-roberta-xl",
    matrices=2,
    bias="qkvomn",
)
_set("roberta-prelayernorm electra rembert git", matrices=2, bias="qkvomn")
_set("bert bert-generation ernie camembert roberta xlm-roberta data2vec-text megatron-bert xlm-roberta-xl", positions=0)
_set("roberta-prelayernorm electra rembert git", positions=0)
_set(
    "bart mbart blenderbot blenderbot-small pegasus marian mvp plbart trocr whisper",
    matrices=2,
    bias="qkvomn",
    cross=True,
)
_set("blenderbot blenderbot-small pegasus marian whisper", positions=0)
_set("bart mbart mvp plbart trocr", positions=2)
# Classes whose weights no rule here counts.
UNCOUNTED = frozenset(
    {
     "big_bird", "bigbird_pegasus", "blt", "cpmant", "evolla", "florence2", "kosmos-2", "kosmos-2.5",
     "kosmos_2_5_text_model", "kosmos_2_text_model", "musicgen", "musicgen_melody", "pi0", "pix2struct",
     "pix2struct_text_model", "pp_formulanet", "pp_formulanet_text", "prophetnet", "reformer", "roc_bert",
     "t5gemma2", "t5gemma2_decoder", "udop", "vision-encoder-decoder", "xlm", "xlnet", "xmod",
    }
)  # fmt: skip


def traits_of(kind: str) -> Traits:
    """The traits of a model type; a plain decoder's where nothing else is known."""
    return CLASSES.get(kind) or CLASSES.get(kind.removesuffix("_text")) or PLAIN
