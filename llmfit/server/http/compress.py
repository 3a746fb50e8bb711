"""What this Python can compress with. A packer takes a body in pieces: ``compress`` each, then ``flush`` once."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache
from typing import Protocol

LARGE = 1 << 20  # bytes; above this speed counts more than the last percent


class Packer(Protocol):
    """One body being compressed."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


@cache
def encoders() -> dict[str, Callable[[int], Packer]]:
    """By encoding, the best first: a packer for a body of so many bytes, about.

    gzip is always there. zstd comes with Python 3.14 or the `zstandard` package, br with the `brotli` package.
    """
    made: dict[str, Callable[[int], Packer]] = {}
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]

        made["zstd"] = lambda size: zstd.ZstdCompressor(level=3)
    except ImportError:
        try:
            import zstandard  # type: ignore[import-not-found,unused-ignore]

            made["zstd"] = lambda size: zstandard.ZstdCompressor(level=3).compressobj()
        except ImportError:
            pass
    try:
        import brotli  # type: ignore[import-not-found,import-untyped,unused-ignore]

        class Brotli:
            def __init__(self, size: int) -> None:
                one = brotli.Compressor(mode=brotli.MODE_TEXT, quality=1 if size > LARGE else 5)
                self.compress, self.flush = one.process, one.finish

        made["br"] = Brotli
    except ImportError:
        pass
    made["gzip"] = lambda size: zlib.compressobj(1 if size > LARGE else 6, wbits=31)
    return made


def compressed(body: bytes, encoding: str) -> bytes:
    """A whole body."""
    packer = encoders()[encoding](len(body))
    return packer.compress(body) + packer.flush()
