"""Accept and Accept-Encoding: what the client prefers of what can be made."""

from __future__ import annotations

import pytest

from llmfit.server.http.compress import encoders
from llmfit.server.http.negotiate import JSON, encoding_of, form_of, name_of

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
BR = "br" if "br" in encoders() else None


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("application/json", "json"), ("*/*", "json"), ("application/*", "json"), (BROWSER, "json"),
        ("application/json, text/plain, */*", "json"), ("text/html", "json"), ("image/*", "json"),
        ("application/x-ndjson", "ndjson"), ("Application/X-NDJSON", "ndjson"), ("application/ndjson", "ndjson"),
        ("application/jsonl;charset=utf-8", "ndjson"), ("text/csv", "csv"), ("text/csv; header=absent", "csv"),
        ("text/*", "csv"),
        # the highest q
        ("application/json;q=0.5, text/csv", "csv"), ("text/csv;q=0.5, application/json;q=0.6", "json"),
        ("application/x-ndjson;q=0.9, text/csv;q=0.8, */*;q=0.1", "ndjson"), ("text/csv;q=0.9, */*", "json"),
        # the most exact range says how much, and is preferred to a wildcard
        ("application/json;q=0.1, */*;q=0.5", "ndjson"), ("application/x-ndjson, */*", "ndjson"),
        ("*/*, text/csv", "csv"), ("text/*, application/json", "json"), ("text/csv;q=0, */*", "json"),
        ("application/json;q=0, application/*", "ndjson"), ("application/json;q=0, */*;q=0", "json"),
        # then what comes first
        ("application/x-ndjson, application/json", "ndjson"), ("application/json, application/x-ndjson", "json"),
        ("text/csv, application/x-ndjson", "csv"),
        # nothing that can be had or read
        ("application/xml", "json"), ("text/csv;q=0", "json"), ("text/csv;q=high", "json"), ("/", "json"),
        (",", "json"), ("csv", "json"), ("text/csv;", "json"), ("x" * 5000, "json"),
    ],
)  # fmt: skip
def test_the_form_that_the_client_prefers(header: str, wanted: str) -> None:
    assert name_of(header) == wanted


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("gzip", "gzip"), ("GZIP ; q=0.5", "gzip"), ("gzip;q=0", None), ("identity", None), ("", None),
        ("deflate, gzip;q=0.9", "gzip"), ("gzip;q=0.2, identity;q=0.8", None), ("gzip;q=x", None), ("br", BR),
        ("*", next(iter(encoders()))), ("*;q=0", None), ("gzip, *;q=0", "gzip"), ("br;q=0.3, gzip;q=0.4", "gzip"),
        ("gzip, deflate, br, zstd", next(iter(encoders()))), ("gzip;q=0.1, br;q=0.9", BR or "gzip"),
    ],
)  # fmt: skip
def test_the_encoding_that_the_client_prefers(header: str, wanted: str | None) -> None:
    assert encoding_of(header) == wanted


def test_plain_json_is_one_object_whatever_asked_for_it() -> None:
    assert form_of(None, None) == form_of("*/*", "identity") == form_of("application/json", None) == JSON
    assert JSON.url(b"/x") == b"/x" and JSON.plain() == JSON


def test_every_form_has_a_mark_and_a_place_of_its_own() -> None:
    forms = [form_of(accept, encoding) for accept in (None, "application/x-ndjson", "text/csv")
             for encoding in (None, *encoders())]  # fmt: skip
    assert len({form.mark for form in forms}) == len({form.url(b"/x?y") for form in forms}) == len(forms)
    for form in forms:
        assert form.plain().name == form.name and form.plain().encoding is None
