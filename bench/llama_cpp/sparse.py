"""GGUF files of true shapes without weights: a header as a converter writes it, and a hole where the data would be."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ALIGNMENT = 32
TYPES = {"F32": (0, 1, 4), "F16": (1, 1, 2), "I32": (26, 1, 4), "BF16": (30, 1, 2), "MXFP4": (39, 32, 17)}
_U32, _F32, _BOOL, _STRING, _ARRAY, _I32 = 4, 6, 7, 8, 9, 5


@dataclass(frozen=True)
class Weight:
    """One tensor: its name, its dimensions with the row first (as ggml counts them), its type."""

    name: str
    shape: tuple[int, ...]
    type: str = "BF16"

    @property
    def bytes(self) -> int:
        _, block, size = TYPES[self.type]
        count = 1
        for n in self.shape:
            count *= n
        return count // block * size


@dataclass
class File:
    """The header of a GGUF file: metadata by key, and the tensors in their order."""

    metadata: dict[str, Any]
    tensors: list[Weight] = field(default_factory=list)

    @property
    def params(self) -> int:
        count = 0
        for t in self.tensors:
            n = 1
            for size in t.shape:
                n *= size
            count += n
        return count

    def write(self, path: Path) -> None:
        """Writes the header; the file is as long as the whole would be, and takes the disk of its header."""
        head = [b"GGUF", struct.pack("<IQQ", 3, len(self.tensors), len(self.metadata))]
        head += [_string(key) + _value(value) for key, value in self.metadata.items()]
        at = 0
        for t in self.tensors:
            dims = struct.pack(f"<{len(t.shape)}Q", *t.shape)
            head.append(_string(t.name) + struct.pack("<I", len(t.shape)) + dims)
            head.append(struct.pack("<IQ", TYPES[t.type][0], at))
            at += -(-t.bytes // ALIGNMENT) * ALIGNMENT
        data = b"".join(head)
        start = -(-len(data) // ALIGNMENT) * ALIGNMENT
        with path.open("wb") as out:
            out.write(data)
            out.truncate(start + at)


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Any) -> bytes:
    kind, raw = _raw(value)
    return struct.pack("<I", kind) + raw


def _raw(value: Any) -> tuple[int, bytes]:
    if isinstance(value, bool):
        return _BOOL, struct.pack("<?", value)
    if isinstance(value, int):
        return (_U32, struct.pack("<I", value)) if value >= 0 else (_I32, struct.pack("<i", value))
    if isinstance(value, float):
        return _F32, struct.pack("<f", value)
    if isinstance(value, str):
        return _STRING, _string(value)
    items = [_raw(item) for item in value]
    kinds = {kind for kind, _ in items}
    if kinds == {_U32, _I32}:
        items, kinds = [(_I32, struct.pack("<i", item)) for item in value], {_I32}
    if len(kinds) > 1:
        raise ValueError(f"an array holds one type, not {value!r}")
    kind = kinds.pop() if kinds else _U32
    return _ARRAY, struct.pack("<IQ", kind, len(items)) + b"".join(raw for _, raw in items)
