"""The finished pages: what was made about a machine that has changed meanwhile is not kept as an answer about it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from llmfit.catalog.catalog import Catalog
from llmfit.machine import Machine
from llmfit.query.engine import Engine
from llmfit.server.routes.events import change_of
from llmfit.server.routes.page_cache import Finished, PageCache


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
