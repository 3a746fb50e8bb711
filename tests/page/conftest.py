"""The page in a real Chromium: Debian's, driven by playwright. Skipped with a reason where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tab import CHROMIUM, FLAGS, RIG, Tab
from wire import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of a known machine."""
    one = Server.start(RIG, tmp_path_factory.mktemp("page") / "server.log")
    yield one
    assert one.stop() == 0, one.said()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Its driver keeps an event loop running in this thread: no longer than it must, other tests have loops too."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the playwright package is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium: apt-get install chromium, or name one in LLMFIT_CHROMIUM")
    with playwright.sync_playwright() as driver:
        one = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield one
        one.close()


@pytest.fixture
def tab(browser: Any, server: Server) -> Iterator[Callable[..., Tab]]:
    """tab(base=, **context options): a tab; at the end none may have complained or asked anybody else."""
    tabs: list[Tab] = []

    def make(base: str | None = None, **how: Any) -> Tab:
        tabs.append(Tab(browser, base or f"http://127.0.0.1:{server.port}", **how))
        return tabs[-1]

    yield make
    for one in tabs:
        one.context.close()
        assert one.complaints == []
        assert [url for url in one.asked if not url.startswith(one.base)] == []
        assert one.asked
