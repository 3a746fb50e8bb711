"""The Host-header check: no page in a browser may reach a server under a name of its own (DNS rebinding)."""

from __future__ import annotations

import ipaddress
import socket

from sanic import HTTPResponse, Request

from llmfit.server.http.access import is_loopback
from llmfit.server.http.errors import failure

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


class HostCheck:
    """Which Host headers a server accepts. `bound` is the address that it listens on; None for a Unix socket.

    On loopback its own names and those that are `named` (--allow-host). Elsewhere an address always passes, since no
    DNS stands behind it; a name passes where it is named or this computer's, or, with tokens, which no other page has,
    where none is named.
    """

    def __init__(self, bound: str | None, named: tuple[str, ...] = (), tokens: bool = False) -> None:
        self.allowed: frozenset[str] | None = None
        self.addresses = bound is not None and not is_loopback(bound)
        self._accepted: set[str] = set()  # whole headers that passed, so that the next one costs a look-up
        if bound is None or (self.addresses and tokens and not named):
            return
        own = {f"[{bound}]" if ":" in bound else bound.lower()}
        if self.addresses and not named:
            own.add(socket.gethostname().lower())
        self.allowed = LOOPBACK.union(named, own)
        more = "".join(f", {name}" for name in sorted(named))
        self.wanted = "an address, or a name that --allow-host names" if self.addresses else (
            f"localhost, 127.0.0.1{more} or [::1]"
        )  # fmt: skip

    def refuse(self, request: Request) -> HTTPResponse | None:
        """The refusal, or None where the request may go on."""
        if self.allowed is None:
            return None
        host = request.headers.get("host", "")
        if host in self._accepted:
            return None
        end = host.find("]") + 1 if host.startswith("[") else host.find(":")
        name = (host[:end] if end > 0 else host).lower()
        if name in self.allowed or (self.addresses and is_address(name)):
            if len(self._accepted) < 64:
                self._accepted.add(host)
            return None
        return failure(403, f"invalid Host header: use {self.wanted}")


def is_address(name: str) -> bool:
    """Whether a host is an IP address, in brackets where it is of version 6."""
    try:
        if name.startswith("["):
            ipaddress.IPv6Address(name[1:-1])
        else:
            ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True
