"""The Host-header check: no page in a browser may reach a loopback server under a name of its own (DNS rebinding)."""

from __future__ import annotations

from sanic import HTTPResponse, Request

from llmfit.server.failures import failure

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


class HostCheck:
    """Which Host headers a server accepts. `bound` is the address that it listens on; None for a Unix socket."""

    def __init__(self, bound: str | None) -> None:
        bound = f"[{bound}]" if bound is not None and ":" in bound else bound
        loopback = bound is not None and (bound in LOOPBACK or bound.startswith("127."))
        self.allowed = LOOPBACK | {bound} if loopback else None
        self._accepted: set[str] = set()  # whole headers that passed, so that the next one costs a look-up

    def refuse(self, request: Request) -> HTTPResponse | None:
        """The refusal, or None where the request may go on."""
        if self.allowed is None:
            return None
        host = request.headers.get("host", "")
        if host in self._accepted:
            return None
        end = host.find("]") + 1 if host.startswith("[") else host.find(":")
        if (host[:end] if end > 0 else host).lower() in self.allowed:
            if len(self._accepted) < 64:
                self._accepted.add(host)
            return None
        return failure(403, "invalid Host header: use localhost, 127.0.0.1 or [::1]")
