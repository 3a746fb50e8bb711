"""Opening what a user names: regular files alone, read in bounded pieces, and errors of one line."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

from llmfit.errors import BadFile

MIB = 1 << 20


def shown(path: str) -> str:
    """The last part of a path, fit to print: no control characters, no broken text, at most 255 characters."""
    name = os.path.basename(os.path.abspath(path)) or os.sep
    text = name.encode("utf-8", "replace").decode("utf-8")
    return "".join(character if character.isprintable() else "?" for character in text)[:255]


def bad(path: str, what: str) -> BadFile:
    """The error that names the file and what is wrong with it."""
    return BadFile(f"cannot read {shown(path)}: {what}")


def opened(path: str) -> tuple[BinaryIO, int]:
    """(the file, its size in bytes); BadFile unless it is a regular file. Pipes are never waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise bad(path, reason(error)) from None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise bad(path, "it is a folder" if stat.S_ISDIR(status.st_mode) else "it is not a regular file")
    return os.fdopen(handle, "rb", buffering=0), status.st_size


def whole(path: str, most: int) -> bytes:
    """All of a file of at most `most` bytes."""
    file, size = opened(path)
    with file:
        if size > most:
            raise bad(path, f"it holds {size} bytes; at most {most} are read")
        if not size:
            raise bad(path, "it is empty")
        try:
            return file.read(most)
        except OSError as error:
            raise bad(path, reason(error)) from None


def reason(error: OSError | ValueError) -> str:
    """Why the system refused, in its words."""
    return os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else "not a valid path"
