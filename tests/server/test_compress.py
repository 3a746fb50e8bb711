"""Compressed forms: the same bytes inside, whole or in pieces, under an ETag of their own."""

from __future__ import annotations

import gzip
import importlib
import subprocess
import sys
from collections.abc import Callable

import pytest

from llmfit.server.http.compress import LARGE, compressed, encoders
from llmfit.server.routes.page_cache import etag_of, finished, packed

BODY = b'{"models":[' + b",".join(b'{"name":"model-%d","score":%d}' % (i, i % 100) for i in range(5000)) + b"]}"


def opener(encoding: str) -> Callable[[bytes], bytes]:
    """What opens an encoding: never the code that packed it."""
    if encoding == "gzip":
        return gzip.decompress
    if encoding == "br":
        return importlib.import_module("brotli").decompress  # type: ignore[no-any-return]
    try:
        return importlib.import_module("compression.zstd").decompress  # type: ignore[no-any-return]
    except ImportError:
        return lambda data: importlib.import_module("zstandard").ZstdDecompressor().decompressobj().decompress(data)


@pytest.mark.parametrize("encoding", encoders())
@pytest.mark.parametrize("body", [b"", b"x", BODY, BODY * (LARGE // len(BODY) + 1)], ids=len)
def test_what_is_packed_comes_out_again(encoding: str, body: bytes) -> None:
    assert opener(encoding)(compressed(body, encoding)) == body
    packer, parts = encoders()[encoding](len(body)), []
    for at in range(0, len(body), 10_000):
        parts.append(packer.compress(body[at : at + 10_000]))
    assert opener(encoding)(b"".join(parts) + packer.flush()) == body
    assert len(compressed(BODY, encoding)) * 5 < len(BODY)


@pytest.mark.parametrize("encoding", encoders())
def test_the_compressed_form_is_the_same_answer_under_another_etag(encoding: str) -> None:
    plain = finished(BODY, etag_of(1), more=((b"llmfit-total-models", b"3"),))
    small = packed(plain, encoding)
    assert opener(encoding)(small.body) == BODY
    assert small.etag != plain.etag and small.etag == f'{plain.etag[:-1]}-{encoding}"'
    headers = dict(small.headers)
    own = {b"content-length": b"%d" % len(small.body), b"etag": small.etag.encode()}
    assert headers == dict(plain.headers) | own | {b"content-encoding": encoding.encode()}
    assert small.headers[0][0] == b"content-length"


@pytest.mark.parametrize("encoding", encoders())
def test_equal_answers_have_equal_etags_and_compress_to_equal_bytes(encoding: str) -> None:
    assert etag_of("a", 1) == etag_of("a", 1) != etag_of("a", 2)
    page = finished(BODY, etag_of("a"))
    assert packed(page, encoding) == packed(page, encoding)


@pytest.mark.parametrize("missing", [("brotli",), ("zstandard", "compression"), ("brotli", "zstandard", "compression")])
def test_what_is_not_installed_is_not_offered(missing: tuple[str, ...]) -> None:
    code = f"import sys\nfor name in {missing!r}: sys.modules[name] = None\n"
    code += "from llmfit.server.http.negotiate import encoding_of, encoders\n"
    code += "print(*encoders(), encoding_of('br, zstd, gzip'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    *offered, chosen = done.stdout.split()
    gone = {"brotli": "br", "zstandard": "zstd"}
    assert not {gone.get(name) for name in missing} & set(offered) and offered[-1] == "gzip" and chosen == offered[0]
