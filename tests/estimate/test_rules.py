"""Every rule has its formula, and a worked example that holds."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from llmfit import _rules, _rules_files, _rules_ranking

SOURCES = Path(__file__).parents[2] / "src/llmfit"
RULES = {
    name: rule for module in (_rules, _rules_files, _rules_ranking) for name, rule in vars(module).items()
    if callable(rule) and not name.startswith("_")
}  # fmt: skip
# Inline functions that are no rule of their own: parts of one (`step_parts_of` and `step_ms` are `decode_ms`,
# `components` are `verdict`, the `add`s are `tensors_of`), `offer`, which judges by `fit_level` and `utility`,
# comparisons, and `rate_of`, which finds the processor that `spread_of` asks about.
ADDS = {
    "add", "add_small", "add_kept", "spread", "add_attention", "add_all_attention", "add_latent", "add_linear",
    "add_ffn", "add_tables", "as_quantized", "gguf_table_bytes",
}  # fmt: skip
PARTS = {"step_parts_of", "step_ms", "components", "placed", "offer", "better", "tenths", "rate_of"}
SKETCHES = {"sketch_of", "row_sketch_of", "raise_fastest", "fastest_of", "most_tenths"}  # facts put together
NOT_SHOWN = PARTS | ADDS | SKETCHES
CONCEPTS = (
    "quant", "model", "tensors", "tensor_list", "tensor_blocks", "gguf_mix", "gguf",
    "compute", "memory", "machine", "speed", "job", "fit", "score", "verdict", "evidence",
    "sketch", "remaining",
)  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_worked_examples(name: str) -> None:
    names = {**RULES, "CODES": _rules.CODES}
    (test,) = doctest.DocTestFinder(recurse=False).find(RULES[name], name, module=False, globs=names)
    assert test.examples, f"{name} has no worked example"
    result = doctest.DocTestRunner(verbose=False).run(test)
    assert result.failed == 0


def test_a_wrong_example_is_noticed() -> None:
    wrong = doctest.DocTestParser().get_doctest(">>> milli_up(bytes=1)\n2.0\n", RULES, "wrong", None, 0)
    assert doctest.DocTestRunner(verbose=False).run(wrong, out=lambda text: None).failed == 1


def test_every_rule_of_the_kernel_is_shown() -> None:
    rules = set()
    for concept in CONCEPTS:
        (source,) = SOURCES.rglob(f"{concept}.pxd")
        text = source.read_text()
        rules |= set(re.findall(r"^cdef inline [\w ]+?\*? ?(\w+)\(", text, re.MULTILINE))
    assert len(rules) > 30
    assert rules - NOT_SHOWN == set(RULES) - {"written"}  # the one formula of a module that is else no concept


def test_only_named_numbers_are_taken() -> None:
    with pytest.raises(TypeError, match="a model has no field windw"):
        _rules.window_cells(context=8192, windw=128)
    with pytest.raises(TypeError, match="the policy has no field nothing"):
        _rules.efficiency(eta=0.5, bandwidth=500, nothing=1)
    with pytest.raises(TypeError):
        _rules.milli_up(1)
