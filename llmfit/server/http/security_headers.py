"""The headers that tell browsers what an answer may be used for. The page and /docs have policies of their own."""

from __future__ import annotations

NO_SNIFFING = (b"x-content-type-options", b"nosniff")
DATA_POLICY = b"default-src 'none'; frame-ancestors 'none'"
# Of answers that are data: nothing in them runs, no site shows them in a frame or reads them as its own script.
DATA = (
    (b"content-security-policy", DATA_POLICY),
    (b"cross-origin-resource-policy", b"same-origin"),
    NO_SNIFFING,
)
# Of answers that a browser shows.
SHOWN = (
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    NO_SNIFFING,
    (b"x-frame-options", b"DENY"),
)
TEXTS = {name.decode(): value.decode() for name, value in DATA}
