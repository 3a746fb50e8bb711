"""A server that speaks the part of the Hugging Face Hub's API that llmfit asks, and misbehaves on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

CONFIG = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000, "max_position_embeddings": 32768,
}  # fmt: skip
PARAMETERS = 7_241_732_096
Misbehave = Callable[["Handler"], bool]


def entry(id: str, **more: Any) -> dict[str, Any]:
    """One model of a list, as /api/models gives it."""
    stored = {"parameters": {"BF16": PARAMETERS}, "total": PARAMETERS}
    return {
        "_id": "0", "id": id, "createdAt": "2026-11-20T10:00:00.000Z", "pipeline_tag": "text-generation",
        "tags": ["transformers", "safetensors", "conversational", "license:apache-2.0"], "safetensors": stored, **more,
    }  # fmt: skip


class Hub:
    """What the server has: lists by sort, configurations by id; `wrong`: asked before every answer, True where it
    answered itself.
    """

    def __init__(self) -> None:
        self.lists: dict[str, list[Any]] = {"trendingScore": [], "createdAt": []}
        self.configs: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.wrong: list[Misbehave] = []
        self.page = 100
        self.url = ""

    def add(
        self, id: str, config: dict[str, Any] | bytes | None = CONFIG, sort: str = "trendingScore", **more: Any
    ) -> None:
        self.lists[sort].append(entry(id, **more))
        if config is not None:
            self.configs[id] = config if isinstance(config, bytes) else json.dumps(config).encode()

    def count(self, part: str) -> int:
        return sum(part in path for path in self.asked)


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        hub, parts = self.hub, urlsplit(self.path)
        hub.asked.append(self.path)
        if any(wrong(self) for wrong in list(hub.wrong)):
            return
        path, query = unquote(parts.path), parse_qs(parts.query)
        if path == "/api/models":
            listed, begin = hub.lists[query["sort"][0]], int(query.get("cursor", ["0"])[0])
            end = begin + min(int(query["limit"][0]), hub.page)
            more = {}
            if end < len(listed):
                more = {"Link": f'<{hub.url}/api/models?sort={query["sort"][0]}&limit=100&cursor={end}>; rel="next"'}
            self.answer(json.dumps(listed[begin:end]).encode(), **more)
        elif path.startswith("/api/models/"):
            every = [one for each in hub.lists.values() for one in each if isinstance(one, dict)]
            found = [one for one in every if one.get("id") == path[12:]]
            self.answer(json.dumps(found[0]).encode()) if found else self.answer(b"{}", 404)
        else:
            config = hub.configs.get(path[1:].removeprefix("cache/").removesuffix("/resolve/main/config.json"))
            if config is None:
                self.answer(b"Entry not found", 404)
            elif path.startswith("/cache/"):
                self.answer(config)
            else:  # as the Hub does
                self.answer(b"", 307, Location=f"/cache{parts.path.removesuffix('/resolve/main/config.json')}")

    def answer(self, body: bytes, status: int = 200, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def cut(self) -> bool:
        """Half an answer, and the line is dead."""
        self.answer(b'[{"id": "acme', length=100_000)
        self.wfile.flush()
        self.connection.shutdown(2)
        self.close_connection = True
        return True

    def log_message(self, *_: object) -> None:
        """Not on the test's stderr."""


@contextmanager
def running() -> Iterator[Hub]:
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
