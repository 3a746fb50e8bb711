"""How a repository says that its weights are stored (config.json, hf_quant_config.json): bits by kind of tensor.

Groups, modes and modules that are left out each count by their own bits, over the sizes of the modules that the
configuration describes. Sources: the packers of mlx-lm 0.32, compressed-tensors 0.19, nvidia-modelopt 0.47, exllamav3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from llmfit.files.config_file import Config
from llmfit.files.model import Stored
from llmfit.files.modules import Module, modules_of

WHOLE = 16.0
MODES = {"mxfp4": 4.25, "nvfp4": 4.5, "mxfp8": 8.25}  # MLX modes without a bias: blocks of 32, 16, 32 with 8-bit scales
ALGORITHMS = (("nvfp4", "nvfp4", 4.5), ("mxfp4", "mxfp4", 4.25), ("mxfp8", "mxfp8", 8.25), ("w4a8", "int", 4.125),
              ("w4a16", "awq", 4.125), ("int4", "awq", 4.125), ("fp8", "fp8", 8.0), ("float-quant", "fp8", 8.0),
              ("int8", "int", 8.0), ("w8a8", "int", 8.0), ("w8a16", "int", 8.0))  # fmt: skip
# What is read by its bytes alone: no rule of this year says what its configuration does to a tensor.
BY_BYTES = {"quark": "Quark", "torchao": "TorchAO", "fp-quant": "FP-Quant", "humming": "Humming", "hqq": "HQQ",
            "bitnet": "BitNet", "quanto": "Quanto", "aqlm": "AQLM", "vptq": "VPTQ", "spqr": "SpQR", "higgs": "HIGGS",
            "eetq": "EETQ", "sinq": "SINQ", "metal": "Metal", "four-over-six": "FourOverSix"}  # fmt: skip


def stored_as(c: Config, n_layers: int) -> Stored:
    """The format of the weights; ValueError for a quantization that llmfit has no rule for."""
    q = c.part("quantization_config")
    mlx = c.part("quantization")
    if not q.outer or (mlx.outer and mlx.outer == q.outer):
        return mlx_of(c, mlx, n_layers) if mlx.outer else Stored("bf16", 16.0)
    method = (q.text("quant_method") or q.text("quant_algo") or q.text("quant_library")).lower().replace("_", "-")
    bits = fraction(q.first("bits", "w_bit", "nbits", "weight_bits"))
    if method.startswith("modelopt"):
        return modelopt(c, q, n_layers)
    if method == "compressed-tensors":
        return compressed(c, q, n_layers)
    if method == "bitsandbytes":
        return bitsandbytes(c, q)
    if method in ("fp8", "fbgemm-fp8", "fouroversix-fp8"):
        experts = 4.25 if "fp4" in (q.text("expert_dtype") or c.text("expert_dtype")) else 8.0
        return Stored("mxfp4" if experts < 8 else "fp8", 4.0 if experts < 8 else 8.0, 8.0, experts, WHOLE, WHOLE)
    if method in ("exl2", "exl3"):
        bits = bits or 4.0
        return Stored(method, bits, bits, bits, WHOLE, fraction(q.first("head_bits", "lm_head_bits")) or 6.0)
    if method == "mxfp4":
        return Stored("mxfp4", 4.0, WHOLE, 4.25, WHOLE, WHOLE)
    plain = {"awq": "awq", "gptq": "gptq", "auto-round": "autoround", "autoround": "autoround", "mxfp8": "mxfp8",
             "nvfp4": "nvfp4", "auto-awq": "awq", "gptqmodel": "gptq"}  # fmt: skip
    if method in plain:
        each = {"mxfp8": 8.25, "nvfp4": 4.5}.get(method) or grouped(bits or 4.0, q.first("group_size"))
        return averaged(c, n_layers, Stored(plain[method], bits), rule_of_dynamic(q, each))
    if method in BY_BYTES:
        return Stored("int", bits or guessed(q), label=BY_BYTES[method], by_bytes=True)
    if method == "mlx" or (q.first("group_size") and bits):
        return mlx_of(c, q, n_layers)
    raise ValueError(f"there is no rule for the quantization {method[:40]!r}")


def fraction(value: Any) -> float | None:
    """Bits a weight, which may be a fraction; None where it is no number from 0 to 32."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,2}(\.\d{1,4})?", value):
        value = float(value)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 32 else None


def grouped(bits: float, group: Any, zero: bool = True) -> float:
    """Bits with a 16-bit scale and, where there is one, a zero of `bits` bits a group; a channel's share is nothing."""
    size = group if isinstance(group, int) and not isinstance(group, bool) and group > 0 else 0
    return bits + (16 + (bits if zero else 0)) / size if size else bits


def guessed(q: Config) -> float | None:
    found = re.search(r"int(\d)|fp(\d)|w(\d)|uint(\d)", str(q.outer)[:20_000].lower())
    return float(next(item for item in found.groups() if item)) if found else None


Rule = Callable[[Module], float]


def averaged(c: Config, n_layers: int, said: Stored, rule: Rule) -> Stored:
    """With the mean of what each module takes, by kind; embedding and output as they are."""
    sums = {"body": [0.0, 0.0], "experts": [0.0, 0.0], "embedding": [0.0, 0.0], "output": [0.0, 0.0]}
    for module in modules_of(c, n_layers):
        kept = sums[module.kind]
        kept[0] += module.params * rule(module)
        kept[1] += module.params
    mean = {kind: total / params if params else 0.0 for kind, (total, params) in sums.items()}
    body = mean["body"]
    return said._replace(
        body=body,
        experts=mean["experts"] or body,
        embedding=mean["embedding"],
        output=mean["output"] or mean["embedding"],
    )


def mlx_of(c: Config, q: Config, n_layers: int) -> Stored:
    """MLX: affine groups carry a 16-bit scale and bias; modes of their own; any module may have its own."""

    def each(part: Config) -> float:
        mode = part.text("mode")
        if mode in MODES:
            return MODES[mode]
        size = part.count("group_size") or (64 if part.inner is q.inner else q.count("group_size") or 64)
        return (fraction(part.first("bits")) or 4.0) + 32.0 / size

    own: dict[str, float] = {}
    for name, value in q.inner.items():
        if isinstance(value, dict):
            own[canonical(name)] = each(Config(value))
        elif value is False:
            own[canonical(name)] = WHOLE
    plain = each(q)
    bits = fraction(q.first("bits")) or {"mxfp4": 4.0, "nvfp4": 4.0, "mxfp8": 8.0}.get(q.text("mode"), 4.0)
    return averaged(c, n_layers, Stored("mlx", bits), lambda m: own.get(m.name, plain))


def canonical(name: str) -> str:
    """A module's name as modules.py spells it: without what stands before its layer, experts without their number."""
    name = re.sub(r"\.weight$", "", name)
    at = re.search(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.(.*)$", name)
    if not at:
        return "lm_head" if name.endswith("lm_head") else "embed_tokens" if "embed" in name else name
    rest = re.sub(
        r"experts\.\d+\.", "experts.", at[2].replace("switch_mlp.", "experts.").replace("block_sparse_moe", "mlp")
    )
    return f"layers.{at[1]}.{rest}"


def modelopt(c: Config, q: Config, n_layers: int) -> Stored:
    """NVIDIA's: one algorithm for all, or MIXED_PRECISION with one for each layer; excluded modules stay at 16 bits."""
    listed = q.first("quantized_layers")
    excluded = patterns(q.first("ignore", "exclude_modules"))
    if isinstance(listed, dict) and listed:
        own = {}
        for name, value in listed.items():
            part = Config(value if isinstance(value, dict) else {})
            own[canonical(name)] = algorithm(part.text("quant_algo"))[2]
        said = Stored("int", None)
        found = averaged(c, n_layers, said, lambda m: own.get(m.name, WHOLE))
        lowest = min(own.values(), default=8.0)
        format = next((format for _, format, each in ALGORITHMS if each == lowest), "int")
        return found._replace(
            format=format, bits=float(int(lowest)), label="ModelOpt-mixed" if len(set(own.values())) > 1 else ""
        )
    word = q.text("quant_algo")
    if isinstance(q.first("config_groups"), dict) and (not word or "mixed" in word.lower()):
        return compressed(c, q, n_layers)
    _, format, each = algorithm(word or q.text("quant_method").removeprefix("modelopt"))
    return averaged(
        c,
        n_layers,
        Stored(format, float(int(each))),
        lambda m: WHOLE if m.kind in ("embedding", "output") or m.small or hit(excluded, m) else each,
    )


def algorithm(word: str) -> tuple[str, str, float]:
    """(word, format, bits with scales) of a modelopt algorithm; 8-bit floats where none is said."""
    word = word.lower().replace("_", "-")
    word = {"-fp4": "nvfp4", "fp4": "nvfp4"}.get(word, word)
    return next((row for row in ALGORITHMS if row[0] in word), ("fp8", "fp8", 8.0))


def patterns(said: Any) -> list[re.Pattern[str]]:
    """Names of modules: exact, with stars, or as regular expressions after `re:`."""
    found = []
    for word in said[:8192] if isinstance(said, list) else ():
        if not isinstance(word, str) or len(word) > 300:
            continue
        if word.startswith("re:"):
            inner = word[3:]
            if not re.fullmatch(r"[\w.\\|()\[\]^$*?:+-]*", inner) or re.search(r"[*+?]\)?[*+]", inner):
                continue
        else:
            inner = re.escape(word).replace(r"\*", ".*") + r"(\.|$)"
        try:
            found.append(re.compile(inner))
        except re.error:
            continue
    return found


def hit(said: list[re.Pattern[str]], module: Module) -> bool:
    return any(pattern.match(name) for pattern in said for name in module.spelled)


def compressed(c: Config, q: Config, n_layers: int) -> Stored:
    """compressed-tensors: groups of weights, each with its own bits, format and targets; the rest stays at 16 bits."""
    groups = q.first("config_groups")
    excluded = patterns(q.first("ignore"))
    outer_format = (q.text("format") or q.text("quant_algo")).lower()
    rules: list[tuple[list[re.Pattern[str]], bool, str, float, float]] = []
    for group in list(groups.values())[:64] if isinstance(groups, dict) else ():
        part = Config(group if isinstance(group, dict) else {})
        weights = part.part("weights")
        if not weights.outer:
            continue
        targets = part.first("targets")
        names = targets if isinstance(targets, list) else []
        everything = not names or any(isinstance(name, str) and "Linear" in name for name in names)
        format, bits, each = weight_bits(weights, (part.text("format") or outer_format).lower(), q.text("version"))
        rules.append((patterns(names), everything, format, bits, each))
    if not rules:
        _, format, each = algorithm(outer_format or "int8")
        rules.append(([], True, format, float(int(each)), each))

    def rule(m: Module) -> float:
        if m.kind == "embedding" or m.small or hit(excluded, m):
            return WHOLE
        for names, everything, _, _, each in rules:
            if hit(names, m) or (everything and (m.kind != "output" or not excluded)):
                return each if m.kind != "output" or not everything or hit(names, m) else WHOLE
        return WHOLE

    _, _, format, bits, each = min(rules, key=lambda item: item[4])
    found = averaged(c, n_layers, Stored(format, bits), rule)
    return found._replace(label="INT-mixed" if len({item[4] for item in rules}) > 1 else "")


def weight_bits(weights: Config, format: str, version: str) -> tuple[str, float, float]:
    """(format, nominal bits, bits as stored) of one group of compressed-tensors."""
    bits = fraction(weights.first("num_bits")) or 8.0
    group, strategy = weights.first("group_size"), weights.text("strategy")
    if weights.text("type") == "float":
        if bits == 4:
            return ("mxfp4", 4.0, 4.25) if "mxfp4" in format or group == 32 else ("nvfp4", 4.0, 4.5)
        return ("mxfp8", 8.0, 8.25) if "mxfp8" in format or group == 32 else ("fp8", 8.0, 8.0)
    held = bits
    if "pack" in format and bits not in (2, 4, 8) and dense_packing(version) is False:
        held = 32 / int(32 / bits)  # whole values in each 32-bit integer
    zero = weights.first("symmetric") is False
    return (
        "int",
        bits,
        held + (16 + (bits if zero else 0)) / group
        if isinstance(group, int) and group > 0 and strategy != "channel"
        else held,
    )


def dense_packing(version: str) -> bool:
    """compressed-tensors packs without gaps since 0.18."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return bool(found) and (int(found[1]), int(found[2])) >= (0, 18)  # type: ignore[index]


def bitsandbytes(c: Config, q: Config) -> Stored:
    """NF4 blocks of 64 with a 32-bit scale, or twice quantized; transformers leaves experts at 16 bits."""
    four = bool(q.first("load_in_4bit", "_load_in_4bit"))
    twice = q.first("bnb_4bit_use_double_quant") is True
    body = (4.127 if twice else 4.5) if four else 8.0
    return Stored("bnb", 4.0 if four else 8.0, body, WHOLE if c.experts() > 1 else body, WHOLE, WHOLE)


def rule_of_dynamic(q: Config, each: float) -> Rule:
    """GPTQ's and AutoRound's own bits for single modules, and what they leave out."""
    excluded = patterns(q.first("modules_to_not_convert"))
    own = list(own_bits(q))

    def rule(m: Module) -> float:
        if m.kind in ("embedding", "output") or m.small or hit(excluded, m):
            return WHOLE
        return next((bits for names, bits in own if hit(names, m)), each)

    return rule


def own_bits(q: Config) -> Iterator[tuple[list[re.Pattern[str]], float]]:
    for key in ("dynamic", "extra_config"):
        said = q.first(key)
        for name, value in list(said.items())[:8192] if isinstance(said, dict) else ():
            if name.startswith("-:"):
                yield patterns([f"re:{name[2:]}"]), WHOLE
            elif isinstance(value, dict):
                bits = fraction(value.get("bits"))
                if bits:
                    group = value.get("group_size", q.first("group_size"))
                    yield (
                        patterns([f"re:{name[2:]}" if name.startswith("+:") else name]),
                        WHOLE if bits >= 16 else grouped(bits, group),
                    )
