"""A few hundred random requests; `python bench/reliability.py requests --long` asks many more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from wire import Server

from . import requests
from .questions import BODIES, JSON


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = Server.start(("--gpu", "RTX 4090", "--ram-gb", "64"), tmp_path_factory.mktemp("requests") / "server.log")
    yield one
    assert one.stop() == 0 and "Traceback" not in one.said(), one.said()


def test_no_request_breaks_the_contract(server: Server) -> None:
    found = requests.run(server, 500)
    assert not found.failures, "\n".join(found.failures)
    assert found.requests == 500 and found.by_status[200] > 150 and found.by_status[400] > 100 and found.rows > 200
    assert found.validated > 5 and all(f"post {path}" in found.by_operation for path in BODIES)


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("body", [b'{"a": "\xff"}', b"\xff", b"", b"[1", b"[" * 9000, b"nan"], ids=repr)
def test_a_body_that_is_no_json(server: Server, path: str, body: bytes) -> None:
    """Bytes that are no UTF-8 inside of a string are told by msgspec with an error of its own kind."""
    answer = server.get(path.replace("{id}", "0" * 16), {"Content-Type": JSON}, "POST", body)
    assert answer.status == 400 and answer.error().startswith("invalid body: "), (answer.status, answer.body)
