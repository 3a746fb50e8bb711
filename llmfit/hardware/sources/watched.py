"""A source that notes what it is asked, and keeps the answers: for `llmfit doctor` and for recordings."""

from __future__ import annotations

import threading
import time
from typing import Any

import msgspec

from llmfit.hardware.sources.nvml import TIMEOUT, NvmlSnapshot
from llmfit.hardware.sources.source import Facts, Output, Source

Key = tuple[str, ...]  # the method of Source, and what it was asked


class Ask(msgspec.Struct, frozen=True):
    """One question of a probe: of which kind, what was asked, what came of it, and how long that took."""

    kind: str  # file, folder, command, variable, nvml, platform, psutil, streaming
    what: str
    outcome: str
    ms: float


KINDS = {"text": "file", "names": "folder", "command": "command", "env": "variable"}
NOTHING: dict[str, Any] = {
    "text": None, "names": (), "command": None, "env": None, "nvml": NvmlSnapshot(error=TIMEOUT),
    "platform": Facts(), "psutil": Facts(), "streaming": None,
}  # fmt: skip


class Watched:
    """Another source, each question put to it once. After :meth:`close` only what is known is answered."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._closed = False
        self.answers: dict[Key, Any] = {}  # in the order in which they came
        self.ms: dict[Key, float] = {}
        self.begun: dict[Key, float] = {}

    def close(self) -> None:
        """From now on put no question: one that hangs still is one without an answer."""
        self._closed = True

    def ask(self, method: str, *what: str, given: tuple[Any, ...] = ()) -> Any:
        """The answer to a question; ``given`` is what goes with it and does not tell it from others."""
        key = (method, *what)
        with self._lock:
            known = key in self.answers
            if not known and self._closed:
                return NOTHING[method]
            begun = self.begun.setdefault(key, time.perf_counter())
        if not known:
            answer = getattr(self._source, method)(*what, *given)
            with self._lock:
                if not self._closed:
                    self.answers.setdefault(key, answer)
                    self.ms.setdefault(key, 1000 * (time.perf_counter() - begun))
        return self.answers.get(key, NOTHING[method])

    def text(self, path: str) -> str | None:
        answer: str | None = self.ask("text", path)
        return answer

    def names(self, folder: str) -> tuple[str, ...]:
        answer: tuple[str, ...] = self.ask("names", folder)
        return answer

    def command(self, *argv: str) -> Output | None:
        answer: Output | None = self.ask("command", *argv)
        return answer

    def env(self, name: str) -> str | None:
        answer: str | None = self.ask("env", name)
        return answer

    def nvml(self) -> NvmlSnapshot:
        answer: NvmlSnapshot = self.ask("nvml")
        return answer

    def platform(self) -> Facts:
        answer: Facts = self.ask("platform")
        return answer

    def psutil(self) -> Facts:
        answer: Facts = self.ask("psutil")
        return answer

    def streaming(self, plan: Any) -> Any:
        return self.ask("streaming", given=(plan,))


class Noting(Watched):
    """A closed :class:`Watched`, asked again by one probe: which of the questions were that probe's."""

    def __init__(self, watched: Watched) -> None:
        super().__init__(watched)
        self._watched = watched
        self.asks: list[Ask] = []

    def ask(self, method: str, *what: str, given: tuple[Any, ...] = ()) -> Any:
        key = (method, *what)
        if key not in self.begun:
            self.begun[key] = 0.0
            self.asks.append(self._noted(key))
        return self._watched.ask(method, *what, given=given)

    def _noted(self, key: Key) -> Ask:
        kind, what = KINDS.get(key[0], key[0]), " ".join(key[1:])
        if key in self._watched.answers:
            return Ask(kind, what, outcome(key[0], self._watched.answers[key]), round(self._watched.ms[key], 2))
        return Ask(kind, what, "no answer in time" if key in self._watched.begun else "not asked", 0.0)


def outcome(method: str, answer: Any) -> str:
    """What came of a question, in a few words."""
    if method == "command":
        if answer is None:
            return "missing or cut off"
        lines = answer.stdout.count("\n") + (not answer.stdout.endswith("\n") and bool(answer.stdout))
        return f"status {answer.status}, {lines} lines"
    if method == "text":
        return "absent" if answer is None else f"{len(answer)} characters"
    if method == "names":
        return f"{len(answer)} entries" if answer else "absent"
    if method == "env":
        return "unset" if answer is None else repr(answer)
    if method == "nvml":
        return answer.error or f"driver {answer.driver}, {len(answer.devices)} devices"
    if method == "streaming":
        return "not measured" if answer is None else answer.problem or f"{answer.gbps} GB/s"
    return f"{answer.os}, {answer.arch}"
