"""Opens the packed catalog: mapped, not read, so that it costs milliseconds and workers share its pages."""

from __future__ import annotations

import mmap
import os
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from llmfit import codes
from llmfit.catalog.checks import NEEDED_ENGINE, POLICY_NAMES
from llmfit.catalog.integrity import check, check_format
from llmfit.catalog.pack import FixedQuant, Packed
from llmfit.errors import CatalogError
from llmfit.wire.common import CatalogName

if TYPE_CHECKING:
    from llmfit._catalog import Catalog as CoreCatalog
    from llmfit.catalog import records
    from llmfit.catalog.layers import Layers
    from llmfit.catalog.tables import Profile, Tables

# The values that a note may hold, in the order of NoteField in rows/notes.pxd, from 1.
NOTE_FIELDS = ("context", "window", "devices", "offloaded", "missing", "newer")


class Catalog:
    """One packed catalog, opened; `layered`: with the user's own models. ``core`` is what the kernel works on."""

    layers: Layers | None = None  # what lies over it

    def __init__(self, path: str, layered: bool = False) -> None:
        try:
            with open(path, "rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise CatalogError(f"cannot open the catalog: {os.strerror(error.errno or 0)}") from None
        except ValueError:
            raise CatalogError("the catalog is damaged: the file is empty") from None
        try:
            check_format(self._map)
            self._packed = msgspec.msgpack.decode(self._map, type=Packed)
            if layered:
                from llmfit.catalog.layers import over

                self._packed, self.layers = over(self._packed)
            self._hold()
        except (msgspec.DecodeError, ValueError, TypeError) as error:
            raise damaged(error) from None

    @classmethod
    def of(cls, packed: Packed) -> Catalog:
        """A catalog that is not in a file; ValueError or TypeError where it does not fit the core."""
        catalog = cls.__new__(cls)
        catalog._packed = packed
        catalog._hold()
        return catalog

    def _hold(self) -> None:
        from llmfit._catalog import Catalog as CoreCatalog

        self._packed = aligned(self._packed)
        check(self._packed)
        self.core: CoreCatalog = CoreCatalog(self._packed, wire_words(), POLICY_NAMES)
        self.name = CatalogName(version=self._packed.version, digest=self._packed.digest)
        self.size = self._packed.n_rows
        self.providers: list[str] = [name.lower() for name in self._packed.providers]
        self.licenses: list[list[str]] = [name.split(",") for name in self._packed.licenses]

    @cached_property
    def tables(self) -> Tables:
        """The tables of hardware, decoded when first asked for."""
        from llmfit.catalog.tables import Accelerator, CpuFamily, Profile, Tables

        return Tables(
            accelerators=decoded(self._packed.accelerators, tuple[Accelerator, ...]),
            cpus=decoded(self._packed.cpus, tuple[CpuFamily, ...]),
            machines=decoded(self._packed.machines, tuple[Profile, ...]),
        )

    def add_machine(self, profile: Profile) -> None:
        """From now on the profile can be named as those that are shipped."""
        tables = self.tables
        self.__dict__["tables"] = msgspec.structs.replace(tables, machines=(profile, *tables.machines))

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
        from llmfit.catalog import records

        rows = decoded(self._packed.engines, list[records.Engine])
        found = {(row.runtime, row.device): row for row in rows}
        if NEEDED_ENGINE not in found:
            raise CatalogError("the catalog is damaged: there are no figures for llama.cpp on a CPU")
        return found

    @property
    def packed(self) -> Packed:
        """All that the file holds."""
        return self._packed

    @property
    def quants(self) -> list[FixedQuant]:
        """All quantizations, as the core numbers them."""
        return self._packed.quants

    def rows_naming(self, names: set[str]) -> list[int]:
        """The rows whose id, GGUF repository, known copy or ollama tag is one of the names."""
        if not names:
            return []
        import bisect

        text, ends = bytes(self._packed.row_json), self._packed.row_json_ends.cast("I").tolist()
        found = set()
        for name in names:
            quoted = msgspec.json.encode(name)
            for key in (b'"name":', b'"repo":', b'"ollama_name":'):
                at = text.find(key + quoted)
                while at >= 0:
                    found.add(bisect.bisect_right(ends, at))
                    at = text.find(key + quoted, at + 1)
        return sorted(found)

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
    def quality_tables(self) -> tuple[memoryview[float], list[records.Quality]]:
        """The packed matrix of rows and the coefficients by use case: what the derivation of a quality needs."""
        return self._packed.rows.cast("d"), self._packed.quality

    @property
    def quant_names(self) -> list[str]:
        return [quant.name for quant in self._packed.quants]


def aligned(packed: Packed) -> Packed:
    """Numbers where a processor may read them: in the file they lie at any byte. Text stays in the mapped file."""
    names = [name for name in Packed.__struct_fields__ if name in ("shapes", "rows") or name.endswith("_ends")]
    return msgspec.structs.replace(packed, **{name: memoryview(bytes(getattr(packed, name))) for name in names})


def damaged(error: Exception) -> CatalogError:
    return CatalogError(f"the catalog is damaged: {error}")


def decoded(table: msgspec.Raw, kind: Any) -> Any:
    """A table that is decoded when it is needed; CatalogError where it holds something else."""
    try:
        return msgspec.msgpack.decode(table, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise damaged(error) from None


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
        "bandwidth_sources": quoted(codes.BANDWIDTH_SOURCES),
        "cache_types": [*codes.CACHE_TYPES],
        "vllm_cache_types": [codes.VLLM_CACHE_TYPES.get(name, name) for name in codes.CACHE_TYPES],
        "visible": [visible(backend) for backend in codes.BACKENDS],
        "notes": [note_pieces(text) for text in codes.NOTES.values()],
    }


def visible(backend: str) -> str:
    """The variables that choose devices of a backend as members of an object, up to where their numbers follow; empty
    where there are none.
    """
    return msgspec.json.encode(codes.VISIBLE_DEVICES.get(backend, {})).decode()[1:-2]


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


_default: list[Catalog] = []


def default() -> Catalog:
    """The catalog that this installation ships, with what lies over it (catalog/layers.py). CatalogError where it is
    missing or does not fit; what cannot be laid over it is left out with a warning.
    """
    return _default[0] if _default else reopen()


def reopen() -> Catalog:
    """The catalog as it is now, from now on the default one. CatalogError, and the one before stays."""
    opened = Catalog(shipped_path(), layered=True)
    if opened.layers and opened.layers.problems:
        import logging

        for problem in opened.layers.problems:
            logging.getLogger("llmfit.catalog.catalog").warning("left out: %s", problem)
    _default[:] = [opened]
    return opened


def shipped_path() -> str:
    """Beside the compiled core: in an editable installation that is not beside this file."""
    try:
        from llmfit import _catalog
    except ImportError as error:
        where = os.path.dirname(os.path.abspath(__file__))
        help_text = "`pip install .`, and start Python outside llmfit's source folder"
        text = f"the compiled core is missing in {where}: {help_text}"
        raise ImportError(text, name="llmfit._catalog") from error

    return os.path.join(os.path.dirname(os.path.abspath(_catalog.__file__)), "catalog.msgpack")
