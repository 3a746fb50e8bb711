"""Accept-Encoding: what the client prefers of what can be made, and the same bytes inside."""

from __future__ import annotations

import gzip

import pytest

from llmfit.server.compress import chosen, encoders
from llmfit.server.pages import compressed, etag_of, finished

BODY = b'{"models":[' + b",".join(b'{"name":"model-%d","score":%d}' % (i, i % 100) for i in range(5000)) + b"]}"


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("gzip", "gzip"), ("GZIP ; q=0.5", "gzip"), ("gzip;q=0", None), ("identity", None), ("br", None), ("", None),
        ("deflate, gzip;q=0.9", "gzip"), ("gzip;q=0.2, identity;q=0.8", None), ("gzip;q=x", None),
        ("*", next(iter(encoders()))), ("*;q=0", None), ("gzip, *;q=0", "gzip"),
    ],
)  # fmt: skip
def test_the_client_chooses(header: str, wanted: str | None) -> None:
    assert chosen(header) == wanted


def test_the_compressed_form_is_the_same_answer_under_another_etag() -> None:
    plain = finished(BODY, etag_of(1))
    packed = compressed(plain, "gzip")
    assert gzip.decompress(packed.body) == BODY
    assert len(packed.body) * 5 < len(BODY)
    assert packed.etag != plain.etag and packed.etag.strip('"').endswith("-gzip")
    assert (b"content-encoding", b"gzip") in packed.headers
    assert (b"content-length", b"%d" % len(packed.body)) in packed.headers


def test_equal_answers_have_equal_etags_and_compress_to_equal_bytes() -> None:
    assert etag_of("a", 1) == etag_of("a", 1) != etag_of("a", 2)
    page = finished(BODY, etag_of("a"))
    assert compressed(page, "gzip") == compressed(page, "gzip")
