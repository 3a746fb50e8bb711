"""How the page is served: headers, caching, languages, and that nothing else can be reached. Needs no browser."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from wire import Server

WEB = Path(__file__).parents[2] / "llmfit/web"
SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
WORDS = json.loads((WEB / "words.en.json").read_text(encoding="utf-8"))


def links(server: Server) -> list[str]:
    return sorted(set(re.findall(r'"(/static/[^"]+)"', server.get("/").body.decode())))


def test_the_page(server: Server) -> None:
    answer = server.get("/")
    assert answer.status == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"
    for name, value in SAFE.items():
        assert answer.headers[name] == value
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'self';") and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-cache"
    assert server.get("/", {"If-None-Match": answer.headers["etag"]}).status == 304
    packed = server.get("/", {"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip" and gzip.decompress(packed.body) == answer.body
    assert server.get("/", {"If-None-Match": packed.headers["etag"], "Accept-Encoding": "gzip"}).status == 304
    head = server.get("/", method="HEAD")
    assert head.body == b"" and int(head.headers["content-length"]) == len(answer.body)
    assert not re.search(rb"\{\{|https?:", answer.body)  # every word filled in, nobody else asked
    assert not re.search(rb"<script(?![^>]*( src=| type=\"application/json\"))|<style| style=| on\w+=", answer.body)


def test_every_file_is_served_and_kept_for_ever(server: Server) -> None:
    paths = links(server)
    known = {path.name for path in WEB.iterdir() if path.suffix in (".js", ".css", ".svg")} - {"docs.css"}  # of /docs
    assert {path.rsplit("/")[-1] for path in paths} == known
    kinds = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
    for path in paths:
        answer = server.get(path)
        assert answer.status == 200 and answer.body == (WEB / path.rsplit("/")[-1]).read_bytes()
        assert answer.headers["content-type"] == kinds[path.rsplit(".")[-1]]
        assert "immutable" in answer.headers["cache-control"] and answer.headers["x-content-type-options"] == "nosniff"
        assert server.get(path, {"If-None-Match": answer.headers["etag"]}).status == 304


@pytest.mark.parametrize(
    "path",
    ["/static/", "/static/x/main.js", "/static/{digest}/", "/static/{digest}/nothing.js", "/static/{digest}/index.html",
     "/static/{digest}/words.en.json", "/static/{digest}/../server/site.py", "/static/{digest}/..%2f__init__.py",
     "/static/{digest}/%2e%2e/__init__.py", "/static/{digest}/..\\__init__.py", "/static/{digest}//etc/passwd"],
)  # fmt: skip
def test_nothing_else_is_served(server: Server, path: str) -> None:
    digest = links(server)[0].split("/")[2]
    answer = server.get(path.replace("{digest}", digest))
    assert answer.status == 404 and "error" in answer.json()


def test_another_host_is_refused(server: Server) -> None:
    for path in ("/", links(server)[0], "/api/v1/hardware"):
        assert server.get(path, {"Host": "evil.example"}).status == 403


def test_hardware(server: Server) -> None:
    answer = server.ok("/api/v1/hardware")
    rows = {row["name"]: row for row in answer["accelerators"]}
    assert len(rows) == len(answer["accelerators"]) > 300
    assert rows["GeForce RTX 4090"]["memory_gb"] == [24] and rows["GeForce RTX 4090"]["memory_bandwidth_gbps"] == 1008
    assert any(row["unified_memory"] for row in rows.values())
    for name in list(rows)[::40]:  # each name is one that the what-if takes
        assert server.ok("/api/v1/system", gpu=name, ram_gb=64)["system"]["has_gpu"], name
    machines = {row["name"]: row["title"] for row in answer["machines"]}
    assert len(machines) == len(answer["machines"]) > 100 and all(machines.values())
    for name in list(machines)[::25]:
        assert server.get(f"/api/v1/system?profile={name}").status == 200, name


def test_words_are_used_and_known() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in WEB.iterdir() if path.suffix in (".js", ".html")}
    text = "\n".join(texts.values())
    plain = {name.removesuffix("_one").removesuffix("_other") for name in WORDS}
    used = set(re.findall(r'\bsay\("(\w+)"', text)) | set(re.findall(r"\{\{(\w+)\}\}", texts["index.html"]))
    assert used - plain <= {"base", "lang", "modules", "words"}
    started = tuple(re.findall(r"say\(`(\w+_)\$\{", text))  # families: fit_perfect, sort_tps ...
    quoted = set(re.findall(r'"(\w+)"', text))
    idle = {name for name in plain - used if not name.startswith(started) and name not in quoted}
    assert not idle
    # No English outside the file of words: nothing that is shown is written between tags.
    shown = re.sub(r"<(script|svg|kbd)\b.*?</\1>|\{\{\w+\}\}|<[^>]*>", " ", texts["index.html"], flags=re.DOTALL)
    assert set(shown.split()) <= {"llmfit", "/api/v1/models/top"}


def test_the_languages_have_the_same_words(tmp_path: Path) -> None:
    for path in WEB.glob("words.*.json"):
        there = json.loads(path.read_text(encoding="utf-8"))
        assert {re.sub("_(zero|one|two|few|many|other)$", "", name) for name in there} == {
            re.sub("_(zero|one|two|few|many|other)$", "", name) for name in WORDS
        }, path.name


class Asked:
    """What a handler looks at of a request."""

    def __init__(self, **headers: str) -> None:
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.path = "/"


def test_another_language_is_one_more_file(tmp_path: Path) -> None:
    from llmfit.server.http.hosts import HostCheck
    from llmfit.server.site.page import Site

    for path in WEB.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    german = {**WORDS, "models": "Modelle </script>"}
    (tmp_path / "words.de.json").write_text(json.dumps(german), encoding="utf-8")
    site = Site(HostCheck(None), tmp_path)

    def page(header: str) -> str:
        return site.page(Asked(accept_language=header)).body.decode()  # type: ignore[arg-type, union-attr]

    assert '<html lang="de">' in page("de-CH,de;q=0.9,en;q=0.5") and "Modelle &lt;/script&gt;" in page("de")
    assert page("de").count("</script>") == page("en").count("</script>")
    for header in ("", "fr", "en;q=0.9,de;q=0.5", "de;q=0", "*", "de;q=x", ";;,"):
        assert '<html lang="en">' in page(header), header


def test_small_files() -> None:
    """One concept each; and all of the page is little."""
    sizes: dict[str, Any] = {path.name: path.stat().st_size for path in WEB.iterdir()}
    assert max(size for name, size in sizes.items() if name.endswith(".js")) < 10_000, sizes
    assert sum(sizes.values()) < 120_000
    packed = sum(len(gzip.compress(path.read_bytes(), mtime=0)) for path in WEB.iterdir())
    assert packed < 40_000, packed
