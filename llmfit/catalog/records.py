"""What one line of each table in ``src/data`` holds; see ``src/data/README.md`` for sources and licences."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from llmfit import codes

Positive = Annotated[float, msgspec.Meta(gt=0, le=1e14)]
Rate = Annotated[float, msgspec.Meta(ge=1e-6, le=1e14)]  # of what is divided by
Logit = Annotated[float, msgspec.Meta(ge=-1e5, le=1e5)]  # several of them are added up
Weight = Annotated[float, msgspec.Meta(ge=0, le=1e5)]
Number = Annotated[float, msgspec.Meta(ge=-1e14, le=1e14)]  # bounds keep NaN and infinity out
# No real model comes near these; beyond them sums in the kernel could overflow (llmfit/catalog/integrity.py).
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 25)]
Layers = Annotated[int, msgspec.Meta(ge=0, le=1 << 13)]
Heads = Layers
Experts = Annotated[int, msgspec.Meta(ge=0, le=1 << 15)]
Window = Annotated[int, msgspec.Meta(ge=0, le=1 << 30)]
Tokens = Annotated[int, msgspec.Meta(ge=1, le=1 << 30)]
RepoId = Annotated[str, msgspec.Meta(pattern=r"^\w[\w.+-]*(/\w[\w.+-]*)?$", max_length=200)]
Date = Annotated[str, msgspec.Meta(pattern=r"^20[12]\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")]
Words = tuple[str, ...]
LinearKind = Literal[codes.LINEAR_KINDS]  # type: ignore[valid-type]


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One repository: who made it, what shape it has, what it is for."""

    id: RepoId
    provider: str
    kind: Literal["original", "quant", "finetune"]
    origin: Literal["official", "quantized", "community"]
    base_id: RepoId | None = None
    params_total: Positive
    params_active: Positive | None = None
    params_text: Positive
    nominal_size: str = ""
    model_type: str = ""
    n_layers: Layers = 0
    hidden_size: Count = 0
    n_heads: Heads = 0
    n_kv_heads: Heads = 0
    head_dim: Count = 0
    v_head_dim: Count = 0
    full_kv_heads: Heads = 0
    full_head_dim: Count = 0
    intermediate_size: Count = 0
    moe_intermediate_size: Count = 0
    shared_intermediate_size: Count = 0
    vocab_size: Count = 0
    tied_embeddings: bool = False
    n_experts: Experts = 0
    n_experts_active: Experts = 0
    n_experts_shared: Count = 0
    n_dense_layers: Layers = 0
    attention: Literal[codes.ATTENTIONS] = ""  # type: ignore[valid-type]
    sliding_window: Window = 0
    n_full_attn_layers: Layers | None = None
    kv_shared_layers: Layers = 0
    kv_lora_rank: Count = 0
    rope_head_dim: Count = 0
    context_length: Tokens | None = None
    release_date: Date | None = None
    license: Annotated[str, msgspec.Meta(pattern=r"^[\w.+,-]+$")] | None = None
    capabilities: tuple[Literal["tool_use", "vision", "audio", "reasoning", "embedding", "rerank"], ...] = ()
    format: Literal[codes.FORMATS]  # type: ignore[valid-type]
    bits: Annotated[float, msgspec.Meta(gt=0, le=32)] | None = None
    use_case: Literal[codes.USE_CASES]  # type: ignore[valid-type]
    role: Literal[codes.ROLES]  # type: ignore[valid-type]
    tuning: Literal[codes.TUNINGS]  # type: ignore[valid-type]
    serves: tuple[Literal[codes.USE_CASES], ...] = ()  # type: ignore[valid-type]
    ollama_tag: str | None = None
    gguf_repos: tuple[RepoId, ...] = ()
    facts_from: str = ""
    params_from: str = ""
    params_text_from: str = ""
    date_from: str = ""
    flags: Words = ()


class Architecture(msgspec.Struct, frozen=True, kw_only=True):
    """Where the full-attention layers of a shape are, and what its linear layers keep."""

    id: str
    model_type: str
    n_layers: Layers = 0
    hidden_size: Count = 0
    attention: str = ""
    full_attention_layers: tuple[int, ...] = ()
    linear_kind: LinearKind = ""
    n_linear_layers: Layers = 0
    ssm_inner: Count = 0
    ssm_state: Count = 0
    ssm_groups: Count = 0
    ssm_heads: Count = 0
    ssm_conv: Count = 0
    q_lora_rank: Count = 0
    qk_nope_head_dim: Count = 0
    per_layer_embedding: Count = 0
    moe_latent_size: Count = 0
    indexer_layers: Layers = 0  # layers that keep indexer keys of their own
    indexer_width: Count = 0  # cache elements a token in such a layer
    csa_layers: Layers = 0  # compressed sparse attention: a cell for 4 tokens, with an indexer of its own
    hca_layers: Layers = 0  # heavily compressed attention: a cell for 128 tokens
    example_id: str = ""
    source: str = ""


class Quant(msgspec.Struct, frozen=True, kw_only=True):
    """A quantization that an unquantized original may be converted to; bits a weight by kind of tensor."""

    name: str
    runtime: Literal[codes.RUNTIMES]  # type: ignore[valid-type]
    format: str
    body_bits: Positive
    expert_bits: Positive
    output_bits: Positive
    embedding_bits: Positive
    nameonly_bits: Positive
    speed: Literal[codes.SPEED_CLASSES]  # type: ignore[valid-type]
    loss_bits: Positive
    ladder: int  # place in its runtime's ladder, best first; 0: known, but not chosen by itself
    mix: str = ""  # label in gguf_mixes.csv
    mix_scale: Positive = 1.0  # a publisher's own mix: its size over that of `mix`
    source: str


class FixedFormat(msgspec.Struct, frozen=True, kw_only=True):
    """How a repository of a fixed format stores its weights; `{bits}` in the label is the repository's own."""

    format: Literal[codes.FORMATS]  # type: ignore[valid-type]
    label: str
    runtime: Literal[(*codes.RUNTIMES, "none")]  # type: ignore[valid-type]
    scale_bits: Number
    rest_bits: Number  # of embedding and output; 0: like the body
    default_bits: Positive
    body_is_experts: bool  # the format covers the experts alone, the rest stays at rest_bits
    speed: Literal[codes.SPEED_CLASSES]  # type: ignore[valid-type]
    source: str


class GgufType(msgspec.Struct, frozen=True, kw_only=True):
    """A block of quantized weights, and the type that takes over where a row does not divide into blocks."""

    type: str
    block: Positive
    bytes: Positive
    fallback: str = ""
    source: str


class MixRule(msgspec.Struct, frozen=True, kw_only=True):
    """The type of one kind of tensor under a GGUF label; later rules beat earlier ones."""

    rule: str  # unique: label/tensor/number
    label: str
    tensor: Literal[codes.TENSORS]  # type: ignore[valid-type]
    type: str
    layers: Literal[codes.LAYER_SETS]  # type: ignore[valid-type]
    conditions: tuple[Literal[codes.MIX_CONDITIONS], ...] = ()  # type: ignore[valid-type]
    source: str


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How the weights of a model type are cut where that differs from the usual; flags, see estimate/model.pxd."""

    model_type: str
    fused_qkv: bool
    no_gate: bool
    gated_query: bool
    single_blocks: bool
    qk_norm: bool
    experts_mxfp4: bool
    attention_gate: bool
    interleaved_experts: bool
    positions: bool
    falcon: bool
    many_layers: bool
    source: str


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """A runtime on a class of device: what share of the bandwidth it reaches and what it costs besides."""

    engine: str
    runtime: Literal[codes.RUNTIMES]  # type: ignore[valid-type]
    device: str
    eta: Annotated[float, msgspec.Meta(ge=1e-6, lt=1)]
    per_layer_us: Rate
    context_mib: Rate
    max_utilization: Annotated[float, msgspec.Meta(gt=0, le=1)]
    assumed_bandwidth_gbps: Rate
    tp_layer_us: Rate
    compute_share: Annotated[
        float, msgspec.Meta(gt=0, le=10)
    ]  # of the shader peak, reached by prompts; matrix units exceed it
    spread: Rate  # 80 % of measurements lie within a factor 1 + spread
    source: str


class PolicyValue(msgspec.Struct, frozen=True, kw_only=True):
    """A named constant and its reason."""

    name: str
    value: Number
    unit: str
    why: str


class UseCase(msgspec.Struct, frozen=True, kw_only=True):
    """How a use case weighs the four score components, and what speed and context it wants."""

    use_case: Literal[codes.USE_CASES]  # type: ignore[valid-type]
    quality: Number
    speed: Number
    fit: Number
    context: Number
    target_tps: Positive
    wanted_context: Tokens
    reasonable_tps: Positive  # less than that loses points; at least the policy's own
    why: str


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """Coefficients of the ability of a model at one use case; see score/score.pxd for the formula."""

    use_case: Literal[codes.USE_CASES]  # type: ignore[valid-type]
    c0: Number
    size: Number
    date: Number
    size2: Number
    date2: Number
    sparsity: Number
    size_date: Number
    reasoning: Number
    coder: Number
    vision: Number
    distill: Number
    source: str


class LineEffect(msgspec.Struct, frozen=True, kw_only=True):
    """What the vendor (``vendor:qwen``) or the line (``line:qwen3``) adds to the ability, by use case."""

    name: str
    general: Logit
    coding: Logit
    reasoning: Logit
    chat: Logit
    multimodal: Logit
    embedding: Logit

    @property
    def values(self) -> tuple[float, ...]:
        return tuple(getattr(self, name) for name in codes.USE_CASES)


class Ability(msgspec.Struct, frozen=True, kw_only=True):
    """What a model's own scores say: theta by use case, and its weight against one prediction; 0 where not scored."""

    model: RepoId
    line: str
    general: Logit = 0.0
    general_weight: Weight = 0.0
    coding: Logit = 0.0
    coding_weight: Weight = 0.0
    reasoning: Logit = 0.0
    reasoning_weight: Weight = 0.0
    chat: Logit = 0.0
    chat_weight: Weight = 0.0
    multimodal: Logit = 0.0
    multimodal_weight: Weight = 0.0
    embedding: Logit = 0.0
    embedding_weight: Weight = 0.0

    @property
    def thetas(self) -> tuple[float, ...]:
        return tuple(getattr(self, name) for name in codes.USE_CASES)

    @property
    def weights(self) -> tuple[float, ...]:
        return tuple(getattr(self, f"{name}_weight") for name in codes.USE_CASES)


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """One fact of models.csv put right, or one line taken out; see llmfit/catalog/corrections.py."""

    id: str
    where: str = ""
    column: str
    value: str = ""
    why: str
