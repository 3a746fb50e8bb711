"""What connections build upon in Sanic is no public interface: this fails when it changes, so that somebody looks.

Then read llmfit/server/http/{connection,request,raw_response}.py and process/acceptor.py against the new source, run
tests/reliability, and write the new digests here: ``python tests/server/test_sanic_internals.py``.
"""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

import pytest
import sanic

LOOKED_AT = {
    "server/protocols/base_protocol.py:SanicProtocol.send": "e832f64d7e7c",
    "server/protocols/base_protocol.py:SanicProtocol.close": "6de0e5d9b147",
    "server/protocols/base_protocol.py:SanicProtocol.abort": "881490dc125b",
    "server/protocols/base_protocol.py:SanicProtocol.connection_lost": "457e7cdfb5f5",
    "server/protocols/base_protocol.py:SanicProtocol.pause_writing": "fc33452b114e",
    "server/protocols/base_protocol.py:SanicProtocol.resume_writing": "fb9eaf6a7a97",
    "server/protocols/http_protocol.py:HttpProtocolMixin._setup": "ac205bea6457",
    "server/protocols/http_protocol.py:HttpProtocol.__init__": "0b2a7ba27397",
    "server/protocols/http_protocol.py:HttpProtocol.connection_task": "22ea6475dcbe",
    "server/protocols/http_protocol.py:HttpProtocol.check_timeouts": "4a532ed9fde0",
    "server/protocols/http_protocol.py:HttpProtocol.close_if_idle": "e8545e4ec435",
    "server/protocols/http_protocol.py:HttpProtocol.connection_made": "892d314fe13e",
    "server/protocols/http_protocol.py:HttpProtocol.data_received": "34e05c9f5879",
    "http/http1.py:Http.init_for_request": "4e003db704c2",
    "http/http1.py:Http.http1": "575397d43d41",
    "http/http1.py:Http.http1_request_header": "71fa302a83f7",
    "http/http1.py:Http.http1_response_header": "8ab74e1df5a9",
    "http/http1.py:Http.error_response": "a8a9a1c427ec",
    "http/http1.py:Http.create_empty_request": "cabc7c3ac4df",
    "http/http1.py:Http.respond": "9f7287c32634",
    "http/http1.py:Http.read": "ca573e617bee",
    "request/types.py:Request.__init__": "e3ec31f46b66",
    "response/types.py:BaseHTTPResponse.send": "0034f0838f77",
}


def digest(where: str) -> str:
    """Of a method's code in a file of Sanic, which rewrites some of its methods when an application starts."""
    path, _, name = where.partition(":")
    kind, method = name.split(".")
    tree = ast.parse((Path(sanic.__file__).parent / path).read_text(encoding="utf-8"))
    (found,) = (
        each for one in tree.body if isinstance(one, ast.ClassDef) and one.name == kind for each in one.body
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == method
    )  # fmt: skip
    return hashlib.sha256("".join(ast.unparse(found).split()).encode()).hexdigest()[:12]


@pytest.mark.parametrize("where", LOOKED_AT)
def test_it_is_as_it_was(where: str) -> None:
    assert digest(where) == LOOKED_AT[where], f"{where} of Sanic {sanic.__version__} is another: see above"


if __name__ == "__main__":
    for each in LOOKED_AT:
        print(f'    "{each}": "{digest(each)}",')
