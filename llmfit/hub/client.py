"""Asks the Hub: bounded answers, waits that it asks for up to a limit, one clear line for all that goes wrong.

The endpoint, the token and the proxies are those of huggingface_hub (HF_ENDPOINT, HF_TOKEN, HTTPS_PROXY).
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Annotated, Any
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from llmfit.catalog.records import RepoId
from llmfit.errors import LlmfitError

MOST_ANSWER, MOST_CONFIG = 1 << 24, 1 << 20  # bytes
MOST_WAIT = 300  # seconds that a 429 may ask to wait
TRIES, FIRST_PAUSE, MOST_PAUSE = 2, 0.5, 4.0  # again after so many seconds, twice as many each time
EXPAND = ("cardData", "createdAt", "gated", "gguf", "pipeline_tag", "safetensors", "tags")
Text = Annotated[str, msgspec.Meta(max_length=500)]
Size = Annotated[int, msgspec.Meta(ge=0, le=10**15)]


class Refused(LlmfitError):
    """The Hub has not got it, or does not give it to this client: the next one may do."""


class Unreachable(LlmfitError):
    """The Hub does not answer as it should; what was fetched until then is kept."""


class Stored(msgspec.Struct, frozen=True):
    """Parameters by type of number, as safetensors headers say."""

    parameters: dict[str, Size]
    total: Size = 0


class File(msgspec.Struct, frozen=True):
    rfilename: Annotated[str, msgspec.Meta(max_length=1000)]
    size: Size | None = None


class Listing(msgspec.Struct, frozen=True):
    """What the Hub says of a repository."""

    id: RepoId
    tags: tuple[str, ...] = ()
    pipeline_tag: Text | None = None
    createdAt: Text | None = None
    cardData: dict[str, Any] | None = None
    gguf: dict[str, Any] | None = None
    safetensors: Stored | None = None
    siblings: tuple[File, ...] = ()


class Hub:
    """One session with the Hub. `waiting`: called with the seconds when it asks to wait."""

    def __init__(self, waiting: Callable[[float], None] | None = None) -> None:
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        try:
            from huggingface_hub import constants, get_session
        except ImportError:
            raise LlmfitError("this needs huggingface_hub: pip install 'llmfit[hub]'") from None
        utils: Any = import_module("huggingface_hub.utils")
        if constants.HF_HUB_OFFLINE:
            raise LlmfitError("HF_HUB_OFFLINE is set: no question is put to the Hub")
        self.endpoint: str = constants.ENDPOINT
        if urlsplit(self.endpoint).scheme not in ("https", "http") or not urlsplit(self.endpoint).hostname:
            raise LlmfitError(f"HF_ENDPOINT is no address: use https://..., not '{self.endpoint[:80]}'")
        self._ask, self._limit = utils.http_backoff, utils.parse_ratelimit_headers
        self._headers = utils.build_hf_headers(library_name="llmfit") | {"Accept-Encoding": "identity"}
        self.waiting = waiting or (lambda seconds: None)
        self._file = False
        session: Any = get_session()
        self._http: Any = sys.modules[type(session).__mro__[0].__module__.partition(".")[0]]
        session.event_hooks["response"] = [*session.event_hooks.get("response", []), self._look]
        utils.logging.set_verbosity_error()

    def _look(self, response: Any) -> None:
        """At every answer, before its body is read."""
        if response.status_code == 429:
            seconds = float(min(self._wait(response.headers), 10**9))
            if seconds > MOST_WAIT:
                raise Unreachable(f"the Hub asks to wait {seconds:.0f} s: run the command again after that")
            self.waiting(seconds + 1)
        target = urljoin(str(response.request.url), response.headers.get("location", ""))
        if response.is_redirect and not self._file and urlsplit(target)[:2] != urlsplit(self.endpoint)[:2]:
            raise Unreachable(f"the Hub at {self.endpoint} sends to another host for what it says of models")
        response.stream = bounded(self._http, response.stream)

    def _wait(self, headers: Any) -> int:
        """Seconds that an answer asks to wait; 0 where it does not say."""
        with contextlib.suppress(ValueError, TypeError):
            limit = self._limit(headers)
            if limit is not None and limit.remaining == 0:
                return int(limit.reset_in_seconds)
            return max(int(headers.get("retry-after", 0)), 0)
        return 0

    def get(self, path: str, **params: Any) -> Any:
        """The answer to a GET; Refused or Unreachable."""
        url = path if "://" in path else self.endpoint + path
        self._file = "/resolve/" in urlsplit(url).path  # files may lie on the hosts that store them
        try:
            response = self._ask(
                "GET", url, max_retries=TRIES, base_wait_time=FIRST_PAUSE, max_wait_time=MOST_PAUSE,
                retry_on_exceptions=(self._http.TransportError,), headers=self._headers, params=params or None,
                follow_redirects=True, timeout=30,
            )  # fmt: skip
        except (OSError, self._http.HTTPError, ValueError) as error:
            status = getattr(getattr(error, "response", None), "status_code", None)
            what = f"it answers with status {status}" if status else plain(error)
            raise Unreachable(f"the Hub at {self.endpoint} cannot be asked: {what}") from None
        if response.status_code in (401, 403, 404, 410, 451):
            raise Refused(f"the Hub does not give it: status {response.status_code}")
        if response.status_code != 200:
            raise Unreachable(f"the Hub at {self.endpoint} answers with status {response.status_code}")
        return response

    def models(self, sort: str, most: int) -> Iterator[Listing | None]:
        """The first models by `trendingScore` or `createdAt`; None for each entry that is none. Unreachable."""
        given = 0
        answer = self.get("/api/models", sort=sort, limit=min(most, 100), expand=list(EXPAND))
        while True:
            try:
                entries = msgspec.json.decode(answer.content, type=list[msgspec.Raw])
            except (msgspec.DecodeError, RecursionError):
                raise Unreachable(f"the Hub at {self.endpoint} answers with something else than a list") from None
            for entry in entries:
                yield listing_of(bytes(entry))
                given += 1
                if given == most:
                    return
            more = answer.links.get("next", {}).get("url")
            if not more or not entries:
                return
            if urlsplit(more)[:2] != urlsplit(self.endpoint)[:2]:  # the token goes nowhere else
                raise Unreachable(f"the Hub at {self.endpoint} sends to another host for the next page")
            answer = self.get(more)

    def listing(self, id: str) -> Listing:
        """What the Hub says of one repository, its files with their sizes; Refused or Unreachable."""
        found = listing_of(self.get(f"/api/models/{quote(id)}", blobs="true").content)
        if found is None:
            raise Unreachable(f"the Hub at {self.endpoint} says nothing that describes {id}")
        return found

    def config(self, id: str) -> bytes:
        """The config.json of a repository; Refused or Unreachable."""
        data: bytes = self.get(f"/{quote(id)}/resolve/main/config.json").content
        if len(data) > MOST_CONFIG:
            raise Refused(f"its config.json holds {len(data)} bytes; at most {MOST_CONFIG} are read")
        return data


def listing_of(data: bytes) -> Listing | None:
    try:
        return msgspec.json.decode(data, type=Listing)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def bounded(http: Any, stream: Any) -> Any:
    """The stream of an answer, cut off where it is longer than any that is asked for."""

    class Bounded(http.SyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            read = 0
            for piece in stream:
                read += len(piece)
                if read > MOST_ANSWER:
                    raise Unreachable(f"the Hub answers with more than {MOST_ANSWER >> 20} MiB")
                yield piece

        def close(self) -> None:
            stream.close()

    return Bounded()


def plain(error: Exception) -> str:
    """What went wrong, in one line."""
    text = re.sub(r"^\[Errno -?\d+\] ", "", " ".join(str(error).split()))
    return text[:120] or type(error).__name__
