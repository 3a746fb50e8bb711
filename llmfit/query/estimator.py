"""One model, one quantization, one device: the figures behind a row of the ranking, for any facts you have.

Everything is computed by the compiled rules and the packed numbers that rank the catalog:

>>> from llmfit.query.estimator import Estimator
>>> e = Estimator()
>>> llama = e.shape(params_text=8030261248, n_layers=32, hidden_size=4096, n_heads=32, n_kv_heads=8, head_dim=128,
...                 intermediate_size=14336, vocab_size=128256, attention="full", model_type="llama")
>>> round(llama.weights(e.quant("Q4_K_M")) / 1e9, 2)
4.92
>>> llama.cache(8192)
1073741824.0
"""

from __future__ import annotations

from array import array
from typing import Any

import msgspec

from llmfit import codes
from llmfit._catalog import Host
from llmfit._estimator import Shape
from llmfit.catalog import records
from llmfit.catalog.catalog import Catalog, default
from llmfit.catalog.pack import FixedQuant, Form, shape_row
from llmfit.hardware import host
from llmfit.machine import Machine

CACHE_TYPES = dict(zip(codes.CACHE_TYPES, codes.CACHE_BYTES, strict=True))  # bytes of a cache element
_MODEL = {field.name for field in msgspec.structs.fields(records.Model)}
_ARCHITECTURE = {field.name for field in msgspec.structs.fields(records.Architecture)} - _MODEL
_REST: dict[str, Any] = {
    "id": "unnamed", "provider": "", "kind": "original", "origin": "official", "format": "bf16", "use_case": "general",
    "role": "generator", "tuning": "unknown", "model_type": "", "n_layers": 0, "hidden_size": 0, "attention": "full",
}  # fmt: skip


class Decode(msgspec.Struct, frozen=True):
    """Tokens a second for one user, the range that holds 80 % of measurements, the parts of a token's time."""

    tps: float
    low: float
    high: float
    confidence: str
    basis: dict[str, float]


class Estimator:
    """The rules over one catalog's numbers (the shipped one's unless told otherwise)."""

    def __init__(self, catalog: Catalog | None = None) -> None:
        self.catalog = catalog or default()
        self.quants = {quant.name: index for index, quant in reversed(list(enumerate(self.catalog.quants)))}
        self._folded = {name.lower(): index for name, index in self.quants.items()}

    def shape(self, **facts: Any) -> Shape:
        """The shape of a model from facts named as in records.Model and records.Architecture; absent: unknown.

        TypeError for a name that neither has, msgspec.ValidationError for a value that cannot be.
        """
        strange = set(facts) - _MODEL - _ARCHITECTURE
        if strange:
            raise TypeError(f"unknown facts: {', '.join(sorted(strange))}")
        known = {key: value for key, value in facts.items() if value is not None}
        model_facts = {**_REST, **{key: value for key, value in known.items() if key in _MODEL}}
        params = float(known.get("params_text") or known["params_total"])
        model_facts |= {"params_text": params, "params_total": max(params, float(known.get("params_total") or params))}
        model = msgspec.convert(model_facts, records.Model)
        extra = {key: value for key, value in known.items() if key in _ARCHITECTURE}
        architecture = msgspec.convert({"id": model.id, "model_type": model.model_type, **extra}, records.Architecture)
        return Shape(self.catalog.core, self.facts_row(model, architecture))

    @property
    def gguf_labels(self) -> frozenset[str]:
        """The labels of GGUF file types, in lower case."""
        return frozenset({"bf16", *(quant.name.lower() for quant in self.catalog.quants if quant.mix)})

    def facts_row(self, model: records.Model, architecture: records.Architecture | None) -> array[float]:
        """The row of pack.SHAPE_COLUMNS."""
        nowhere: dict[Form, int] = _AnyForm()
        return array("d", map(float, shape_row(model, architecture, nowhere, _FORMATS, self.catalog.layouts, 1)))

    def quant(self, label: str) -> int:
        """The index of a quantization by its label, in any case; KeyError where it is not known."""
        return self._folded[label.lower()]

    def fixed(self, index: int) -> FixedQuant:
        return self.catalog.quants[index]

    def host(self, machine: Machine, engine: str | None = None) -> Host:
        """The kernel's view of a machine; ``engine`` picks a variant of a runtime that has figures of its own."""
        return host.host_of(machine, self.catalog, engine)

    def decode(
        self, shape: Shape, machine: Machine, *, quant: str, tokens: float, runtime: str = "llamacpp",
        engine: str | None = None, kv: str = "f16", weights: float = 0.0, n_seq: int = 1,
    ) -> Decode:  # fmt: skip
        """Speed of each of ``n_seq`` sessions with ``tokens`` in the cache, the model on the first device.

        The CPU does it where the machine has no device.
        """
        on_cpu = not machine.devices
        basis = shape.decode(
            self.host(machine, engine), codes.RUNTIMES.index(runtime), self.quant(quant), tokens,
            element_bytes=CACHE_TYPES[kv], weights=weights, on_cpu=on_cpu, n_seq=n_seq,
        )  # fmt: skip
        tps, spread = 1000.0 / basis["token_ms"], basis["spread"]
        return Decode(tps, tps / (1 + spread), tps * (1 + spread), codes.CONFIDENCES[int(basis["confidence"])], basis)

    def weights(
        self, shape: Shape, quant: str, *, imatrix: bool = True, group: int | None = None, made: str = "",
        experts_kept: bool = False, runtime: str = "",
    ) -> float:  # fmt: skip
        """Bytes of the text weights.

        ``group``: weights that share a scale (AWQ, GPTQ) where that is not 128. Of a GGUF file: ``imatrix``, made with
        an importance matrix; ``made``, the date of the file (2025-08 or longer; absent: today's rules), as llama.cpp's
        rules changed in March 2026; ``experts_kept``: by a packager who keeps experts that are published in MXFP4.
        ``runtime`` llamacpp takes BF16 for a GGUF file, whose norms are 32-bit floats, as F16 is.
        """
        if runtime == "llamacpp" and quant.lower() == "bf16":
            quant = "F16"
        size = shape.weights(self.quant(quant), imatrix, "" < made < "2026-03", experts_kept)
        if group:
            size += (20 / group - 20 / 128) / 8 * shape.body_params
        return size

    def prefill(
        self, shape: Shape, machine: Machine, *, quant: str = "Q4_K_M", prompt: float = 512, depth: float = 0,
        runtime: str = "llamacpp", engine: str | None = None,
    ) -> float:  # fmt: skip
        """Prompt tokens a second for ``prompt`` tokens behind ``depth`` cached ones; 0: compute rate not known."""
        return shape.prefill(
            self.host(machine, engine), codes.RUNTIMES.index(runtime), self.quant(quant), prompt, depth,
            on_cpu=not machine.devices,
        )  # fmt: skip


class _AnyForm(dict):  # type: ignore[type-arg]
    """A facts row of its own names no quantization: the caller does."""

    def __missing__(self, form: Form) -> int:
        return -1


class _Formats(dict):  # type: ignore[type-arg]
    def __missing__(self, form: str) -> records.FixedFormat:
        return records.FixedFormat(
            format="bf16", label="", runtime="none", scale_bits=0, rest_bits=0, default_bits=16, body_is_experts=False,
            speed="f16", source="",
        )  # fmt: skip


_FORMATS: dict[str, records.FixedFormat] = _Formats()
