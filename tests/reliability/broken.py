"""How inputs are broken: bytes, numbers, cells."""

from __future__ import annotations

import random
import struct

INTEGERS = (0, 1, -1, 127, 255, 1 << 15, (1 << 16) - 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 62, (1 << 63) - 1)
DOUBLES = (
    float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 0.5, 1e308, 5e-324, -1e300, float(1 << 31), float(1 << 62),
    1e14, 12345.0, 99.0, 7.0,
)  # fmt: skip
TEXTS = (
    "", " ", "0", "-1", "nan", "inf", "1e999", "9" * 400, "true", "null", "\0", "\n", '"', "|", "|||", "é\u202e\ud7ff",
    "x" * 3000, "../../etc/passwd", "2024-19-39", "2024-02-31", "1.5", "[", "{}", "((((", ".*.*.*x", "$(id)", "%s%n",
    "4294967296", "1e14",
)  # fmt: skip


def bytes_of(chance: random.Random, data: bytes) -> bytes:
    """The bytes with one to eight places changed, cut, doubled or overwritten with a telling number."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at, kind = chance.randrange(len(out) + 1), chance.randrange(7)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << chance.randrange(8)
        elif kind == 1 and out:
            out[at % len(out)] = chance.randrange(256)
        elif kind == 2:
            width = chance.choice((1, 2, 4, 8))
            value = chance.choice(INTEGERS) & ((1 << 8 * width) - 1)
            out[at : at + width] = value.to_bytes(width, chance.choice(("little", "big")))
        elif kind == 3:
            out[at : at + 8] = struct.pack("<d", chance.choice(DOUBLES))
        elif kind == 4:
            del out[at : at + chance.choice((1, 4, 8, 100))]
        elif kind == 5:
            out[at:at] = out[at : at + chance.choice((1, 8, 64))]
        elif chance.randrange(4) == 0:
            del out[at:]
    return bytes(out)


def text_of(chance: random.Random, text: str) -> str:
    """One cell or value changed."""
    if chance.randrange(2):
        return chance.choice(TEXTS)
    return bytes_of(chance, text.encode("utf-8", "replace")).decode("utf-8", "replace")
