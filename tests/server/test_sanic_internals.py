"""What connections build upon in Sanic is no public interface: this fails when it changes, so that somebody looks.

Then read llmfit/server/http/connection.py, request.py, raw_response.py and process/acceptor.py against the new source, run
tests/reliability, and write the new digests here: ``python tests/server/test_sanic_internals.py``.
"""

from __future__ import annotations

import hashlib
import inspect
from typing import Any

import pytest
from sanic.http import Http
from sanic.request.types import Request
from sanic.response.types import BaseHTTPResponse
from sanic.server.protocols.base_protocol import SanicProtocol
from sanic.server.protocols.http_protocol import HttpProtocol

LOOKED_AT: dict[Any, str] = {
    SanicProtocol.send: "e832f64d7e7c",
    SanicProtocol.close: "fa4aeb47875b",
    SanicProtocol.abort: "aae8aea27ab0",
    SanicProtocol.connection_lost: "dce45134478a",
    SanicProtocol.pause_writing: "fc33452b114e",
    SanicProtocol.resume_writing: "fb9eaf6a7a97",
    HttpProtocol.__init__: "cac97aa14152",
    HttpProtocolMixin._setup: "ac205bea6457",
    HttpProtocol.connection_task: "6f672a5b78e2",
    HttpProtocol.check_timeouts: "498ada1150b8",
    HttpProtocol.close_if_idle: "e8545e4ec435",
    HttpProtocol.connection_made: "39598852d823",
    HttpProtocol.data_received: "b171bc03db45",
    Http.init_for_request: "4e003db704c2",
    Http.http1: "51ac9ef71d61",
    Http.http1_request_header: "8c756f0bc7bc",
    Http.http1_response_header: "7f0a384fa55c",
    Http.error_response: "068e3a2a45de",
    Http.create_empty_request: "921f88464e0a",
    Http.respond: "3ab48d747504",
    Http.read: "18594cdc99a0",
    Request.__init__: "55b7ffec0c4e",
    BaseHTTPResponse.send: "8d397d92bf85",
}


def digest(of: Any) -> str:
    """Of its source without blanks: Sanic rewrites some methods when an application starts."""
    return hashlib.sha256("".join(inspect.getsource(of).split()).encode()).hexdigest()[:12]


@pytest.mark.parametrize("of", LOOKED_AT, ids=lambda of: of.__qualname__)
def test_it_is_as_it_was(of: Any) -> None:
    assert digest(of) == LOOKED_AT[of], f"{of.__qualname__} of Sanic is another: see the head of this file"


if __name__ == "__main__":
    for each in LOOKED_AT:
        print(f'    {each.__qualname__}: "{digest(each)}",')
