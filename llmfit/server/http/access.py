"""Who may ask: tokens, how often, under which names, and over TLS."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import logging
import mmap
import os
import re
import ssl
import time

import msgspec

from llmfit.errors import BadParam, LlmfitError
from llmfit.server.http import proxies

log = logging.getLogger("llmfit.server")
SHORTEST_TOKEN, MOST_TOKEN_BYTES = 16, 64 << 10
LOOK_SECONDS = 1.0  # between two looks at the token file
AT_ONCE = getattr(os, "O_NONBLOCK", 0)  # a pipe that took the file's place would hold up every request
SLOTS, WAYS = 1 << 14, 4
ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.ASCII)
RATE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(?::([0-9]{1,6}))?", re.ASCII)
HOST = re.compile(r"[a-z0-9]([a-z0-9._-]{0,252})|\[[0-9a-f:.]+\]", re.ASCII)


class AccessFlags(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of ``llmfit serve`` that say who may ask."""

    token_file: str | None = None
    insecure: bool = False
    allow_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    rate_limit: tuple[float, int] | None = None  # requests a second, how many at once
    trust_proxies: tuple[str, ...] = ()  # addresses, networks, "unix": those whose X-Forwarded-For is believed
    tls_cert: str | None = None
    tls_key: str | None = None


def is_loopback(host: str) -> bool:
    """Whether only this computer reaches an address. Of names only localhost counts: none is looked up."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin_of(text: str) -> str:
    """An origin as browsers send it; BadParam."""
    origin = text.strip().lower().removesuffix("/")
    if not ORIGIN.fullmatch(origin):
        raise BadParam("invalid cors_origin value: use an origin such as https://example.org:8443")
    return origin


def host_of(text: str) -> str:
    """A host name without a port; BadParam."""
    name = text.strip().lower()
    if not HOST.fullmatch(name):
        raise BadParam("invalid allow_host value: use a host name without scheme and port")
    return name


def rate_of(text: str) -> tuple[float, int]:
    """(requests a second, how many at once) of ``RATE`` or ``RATE:BURST``; BadParam."""
    found = RATE.fullmatch(text.strip())
    rate = float(found[1]) if found else 0.0
    burst = int(found[2]) if found and found[2] else max(1, round(2 * rate))
    if rate <= 0 or burst < 1:
        raise BadParam("invalid rate_limit value: use RATE or RATE:BURST, requests a second, such as 20 or 20:100")
    return rate, burst


class Tokens:
    """The tokens of a file, one a line; read again when it changes. A file that breaks leaves the last ones valid."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._looked, self._stamp = time.monotonic(), stamp_of(path)
        self._digests, self._problem = digests_of(path), ""

    def takes(self, header: str | None) -> bool:
        """Whether an Authorization header carries one of them. Takes as long for a wrong one as for a right one."""
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._look()
        given = hashlib.sha256(token_of(header or "")).digest()
        right = False
        for digest in self._digests:
            right |= hmac.compare_digest(digest, given)
        return right

    def _look(self) -> None:
        stamp = stamp_of(self.path)
        if stamp is not None and stamp == self._stamp:
            return
        try:
            self._digests, self._stamp, self._problem = digests_of(self.path, AT_ONCE), stamp, ""
            log.warning("the token file was read again: %d token(s)", len(self._digests))
        except LlmfitError as error:
            if str(error) != self._problem:  # once, though each look tries again
                self._problem = str(error)
                log.error("%s; the tokens read before stay valid", error)


def stamp_of(path: str) -> tuple[int, int, int] | None:
    """What changes with a file's content; None where there is none, which digests_of explains."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def digests_of(path: str, flags: int = 0) -> list[bytes]:
    """The digests of a file's tokens; LlmfitError with what is wrong with it. `flags`: of open(), beside reading."""
    try:
        with open(path, "rb", opener=lambda name, usual: os.open(name, usual | flags)) as file:
            text = file.read(MOST_TOKEN_BYTES + 1) or b""  # None where a pipe has nothing yet
    except OSError as error:
        raise LlmfitError(f"cannot read the token file {path}: {error.strerror or error}") from None
    tokens = [line for line in (raw.strip() for raw in text.splitlines()) if line and not line.startswith(b"#")]
    if not tokens or len(text) > MOST_TOKEN_BYTES:
        raise LlmfitError(f"the token file {path} holds no token or too much: use one token a line; # begins a comment")
    for at, token in enumerate(tokens, 1):
        if len(token) < SHORTEST_TOKEN or not all(0x21 <= each < 0x7F for each in token):
            raise LlmfitError(
                f"token {at} of {path} is no good: use at least {SHORTEST_TOKEN} visible ASCII characters, no spaces"
            )
    return [hashlib.sha256(token).digest() for token in tokens]


def token_of(header: str) -> bytes:
    """The token of ``Bearer TOKEN``, or of ``Basic`` (there the password, so that a browser can ask for it)."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip().encode(errors="surrogateescape")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""


class RateLimit:
    """A token bucket for each client, in memory that all workers share and that never grows.

    A bucket is one number: when it will be full again (GCRA). A client lies in one of the WAYS slots that its address
    leads to; where all are taken, the one nearest to full makes room. Two workers that write the same slot at once lose
    one request from the count, no more.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self.step, self.room = 1 / rate, burst / rate
        memory = mmap.mmap(-1, SLOTS * 16)
        self._clients = memoryview(memory)[: SLOTS * 8].cast("q")
        self._full = memoryview(memory)[SLOTS * 8 :].cast("d")

    def wait(self, client: str, now: float) -> float:
        """Seconds until this client may ask; 0 where it may now, and has."""
        key = hash(network_of(client)) or 1
        first = key % (SLOTS // WAYS) * WAYS
        slot = first
        for at in range(first, first + WAYS):
            if self._clients[at] == key:
                slot = at
                break
            if self._full[at] < self._full[slot]:
                slot = at
        else:
            self._clients[slot], self._full[slot] = key, now
        full = max(self._full[slot], now) + self.step
        if full - now > self.room + 1e-9:
            return full - now - self.room
        self._full[slot] = full
        return 0.0


def network_of(client: str) -> str:
    """An IPv4 address as it is; of an IPv6 address the network of 64 bits, all of which one client may have."""
    if ":" not in client:
        return client
    try:
        address = ipaddress.IPv6Address(client.partition("%")[0])
    except ValueError:
        return client
    return str(address.ipv4_mapped or int(address) >> 64)


def tls_context(certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    """What TLS connections begin with, None for plain HTTP; LlmfitError."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise BadParam("invalid tls_cert value: use --tls-cert and --tls-key together")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_certificate(context, certificate, key)
    return context


def load_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Connections that begin from now on use this certificate; LlmfitError, and the one before stays."""
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for each in (trial, context):
        try:
            each.load_cert_chain(certificate, key, password=no_password)
        except (OSError, ValueError) as error:
            system = isinstance(error, OSError) and not isinstance(error, ssl.SSLError)
            what = error.strerror if system else "they are no pair of PEM files without a password"  # type: ignore[union-attr]
            raise LlmfitError(f"cannot use the TLS certificate {certificate} with the key {key}: {what}") from None


def no_password() -> str:
    raise ValueError("the key has a password")


class Access:
    """What decides about every request; made once, before workers are forked. LlmfitError where it cannot be."""

    def __init__(self, flags: AccessFlags, host: str | None) -> None:
        """`host`: the address that the server listens on; None for a Unix socket, whose mode decides."""
        self.flags = flags
        self.tokens = Tokens(flags.token_file) if flags.token_file is not None and host is not None else None
        if host is not None and not is_loopback(host) and self.tokens is None and not flags.insecure:
            raise BadParam(
                f"invalid host value: {host} can be reached from elsewhere; use --token-file FILE, or --insecure"
            )
        counted = flags.rate_limit is not None and (host is not None or proxies.UNIX in flags.trust_proxies)
        self.rates = RateLimit(*flags.rate_limit) if counted and flags.rate_limit is not None else None
        self.proxies = proxies.Proxies(flags.trust_proxies) if flags.trust_proxies else None
        self.origins = frozenset(flags.cors_origins)
        self.tls = tls_context(flags.tls_cert, flags.tls_key) if host is not None else None

    def reload(self) -> None:
        """Read the certificate again; LlmfitError, and the one before stays."""
        if self.tls is not None and self.flags.tls_cert is not None and self.flags.tls_key is not None:
            load_certificate(self.tls, self.flags.tls_cert, self.flags.tls_key)
