"""The listening socket, bound once and shared by all workers."""

from __future__ import annotations

import contextlib
import os
import socket
import stat

from llmfit.errors import LlmfitError

BACKLOG = 1024


class Listener:
    """The bound socket, and the file that a Unix socket has."""

    def __init__(self, sock: socket.socket, path: str | None = None) -> None:
        self.sock, self.path = sock, path
        self._stamp = stamp_of(path) if path is not None else None

    def close(self) -> None:
        """Take no more connections. The file goes unless it is that of a successor by now."""
        if self.path is not None and self._stamp is not None and stamp_of(self.path) == self._stamp:
            with contextlib.suppress(OSError):
                os.unlink(self.path)
        self._stamp = None
        self.sock.close()


def stamp_of(path: str) -> tuple[int, int, int] | None:
    """What tells a file from one that took its place; None where there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


def listen(host: str, port: int, unix_socket: str | None) -> Listener:
    """The bound socket; LlmfitError with the reason where the address cannot be had."""
    if unix_socket is not None:
        return listen_unix(unix_socket)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        reason = error.strerror or str(error)
        where = f"{host}:{port}"
        raise LlmfitError(f"cannot listen on {where}: {reason}; use another --host or --port") from None
    return Listener(sock)


def listen_unix(path: str) -> Listener:
    """A Unix socket of mode 0660; a stale socket file is replaced, any other file is not."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise LlmfitError(f"cannot listen on {path}: it is a file, not a socket; use another --unix-socket")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            if probe.connect_ex(path) == 0:
                raise LlmfitError(f"cannot listen on {path}: another server answers there; use another --unix-socket")
        os.unlink(path)
    except FileNotFoundError:
        pass
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(0o117)
    try:
        sock.bind(path)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise LlmfitError(f"cannot listen on {path}: {error.strerror or error}; use another --unix-socket") from None
    finally:
        os.umask(umask)
    return Listener(sock, path)
