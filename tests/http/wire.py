"""A small HTTP client and process handle: what the tests know of the server is what comes over the wire."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

MODELS = "/api/v1/models"
TOP = "/api/v1/models/top"
SYSTEM = "/api/v1/system"

START_LIMIT_S = 60.0
STOP_LIMIT_S = 60.0


def url(path: str, params: Mapping[str, object]) -> str:
    """`path` with `params` as its query; True and False become true and false."""
    words = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in params.items()}
    if not words:
        return path
    return path + ("&" if "?" in path else "?") + urlencode(words, quote_via=quote)


@dataclass(frozen=True)
class Response:
    asked: str
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        kind = self.headers.get("content-type", "")
        assert kind.startswith("application/json"), f"{self.asked}: came {kind!r}, {self.body[:300]!r}"
        try:
            return msgspec.json.decode(self.body)  # which takes no NaN
        except msgspec.DecodeError as error:
            raise AssertionError(f"{self.asked}: not JSON ({error}): {self.body[:300]!r}") from error

    def error(self) -> str:
        """The text of an error body, which must be {"error": "..."}."""
        body = self.json()
        assert isinstance(body, dict) and isinstance(body.get("error"), str) and body["error"], (
            f'{self.asked}: {self.status} wants {{"error": "..."}}, came {self.body[:300]!r}'
        )
        return body["error"]


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client:
    """One keep-alive connection. Not for several threads: take `fresh()` for each."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        unix: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.host, self.port, self.unix, self.tls = host, port, unix, tls
        self._connection: http.client.HTTPConnection | None = None

    def fresh(self) -> Client:
        return Client(host=self.host, port=self.port, unix=self.unix, tls=self.tls)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        body: bytes | None = None,
        timeout: float = 60,
    ) -> Response:
        reused = self._connection is not None
        try:
            return self._once(path, headers or {}, method, body, timeout)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self.close()
            if not reused:
                raise
            return self._once(path, headers or {}, method, body, timeout)
        except BaseException:
            self.close()
            raise

    def _once(
        self, path: str, headers: Mapping[str, str], method: str, body: bytes | None, timeout: float
    ) -> Response:
        if self._connection is None:
            if self.unix is not None:
                self._connection = _UnixConnection(self.unix, timeout)
            elif self.tls is not None:
                self._connection = http.client.HTTPSConnection(
                    self.host, self.port, timeout=timeout, context=self.tls
                )
            else:
                self._connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        self._connection.request(method, path, body=body, headers=dict(headers))
        answer = self._connection.getresponse()
        data = answer.read()
        names = {k.lower(): v for k, v in answer.getheaders()}
        return Response(f"{method} {path:.300}", answer.status, names, data)

    def ok(self, path: str, **params: object) -> dict[str, Any]:
        """The JSON of an answer that must be 200."""
        answer = self.get(url(path, params))
        assert answer.status == 200, f"{answer.asked}: wanted 200, came {answer.status} {answer.body[:300]!r}"
        return answer.json()

    def bad(self, path: str, status: int = 400, **params: object) -> str:
        """The error text of an answer that must have this status."""
        answer = self.get(url(path, params))
        assert answer.status == status, (
            f"{answer.asked}: wanted {status}, came {answer.status} {answer.body[:300]!r}"
        )
        return answer.error()

    def raw(self, data: bytes, timeout: float = 30) -> bytes:
        """Sends bytes on a connection of its own and reads until the server closes it."""
        with self.plug(timeout) as plug:
            plug.sendall(data)
            parts = []
            while part := plug.recv(65536):
                parts.append(part)
        return b"".join(parts)

    def plug(self, timeout: float = 30) -> socket.socket:
        if self.unix is not None:
            plug = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            plug.settimeout(timeout)
            plug.connect(self.unix)
            return plug
        return socket.create_connection((self.host, self.port), timeout=timeout)


class Server(Client):
    """A `llmfit serve` process, or somebody else's server at LLMFIT_TEST_URL (then `process` is None)."""

    def __init__(self, process: subprocess.Popen[bytes] | None, log: Path | None, **address: Any) -> None:
        super().__init__(**address)
        self.process, self.log = process, log

    @classmethod
    def at(cls, address: str) -> Server:
        parts = urlsplit(address)
        return cls(None, None, host=parts.hostname or "127.0.0.1", port=parts.port or 80)

    @classmethod
    def start(
        cls,
        args: tuple[str, ...],
        log: Path,
        *,
        before: tuple[str, ...] = (),
        env: Mapping[str, str | None] | None = None,
        umask: int = -1,
        probe: str = "/readyz",
        tls: ssl.SSLContext | None = None,
    ) -> Server:
        """Starts the console script beside this Python and waits until `probe` answers 200."""
        program = Path(sys.executable).with_name("llmfit")
        assert program.exists(), f"no {program}: install the project into the Python that runs pytest"
        unix = args[args.index("--unix-socket") + 1] if "--unix-socket" in args else None
        port = 0 if unix is not None else free_port()
        listen = () if unix is not None else ("--port", str(port))
        words = dict(os.environ)
        for name, value in (env or {}).items():
            words.pop(name, None)
            if value is not None:
                words[name] = value
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [str(program), *before, "serve", *listen, *args],
                stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=words, umask=umask,
            )  # fmt: skip
        server = cls(process, log, port=port, unix=unix, tls=tls)
        try:
            server._await(probe)
        except BaseException:
            process.kill()
            process.wait()
            raise
        return server

    def _await(self, probe: str) -> None:
        assert self.process is not None
        end = time.monotonic() + START_LIMIT_S
        last = "no connection"
        while time.monotonic() < end:
            code = self.process.poll()
            assert code is None, f"the server ended with status {code} while starting:\n{self.said()}"
            try:
                answer = self.get(probe, timeout=5)
            except (OSError, http.client.HTTPException) as error:
                last = repr(error)
            else:
                if answer.status == 200:
                    return
                last = f"{answer.status} {answer.body[:200]!r}"
            time.sleep(0.02)
        raise AssertionError(f"{probe}: no 200 in {START_LIMIT_S} s (last: {last}):\n{self.said()}")

    def said(self) -> str:
        """The end of what the server wrote to stdout and stderr."""
        if self.log is None or not self.log.exists():
            return ""
        return self.log.read_text(errors="replace")[-6000:]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signals the server and gives its exit status; a server that stays is killed, and fails the test."""
        assert self.process is not None, "this server belongs to somebody else"
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"alive {STOP_LIMIT_S} s after signal {number}:\n{self.said()}") from None
        finally:
            self.close()


def free_port() -> int:
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        return plug.getsockname()[1]
