"""The finished pages: what was made about a machine that has changed meanwhile is not kept as an answer about it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from llmfit.catalog.catalog import Catalog
from llmfit.machine import Machine
from llmfit.query.engine import Engine
from llmfit.server.routes.events import change_of
from llmfit.server.routes.page_cache import MOST_BYTES, MOST_NEW_BYTES, MOST_PAGES, Finished, PageCache


def test_a_page_of_another_machine_is_not_kept(catalog: Catalog, machine_of: Callable[[str], Machine]) -> None:
    before = machine_of("cpu-laptop-16gb")
    pages = PageCache(Engine(catalog, before))
    page, told = pages.make(("top", "", None)), change_of(pages.engine)
    assert isinstance(page, Finished)
    pages.engine.observe(replace(before, ram_available_bytes=before.ram_available_bytes // 2))
    assert pages.held(b"/x") is None
    pages.keep(b"/x", page, before)
    assert pages.held(b"/x") is None, "an answer about the machine as it was"
    assert change_of(pages.engine).generation != told.generation
    now = pages.make(("top", "", None))
    assert isinstance(now, Finished) and now.etag != page.etag
    pages.keep(b"/x", now, pages.engine.machine)
    assert pages.held(b"/x") is now
    pages.engine.observe(before)
    assert pages.held(b"/x") is None
    assert change_of(pages.engine) == told


def test_questions_that_nobody_asks_again_take_a_part_alone(
    catalog: Catalog, machine_of: Callable[[str], Machine]
) -> None:
    """What is asked for twice stays, however many others come once; all together is bounded."""
    pages = PageCache(Engine(catalog, machine_of("cpu-laptop-16gb")))
    page = pages.make(("top", "", None))
    assert isinstance(page, Finished)
    machine, body = pages.engine.machine, page.body
    for url in (b"/twice", b"/large"):
        pages.keep(url, replace(page, body=body if url == b"/twice" else bytes(MOST_NEW_BYTES + 1)), machine)
        assert pages.held(url) is not None
    for n in range(3 * MOST_NEW_BYTES // len(body)):
        pages.keep(b"/%d" % n, page, machine)
    assert pages.held(b"/twice") is not None and pages.held(b"/large") is not None
    assert pages.held(b"/%d" % n) is page and pages.held(b"/0") is None
    assert pages.size[1] <= MOST_NEW_BYTES + len(body) + MOST_NEW_BYTES + 1 + len(body)
    for n in range(4 * MOST_PAGES):
        pages.keep(b"/more%d" % n, page, machine)
        assert n % 2 or pages.held(b"/more%d" % n) is page
        assert pages.size[0] <= MOST_PAGES and pages.size[1] <= MOST_BYTES
