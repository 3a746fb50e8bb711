"""The header of a GGUF file: its metadata and where its tensors lie. Nothing behind it is read.

Type numbers, block sizes and labels are those of the `gguf` package. Its GGUFReader is not used: it maps the file and
makes arrays of every field, as many and as long as the file claims. Here each count is compared with the bytes that
are there before anything is made of it, and the tokenizer's lists are walked, not kept. tests/files/test_gguf.py holds
what both read equal.

Layout (ggml's docs/gguf.md): "GGUF", version, number of tensors and of key-value pairs; the pairs; name, dimensions,
type and offset of each tensor; padding to the alignment; the tensors.
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO, NamedTuple, NoReturn

from llmfit.files.source import MIB, bad, opened

HEADER_BYTES = 48 * MIB  # the largest vocabularies take 20
STRINGS = 1_200_000  # in all lists together; vocabulary and merges of the largest make 800,000
ENTRIES = 16_384  # key-value pairs, and tensors; real files have hundreds and thousands
KEPT = 4096  # longest text, and most numbers of a list, that are kept: per-layer lists, not token scores
KEPT_ALL = 1 << 21  # of all together, names included
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
TEXT_KEPT = ("general.", "split.", "tokenizer.ggml.model")


class Length(int):
    """How long a list is whose items were not kept."""


class Tensor(NamedTuple):
    """One tensor of the file; dimensions as GGUF lists them, a row first."""

    name: str
    dims: tuple[int, ...]
    type: str  # as ggml spells it
    elements: int
    bytes: int


class Header(NamedTuple):
    """What precedes the tensors."""

    meta: dict[str, Any]
    tensors: list[Tensor]
    size: int  # of the whole file, bytes
    length: int  # of the header


def read_header(path: str, most: int = HEADER_BYTES) -> Header:
    """The header of a GGUF file, of at most so many bytes; BadFile with the first thing that is wrong with it."""
    kinds = kinds_of_package(path)
    file, size = opened(path)
    with file:
        return Reader(path, file, size, kinds, most).header()


def kinds_of_package(path: str) -> dict[int, tuple[str, int, int]]:
    """(name, weights of a block, bytes of a block) by ggml's type number."""
    try:
        from gguf.constants import GGML_QUANT_SIZES
    except ImportError:
        raise bad(path, "GGUF files need the gguf package: pip install 'llmfit[gguf]'") from None
    return {int(kind): (kind.name, *GGML_QUANT_SIZES[kind]) for kind in GGML_QUANT_SIZES}


def file_type_label(number: Any) -> str:
    """The label of `general.file_type` as llama.cpp spells it (`Q4_K_M`); empty where it has none."""
    from gguf.constants import LlamaFileType

    try:
        name = LlamaFileType(number).name
    except ValueError:
        return ""
    return "" if name == "GUESSED" else name.removeprefix("MOSTLY_").removeprefix("ALL_").removesuffix("_MOE")


class Reader:
    """Walks the header; ``at`` is where, in bytes from the start. The file is read ahead, a mebibyte at a time."""

    def __init__(self, path: str, file: BinaryIO, size: int, kinds: dict[int, tuple[str, int, int]], most: int) -> None:
        self.path, self.file, self.size, self.kinds, self.most = path, file, size, kinds, most
        self.held = bytearray()
        self.at = 0
        self.strings = 0
        self.kept = 0

    def fail(self, what: str) -> NoReturn:
        raise bad(self.path, what)

    def need(self, count: int) -> None:
        """Have `count` more bytes in hand."""
        end = self.at + count
        if end > self.size:
            self.fail(f"the header is cut short: it goes on behind the file's {self.size} bytes")
        if end > self.most:
            self.fail(f"the header (of all parts together) is longer than {HEADER_BYTES // MIB} MiB")
        while len(self.held) < end:
            try:
                piece = self.file.read(max(MIB, end - len(self.held)))
            except OSError as error:
                self.fail(f"reading failed: {error.strerror}")
            if not piece:
                self.fail("the header is cut short: the file shrank")
            self.held += piece

    def number(self, form: str) -> Any:
        step = struct.calcsize("<" + form)
        self.need(step)
        (value,) = struct.unpack_from("<" + form, self.held, self.at)
        self.at += step
        return value

    def text(self, most: int = KEPT) -> str:
        """A string; one longer than `most` bytes is skipped and empty."""
        length = self.number("Q")
        self.need(length)
        self.at += length
        if length > most:
            return ""
        self.kept += length
        return self.held[self.at - length : self.at].decode("utf-8", "replace")

    def skip_strings(self, count: int) -> None:
        self.strings += count
        if self.strings > STRINGS:
            self.fail(f"its lists hold more than {STRINGS} strings")
        if 8 * count > self.size - self.at:
            self.fail(f"the header is cut short: a list of {count} strings does not fit into the file")
        unpack, held, at = struct.Struct("<Q").unpack_from, self.held, self.at
        for _ in range(count):
            if at + 8 > len(held):
                self.at = at
                self.need(8)
            at += 8 + unpack(held, at)[0]
            if at > self.size:
                self.fail("the header is cut short: a string goes on behind the end of the file")
        self.at = at
        self.need(0)

    def value(self, kind: int, keep: bool) -> Any:
        if kind == STRING:
            return self.text(KEPT if keep and self.kept <= KEPT_ALL else 0)
        if kind != ARRAY:
            if kind not in SCALARS:
                self.fail(f"a value of the unknown type {kind}")
            return self.number(SCALARS[kind])
        kind, count = self.number("I"), self.number("Q")
        if kind == STRING:
            self.skip_strings(count)
            return Length(count)
        if kind not in SCALARS:
            self.fail("a list of lists" if kind == ARRAY else f"a list of the unknown type {kind}")
        step = struct.calcsize("<" + SCALARS[kind])
        self.need(count * step)
        self.at += count * step
        if not keep or count > KEPT or self.kept > KEPT_ALL:
            return Length(count)
        self.kept += count
        return struct.unpack_from(f"<{count}{SCALARS[kind]}", self.held, self.at - count * step)

    def header(self) -> Header:
        if not self.size:
            self.fail("it is empty")
        self.need(4)
        if self.held[:4] != b"GGUF":
            self.fail("it is not a GGUF file")
        self.at = 4
        version = self.number("I")
        if version and version & 0xFFFF == 0:
            self.fail("it is a big-endian GGUF file; little-endian ones are read")
        if version not in (2, 3):
            self.fail(f"GGUF version {version}; versions 2 and 3 are read")
        n_tensors, n_pairs = self.number("Q"), self.number("Q")
        for what, count in (("tensors", n_tensors), ("key-value pairs", n_pairs)):
            if count > ENTRIES:
                self.fail(f"it claims {count} {what}; at most {ENTRIES} are read")
        meta = self.pairs(n_pairs)
        return self.tensors(n_tensors, meta)

    def pairs(self, count: int) -> dict[str, Any]:
        meta: dict[str, Any] = {}
        for _ in range(count):
            key = self.text(256)
            kind = self.number("I")
            if not key or key in meta:
                self.fail(f"the key {key[:60]!r} stands twice" if key else "a key is empty or too long")
            family = meta.get("general.architecture")
            keep = key.startswith(TEXT_KEPT) or bool(isinstance(family, str) and key.startswith(family + "."))
            meta[key] = self.value(kind, keep)
        return meta

    def tensors(self, count: int, meta: dict[str, Any]) -> Header:
        alignment = meta.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 1 <= alignment <= MIB or alignment & (alignment - 1):
            self.fail("general.alignment is not a power of two up to a mebibyte")
        found: dict[str, Tensor] = {}
        end = total = 0
        for _ in range(count):
            name, n_dims = self.text(256), self.number("I")
            if not 1 <= n_dims <= 4 or not name or name in found:
                self.fail(f"the tensor {name[:60]!r} has {n_dims} dimensions, no name or a name that stands twice")
            self.need(8 * n_dims + 12)
            *dims, kind, offset = struct.unpack_from(f"<{n_dims}QIQ", self.held, self.at)
            self.at += 8 * n_dims + 12
            if kind not in self.kinds:
                self.fail(f"the tensor {name[:60]!r} has type {kind}, which this gguf package does not know")
            label, block, block_bytes = self.kinds[kind]
            elements = 1
            for dim in dims:
                elements *= dim
                if not 0 < dim <= elements <= 1 << 50:
                    self.fail(f"the tensor {name[:60]!r} has an impossible shape")
            if dims[0] % block or offset % alignment:
                self.fail(f"the tensor {name[:60]!r} is not made of whole {label} blocks at an aligned place")
            tensor = found[name] = Tensor(name, tuple(dims), label, elements, elements // block * block_bytes)
            end = max(end, offset + tensor.bytes)
            total += tensor.bytes
        start = -(-self.at // alignment) * alignment
        if found and (start + end > self.size or total > self.size - start):
            self.fail(f"it is cut short: its tensors end at byte {max(start + end, start + total)}, it has {self.size}")
        return Header(meta, list(found.values()), self.size, self.at)
