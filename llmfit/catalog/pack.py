"""Text tables in, one binary catalog out: ``python -m llmfit.catalog.pack SRC_DATA OUT``.

The build runs this, and so does anything that refreshes a catalog later. It checks every table, joins the shapes of
hybrids, keeps one copy of each distinct shape, encodes the constant part of every row, and is deterministic: the same
text gives the same bytes. Bad data is refused with ``file:line: message``.
"""

from __future__ import annotations

import hashlib
import re
import sys
from array import array
from pathlib import Path
from typing import Annotated

import msgspec

from llmfit import codes
from llmfit.catalog import records
from llmfit.catalog.checks import check_models, check_small_tables
from llmfit.catalog.corrections import is_pattern, read_models
from llmfit.catalog.pack_rows import ROW_COLUMNS, Rows
from llmfit.catalog.tables import Accelerator, CpuFamily, Profile, read_csv, read_csv_lines
from llmfit.errors import CatalogError
from llmfit.wire.rows import Copy, GgufSource, RowFacts

FORMAT_VERSION = 5

# Columns of the two matrices, in the order in which _core.pyx reads them.
SHAPE_COLUMNS = (
    "params", "active", "n_layers", "hidden", "vocab", "n_heads", "n_kv_heads", "head_dim", "v_head_dim",
    "full_kv_heads", "full_head_dim", "moe_intermediate", "n_experts", "n_experts_active", "n_dense_layers", "window",
    "n_full", "n_window", "kv_lora_rank", "rope_head_dim", "n_linear", "linear_kind", "ssm_inner", "ssm_state",
    "ssm_groups", "ssm_conv", "context", "attention", "format", "tied", "is_moe", "gemma", "kv_unknown", "own_quant",
    "gguf", "mlx", "intermediate", "shared_intermediate", "q_lora_rank", "nope_dim", "ssm_heads",
    "per_layer_embedding", "moe_latent", "layout", "attention_layers", "window_layers", "tp_sizes",
    "file_bytes", "disk_bytes", "indexer_layers", "indexer_width", "csa_layers", "hca_layers",
)  # fmt: skip
# The bits of `layout`, in the order of estimate/model.pxd.
LAYOUT_FLAGS = (
    "fused_qkv", "no_gate", "gated_query", "single_blocks", "qk_norm", "experts_mxfp4", "attention_gate",
    "interleaved_experts", "positions", "falcon", "many_layers",
)  # fmt: skip
# Which of several GGUF repositories a command names: the packagers whose files hold every quantization.
GGUF_PREFERENCE = ("unsloth", "bartowski", "mradermacher", "ggml-org")
MXFP4_PREFERENCE = ("ggml-org", "unsloth")  # who keeps the experts as they were published


Form = tuple[str, float, bool]
Bits = Annotated[float, msgspec.Meta(ge=0, le=1e3)]
Label = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z][\w.+ /()-]{0,39}$")]  # it stands in JSON and CSV as it is


class FixedQuant(msgspec.Struct, frozen=True):
    """One quantization as the kernel knows it; `runtime` is an index of codes.RUNTIMES or -1."""

    name: Label
    runtime: int
    body_bits: Bits
    expert_bits: Bits
    output_bits: Bits
    embedding_bits: Bits
    nameonly_bits: Bits
    loss_bits: Bits
    speed: int  # of codes.SPEED_CLASSES
    mix: str = ""
    mix_scale: Bits = 1.0


class Packed(msgspec.Struct, frozen=True):
    """The whole catalog. Matrices are float64, native byte order, one column after the other."""

    format_version: int
    version: str
    digest: str
    n_shapes: int
    n_rows: int
    shapes: memoryview
    rows: memoryview
    row_json: memoryview  # the constant part of every row, without its closing brace
    row_json_ends: memoryview  # uint32
    search: memoryview  # lower-case search text of every row, fields apart by NUL
    search_ends: memoryview
    ids: memoryview
    id_ends: memoryview
    gguf: memoryview  # the preferred GGUF repository of every row, or nothing
    gguf_ends: memoryview
    mlx: memoryview  # the known MLX copies of every row: a repository for each step of the ladder, a NUL behind each
    mlx_ends: memoryview
    notes: memoryview  # of a row alone, as JSON strings with a comma between
    note_ends: memoryview
    providers: list[str]
    licenses: list[str]
    quants: list[FixedQuant]
    ladders: list[list[int]]  # by runtime: indices of quants, best first
    mxfp4: int
    types: list[records.GgufType]
    mixes: list[records.MixRule]
    layouts: dict[str, int]  # by model type: the bits of LAYOUT_FLAGS
    formats: dict[str, records.FixedFormat]
    policy: dict[str, float]
    use_cases: list[records.UseCase]
    quality: list[records.Quality]
    engines: msgspec.Raw
    accelerators: msgspec.Raw
    cpus: msgspec.Raw
    machines: msgspec.Raw
    effects: msgspec.Raw  # for models that are laid over it later: what a vendor adds,
    corrections: msgspec.Raw  # and the patterns by which facts are put right
    of_file: bool = False  # the one model is that of a file


PLAIN_SIZE = re.compile(r"([0-9.]+)([MBT])(?:-A[0-9.]+[MB])?$")
SIZE_UNITS = {"M": 1e6, "B": 1e9, "T": 1e12}
MOST_OFF = 0.15  # of the count, as the contract says


def size_label(model: records.Model) -> str:
    """``7B``, ``8x7B``, ``30B-A3B`` as the name states it, else, or where the count is another, the count: ``70.6B``,
    ``596M``. A copy pruned of experts still has its original's size in its name.
    """
    stated = PLAIN_SIZE.match(model.nominal_size or "")
    if model.nominal_size and (
        not stated or abs(float(stated[1]) * SIZE_UNITS[stated[2]] / model.params_total - 1) <= MOST_OFF
    ):
        return model.nominal_size
    if model.params_total >= 999.5e6:
        return f"{model.params_total / 1e9:.1f}".removesuffix(".0") + "B"
    return f"{model.params_total / 1e6:.0f}M"


def tp_sizes(model: records.Model) -> tuple[int, ...]:
    """Device counts from 2 that divide the heads, with the KV heads divided or repeated evenly; () if unknown.

    An MLA cache is one latent vector that every device repeats, so only the heads matter there.
    """
    heads, kv = model.n_heads, model.n_kv_heads
    if not heads or not kv:
        return ()
    if model.kv_lora_rank:
        kv = 1
    return tuple(n for n in range(2, heads + 1) if heads % n == 0 and (kv % n == 0 or n % kv == 0))


def row_facts(model: records.Model, copies: tuple[Copy, ...]) -> RowFacts:
    """The constant part of the row."""
    capabilities = tuple(name for name in codes.CAPABILITIES if name in model.capabilities)
    return RowFacts(
        name=model.id,
        provider=model.provider,
        parameter_count=size_label(model),
        params_b=model.params_total / 1e9,
        context_length=model.context_length or 0,
        use_case=codes.USE_CASE_PHRASES[codes.USE_CASES.index(model.use_case)],
        release_date=model.release_date,
        is_moe=model.n_experts > 1 or model.params_active is not None,
        gguf_sources=tuple(GgufSource(repo, repo.split("/")[0]) for repo in model.gguf_repos),
        copies=copies,
        capabilities=capabilities,
        capability_ids=capabilities,
        license=model.license,
        supports_tp=tp_sizes(model),
        ollama_name=model.ollama_tag,
        base_model=model.base_id,
        origin=model.origin,
    )


def copies_of(
    models: list[records.Model], formats: dict[str, records.FixedFormat], quants: dict[Form, FixedQuant]
) -> dict[str, tuple[Copy, ...]]:
    """By original: the known packagers' copies of a fixed format that some runtime executes, the vendor's own first."""
    found: dict[str, list[Copy]] = {}
    for model in models:
        form = own_form(model, formats)
        if model.origin != "quantized" or not model.base_id or form is None or model.format == "bf16":
            continue
        quant = quants[form]
        if quant.runtime >= 0:
            found.setdefault(model.base_id, []).append(Copy(model.id, codes.RUNTIMES[quant.runtime], quant.name))

    def by_vendor(base: str, copy: Copy) -> tuple[bool, str]:
        return copy.repo.split("/")[0] != base.split("/")[0], copy.repo

    return {base: tuple(sorted(of, key=lambda copy: by_vendor(base, copy))) for base, of in found.items()}


def search_text(model: records.Model) -> str:
    """What `search` looks through: name, provider, size, use case phrase, category label; lower case, NUL between."""
    index = codes.USE_CASES.index(model.use_case)
    phrase, label = codes.USE_CASE_PHRASES[index], codes.LABELS["use_case"][index]
    fields = (model.id, model.provider, size_label(model), phrase, label)
    return "\0".join(fields).lower() + "\0"


def cache_layers(model: records.Model, architecture: records.Architecture | None) -> tuple[int, int]:
    """Layers with a cache of their own: (growing with the context, bounded by the window).

    Layers that share another's cache (Gemma 3n, Gemma 4 E) are the last ones; where the full-attention layers lie is
    known from the architecture, else they are taken to be spread evenly.
    """
    full = model.n_full_attn_layers
    if model.attention in ("encoder", "encoder_decoder", "ssm"):
        return 0, 0
    if full is None:
        full = 0 if is_compressed(model, architecture) else model.n_layers
    windowed = model.attention in ("sliding", "compressed_sparse") and model.sliding_window > 0
    window = max(model.n_layers - full, 0) if windowed else 0
    if model.kv_shared_layers and model.n_layers:
        own = model.n_layers - model.kv_shared_layers
        if architecture and architecture.full_attention_layers:
            full = sum(1 for layer in architecture.full_attention_layers if layer < own)
        else:
            full = -(-full * own // model.n_layers)
        window = own - full
    return full, window


def is_compressed(model: records.Model, architecture: records.Architecture | None) -> bool:
    """Whether it is known which layers keep compressed cells; all of them keep a window besides."""
    layers = architecture.csa_layers + architecture.hca_layers if architecture else 0
    return model.attention == "compressed_sparse" and layers > 0


def indexer_layers(model: records.Model, architecture: records.Architecture) -> int:
    """Layers with an indexer of their own. GLM-5.2 (a million tokens of context, the shape of GLM-5) has one in its
    first three layers and in every fourth from the third on, as llama.cpp takes it where a file does not say.
    """
    own, n = architecture.indexer_layers, model.n_layers
    if model.model_type == "glm_moe_dsa" and own == n and (model.context_length or 0) >= 1 << 20:
        return sum(1 for layer in range(n) if layer < 3 or layer % 4 == 2)
    return own


def attention_layers(model: records.Model) -> tuple[int, int]:
    """Layers that hold attention weights: (of the growing kind, of the window kind), shared caches or not."""
    full = model.n_layers if model.n_full_attn_layers is None else model.n_full_attn_layers
    if model.attention == "ssm":
        return 0, 0
    if model.attention in ("sliding", "compressed_sparse"):
        return full, max(model.n_layers - full, 0)
    return full if model.attention.startswith("hybrid") else model.n_layers, 0


def layout_bits(path: Path) -> dict[str, int]:
    """The bits of LAYOUT_FLAGS by model type."""
    return {
        layout.model_type: sum(1 << bit for bit, name in enumerate(LAYOUT_FLAGS) if getattr(layout, name))
        for layout in read_csv(path, records.Layout)
    }


def check_mixes(types: list[records.GgufType], mixes: list[records.MixRule], quants: list[records.Quant]) -> None:
    """Names that one table uses and another lacks."""
    known, labels = {t.type for t in types}, {rule.label for rule in mixes}
    fallback = {t.type: t.fallback for t in types}
    for t in types:
        name = t.type
        for _ in types:
            name = fallback.get(name, "")
        if name:
            raise CatalogError(f"gguf_types.csv: {t.type} falls back on itself in the end")
    for where, missing in (
        ("gguf_types.csv: fallback", {t.fallback for t in types if t.fallback} - known),
        ("gguf_mixes.csv: type", {rule.type for rule in mixes} - known),
        ("quants.csv: mix", {quant.mix for quant in quants if quant.mix} - labels),
    ):
        if missing:
            raise CatalogError(f"{where} {', '.join(sorted(missing))} is not known")


def gguf_forms(model: records.Model) -> int:
    """0: llama.cpp has no form of it; 1: any GGUF quantization; 2: the experts stay MXFP4 (gpt-oss)."""
    if model.format in ("bf16", "gguf"):
        return 1
    if model.origin != "official":
        return 0
    if model.format == "mxfp4" and model.model_type == "gpt_oss":
        return 2
    return 1 if model.format in ("fp8", "mxfp8", "mxfp4", "int") and (model.gguf_repos or model.format == "fp8") else 0


def quants_of(
    ladder: list[records.Quant], formats: dict[str, records.FixedFormat], models: list[records.Model]
) -> dict[Form, FixedQuant]:
    """All quantizations by (format, bits): the ladders first, then every fixed format at each number of bits in use."""
    found: dict[Form, FixedQuant] = {}
    for quant in ladder:
        found[quant.name, 0.0, True] = FixedQuant(
            quant.name, codes.RUNTIMES.index(quant.runtime), quant.body_bits, quant.expert_bits, quant.output_bits,
            quant.embedding_bits, quant.nameonly_bits, quant.loss_bits, codes.SPEED_CLASSES.index(quant.speed),
            quant.mix, quant.mix_scale,
        )  # fmt: skip
    for key in sorted({own for model in models if (own := own_form(model, formats))} - set(found)):
        form, bits = formats[key[0]], key[1]
        body = bits + form.scale_bits
        rest = form.rest_bits or body
        runtime = codes.RUNTIMES.index(form.runtime) if form.runtime != "none" else -1
        dense = rest if form.body_is_experts and key[2] else body
        found[key] = FixedQuant(
            form.label.replace("{bits}", f"{bits:g}"), runtime, dense, body, rest, rest, body + 0.35,
            bits + 0.5 if bits < 16 else 16, codes.SPEED_CLASSES.index(form.speed),
        )  # fmt: skip
    return found


def own_form(model: records.Model, formats: dict[str, records.FixedFormat]) -> Form | None:
    """(format, bits, is it a mixture of experts) of the files in a repository; None where they are GGUF of any kind."""
    if model.format == "gguf":
        return None
    if model.format == "bf16":
        return "BF16", 0.0, True
    form = formats[model.format]
    return model.format, float(model.bits or form.default_bits), model.n_experts > 1 or not form.body_is_experts


def column_major(rows: list[tuple[float, ...]], columns: tuple[str, ...]) -> memoryview:
    matrix = array("d")
    for index in range(len(columns)):
        matrix.extend(row[index] for row in rows)
    return memoryview(matrix.tobytes())


def blob(pieces: list[bytes]) -> tuple[memoryview, memoryview]:
    """The pieces in one run, and where each ends."""
    ends, total = array("I"), 0
    for piece in pieces:
        total += len(piece)
        ends.append(total)
    return memoryview(b"".join(pieces)), memoryview(ends.tobytes())


def mlx_forms(model: records.Model, copies: tuple[Copy, ...], ladder: list[records.Quant]) -> int:
    """Bit 0: it may be converted to MLX; bit 1 + i: a copy of step i of the MLX ladder is known."""
    if model.format != "bf16":
        return 0
    steps = mlx_steps(ladder)
    return 1 | sum(2 << steps.index(name) for name in {copy.quant for copy in copies} & set(steps))


def shape_row(
    model: records.Model, architecture: records.Architecture | None, quant_index: dict[Form, int],
    formats: dict[str, records.FixedFormat], layouts: dict[str, int], mlx: int = 0,
) -> tuple[float, ...]:
    """The facts that decide memory and speed, in the order of SHAPE_COLUMNS."""
    full, window = cache_layers(model, architecture)
    form = own_form(model, formats)
    linear = architecture or records.Architecture(id="", model_type="")
    caches = model.attention not in ("encoder", "encoder_decoder", "ssm")
    by_latent = model.attention in ("mla", "hybrid_linear_mla") and model.kv_lora_rank > 0 and full > 0
    kv_unknown = caches and not by_latent and not (full + window and model.n_kv_heads and model.head_dim)
    # 2: heads are known, but not what each layer keeps of them: as if all kept everything
    bound = 2 if caches and not kv_unknown and "attn_unknown" in model.flags else int(kv_unknown)
    looked_up = model.vocab_size * model.n_layers * linear.per_layer_embedding  # per-layer embeddings: not read whole
    is_moe = model.n_experts > 1 or (model.params_active is not None and not looked_up)
    active = model.params_active or model.params_text - (looked_up if looked_up < model.params_text else 0)
    # without a known shape of its own a latent cache is bounded like any other
    attention = model.attention if not kv_unknown or not model.attention.endswith("mla") else ""
    return (
        model.params_text, min(active, model.params_text), model.n_layers,
        model.hidden_size, model.vocab_size, model.n_heads, model.n_kv_heads, model.head_dim, model.v_head_dim,
        model.full_kv_heads, model.full_head_dim, model.moe_intermediate_size, model.n_experts, model.n_experts_active,
        model.n_dense_layers, model.sliding_window, full, window, model.kv_lora_rank, model.rope_head_dim,
        linear.n_linear_layers, codes.LINEAR_KINDS.index(linear.linear_kind), linear.ssm_inner, linear.ssm_state,
        linear.ssm_groups, linear.ssm_conv, model.context_length or 0, codes.ATTENTIONS.index(attention),
        codes.FORMATS.index(model.format), model.tied_embeddings, is_moe, model.model_type.startswith("gemma"),
        bound, quant_index[form] if form else -1, gguf_forms(model), mlx,
        model.intermediate_size, model.shared_intermediate_size, linear.q_lora_rank, linear.qk_nope_head_dim,
        linear.ssm_heads, linear.per_layer_embedding, linear.moe_latent_size, layouts.get(model.model_type, 0),
        *attention_layers(model), sum(1 << n for n in tp_sizes(model) if n < 50), 0, 0,
        indexer_layers(model, linear), linear.indexer_width, linear.csa_layers, linear.hca_layers,
    )  # fmt: skip


def preferred_gguf(model: records.Model) -> str:
    """The repository that a command names, of the known ones."""
    preference = MXFP4_PREFERENCE if gguf_forms(model) == 2 else GGUF_PREFERENCE
    order = {owner: place for place, owner in enumerate(preference)}
    own = model.id if model.format == "gguf" else ""
    return own or min(model.gguf_repos, key=lambda repo: order.get(repo.split("/")[0], len(order)), default="")


def mlx_steps(ladder: list[records.Quant]) -> list[str]:
    """The labels of the MLX ladder, best first."""
    chosen = sorted((quant for quant in ladder if quant.ladder > 0), key=lambda quant: quant.ladder)
    return [quant.name for quant in chosen if quant.runtime == "mlx"]


def mlx_repos(copies: tuple[Copy, ...], steps: list[str]) -> str:
    """The copy to pull for each step of the MLX ladder, a NUL behind each; nothing where there is none at all."""
    first = {copy.quant: copy.repo for copy in reversed(copies) if copy.runtime == "mlx"}
    return "".join(f"{first.get(step, '')}\0" for step in steps) if first else ""


def pack(source: Path) -> bytes:
    """The packed catalog of the tables in `source`; raises CatalogError with ``file:line: message``."""
    models = read_models(source)
    architectures = {
        (a.model_type, a.n_layers, a.hidden_size, a.attention): a
        for a in read_csv(source / "architectures.csv", records.Architecture)
    }
    formats = {form.format: form for form in read_csv(source / "fixed_formats.csv", records.FixedFormat)}
    check_models(models, formats)
    ladder = read_csv(source / "quants.csv", records.Quant)
    policy = {value.name: value.value for value in read_csv(source / "policy.csv", records.PolicyValue)}
    use_cases = read_csv(source / "use_cases.csv", records.UseCase)
    quality = read_csv(source / "quality.csv", records.Quality)
    check_small_tables(policy, use_cases, quality, ladder, read_csv(source / "engines.csv", records.Engine))
    quants = quants_of(ladder, formats, models)
    types = read_csv(source / "gguf_types.csv", records.GgufType)
    mixes = read_csv(source / "gguf_mixes.csv", records.MixRule)
    layouts = layout_bits(source / "layouts.csv")
    check_mixes(types, mixes, ladder)
    quant_index = {key: index for index, key in enumerate(quants)}

    shapes: dict[tuple[float, ...], int] = {}
    rows: list[tuple[float, ...]] = []
    copies = copies_of(models, formats, quants)
    abilities = read_csv(source / "abilities.csv", records.Ability)
    effects = read_csv(source / "line_effects.csv", records.LineEffect)
    to_rows = Rows(models, abilities, effects, policy["undated_year"])
    for model in models:
        key = (model.model_type, model.n_layers, model.hidden_size, model.attention)
        mlx = mlx_forms(model, copies.get(model.id, ()), ladder)
        shape = shape_row(model, architectures.get(key), quant_index, formats, layouts, mlx)
        rows.append(to_rows.of(model, shapes.setdefault(shape, len(shapes))))
    row_json, row_json_ends = blob([msgspec.json.encode(row_facts(m, copies.get(m.id, ())))[:-1] for m in models])
    search, search_ends = blob([search_text(model).encode() for model in models])
    ids, id_ends = blob([model.id.encode() for model in models])
    gguf, gguf_ends = blob([preferred_gguf(model).encode() for model in models])
    steps = mlx_steps(ladder)
    mlx_names, mlx_ends = blob([mlx_repos(copies.get(m.id, ()), steps).encode() for m in models])
    notes, note_ends = blob([b""] * len(models))
    indices = [
        [
            quant_index[quant.name, 0.0, True]
            for quant in sorted(ladder, key=lambda quant: quant.ladder)
            if quant.ladder and quant.runtime == runtime and quant.format == ("bf16" if runtime == "mlx" else "gguf")
        ]
        for runtime in codes.RUNTIMES
    ]

    def table(name: str, record: type[msgspec.Struct]) -> msgspec.Raw:
        return msgspec.Raw(msgspec.msgpack.encode(read_csv(source / name, record)))

    packed = Packed(
        format_version=FORMAT_VERSION, version=(source / "version.txt").read_text().strip(), digest="",
        n_shapes=len(shapes), n_rows=len(models), shapes=column_major(list(shapes), SHAPE_COLUMNS),
        rows=column_major(rows, ROW_COLUMNS), row_json=row_json, row_json_ends=row_json_ends, search=search,
        search_ends=search_ends, ids=ids, id_ends=id_ends, gguf=gguf, gguf_ends=gguf_ends,
        mlx=mlx_names, mlx_ends=mlx_ends,
        notes=notes, note_ends=note_ends,
        providers=list(to_rows.providers), licenses=list(to_rows.licenses), quants=list(quants.values()),
        ladders=indices,
        mxfp4=quant_index["MXFP4", 0.0, True], types=types, mixes=mixes, layouts=layouts,
        formats=formats, policy=policy,
        use_cases=use_cases, quality=quality, engines=table("engines.csv", records.Engine),
        accelerators=table("accelerators.csv", Accelerator),
        cpus=table("cpus.csv", CpuFamily), machines=table("machines.csv", Profile),
        effects=table("line_effects.csv", records.LineEffect), corrections=patterns(source),
    )  # fmt: skip
    return msgspec.msgpack.encode(msgspec.structs.replace(packed, digest=digest_of(packed)))


def patterns(source: Path) -> msgspec.Raw:
    """The corrections that hold for more than one id."""
    every = read_csv_lines(source / "corrections.csv", records.Correction)
    return msgspec.Raw(msgspec.msgpack.encode([change for change in every if is_pattern(change)]))


def ids_of(packed: Packed) -> list[str]:
    """The ids of its models."""
    text, ends = bytes(packed.ids), packed.id_ends.cast("I").tolist()
    return [text[start:end].decode() for start, end in zip([0, *ends], ends, strict=False)]


def digest_of(packed: Packed) -> str:
    """The name of what a catalog holds, as it reads once it is packed (where 16 is 16.0)."""
    try:
        read = msgspec.msgpack.decode(msgspec.msgpack.encode(msgspec.structs.replace(packed, digest="")), type=Packed)
    except msgspec.ValidationError as error:  # what no column's own type refuses
        raise CatalogError(f"what these tables hold cannot be packed: {error}") from None
    return hashlib.sha256(msgspec.msgpack.encode(read)).hexdigest()[:16]


def main(arguments: list[str]) -> int:
    try:
        source, target = Path(arguments[0]), Path(arguments[1])
        target.write_bytes(pack(source))
    except (CatalogError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
