"""The yardstick of bench/http.py: a Sanic route that returns the bytes of a file from memory, and nothing else.

    python bench/bare_route.py FILE PORT WORKERS
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from sanic import HTTPResponse, Request, Sanic
from sanic.response import raw


def main() -> None:
    body, port, workers = Path(sys.argv[1]).read_bytes(), int(sys.argv[2]), int(sys.argv[3])
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(1024)
    for _ in range(workers - 1):
        if os.fork() == 0:
            break
    app: Sanic = Sanic("bare", configure_logging=False)  # type: ignore[type-arg]

    @app.get("/")
    async def same(request: Request) -> HTTPResponse:  # type: ignore[type-arg]
        return raw(body, content_type="application/json")

    app.prepare(sock=sock, single_process=True, motd=False, access_log=False)
    Sanic.serve_single(primary=app)


if __name__ == "__main__":
    main()
