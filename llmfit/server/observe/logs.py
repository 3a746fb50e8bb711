"""The server's log on stderr: a line of text or of JSON for each thing that happens."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import time
import uuid
from typing import Any

import msgspec
from sanic import Request

from llmfit.errors import printable

FORMATS = ("text", "json")
ID = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
access = logging.getLogger("llmfit.access")


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and what a record has besides (`fields`)."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{stamp}.{int(record.msecs):03d}Z", "level": record.levelname.lower(), "logger": record.name,
            "process": record.process, "message": record.getMessage(), **getattr(record, "fields", {}),
        }  # fmt: skip
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        for name, value in line.items():
            if isinstance(value, str) and not value.isprintable():
                line[name] = "\n".join(map(printable, value.split("\n")))
        return msgspec.json.encode(line).decode()


class TextLines(logging.Formatter):
    """``2026-01-02 03:04:05,678 WARNING message key=value``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        parts = [super().formatMessage(record), *(f"{name}={value}" for name, value in fields.items())]
        return printable(" ".join(parts))

    def formatException(self, info: Any) -> str:
        return "\n".join(map(printable, super().formatException(info).split("\n")))


def set_up(form: str) -> None:
    """All loggers write to stderr in this form; only access lines are of level INFO."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    access.setLevel(logging.INFO)
    logging.raiseExceptions = False  # a line that cannot be written is lost, and nothing else said


def say(text: str, form: str) -> None:
    """A line that is no warning: as it is for people, as an object among objects."""
    if form == "json":
        logging.getLogger("llmfit.server").handle(
            logging.LogRecord("llmfit.server", logging.INFO, __file__, 0, text, None, None)
        )
    else:
        with contextlib.suppress(OSError):  # a full disk behind it
            print(text, file=sys.stderr, flush=True)


def id_of(request: Request) -> str:
    """The id of a request: what its X-Request-ID header says, where that can stand in a log; else a new one."""
    context = request.ctx
    if not hasattr(context, "id"):
        given = request.headers.get("x-request-id", "")
        context.id = given if ID.fullmatch(given) else uuid.uuid4().hex
    return context.id  # type: ignore[no-any-return]


def answered(request: Request, client: str, status: int, seconds: float) -> None:
    """The access line of one request. Its query is in it, its headers are not."""
    path = request.raw_url.decode("ascii", "backslashreplace")
    access.info("request", extra={"fields": {
        "request_id": id_of(request), "client": client, "method": request.method, "url": path, "status": status,
        "ms": round(seconds * 1000, 3),
    }})  # fmt: skip
