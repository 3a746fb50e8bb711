"""Broken token files, Authorization headers, and what the flags of access take."""

from __future__ import annotations

import base64
import random
from pathlib import Path

from llmfit.errors import LlmfitError
from llmfit.server.http import access

from .broken import TEXTS, bytes_of, text_of
from .driver import One

FILE = b"a-token-of-some-length\n\n  another-token-of-some-length \r\n#no-comment-but-a-token\n"
TOKEN = "a-token-of-some-length"
BASIC = base64.b64encode(f"anyone:{TOKEN}".encode()).decode()
FLAGS = (
    (access.origin_of, "https://example.org:8443"), (access.rate_of, "20:100"), (access.host_of, "llmfit.example.org"),
)  # fmt: skip


def token_files(folder: Path) -> One:
    """A token file with bytes changed: refused in one line, or every line of it but comments a token that is taken."""
    path = folder / "tokens"

    def one(chance: random.Random) -> None:
        data = bytes_of(chance, FILE * chance.choice((1, 1, 1, 40)))
        path.write_bytes(data)
        tokens = access.Tokens(str(path))
        lines = [line for each in data.splitlines() if (line := each.strip()) and not line.startswith(b"#")]
        assert all(tokens.takes(f"Bearer {line.decode()}") for line in chance.sample(lines, min(3, len(lines))))
        more = lines[0] + b"x"
        assert not tokens.takes(None) and not tokens.takes("Bearer ")
        assert tokens.takes(f"Bearer {more.decode()}") == (more in lines)

    return one


def headers(folder: Path) -> One:
    """An Authorization header with characters changed: taken only where it carries the token, never an error."""
    path = folder / "tokens"
    path.write_text(TOKEN)
    tokens = access.Tokens(str(path))

    def one(chance: random.Random) -> None:
        scheme, given = chance.choice((("Bearer", TOKEN), ("Basic", BASIC)))
        whole, part = text_of(chance, f"{scheme} {given}"), f"{scheme} {text_of(chance, given)}"
        spaced = f" {scheme.upper()}   {given} "[chance.randrange(2) :]
        header = chance.choice((whole, part, spaced, chance.choice(TEXTS)))
        if chance.randrange(8) == 0:
            header = header.encode("utf-8", "replace").decode("latin-1")
        if tokens.takes(header):
            carried = access.token_of(header)
            assert carried == TOKEN.encode(), header
        else:
            raise LlmfitError("401")

    return one


def flags(folder: Path) -> One:
    """An origin, a rate, a host name with characters changed."""

    def one(chance: random.Random) -> None:
        read, text = chance.choice(FLAGS)
        read(text_of(chance, text))

    return one
