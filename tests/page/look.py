"""python tests/page/look.py FOLDER: screenshots of the page, to be looked at."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "http"))
sys.path.insert(0, str(Path(__file__).parent))

from playwright.sync_api import sync_playwright
from tab import CHROMIUM, FLAGS, RIG, Tab
from wire import Server

BOTH = "compare=Qwen/Qwen3.8-27B,google/gemma-4-26B-A4B-it,Qwen/Qwen3.5-122B-A10B"
VIEWS = {
    "page": "", "small-machine": "?gpu=RTX+3060&ram_gb=16&use_case=coding&min_fit=too_tight",
    "detail": "?model=Qwen/Qwen3.8-27B", "compare": f"?{BOTH}",
}  # fmt: skip


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    server = Server.start(RIG, folder / "server.log")
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            for theme in ("light", "dark"):
                for width, height in ((1280, 1400), (360, 2400)):
                    for name, query in VIEWS.items():
                        view = {"width": width, "height": height}
                        tab = Tab(browser, f"http://127.0.0.1:{server.port}", color_scheme=theme, viewport=view)
                        page = tab.open(query)
                        if name == "compare":
                            page.locator("#tray .main").click()
                        page.wait_for_timeout(1500)
                        page.screenshot(path=folder / f"{name}-{theme}-{width}.png")
                        tab.context.close()
            browser.close()
    finally:
        server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
