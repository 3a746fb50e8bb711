"""What no type of a column can say of the tables: order, completeness, facts that contradict each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from llmfit import codes
from llmfit.catalog import records
from llmfit.errors import CatalogError

# The fields of estimate/policy.pxd, in its order.
POLICY_NAMES = (
    "default_context", "ubatch", "prompt_tokens", "comfortable_utilization", "good_utilization", "comfortable_ram",
    "good_ram", "reasonable_tps", "slow_tps", "slow_penalty", "fast_enough_tps", "visible_loss", "heavy_loss",
    "loss_weight", "community_factor", "off_task_factor", "slow_factor", "no_gguf_penalty", "copy_penalty",
    "marginal_penalty", "finetune_theta", "unproven_theta", "special_theta", "prediction_weight", "generation_step",
    "undated_year", "machine_cost", "unknown_spread", "moe_spread", "split_spread", "high_spread", "fixed_ms",
    "tflops_exponent", "moe_logit", "bandwidth_logit", "cache_efficiency", "moe_layer", "expert_exponent",
    "hybrid_layer", "gemma_layer", "block_layer", "roofline_cap", "gpu_flop", "cpu_flop", "prompt_moe",
    "prompt_read", "prompt_attention", "prompt_layer_ms", "attention_flop", "untied_from", "logit_f16", "logit_q8",
    "logit_q56", "logit_q4_0", "logit_q23",
)  # fmt: skip
NEEDED_ENGINE = ("llamacpp", "cpu")  # runtime and device that every machine has
# Quantizations that the packer and the kernel ask for by name.
NEEDED_QUANTS = ("BF16", "MXFP4")


def check_models(models: Sequence[records.Model], formats: Mapping[str, records.FixedFormat]) -> None:
    """The order of models.csv, facts that contradict each other, and a fixed format for whoever has one."""
    last = ""
    for line, model in enumerate(models, start=2):
        where = f"models.csv:{line}"
        if model.id.lower() < last:
            raise CatalogError(f"{where}: {model.id} is out of order: sort by id, ignoring case")
        if model.id.lower() == last:
            raise CatalogError(f"{where}: {model.id} differs from the line above in case alone")
        last = model.id.lower()
        wrong = contradiction(model)
        if wrong:
            raise CatalogError(f"{where}: {wrong[0]} {wrong[1]}")
        if model.format not in formats and model.format not in ("bf16", "gguf"):
            raise CatalogError(f"{where}: fixed_formats.csv has no row for the format {model.format!r}")


def contradiction(model: records.Model) -> tuple[str, str] | None:
    """(the column, what is wrong with it) of the first fact that another one rules out."""
    if model.params_text > model.params_total * 1.001:
        return "params_text", "is larger than params_total"
    if model.params_active and model.params_active * 1e6 < model.params_total:
        return "params_active", "is less than a millionth of params_total"
    if model.n_experts and model.n_experts_active > model.n_experts:
        return "n_experts_active", "is larger than n_experts"
    if model.n_kv_heads > model.n_heads > 0:
        return "n_kv_heads", "is larger than n_heads"
    if model.kv_shared_layers > model.n_layers:
        return "kv_shared_layers", "is larger than n_layers"
    if model.release_date and not is_day(model.release_date):
        return "release_date", f"{model.release_date} is not a day of the calendar"
    return None


def is_day(date: str) -> bool:
    """Whether YYYY-MM-DD is a day that there was."""
    import datetime

    try:
        datetime.date.fromisoformat(date)
    except ValueError:
        return False
    return True


def check_names(file: str, found: Iterable[str], wanted: Iterable[str], ordered: bool = False) -> None:
    """A table that the kernel reads whole: every wanted name, nothing else, in the kernel's order where it counts."""
    found, wanted = list(found), list(wanted)
    for problem, names in (
        ("missing", [name for name in wanted if name not in found]),
        ("unknown", [name for name in found if name not in wanted]),
    ):
        if names:
            raise CatalogError(f"{file}:1: {problem} {', '.join(names)}")
    if ordered and found != wanted:
        raise CatalogError(f"{file}:1: out of order: wanted {', '.join(wanted)}")


def check_small_tables(
    policy: Mapping[str, float], use_cases: Sequence[records.UseCase], quality: Sequence[records.Quality],
    quants: Sequence[records.Quant], engines: Sequence[records.Engine],
) -> None:
    """The tables whose rows the kernel finds by place or by name."""
    check_names("policy.csv", policy, POLICY_NAMES)
    check_names("use_cases.csv", (row.use_case for row in use_cases), codes.USE_CASES, ordered=True)
    check_names("quality.csv", (row.use_case for row in quality), codes.USE_CASES, ordered=True)
    names = [quant.name for quant in quants]
    if NEEDED_ENGINE not in {(row.runtime, row.device) for row in engines}:
        raise CatalogError("engines.csv:1: missing llamacpp on cpu: every machine has one")
    check_names("quants.csv", (name for name in names if name in NEEDED_QUANTS), NEEDED_QUANTS)
