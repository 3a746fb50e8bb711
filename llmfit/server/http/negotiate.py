"""The form of an answer: what Accept and Accept-Encoding prefer of what there is."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec
from sanic.exceptions import InvalidHeader
from sanic.headers import MediaType, parse_accept

from llmfit.server.http.compress import encoders

# The media types that a client may ask for, by the form that it gets.
FORMS = {
    "json": ("application/json",),
    "ndjson": ("application/x-ndjson", "application/ndjson", "application/jsonl"),
    "csv": ("text/csv",),
}


WEIGHT = re.compile(r"[0-9](?:\.[0-9]{0,9})?|\.[0-9]{1,9}", re.ASCII)


class Form(msgspec.Struct, frozen=True):
    """How an answer is written, and how it is packed."""

    name: str = "json"  # of FORMS
    encoding: str | None = None  # of compress.encoders()
    mark: str = ""  # what tells its ETag and its finished pages from those of plain JSON

    def url(self, url: bytes) -> bytes:
        """Where among the finished pages the answer to a raw URL lies. No URL holds a NUL."""
        return b"%b\0%b" % (url, self.mark.encode()) if self.mark else url

    def plain(self) -> Form:
        """The same, not packed."""
        return form(self.name, None)


def form(name: str, encoding: str | None) -> Form:
    """The form of this name in this encoding."""
    parts = ([] if name == "json" else [name]) + ([encoding] if encoding else [])
    return Form(name, encoding, "".join(f"-{part}" for part in parts))


JSON = form("json", None)


@lru_cache(maxsize=256)
def form_of(accept: str | None, encodings: str | None) -> Form:
    """The form for these two headers. Cached: clients send few different ones."""
    return form(name_of(accept) if accept else "json", encoding_of(encodings) if encodings else None)


def name_of(accept: str) -> str:
    """The form that an Accept header prefers: the highest q, then the range that names it most exactly, then the range
    that comes first. JSON where the header takes none of them or cannot be read: that says more than 406 would.
    """
    try:
        ranges = parse_accept(accept.lower())
    except InvalidHeader:
        return "json"
    found, best = "json", (0.0, 0, 0)
    for name, types in FORMS.items():
        # of the ranges that take it, the most exact one says how much
        fits = [(exactness(one, types), -at, one.q) for at, one in enumerate(ranges) if exactness(one, types)]
        exact, at, q = max(fits, default=(0, 0, 0.0))
        if q > 0 and (q, exact, at) > best:
            found, best = name, (q, exact, at)
    return found


def exactness(one: MediaType, types: tuple[str, ...]) -> int:
    """3 where a range of an Accept header names one of the types, 2 for `type/*`, 1 for `*/*`, 0 for others."""
    if one.mime in types:
        return 3
    return {types[0].partition("/")[0] + "/*": 2, "*/*": 1}.get(one.mime, 0)


def weight_of(text: str) -> float | None:
    """The number behind `q=`; None where it is none. (float() takes "nan", which is neither more nor less than any.)"""
    return float(text) if WEIGHT.fullmatch(text.strip()) else None


def encoding_of(header: str) -> str | None:
    """The encoding for an Accept-Encoding header, None for plain; the best one where several are as welcome."""
    weights = {}
    for part in header.lower().split(","):
        name, _, rest = part.strip().partition(";")
        weight = weight_of(rest.partition("=")[2]) if "=" in rest else 1.0
        if weight is not None:
            weights[name.strip()] = weight
    able = {name: weights.get(name, weights.get("*", 0.0)) for name in encoders()}
    best = max(able.values(), default=0.0)
    if best <= 0 or best < weights.get("identity", 0.0):
        return None
    return next(name for name, weight in able.items() if weight == best)
