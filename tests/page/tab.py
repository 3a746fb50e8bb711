"""A browser tab that remembers what it asked for and what it complained of."""

from __future__ import annotations

import os
import shutil
import time
from typing import Any
from urllib.parse import parse_qsl

RIG = ("--gpu", "RTX 4090", "--ram-gb", "64", "--cpu-cores", "16", "--ram-bandwidth-gbps", "80")
CHROMIUM = os.environ.get("LLMFIT_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Tab:
    """A page of its own visitor, what it asked for and what it complained of."""

    def __init__(self, browser: Any, base: str, **how: Any) -> None:
        self.base = base
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **how})
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def open(self, query: str = "") -> Any:
        self.page.goto(f"{self.base}/{query}")
        self.page.wait_for_selector("body[data-ready]")
        return self.page

    def state(self) -> dict[str, str]:
        """What the URL says."""
        return dict(parse_qsl(self.page.evaluate("location.search").removeprefix("?")))

    def settled(self, **wanted: str) -> Any:
        """The page, once its URL says what is wanted and it shows the answer to what its URL asks."""
        seen = None
        end = time.monotonic() + 30
        while time.monotonic() < end:
            busy, shown = self.page.evaluate("[document.querySelector('main').ariaBusy, document.body.dataset.ready]")
            state = self.state()
            seen = state, busy, shown
            asked = {"distinct": "true", "limit": "100", **state}
            asked = {name: value for name, value in asked.items() if name not in ("model", "compare")}
            if busy == "false" and dict(parse_qsl(shown)) == asked and (not wanted or state == wanted):
                return self.page
            self.page.wait_for_timeout(40)
        raise AssertionError(f"wanted {wanted}, came {seen}")

    def api(self, start: str = "/api/") -> list[str]:
        """The paths that were asked of the API."""
        return [url.removeprefix(self.base) for url in self.asked if url.startswith(self.base + start)]
