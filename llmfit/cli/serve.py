"""``llmfit serve``: the HTTP API."""

from __future__ import annotations

import os
from typing import Any

import click

from llmfit import params
from llmfit.cli.common import Command, flags, query_of, recording, whole
from llmfit.values import value_of

EXAMPLES = """
llmfit serve                                     # http://127.0.0.1:8787/
llmfit serve --port 9000 --workers 2 --max-context 32768
llmfit serve --unix-socket /run/llmfit.sock
"""


@click.command("serve", cls=Command, short_help="Serve the HTTP API and the page until SIGTERM.", epilog=EXAMPLES)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default="8787", show_default=True, metavar="N", help="TCP port to listen on.")
@click.option("--unix-socket", metavar="PATH", help="Listen on a Unix socket (mode 0660) instead of TCP.")
@click.option("--workers", default="1", show_default=True, metavar="N", help="Worker processes.")
@click.option("--max-context", metavar="N", help="Context in tokens that rows are computed at, unless a request says.")
@click.option("--token-file", metavar="FILE", help="Tokens, one a line: every request needs one of them.")
@click.option("--insecure", is_flag=True, help="Listen beyond this computer without tokens.")
@click.option("--allow-host", metavar="NAME", multiple=True, help="A name that the Host header may have. Repeatable.")
@click.option("--cors-origin", metavar="URL", multiple=True, help="A site whose pages may read answers. Repeatable.")
@click.option("--rate-limit", metavar="RATE[:BURST]", help="Requests a second of one client, and how many at once.")
@click.option("--tls-cert", metavar="FILE", help="Certificate chain (PEM): HTTPS instead of HTTP.")
@click.option("--tls-key", metavar="FILE", help="Its private key (PEM).")
@flags("system")
def command(
    host: str, port: str, unix_socket: str | None, workers: str, max_context: str | None,
    token_file: str | None, insecure: bool, allow_host: tuple[str, ...], cors_origin: tuple[str, ...],
    rate_limit: str | None, tls_cert: str | None, tls_key: str | None, **given: tuple[str, ...],
) -> None:  # fmt: skip
    """Serve the HTTP API, and the page at /, until SIGTERM. The parameters of the machine hold for all requests."""
    query = query_of("system", given)
    context = value_of(params.BY_NAME["max_context"], max_context) if max_context is not None else None
    settings: dict[str, Any] = {
        "host": host,
        "port": whole("port", port, 0, 65535),
        "unix_socket": os.path.abspath(unix_socket) if unix_socket is not None else None,
        "workers": whole("workers", workers, 1, 64),
        "max_context": context,
    }
    from llmfit import catalog
    from llmfit.hardware import LiveSource, WhatIf, apply_whatif, detect
    from llmfit.hardware.steady import steady

    whatif = WhatIf(**{name: getattr(query, name) for name in params.WHATIF_NAMES})
    tables = catalog.default().tables
    source = recording()
    machine = apply_whatif(steady(detect(tables, source or LiveSource(measure=False))), whatif, tables)
    from llmfit.server import access
    from llmfit.server.app import Settings
    from llmfit.server.workers import serve as run

    who = access.AccessFlags(
        token_file=token_file, insecure=insecure, allow_hosts=tuple(map(access.host_of, allow_host)),
        cors_origins=tuple(map(access.origin_of, cors_origin)),
        rate_limit=access.rate_of(rate_limit) if rate_limit is not None else None, tls_cert=tls_cert, tls_key=tls_key,
    )  # fmt: skip
    run(Settings(machine=machine, whatif=whatif, observe=source is None, access=who, **settings))
