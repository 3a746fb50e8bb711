"""The page at ``/`` and its files, held in memory: a fixed table, so that no path ever reaches the file system.

The files lie below a path that names their digest and may be kept for ever; the page itself is asked for again each
time and costs a 304. ``words.LANGUAGE.json`` holds every word of a language: the page is made once for each.
"""

from __future__ import annotations

import hashlib
import html
import re
from pathlib import Path

import msgspec
from sanic import HTTPResponse, Request, Sanic

from llmfit.server.http.errors import TEXTS, failure
from llmfit.server.http.hosts import HostCheck
from llmfit.server.http.negotiate import weight_of
from llmfit.server.site.static import ASK_AGAIN, FOR_EVER, StaticFile

FOLDER = Path(__file__).parents[2] / "web"
PREFIX = "/static/"
DEFAULT_LANGUAGE = "en"
TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}


class Site:
    """Every file of a folder, and the page in every language that the folder has words for."""

    def __init__(self, hosts: HostCheck, folder: Path = FOLDER) -> None:
        self.hosts = hosts
        texts = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in TYPES}
        words = {
            path.name.split(".")[1]: msgspec.json.decode(path.read_bytes(), type=dict[str, str])
            for path in sorted(folder.glob("words.*.json"))
        }
        digest = hashlib.blake2b(b"\0".join(texts.values()), digest_size=6).hexdigest()
        template = texts.pop("index.html").decode()
        self.base = f"{PREFIX}{digest}/"
        # All modules at once: a browser that finds them one import after the other waits for each round trip.
        modules = [name for name, text in texts.items() if name.endswith(".js") and b"\nexport " in text]
        preloads = "\n".join(f'<link rel="modulepreload" href="{self.base}{name}">' for name in modules)
        given = {"base": self.base, "modules": preloads}
        self.pages = {
            language: StaticFile(
                filled(template, said, given | {"lang": language}), TYPES[".html"], ASK_AGAIN,
                b"Accept-Encoding, Accept-Language",
            )
            for language, said in words.items()
        }  # fmt: skip
        self.files = {
            self.base + name: StaticFile(text, TYPES[Path(name).suffix], FOR_EVER, b"Accept-Encoding")
            for name, text in texts.items()
        }

    def install(self, app: Sanic) -> None:  # type: ignore[type-arg]
        for path, handler in (("/", self.page), (PREFIX + "<digest:str>/<name:str>", self.file)):
            app.add_route(handler, path, methods=("GET", "HEAD"), name=path)  # type: ignore[arg-type]

    def page(self, request: Request) -> HTTPResponse:
        language = preferred(request.headers.get("accept-language", ""), self.pages)
        return self.hosts.refuse(request) or self.pages[language].answer(request)

    def file(self, request: Request, digest: str, name: str) -> HTTPResponse:
        file = self.files.get(request.path)
        return self.hosts.refuse(request) or (file.answer(request) if file else failure(404, TEXTS[404]))


def filled(template: str, words: dict[str, str], given: dict[str, str]) -> bytes:
    """The page in one language: every ``{{key}}`` filled in, from what is `given` and from its words."""
    # "<" is written so that no word can end the script element; JSON reads it as the same character.
    given = {**given, "words": msgspec.json.encode(words).decode().replace("<", "\\u003c")}

    def put(match: re.Match[str]) -> str:
        key = match[1]
        return given[key] if key in given else html.escape(words[key])

    return re.sub(r"\{\{(\w+)\}\}", put, template).encode()


def preferred(header: str, known: dict[str, StaticFile]) -> str:
    """The language of an Accept-Language header, by weight and then order; English where none is known."""
    wishes = []
    for part in header.lower().split(","):
        tag, _, weight = part.partition(";")
        wish = weight_of(weight.partition("=")[2] or "1")
        if wish is not None:
            wishes.append((-wish, tag.strip().split("-")[0]))
    wishes.sort(key=lambda wish: wish[0])
    return next((tag for weight, tag in wishes if weight < 0 and tag in known), DEFAULT_LANGUAGE)
