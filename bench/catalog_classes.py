"""The catalog's rows by the classes of their types: latent attention, heads, active parameters, text parameters.

    python bench/catalog_classes.py            # what would change, a line a kind
    python bench/catalog_classes.py --write    # writes src/data/models.csv and architectures.csv

A class's own defaults (llmfit/files/class_defaults.json, transformers 5.24.0) say what a row of its type lacks; what
they cannot say stays as it is. Facts of single shapes stand in SHAPES with their source. Run it again after new rows.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from llmfit.files import config
from llmfit.files.config_file import class_defaults

DATA = Path(__file__).resolve().parents[1] / "src/data"
# Types whose class keeps one latent for all heads, and the class that describes their text part.
# Experts not in each layer or in a narrower width; tables that are looked up beside them.
ODD = (
    "nemotron_h",
    "jetmoe",
    "muse_spark",
    "qwen4_exp",
    "qwen4_exp_text",
    "deepseek_v41",
    "llama4",
    "llama4_text",
    "jamba",
    "gemma4",
    "gemma4_text",
    "k2_horizon",
    "ernie4_5_moe_vl",
    "ernie4_5_vl_moe",
)
LATENT = {
    "glm5_next": "glm5_next_text", "bailing_hybrid": "bailing_hybrid", "bailing_moe_v3_vl": "bailing_hybrid",
    "hy_v4": "hy_v4", "hy_v4_vl": "hy_v4", "sarvam_mla": "sarvam_mla", "dots3_note": "dots3_note_text", "axk1": "axk1",
    "youtu": "youtu", "youtu_vl": "youtu", "glm5v": "glm_moe_dsa",
}  # fmt: skip
# (type, layers, width): facts of that shape, from the class's defaults or published configurations as measured with
# transformers 5.24.0 on the meta device.
SHAPES: dict[tuple[str, int, int], dict[str, Any]] = {
    ("step3p5", 45, 4096): {"n_kv_heads": 8}, ("step3p7", 45, 4096): {"n_kv_heads": 8},
    ("inkling_mm_model", 66, 6144): {"n_kv_heads": 16, "full_kv_heads": 8},
    ("mimo_v2_flash", 48, 4096): {"n_kv_heads": 8, "full_kv_heads": 4, "v_head_dim": 128},
    ("mimo_v2", 48, 4096): {"n_kv_heads": 8, "full_kv_heads": 4, "v_head_dim": 128, "n_full_attn_layers": 9},
    ("mimo_v2", 70, 6144): {"n_kv_heads": 16, "full_kv_heads": 8, "v_head_dim": 128, "n_full_attn_layers": 12},
    ("nemotron-nas", 80, 8192): {"n_full_attn_layers": 49},
    ("bailing_hybrid", 42, 2560): {"n_dense_layers": 2}, ("afmoe", 60, 3072): {"n_dense_layers": 6},
}  # fmt: skip
# (type, layers, width, experts): parameters of the text decoder where the row's total holds more.
TEXT: dict[tuple[str, int, int, int], float] = {
    ("deepseek_v4", 43, 4096, 256): 284325869015, ("deepseek_v4", 61, 7168, 384): 1573.0e9,
    ("glm5_next", 45, 4096, 288): 313326900000, ("bailing_hybrid", 42, 2560, 512): 124413600000,
    ("glm4_moe", 46, 4096, 128): 106852245504,
    ("ernie4_5_moe_vl", 28, 2560, 64): 28624600000, ("muse_glimmer", 52, 6656, 0): 27854800000,
}  # fmt: skip
ACTIVE = {
    ("deepseek_v4", 61, 7168, 384): 49.8e9, ("deepseek_v4", 43, 4096, 256): 13.793e9,
    ("inkling_mm_model", 66, 6144, 256): 41.0e9, ("glm5_next", 45, 4096, 288): 17.377e9,
    ("axk1", 61, 7168, 192): 32.779e9, ("glm4_moe", 46, 4096, 128): 13.4e9,
}  # fmt: skip


def number(row: dict[str, str], name: str) -> float:
    return float(row[name] or 0)


def shape_of(row: dict[str, str]) -> tuple[str, int, int, int]:
    experts = int(number(row, "n_experts"))
    return (
        row["model_type"],
        int(number(row, "n_layers")),
        int(number(row, "hidden_size")),
        experts if experts > 1 else 0,
    )


def put(row: dict[str, str], facts: dict[str, Any], flag: str = "class") -> bool:
    """Writes facts into a row; whether one changed."""
    before = dict(row)
    for name, value in facts.items():
        row[name] = f"{value:.0f}" if isinstance(value, int | float) else str(value)
        row[name] = "" if row[name] == "0" and name != "n_full_attn_layers" else row[name]
    if row != before:
        words = [word for word in row["flags"].split("|") if word and word != flag]
        row["flags"] = "|".join([*words, flag])
    return row != before


def latent(row: dict[str, str], lines: dict[str, dict[str, str]]) -> bool:
    """A latent cache that the row does not know, and the line of architectures.csv that goes with it."""
    kind = LATENT.get(row["model_type"])
    if not kind or row["kv_lora_rank"] or not row["n_layers"] or not row["hidden_size"]:
        return False
    own = class_defaults()[kind]
    n_layers, hidden = int(row["n_layers"]), int(row["hidden_size"])
    asked: dict[str, Any] = {"model_type": kind, "num_hidden_layers": n_layers, "hidden_size": hidden}
    if row["n_heads"] and (n_layers, hidden) != (own.get("num_hidden_layers"), own.get("hidden_size")):
        asked["num_attention_heads"] = int(row["n_heads"])
    facts = config.model_of(row["id"], asked).facts
    full = row["n_full_attn_layers"] if row["attention"].startswith("hybrid") else ""
    if kind.startswith("dots3"):
        full = "13"  # the other layers keep windows of a latent each
    words = [word for word in row["flags"].split("|") if word != "attn_unknown"]
    row["flags"] = "|".join(filter(None, words))
    changed = put(row, {
        "attention": facts["attention"], "kv_lora_rank": facts["kv_lora_rank"], "rope_head_dim": facts["rope_head_dim"],
        "head_dim": facts["head_dim"], "v_head_dim": facts["v_head_dim"], "n_heads": facts["n_heads"],
        "n_kv_heads": facts["n_heads"], "sliding_window": "",
        "n_full_attn_layers": int(full) if full else facts.get("n_full_attn_layers", n_layers),
    })  # fmt: skip
    id = f"{row['model_type']}-{n_layers}x{hidden}-{row['attention']}"
    if id not in lines:
        names = ("linear_kind", "n_linear_layers", "ssm_inner", "ssm_state", "ssm_groups", "ssm_heads", "ssm_conv",
                 "q_lora_rank", "qk_nope_head_dim")  # fmt: skip
        line = dict.fromkeys(next(iter(lines.values())), "")
        line |= {name: str(facts.get(name) or "") for name in names}
        if facts.get("n_linear_layers") and full:
            line["n_linear_layers"] = str(n_layers - int(full))
        line |= {"id": id, "model_type": row["model_type"], "n_layers": str(n_layers), "hidden_size": str(hidden),
                 "attention": row["attention"], "example_id": row["id"],
                 "source": "class defaults of transformers 5.24.0"}  # fmt: skip
        lines[id] = line
    return changed


def understood(row: dict[str, str]) -> bool:
    """Attention of a class that is known, on rows that did not know it."""
    own = class_defaults().get(row["model_type"], {})
    kind = own.get("text", row["model_type"])
    if "attn_unknown" not in row["flags"].split("|") or kind not in class_defaults() or not row["n_layers"]:
        return False
    if not row["n_heads"] or class_defaults()[kind].get("kv_lora_rank"):
        return False
    asked = {"model_type": kind, "num_hidden_layers": int(row["n_layers"]), "hidden_size": int(row["hidden_size"]),
             "num_attention_heads": int(row["n_heads"])}  # fmt: skip
    try:
        facts = config.model_of(row["id"], asked).facts
    except ValueError:
        return False
    if facts["attention"] not in ("full", "sliding", "encoder_decoder"):
        return False
    row["flags"] = "|".join(word for word in row["flags"].split("|") if word != "attn_unknown")
    found = {
        "attention": facts["attention"],
        "n_full_attn_layers": facts.get("n_full_attn_layers", int(row["n_layers"])),
    }
    return put(row, found | ({"sliding_window": facts["sliding_window"]} if facts.get("sliding_window") else {}))


def active(row: dict[str, str]) -> bool:
    """What one token uses of a mixture of experts: all but the routed experts that it does not choose."""
    n, used, wide = (number(row, name) for name in ("n_experts", "n_experts_active", "moe_intermediate_size"))
    layers, hidden, text = number(row, "n_layers"), number(row, "hidden_size"), number(row, "params_text")
    if n <= 1 or not 0 < used < n or not wide or not layers or not hidden:
        return False
    said = number(row, "params_active")
    right = ACTIVE.get(shape_of(row))
    if right and abs(said / right - 1) > 0.2 and row["format"] != "gguf":
        return put(row, {"params_active": right})
    matrices = 2 if row["model_type"].startswith(("nemotron_h", "NemotronH")) else 3
    routed = matrices * hidden * wide * n * (layers - number(row, "n_dense_layers"))
    if not 0.3 * text < routed < text or row["model_type"] in ODD:
        return False
    found = text - routed * (1 - used / n)
    if said:
        return False
    return put(row, {"params_active": found})


def pruned(row: dict[str, str], by_id: dict[str, dict[str, str]]) -> bool:
    """A copy with fewer experts than its base that still counts the base's: less what those experts held."""
    base = by_id.get(row["base_id"])
    same = ("model_type", "n_layers", "hidden_size", "moe_intermediate_size")
    if base is None or not row["moe_intermediate_size"] or any(row[name] != base[name] for name in same):
        return False
    fewer = number(base, "n_experts") - number(row, "n_experts")
    if fewer <= 0 or number(row, "n_experts") < 2 or number(row, "params_text") < 0.98 * number(base, "params_text"):
        return False
    layers = number(row, "n_layers") - number(row, "n_dense_layers")
    gone = 3 * number(row, "hidden_size") * number(row, "moe_intermediate_size") * layers * fewer
    if not 0 < gone < 0.9 * number(base, "params_text") or row["model_type"] in ODD:
        return False
    left = number(base, "params_text") - gone
    beside = number(base, "params_total") - number(base, "params_text")
    return put(
        row, {"params_text": left, "params_total": left + beside, "params_text_from": "shape", "params_from": "shape"}
    )


def said_unknown(row: dict[str, str]) -> bool:
    """A row with layers whose attention nobody knows says so; one that knows it does not."""
    words = [word for word in row["flags"].split("|") if word]
    unknown = not row["attention"] and bool(row["n_layers"])
    if unknown == ("attn_unknown" in words):
        return False
    words = [word for word in words if word != "attn_unknown"] + ["attn_unknown"] * unknown
    row["flags"] = "|".join(words)
    return True


def text(row: dict[str, str]) -> bool:
    """Prediction layers, towers and experts of images that a count took in or left out."""
    right = TEXT.get(shape_of(row))
    if (
        not right
        or not 0.7 < number(row, "params_text") / right < 1.15
        or abs(number(row, "params_text") / right - 1) < 1e-4
    ):
        dspark = row["id"] == "deepseek-ai/DeepSeek-V4-Flash-DSpark"
        if not right or not dspark:
            return False
    return put(
        row,
        {"params_text": right, "params_total": max(right, number(row, "params_total")), "params_text_from": "shape"},
    )


def shapes(row: dict[str, str]) -> bool:
    facts = SHAPES.get(shape_of(row)[:3])
    if not facts or (row["model_type"] == "nemotron-nas" and abs(number(row, "params_text") / 49.867e9 - 1) > 0.02):
        return False
    return put(row, facts)


def state(lines: dict[str, dict[str, str]]) -> int:
    """Inner widths that the lines of Qwen3.8-Flash-Next lack: 48 heads of 128."""
    found = 0
    for line in lines.values():
        if line["model_type"].startswith("qwen4_exp") and line["hidden_size"] == "2560" and not line["ssm_inner"]:
            line |= {"ssm_inner": "6144", "ssm_heads": "48"}
            found += 1
    return found


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    arguments.add_argument("--write", action="store_true")
    asked = arguments.parse_args()
    with (DATA / "models.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with (DATA / "architectures.csv").open(encoding="utf-8", newline="") as file:
        lines = {line["id"]: line for line in csv.DictReader(file)}
    by_id = {row["id"]: row for row in rows}
    changed: Counter[str] = Counter(state=state(lines))
    for row in rows:
        changed["latent attention"] += latent(row, lines)
        changed["attention of a known class"] += understood(row)
        changed["shape"] += shapes(row)
        changed["text parameters"] += text(row)
        changed["fewer experts than the base"] += pruned(row, by_id)
        changed["active parameters"] += active(row)
        changed["unknown attention said"] += said_unknown(row)
    print("\n".join(f"{kind}: {n}" for kind, n in changed.items()))
    if asked.write:
        for name, records in (("models.csv", rows), ("architectures.csv", list(lines.values()))):
            out = io.StringIO()
            writer = csv.DictWriter(out, list(records[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(records)
            (DATA / name).write_text(out.getvalue(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
