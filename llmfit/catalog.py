"""Opens the packed catalog: mapped, not read, so that it costs milliseconds and workers share its pages."""

from __future__ import annotations

import mmap
import os
import re
from functools import cache, cached_property
from typing import TYPE_CHECKING

import msgspec

from llmfit import codes
from llmfit.errors import CatalogError
from llmfit.pack import FORMAT_VERSION, FixedQuant, Packed
from llmfit.shapes import CatalogName

if TYPE_CHECKING:
    from llmfit import records
    from llmfit._catalog import Catalog as CoreCatalog
    from llmfit.tables import Tables

# The fields of policy.pxd, in its order.
POLICY_NAMES = (
    "default_context", "ubatch", "prompt_tokens", "comfortable_utilization", "good_utilization", "reasonable_tps",
    "slow_tps", "slow_penalty", "fast_enough_tps", "visible_loss", "heavy_loss", "loss_weight", "community_penalty",
    "off_task_penalty", "no_gguf_penalty", "finetune_theta", "undated_year", "unknown_spread", "moe_spread",
    "split_spread", "high_spread", "fixed_ms", "tflops_exponent", "moe_logit", "bandwidth_logit",
    "cache_efficiency", "moe_layer", "expert_exponent", "hybrid_layer", "gemma_layer", "block_layer", "roofline_cap",
    "gpu_flop", "cpu_flop", "prompt_moe", "prompt_read",
    "prompt_attention", "prompt_layer_ms", "attention_flop", "untied_from", "logit_f16", "logit_q8", "logit_q56",
    "logit_q4_0", "logit_q23",
)  # fmt: skip
# The values that a note may hold, in the order of NoteField in notes.pxd, from 1.
NOTE_FIELDS = ("context", "window", "devices", "offloaded", "missing")


class Catalog:
    """One packed catalog, opened. ``core`` is what the kernel works on."""

    def __init__(self, path: str) -> None:
        try:
            with open(path, "rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise CatalogError(f"cannot open the catalog: {os.strerror(getattr(error, 'errno', 0) or 0)}") from None
        try:
            self._packed = msgspec.msgpack.decode(self._map, type=Packed)
            if self._packed.format_version != FORMAT_VERSION:
                raise CatalogError(
                    f"the catalog is of format {self._packed.format_version}, this llmfit reads {FORMAT_VERSION}"
                )
            from llmfit._catalog import Catalog as CoreCatalog

            self.core: CoreCatalog = CoreCatalog(self._packed, wire_words(), POLICY_NAMES)
        except (msgspec.DecodeError, ValueError, TypeError) as error:
            raise CatalogError(f"the catalog is damaged: {error}") from None
        self.name = CatalogName(version=self._packed.version, digest=self._packed.digest)
        self.size = self._packed.n_rows
        self.providers: list[str] = [name.lower() for name in self._packed.providers]
        self.licenses: list[list[str]] = [name.split(",") for name in self._packed.licenses]

    @cached_property
    def tables(self) -> Tables:
        """The accelerator and CPU tables, decoded when first asked for."""
        from llmfit.tables import Accelerator, CpuFamily, Tables

        return Tables(
            accelerators=msgspec.msgpack.decode(self._packed.accelerators, type=tuple[Accelerator, ...]),
            cpus=msgspec.msgpack.decode(self._packed.cpus, type=tuple[CpuFamily, ...]),
        )

    def revised(self, policy: dict[str, float], engines: dict[str, dict[str, float]]) -> Catalog:
        """The same catalog under other constants and engine figures (by name): what a cross-validation needs."""
        other = object.__new__(Catalog)
        other.__dict__.update(self.__dict__)
        rows = {key: row for key, row in self.engines.items()}
        other.__dict__["engines"] = {
            key: msgspec.structs.replace(row, **engines.get(row.engine, {})) for key, row in rows.items()
        }
        other._packed = msgspec.structs.replace(self._packed, policy=self._packed.policy | policy)
        from llmfit._catalog import Catalog as CoreCatalog

        other.core = CoreCatalog(other._packed, wire_words(), POLICY_NAMES)
        return other

    @cached_property
    def engines(self) -> dict[tuple[str, str], records.Engine]:
        """What a runtime reaches on a class of device, by (runtime, device class)."""
        from llmfit import records

        rows = msgspec.msgpack.decode(self._packed.engines, type=list[records.Engine])
        return {(row.runtime, row.device): row for row in rows}

    @property
    def quants(self) -> list[FixedQuant]:
        """All quantizations, as the core numbers them."""
        return self._packed.quants

    def quants_called(self, label: str) -> bytes:
        """By quantization: 1 where it is called `label` (in any case); KeyError where none is. For Estimates."""
        mask = bytes(quant.name.lower() == label.lower() for quant in self._packed.quants)
        if not any(mask):
            raise KeyError(label)
        return mask

    @property
    def policy(self) -> dict[str, float]:
        """The named constants of policy.csv."""
        return self._packed.policy

    @property
    def layouts(self) -> dict[str, int]:
        """How model types cut their weights (bits of pack.LAYOUT_FLAGS)."""
        return self._packed.layouts

    @property
    def quant_names(self) -> list[str]:
        return [quant.name for quant in self._packed.quants]


def wire_words() -> dict[str, list[object]]:
    """The words of codes.py as JSON text, for the row writer."""

    def quoted(words: tuple[str, ...]) -> list[object]:
        return [msgspec.json.encode(word).decode() for word in words]

    return {
        "levels": quoted(codes.FIT_LEVELS),
        "level_labels": quoted(codes.LABELS["fit_level"]),
        "modes": quoted(codes.RUN_MODES),
        "mode_labels": quoted(codes.LABELS["run_mode"]),
        "runtimes": quoted(codes.RUNTIMES),
        "runtime_labels": quoted(codes.LABELS["runtime"]),
        "categories": quoted(codes.LABELS["use_case"]),
        "confidences": quoted(codes.CONFIDENCES),
        "confidence_labels": quoted(codes.LABELS["confidence"]),
        "methods": quoted(codes.METHODS),
        "notes": [note_pieces(text) for text in codes.NOTES.values()],
    }


def note_pieces(text: str) -> list[tuple[str, int]]:
    """A note cut at its ``{field}``s: (literal as JSON text without quotes, number of the field behind it or 0)."""
    cut = re.split(r"\{(\w+)\}", text)
    return [
        (
            msgspec.json.encode(literal).decode()[1:-1],
            NOTE_FIELDS.index(cut[at + 1]) + 1 if at + 1 < len(cut) else 0,
        )
        for at, literal in zip(range(0, len(cut), 2), cut[::2], strict=True)
    ]


@cache
def default() -> Catalog:
    """The catalog that this installation ships. CatalogError where it is missing or does not fit."""
    return Catalog(_shipped_path())


def _shipped_path() -> str:
    """Beside the compiled core: in an editable installation that is not beside this file."""
    from llmfit import _catalog

    return os.path.join(os.path.dirname(os.path.abspath(_catalog.__file__)), "catalog.msgpack")
