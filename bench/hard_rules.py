"""What a list of recommendations keeps to, whatever the weights: rules over the rows of an answer, as code.

Each rule takes the rows of one list (a dict each, as the API sends them) and a :class:`Context`, and yields one
sentence for every violation. ``bench/lists.py`` runs them on many machines,
``tests/query/test_hard_rules.py`` on a few.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Row = dict[str, Any]

GGUF_QUANT = re.compile(r"^(I?Q\d|TQ\d|MXFP4|BF16|F16)")
NVIDIA_ONLY = re.compile(r"NVFP4|MXFP8|BNB", re.IGNORECASE)
VLLM_ONLY = re.compile(r"AWQ|GPTQ|AutoRound|^INT|FP8", re.IGNORECASE)
NEVER = re.compile(r"EXL[23]|ONNX", re.IGNORECASE)
# Words in a name that say: not for a general reader.
OFF_TASK = re.compile(
    r"(?i)rerank|guard|shield|safeguard|content-safety|reward|\bprm\b|\borm\b|judge|[-_.]base\b|-pt\b|embodied|"
    r"\bocr\b|translat|robot|cosmos-reason|image-bench|medgemma|\bfin|diffusion|ui-tars|ui-venus|autoglm|-tool\b|"
    r"-extract\b|-rag\b|transcript|function(?:call|gemma)|search-agent|world|terminal"
)
USABLE_TPS, CAPABLE_TPS = 3.0, 8.0
NAME = re.compile(r"(?i)^(?P<stem>[a-z][a-z-]*?)-?v?(?P<version>\d+(?:\.\d+)?)(?![\d.]*[bmt]\b)(?P<rest>.*)$")
SIZE = re.compile(r"(?i)\b\d+(?:\.\d+)?[bm]\b|\ba\d+(?:\.\d+)?b\b|\be\d+b\b")
MOST_WORDS = re.compile(r"(?i)\b(instruct|it|chat|bf16|fp8|hf|\d{4})\b")


class Context(NamedTuple):
    """What a rule must know besides the list: the use case, the machine's kind, the rest of the ranking."""

    use_case: str
    backend: str  # cuda, metal, rocm, vulkan, cpu
    unified: bool
    facts: dict[str, Row]  # by id: role, tuning, serves of the catalog
    ranked: list[Row]  # the whole list of which `rows` is the head


def fits(rows: list[Row], c: Context) -> Iterator[str]:
    """Nothing that does not fit."""
    for row in rows:
        if row["fit_level"] == "too_tight" or row["memory_required_gb"] > row["memory_available_gb"]:
            yield f"{row['name']} does not fit"


def runs_here(rows: list[Row], c: Context) -> Iterator[str]:
    """No format that the machine or the runtime cannot execute."""
    for row in rows:
        quant, runtime, name = row["best_quant"], row["runtime"], row["name"]
        if NEVER.search(quant) or NEVER.search(name):
            yield f"{name}: {quant} runs in no LLM runtime"
        if NVIDIA_ONLY.search(quant) and c.backend != "cuda":
            yield f"{name}: {quant} off NVIDIA"
        if (runtime == "mlx" or "MLX" in quant) and c.backend != "metal":
            yield f"{name}: MLX off Apple"
        if (runtime == "vllm" or VLLM_ONLY.search(quant)) and c.backend in ("cpu", "metal", "vulkan"):
            yield f"{name}: {quant} under {runtime} on {c.backend}"


def parts_agree(rows: list[Row], c: Context) -> Iterator[str]:
    """Runtime, quantization and repository agree; there is a known way to get the files."""
    for row in rows:
        quant, runtime, name = row["best_quant"], row["runtime"], row["name"]
        if runtime == "llamacpp" and not GGUF_QUANT.match(quant):
            yield f"{name}: {quant} under llama.cpp"
        if runtime == "mlx" and not quant.startswith("MLX-"):
            yield f"{name}: {quant} under MLX"
        if runtime == "vllm" and re.match(r"I?Q\d|MLX", quant):
            yield f"{name}: {quant} under vLLM"
        held = c.facts[name]["format"] == "mlx" or any(copy["quant"] == quant for copy in row["copies"])
        if runtime == "mlx" and not held:
            yield f"{name}: no {quant} copy is known"
        holds_gguf = row["gguf_sources"] or name.upper().endswith("GGUF") or c.facts[name]["format"] == "gguf"
        if runtime == "llamacpp" and not holds_gguf and c.use_case != "embedding":
            yield f"{name}: no GGUF repository is known"


def usable_speed(rows: list[Row], c: Context) -> Iterator[str]:
    """Nothing under 3 tokens/s while a capable model runs at 8 or more."""
    if any(row["estimated_tps"] >= CAPABLE_TPS and row["origin"] != "community" for row in c.ranked):
        for row in rows:
            if row["estimated_tps"] < USABLE_TPS:
                yield f"{row['name']}: {row['estimated_tps']} tok/s"


def originals(rows: list[Row], c: Context) -> Iterator[str]:
    """Originals and known packagers' copies before personal fine-tunes, merges and re-uploads."""
    for row in rows:
        if row["origin"] == "community":
            yield f"{row['name']} is a community model"


def one_of_each(rows: list[Row], c: Context) -> Iterator[str]:
    """One row per base model."""
    seen: dict[str, str] = {}
    for row in rows:
        base = (row["base_model"] or row["name"]).lower()
        if base in seen:
            yield f"{row['name']} and {seen[base]} are one model"
        seen[base] = row["name"]


def generation(name: str) -> tuple[str, float] | None:
    """(line and kind without size, version) of ``Qwen3.5-9B`` -> (``qwen``, 3.5); None where no version is written."""
    bare = name.split("/")[-1]
    found = NAME.match(bare)
    if not found or float(found["version"]) >= 1000:
        return None
    rest = re.sub(r"[-_ ]+", " ", MOST_WORDS.sub("", SIZE.sub("", found["rest"].replace("-", " "))))
    return f"{found['stem'].lower()} {rest.strip().lower()}", float(found["version"])


def newest(rows: list[Row], c: Context) -> Iterator[str]:
    """A newer generation before the older one of equal size, where it runs as well."""
    place = {row["name"]: index for index, row in enumerate(c.ranked)}
    for row in rows:
        old = generation(row["base_model"] or row["name"])
        if old is None:
            continue
        for other in c.ranked:
            new = generation(other["base_model"] or other["name"])
            if (
                new is not None
                and new[0] == old[0]
                and new[1] > old[1]
                and other["origin"] != "community"
                and 0.85 < other["params_b"] / row["params_b"] < 1.18
                and LEVELS.index(other["fit_level"]) >= LEVELS.index(row["fit_level"])
                and other["estimated_tps"] >= 0.6 * row["estimated_tps"]
                and place[other["name"]] > place[row["name"]]
            ):
                yield f"{row['name']} before {other['name']}"


LEVELS = ("too_tight", "marginal", "good", "perfect")


def right_task(rows: list[Row], c: Context) -> Iterator[str]:
    """The task: no reranker, guard, base or domain checkpoint; images for multimodal; embedders for embedding."""
    for row in rows:
        facts = c.facts[row["name"]]
        if c.use_case not in facts["serves"]:
            yield f"{row['name']} does not serve {c.use_case}"
        if facts["role"] != ("embedding" if c.use_case == "embedding" else "generator"):
            yield f"{row['name']} is a {facts['role']} model"
        if c.use_case == "multimodal" and "vision" not in row["capabilities"]:
            yield f"{row['name']} takes no images"
        if facts["tuning"] == "base" and c.use_case != "embedding":
            yield f"{row['name']} is a base checkpoint"
        if c.use_case != "embedding" and OFF_TASK.search(row["name"].split("/")[-1]):
            yield f"{row['name']} is made for something else"


def not_far_below(rows: list[Row], c: Context) -> Iterator[str]:
    """The first pick is not far below what the machine can run well."""
    usable = [r for r in c.ranked if r["fit_level"] in ("perfect", "good") and r["origin"] != "community"]
    usable = [r for r in usable if r["estimated_tps"] >= 15 and c.facts[r["name"]]["tuning"] != "base"]
    allowed = 25 if c.use_case == "embedding" else 15  # of an embedding model the speed counts as much
    best = max((r["score_components"]["quality"] for r in usable), default=0)
    short = best - rows[0]["score_components"]["quality"] if rows else 0
    if short > allowed:
        yield f"{rows[0]['name']} is {short:.0f} points below the best that runs well"


def falling(rows: list[Row], c: Context) -> Iterator[str]:
    """The list is in order, and its head is not one long tie."""
    scores = [row["score"] for row in rows]
    if scores != sorted(scores, reverse=True):
        yield f"scores are out of order: {scores}"
    if len(scores) >= 5 and len(set(scores)) < 3:
        yield f"scores tie: {scores}"


RULES: tuple[Callable[[list[Row], Context], Iterator[str]], ...] = (
    fits, runs_here, parts_agree, usable_speed, originals, one_of_each, newest, right_task, not_far_below, falling,
)  # fmt: skip
