"""Who asks, where a proxy stands between: the X-Forwarded-For of those that are trusted, and of nobody else."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from sanic import Request

from llmfit.errors import BadParam

UNIX = "unix"  # whoever may open the Unix socket
MOST_HOPS, MOST_TEXT = 16, 1024  # addresses; characters: the last ones are remembered, and a header may be long
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def proxy_of(text: str) -> str:
    """An address, a network or ``unix``, as --trust-proxy takes it; BadParam."""
    name = text.strip().lower()
    try:
        return name if name == UNIX else str(ipaddress.ip_network(name))
    except ValueError:
        raise BadParam("invalid trust_proxy value: use an address, a network such as 10.0.0.0/8, or unix") from None


class Proxies:
    """Finds the client behind trusted proxies. Each of them adds the address that asked it at the end of the header."""

    def __init__(self, trusted: tuple[str, ...]) -> None:
        self.unix = UNIX in trusted
        self.networks = [ipaddress.ip_network(name) for name in trusted if name != UNIX]
        self._found = lru_cache(4096)(self.behind)

    def client(self, request: Request) -> str:
        """The address of who asks: the peer's, unless it is a trusted proxy that names another."""
        said = request.headers.getall("x-forwarded-for", [])
        return self._found(request.ip, ",".join(said)[-MOST_TEXT:]) if said else request.ip

    def behind(self, peer: str, said: str) -> str:
        """The last address of the header that no trusted proxy has; what stands before it anybody may have written."""
        if not self.trusts(peer):
            return peer
        for text in reversed(said.split(",")[-MOST_HOPS:]):
            address = address_of(text)
            if address is None:
                break
            peer = str(address)
            if not self.trusts(peer):
                break
        return peer

    def trusts(self, peer: str) -> bool:
        address = address_of(peer)
        if address is None:
            return self.unix
        return any(address in network for network in self.networks)


def address_of(text: str) -> Address | None:
    """An address, with or without a port; None where it is none."""
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address
