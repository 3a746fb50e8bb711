"""``llmfit serve``: the HTTP API."""

from __future__ import annotations

import os
from typing import Any

import click

from llmfit.cli.common import flags, folders, query_of, recording, whole
from llmfit.cli.config import ConfigCommand, config_option
from llmfit.errors import BadParam
from llmfit.query import params
from llmfit.query.values import value_of

EXAMPLES = """
llmfit serve                                     # http://127.0.0.1:8787/
llmfit serve --port 9000 --workers 2 --max-context 32768
llmfit serve --unix-socket /run/llmfit.sock
"""


@click.command("serve", cls=ConfigCommand, short_help="Serve the HTTP API and the page until SIGTERM.", epilog=EXAMPLES)
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
@click.option("--trust-proxy", metavar="ADDRESS", multiple=True, help="A proxy whose X-Forwarded-For says who asks.")
@click.option("--tls-cert", metavar="FILE", help="Certificate chain (PEM): HTTPS instead of HTTP.")
@click.option("--tls-key", metavar="FILE", help="Its private key (PEM).")
@click.option("--metrics", is_flag=True, help="Count what is answered, and tell Prometheus at /metrics.")
@click.option("--access-log", is_flag=True, help="Log every request, with its id.")
@click.option("--log-format", default="text", show_default=True, metavar="text|json", help="How lines are logged.")
@folders
@config_option
@flags("system")
def command(**given: Any) -> None:
    """Serve the HTTP API, and the page at /, until SIGTERM. The parameters of the machine hold for all requests.

    Each flag may also stand in the environment (LLMFIT_PORT) or in a TOML file (--config), in this order.
    """
    own = {name: given.pop(name) for name in given.keys() - {param.name for param in params.at("system")}}
    query = query_of("system", given)
    max_context, port, socket = own["max_context"], own["port"], own["unix_socket"]
    from llmfit.server.http import access, proxies
    from llmfit.server.observe import logs

    if own["log_format"] not in logs.FORMATS:
        raise BadParam(f"invalid log_format value: use {'|'.join(logs.FORMATS)}")
    settings: dict[str, Any] = {
        "host": own["host"],
        "port": whole("port", port, 0, 65535),
        "unix_socket": os.path.abspath(socket) if socket is not None else None,
        "workers": whole("workers", own["workers"], 1, 64),
        "max_context": value_of(params.BY_NAME["max_context"], max_context) if max_context is not None else None,
        **{name: own[name] for name in ("metrics", "access_log", "log_format")},
    }
    rate = own["rate_limit"]
    who = access.AccessFlags(
        token_file=own["token_file"], insecure=own["insecure"], tls_cert=own["tls_cert"], tls_key=own["tls_key"],
        allow_hosts=tuple(map(access.host_of, own["allow_host"])),
        cors_origins=tuple(map(access.origin_of, own["cors_origin"])),
        rate_limit=access.rate_of(rate) if rate is not None else None,
        trust_proxies=tuple(map(proxies.proxy_of, own["trust_proxy"])),
    )  # fmt: skip
    logs.set_up(own["log_format"])
    from llmfit._core import keep_freed_memory
    from llmfit.catalog import catalog
    from llmfit.hardware.detect import detect
    from llmfit.hardware.sources.source import LiveSource
    from llmfit.hardware.steady import steady
    from llmfit.hardware.what_ifs import apply_whatif
    from llmfit.query.engine import whatif_of
    from llmfit.server.app import Settings
    from llmfit.server.workers import serve as run

    keep_freed_memory()  # before detection begins threads, each of which would bring a heap of its own
    whatif = whatif_of(query)
    tables = catalog.default().tables
    source = recording()
    machine = apply_whatif(steady(detect(tables, source or LiveSource(measure=False))), whatif, tables)
    run(Settings(machine=machine, whatif=whatif, observe=source is None, access=who, **settings))
