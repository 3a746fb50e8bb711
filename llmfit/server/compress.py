"""Compressed forms of an answer, by Accept-Encoding: what the client prefers of what this Python can make."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import cache, lru_cache

SMALLEST = 1024  # bytes; below this compression does not pay
LARGE = 1 << 20  # above this speed counts more than the last percent


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, compresslevel=1 if len(body) > LARGE else 6, mtime=0)


@cache
def encoders() -> dict[str, Callable[[bytes], bytes]]:
    """What can be made here, the best first. zstd comes with Python 3.14 or the `zstandard` package."""
    made: dict[str, Callable[[bytes], bytes]] = {}
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]

        made["zstd"] = lambda body: zstd.compress(body, level=3)
    except ImportError:
        try:
            import zstandard  # type: ignore[import-not-found,unused-ignore]

            made["zstd"] = lambda body: zstandard.ZstdCompressor(level=3).compress(body)
        except ImportError:
            pass
    made["gzip"] = _gzip
    return made


@lru_cache(maxsize=256)
def chosen(header: str) -> str | None:
    """The encoding for an Accept-Encoding header, None for plain. Cached: clients send few different headers."""
    weights = {}
    for part in header.lower().split(","):
        name, _, rest = part.strip().partition(";")
        try:
            weights[name.strip()] = float(rest.split("=")[1]) if "=" in rest else 1.0
        except ValueError:
            continue
    able = {name: weights.get(name, weights.get("*", 0.0)) for name in encoders()}
    best = max(able.values(), default=0.0)
    if best <= 0 or best < weights.get("identity", 0.0):
        return None
    return next(name for name, weight in able.items() if weight == best)
