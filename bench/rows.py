"""Rows of a measurement table as facts for the estimator: the table's own columns win, the catalog fills blanks."""

from __future__ import annotations

import csv
import functools
import re
from pathlib import Path
from typing import Any

import msgspec

from llmfit.catalog import catalog, records
from llmfit.catalog.tables import read_csv
from llmfit.hardware.names import lookup
from llmfit.hardware.probes import cpu
from llmfit.machine import Device, Machine

ROOT = Path(__file__).resolve().parents[1]
ATTENTION = {
    "mha": "full", "gqa": "full", "mqa": "full", "swa": "sliding", "mla": "mla", "hybrid-gdn": "hybrid_linear",
    "hybrid-mamba1": "hybrid_ssm", "hybrid-mamba2": "hybrid_ssm", "hybrid-conv": "hybrid_conv",
}  # fmt: skip
MODEL_TYPE = {
    "qwen35": "qwen3_5", "qwen35moe": "qwen3_5_moe", "qwen3next": "qwen3_next", "qwen3moe": "qwen3_moe",
    "gpt-oss": "gpt_oss", "phi2": "phi", "deepseek2": "deepseek_v3", "glm4moe": "glm4_moe", "lfm2moe": "lfm2_moe",
    "nemotron_h_moe": "nemotron_h", "falcon-h1": "falcon_h1", "granitehybrid": "granitemoehybrid",
    "gptneox": "gpt_neox",
}  # what llama.cpp calls an architecture, and the configuration it comes from  # fmt: skip
LINEAR = {
    "gated-deltanet": "gated_delta_net", "short-conv": "short_conv", "mamba1": "mamba1", "mamba2": "mamba2",
    "mamba-1": "mamba1", "mamba-2": "mamba2",
}  # fmt: skip
NAMES = {
    "tie_embeddings": "tied_embeddings", "n_active_experts": "n_experts_active",
    "shared_expert_intermediate_size": "shared_intermediate_size", "global_head_dim": "full_head_dim",
    "global_n_kv_heads": "full_kv_heads", "qk_rope_head_dim": "rope_head_dim", "linear_layers": "n_linear_layers",
    "params_total": "params_text",
}  # fmt: skip
SAME = (
    "params_active", "n_layers", "hidden_size", "n_heads", "n_kv_heads", "head_dim", "vocab_size", "intermediate_size",
    "n_experts", "moe_intermediate_size", "n_dense_layers", "sliding_window", "kv_lora_rank", "q_lora_rank",
    "v_head_dim", "ssm_inner", "ssm_state", "ssm_groups", "ssm_heads", "ssm_conv",
)  # fmt: skip
JOINED = {
    "full_attention_layers", "linear_kind", "n_linear_layers", "ssm_inner", "ssm_state", "ssm_groups", "ssm_heads",
    "ssm_conv", "q_lora_rank", "qk_nope_head_dim", "per_layer_embedding", "moe_latent_size",
}  # fmt: skip
RUNTIMES = {"mlx": "mlx", "vllm": "vllm", "sglang": "vllm"}
PLANNED = frozenset(
    ("", "llamacpp", "ollama", "llamafile", "lmstudio", "ik_llama.cpp", *RUNTIMES)
)  # engines we plan for
VARIANTS = {"llamafile": "llamafile", "ik_llama.cpp": "ik"}  # builds of llama.cpp with figures of their own
BACKENDS = {
    "nvidia": ("cuda", "vulkan"), "amd": ("rocm", "vulkan"), "intel": ("sycl", "vulkan"), "apple": ("metal",),
    "cpu": ("cpu",),
}  # fmt: skip
FREE_FORMATS = {"bf16", "gguf"}


class Row(msgspec.Struct):
    """One measured row: its cells, the model's facts, and what the table says of the model alone."""

    cells: dict[str, str]
    facts: dict[str, Any]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def wrong_with(cells: dict[str, str]) -> str:
    """Why a row of a speed table cannot be what was measured; empty where nothing speaks against it."""
    try:
        total = float(cells["params_b"])
        active = float(cells["active_params_b"] or total)
        speeds = [float(cells[name]) for name in ("measured_tps", "prefill_tps") if cells.get(name)]
        rest = [float(cells.get(name) or 1) for name in ("spec_bandwidth_gbps", "batch", "n_gpus")]
        tokens = float(cells["context_tokens"] or 0)
    except ValueError as error:
        return str(error)
    if active > total * 1.001:
        return f"active_params_b {active:g} is more than params_b {total:g}"
    if not speeds:
        return "neither measured_tps nor prefill_tps"
    if min(speeds) <= 0 or min(rest) <= 0 or total <= 0 or tokens < 0:
        return "a speed, bandwidth, batch, device count or size is not above zero"
    backend, vendor = cells.get("backend") or "", cells["vendor"]
    if vendor not in BACKENDS:
        return f"vendor {vendor!r} is none of {', '.join(BACKENDS)}"
    if backend and backend not in BACKENDS[vendor]:
        return f"backend {backend!r} does not run on {cells['hardware_name']}: {', '.join(BACKENDS[vendor])}"
    return ""


def measured(path: Path) -> list[dict[str, str]]:
    """The rows of a speed table. ValueError that names file, line and fault of the first row that cannot be."""
    found = read(path)
    for line, cells in enumerate(found, start=2):
        wrong = wrong_with(cells)
        if wrong:
            raise ValueError(f"{path.name}:{line}: {wrong}")
    return found


def planned(cells: dict[str, str]) -> bool:
    """Whether llmfit plans for the engine of a row: others are kept for what they say of a device."""
    return cells.get("engine", "") in PLANNED


def has_prompt(cells: dict[str, str]) -> bool:
    """Whether a row holds a prompt's speed: of 256 tokens or more, not one that a prefix cache answered."""
    speed = float(cells.get("prefill_tps") or 0)
    return (
        speed > 0 and float(cells.get("prompt_tokens") or 512) >= 256 and (cells["engine"] != "vllm" or speed < 20000)
    )


def depth_of(cells: dict[str, str], prompt: float) -> float:
    """Tokens in the cache before the prompt: a bench's depth where the note says so, else what the context leaves."""
    tokens = float(cells["context_tokens"] or 0)
    return max(tokens - (64 if "@d" in (cells.get("note") or "") else prompt), 0.0)


@functools.cache
def known_models() -> tuple[dict[str, records.Model], dict[tuple[Any, ...], records.Architecture]]:
    data = ROOT / "src/data"
    models = {model.id.lower(): model for model in read_csv(data / "models.csv", records.Model)}
    shapes = {
        (a.model_type, a.n_layers, a.hidden_size, a.attention): a
        for a in read_csv(data / "architectures.csv", records.Architecture)
    }
    return models, shapes


def find(name: str) -> records.Model | None:
    """The catalog's model of a published name; a file name `owner_name-QUANT` stands for `owner/name`."""
    models, _ = known_models()
    stripped = re.sub(r"-(I?Q\d\w*|BF16|F16)$", "", name).replace("_", "/", 1)
    return models.get(name.lower()) or models.get(stripped.lower())


def catalog_facts(name: str) -> dict[str, Any]:
    """What the catalog knows of the shape of a model."""
    model = find(name) if name else None
    if model is None:
        return {}
    facts = {key: value for key, value in msgspec.structs.asdict(model).items() if value or key == "tied_embeddings"}
    shape = known_models()[1].get((model.model_type, model.n_layers, model.hidden_size, model.attention))
    if shape is not None:
        facts |= {key: getattr(shape, key) for key in JOINED if getattr(shape, key)}
    for key in ("format", "bits", "gguf_repos", "flags", "facts_from", "params_from", "params_text_from", "date_from"):
        facts.pop(key, None)
    return facts


def number(cell: str | None) -> float | None:
    return float(cell) if cell else None


def memory_row(cells: dict[str, str]) -> Row:
    """A row of weights.csv or runtime_memory.csv."""
    facts = catalog_facts(cells.get("hf_id", ""))
    own: dict[str, Any] = {}
    for name in (*SAME, *NAMES):
        if cells.get(name):
            own[NAMES.get(name, name)] = number(cells[name])
    if "tied_embeddings" in own:
        own["tied_embeddings"] = own["tied_embeddings"] == 1 and cells.get("file_has_output_tensor") != "1"
    if cells.get("file_has_output_tensor") == "1" and cells.get("tie_embeddings") == "1":
        own["params_text"] += float(cells["vocab_size"]) * float(cells["hidden_size"])  # the count ties it
    kind = ATTENTION.get(cells.get("attention_class", ""))
    if kind:
        own["attention"] = kind
    if kind == "mla" and "head_dim" in own:  # the table's head dimension is the value's
        own["v_head_dim"] = own.get("v_head_dim") or own.pop("head_dim")
        own.pop("head_dim", None)
    if cells.get("linear_kind"):
        own["linear_kind"] = LINEAR.get(cells["linear_kind"], cells["linear_kind"].replace("-", "_"))
    if cells.get("gguf_arch") and not facts.get("model_type"):  # the configuration's own type says more
        own["model_type"] = MODEL_TYPE.get(cells["gguf_arch"], cells["gguf_arch"])
    pattern = re.fullmatch(r"1 full per (\d+)", cells.get("sliding_pattern") or "")
    if kind == "sliding" and pattern:
        own["n_full_attn_layers"] = int(own["n_layers"]) // int(pattern[1])
        own["full_attention_layers"] = None
    elif kind and kind.startswith("hybrid") and cells.get("full_attention_layers"):
        own["n_full_attn_layers"] = int(float(cells["full_attention_layers"]))
    elif kind in ("full", "mla"):
        own["n_full_attn_layers"] = None
    return Row(cells, tidy({**facts, **own}))


def decode_row(cells: dict[str, str]) -> Row:
    """A row of decode_speed.csv."""
    facts = catalog_facts(cells["model"])
    total, active = float(cells["params_b"]) * 1e9, float(cells["active_params_b"] or cells["params_b"]) * 1e9
    own: dict[str, Any] = {
        key: number(cells.get(key)) for key in ("n_layers", "n_kv_heads", "head_dim") if cells.get(key)
    }
    if facts.get("attention", "").endswith("mla"):
        own.pop("head_dim", None)
    if facts.get("full_head_dim") and own.get("head_dim") == facts["full_head_dim"]:
        own.pop("head_dim"), own.pop("n_kv_heads", None)  # the table gives the full layers' figures
    text = facts.get("params_text")
    if not text or (abs(total / facts["params_total"] - 1) > 0.03 and abs(total / text - 1) > 0.1):
        own |= {"params_text": total, "params_total": total}
    if cells["is_moe"] == "1" or active < 0.97 * total:
        own["params_active"] = active
    elif "params_active" in facts:
        facts.pop("params_active")
    own["n_experts"] = facts.get("n_experts", 0) if cells["is_moe"] == "1" else 0
    if cells.get("arch"):
        own["model_type"] = cells["arch"]
    return Row(cells, tidy({**facts, **own}))


def tidy(facts: dict[str, Any]) -> dict[str, Any]:
    """Whole numbers as integers, unknown left out."""
    return {
        key: int(value) if isinstance(value, float) and value == int(value) else value
        for key, value in facts.items()
        if value is not None
    }


def machine_of(cells: dict[str, str]) -> Machine:
    """The machine of a decode row; the table's bandwidth wins over ours."""
    tables = catalog.default().tables
    name, bandwidth = cells["hardware_name"], float(cells["spec_bandwidth_gbps"])
    if cells["hw_class"] == "cpu":
        family = cpu.find_family(name, tables)
        cores = (family.typical_cores if family else None) or 8
        tflops = cpu.fp32_tflops(family, cpu.Topology(cores=cores, sockets=1)) if family else None
        return Machine(
            cpu_name=name, cpu_cores=cores, cpu_arch="x86", ram_total_bytes=1 << 40, ram_available_bytes=1 << 40,
            ram_bandwidth_gbps=bandwidth, cpu_fp32_tflops=tflops,
        )  # fmt: skip
    size = number(cells.get("vram_gb")) or number(cells.get("ram_gb"))
    hints = lookup.Hints(memory_mib=size * 1024 if size else None)
    row = lookup.resolve_typed(name, tables, hints).row or lookup.resolve_typed(name, tables).row
    backend = cells.get("backend") or (lookup.backend_of(row) if row else None)
    device = Device(
        name=name, vendor=cells["vendor"], backend=backend or "vulkan", total_bytes=1 << 40, free_bytes=1 << 40,
        unified=cells["hw_class"] == "unified", bandwidth_gbps=bandwidth, bandwidth_source="request",
        arch=row.arch if row else None, compute_capability=row.compute_capability if row else None,
        fp32_tflops=row.fp32_tflops if row else None, fp16_tflops=row.fp16_tflops if row else None,
    )  # fmt: skip
    return Machine(
        cpu_name="", cpu_cores=8, cpu_arch="x86", ram_total_bytes=1 << 40, ram_available_bytes=1 << 40,
        ram_bandwidth_gbps=50.0, devices=(device,),
    )  # fmt: skip


def runtime_of(cells: dict[str, str]) -> tuple[str, str | None]:
    """(runtime, variant) of an engine's name."""
    engine = cells.get("engine") or "llamacpp"
    return RUNTIMES.get(engine, "llamacpp"), VARIANTS.get(engine)


def label_of(quant: str) -> str:
    """A published label as the estimator knows it."""
    text = quant.split(" ")[0]
    low = text.lower()
    if low in ("mlx-mxfp4", "mlx-nvfp4", "mlx-4bit"):
        return "MLX-4bit"
    for pattern, label in (
        (r"mlx-(\d)bit", r"MLX-\1bit"), (r"awq.*", "AWQ-4bit"), (r"gptq.*", "GPTQ-4bit"), (r"int4", "AWQ-4bit"),
        (r"int8", "INT8"), (r"nvfp4", "NVFP4"), (r"fp8", "FP8"), (r"bf16", "BF16"),
    ):  # fmt: skip
        if re.fullmatch(pattern, low):
            return re.sub(pattern, label, low)
    return text


def stem(facts: dict[str, Any], cells: dict[str, str]) -> str:
    """The architecture without its variants: qwen3_5 for qwen3_5_moe and qwen3_5_text."""
    name = str(facts.get("model_type") or cells.get("arch") or cells["model"])
    return re.sub(r"(_moe|_text|_unified|_lite|_vl|_mm_model)+$", "", name)


def family(model: str, facts: dict[str, Any]) -> str:
    """A model line and its generation as named (`qwen3.5`, `llama3.1`, `gemma4`), else its architecture."""
    found = re.search(
        r"(qwen|llama|gemma|lfm|mistral|ministral|phi|falcon|granite|olmo|glm|internlm|nemotron|ernie|smollm|yi|deepseek)"
        r"[-_ ]?v?(\d+(?:\.\d+)?)?", model.lower().split("/")[-1],
    )  # fmt: skip
    return (found[1] + (found[2] or "")) if found else str(facts.get("model_type") or model)
