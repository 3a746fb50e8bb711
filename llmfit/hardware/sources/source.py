"""Where probes read from: this computer, or a folder recorded on another one.

A replay folder holds ``files/<absolute path>`` for text files, and beside it, each optional,
``commands.json`` (``{"argv joined by blanks": {"status": 0, "stdout": "..."}}``), ``env.json``,
``streaming.json`` (:class:`llmfit.hardware.sources.bandwidth.Streaming`),
``nvml.json`` (:class:`llmfit.hardware.sources.nvml.NvmlSnapshot`) and ``psutil.json`` (:class:`Facts`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from llmfit.errors import LlmfitError
from llmfit.hardware.sources.nvml import NvmlSnapshot, collect
from llmfit.hardware.sources.time_limit import Attempt

# Tools that take long and say nothing that changes while a server looks again every few seconds.
KEPT_SECONDS = 60.0
KEPT = ("vulkaninfo", "amd-smi", "lspci", "ioreg", "system_profiler", "powershell", "reg", "getprop", "sysctl")
_kept: dict[tuple[str, ...], tuple[float, Output | None]] = {}
if TYPE_CHECKING:
    from llmfit.hardware.sources.bandwidth import Plan, Streaming

NO_PROBE = "LLMFIT_NO_PROBE"  # set in the environment (--no-probe does it): memory is not read to measure it

MAX_BYTES = 4 << 20  # of a file, or of what a command prints

T = TypeVar("T")


class Output(msgspec.Struct, frozen=True):
    """What a command printed, and its exit status."""

    status: int
    stdout: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the operating system's interfaces say where there is no /proc. RAM in bytes."""

    os: str = "linux"  # linux, macos, windows
    arch: str = "x86_64"  # as uname prints it
    affinity: tuple[int, ...] | None = None  # logical CPUs that this process may use
    physical_cores: int | None = None
    logical_cores: int | None = None
    ram_total_bytes: int | None = None
    ram_available_bytes: int | None = None


class Source(Protocol):
    """All that a probe may ask. Nothing here raises: what cannot be read is absent."""

    def text(self, path: str) -> str | None:
        """A text file, without its trailing newline and NULs; None where it cannot be read."""

    def names(self, folder: str) -> tuple[str, ...]:
        """The sorted entries of a folder; empty where there is none."""

    def command(self, *argv: str) -> Output | None:
        """Runs a fixed command, never a shell, for two seconds at most; None if it is missing or was cut off."""

    def env(self, name: str) -> str | None:
        """An environment variable."""

    def streaming(self, plan: Plan) -> Streaming | None:
        """How fast memory is read, measured now or earlier; None where that is not to be tried."""

    def nvml(self) -> NvmlSnapshot:
        """What NVIDIA's management library says; takes two seconds at most."""

    def platform(self) -> Facts:
        """Operating system, architecture and affinity (cheap)."""

    def psutil(self) -> Facts:
        """The same with cores and RAM."""


class LiveSource:
    """This computer. ``measure``: may memory be read for a quarter of a second where no earlier measurement is kept?"""

    def __init__(self, measure: bool = True) -> None:
        self._measure = measure

    def text(self, path: str) -> str | None:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read(MAX_BYTES).rstrip("\0\n")
        except OSError:
            return None

    def names(self, folder: str) -> tuple[str, ...]:
        try:
            return tuple(sorted(os.listdir(folder)))
        except OSError:
            return ()

    def command(self, *argv: str) -> Output | None:
        until, output = _kept.get(argv, (0.0, None))
        if time.monotonic() >= until:
            output = self._run(argv)
            if output is None or argv[0] in KEPT:  # one that is missing or hangs is not tried again at once either
                _kept[argv] = time.monotonic() + KEPT_SECONDS, output
        return output

    def _run(self, argv: tuple[str, ...]) -> Output | None:
        import subprocess

        own = dict(os.environ, LC_ALL="C")  # a decimal comma or a translated word is no fact
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=own,
                start_new_session=True,
            )
        except (OSError, ValueError):
            return None

        def read() -> Output:
            assert process.stdout is not None
            with process.stdout as pipe:
                text = pipe.read(MAX_BYTES).decode("utf-8", "replace")
            return Output(process.wait(), text)

        try:
            return Attempt(" ".join(argv), read).result()
        except TimeoutError:
            with contextlib.suppress(OSError):  # with what it started, which holds its output open
                os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
            return None

    def env(self, name: str) -> str | None:
        return os.environ.get(name)

    def streaming(self, plan: Plan) -> Streaming | None:
        if os.environ.get(NO_PROBE, "0") not in ("", "0"):
            return None
        from llmfit.hardware.sources.bandwidth import streaming

        return streaming(plan, os.environ, self._measure)

    def nvml(self) -> NvmlSnapshot:
        return collect()

    def platform(self) -> Facts:
        names = {"darwin": "macos", "win32": "windows"}
        if sys.platform == "win32":
            arch = os.environ.get("PROCESSOR_ARCHITECTURE", "")
        else:
            arch = os.uname().machine
        allowed = tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else None
        return Facts(os=names.get(sys.platform, "linux"), arch=arch, affinity=allowed)

    def psutil(self) -> Facts:
        import psutil  # type: ignore[import-untyped]

        memory = psutil.virtual_memory()
        return msgspec.structs.replace(
            self.platform(),
            physical_cores=psutil.cpu_count(logical=False),
            logical_cores=psutil.cpu_count(),
            ram_total_bytes=memory.total,
            ram_available_bytes=memory.available,
        )


class Once:
    """Another source, asked each question once: so all probes see the same, and no file is read twice."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._known: dict[tuple[str, ...], Any] = {}

    def _ask(self, key: tuple[str, ...], ask: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = ask()
        answer: T = self._known[key]
        return answer

    def text(self, path: str) -> str | None:
        return self._ask(("text", path), lambda: self._source.text(path))

    def names(self, folder: str) -> tuple[str, ...]:
        return self._ask(("names", folder), lambda: self._source.names(folder))

    def command(self, *argv: str) -> Output | None:
        return self._ask(("command", *argv), lambda: self._source.command(*argv))

    def env(self, name: str) -> str | None:
        return self._source.env(name)

    def streaming(self, plan: Plan) -> Streaming | None:
        return self._source.streaming(plan)

    def nvml(self) -> NvmlSnapshot:
        return self._ask(("nvml",), self._source.nvml)

    def platform(self) -> Facts:
        return self._ask(("platform",), self._source.platform)

    def psutil(self) -> Facts:
        return self._ask(("psutil",), self._source.psutil)


class ReplaySource:
    """A recorded computer; the module's docstring describes the folder."""

    def __init__(self, folder: str | Path) -> None:
        """LlmfitError, in one line, for a folder that is no recording."""
        self._folder = Path(folder)
        if not any((self._folder / name).exists() for name in ("files", "commands.json", "nvml.json", "psutil.json")):
            raise LlmfitError(f"{folder}: this is no recording: use a folder that `llmfit doctor --record` wrote")
        self._files = (self._folder / "files").resolve()
        self._commands: dict[str, Output] = self._json("commands.json", dict[str, Output], {})
        self._env: dict[str, str] = self._json("env.json", dict[str, str], {})
        no_library = NvmlSnapshot(error="NVML_ERROR_LIBRARY_NOT_FOUND")
        self._nvml: NvmlSnapshot = self._json("nvml.json", NvmlSnapshot, no_library)
        self._facts: Facts = self._json("psutil.json", Facts, Facts())

    def _json(self, name: str, kind: Any, default: Any) -> Any:
        path = self._folder / name
        try:
            if not path.exists():
                return default
            if not path.is_file() or path.stat().st_size > MAX_BYTES:
                raise LlmfitError(f"{path}: use a file of at most {MAX_BYTES >> 20} MiB")
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise LlmfitError(f"{path}: this is not what a recording holds: {error}") from None

    def _path(self, path: str) -> Path | None:
        """Where it lies in the recording; None where that leads out of it, as a link may."""
        try:
            found = (self._files / path.lstrip("/")).resolve()
        except (OSError, ValueError, RuntimeError):  # a loop of links, a NUL
            return None
        return found if found.is_relative_to(self._files) else None

    def text(self, path: str) -> str | None:
        found = self._path(path)
        try:
            if found is None or not found.is_file():  # a pipe would never end
                return None
            with found.open(encoding="utf-8", errors="replace") as file:
                return file.read(MAX_BYTES).rstrip("\0\n")
        except OSError:
            return None

    def names(self, folder: str) -> tuple[str, ...]:
        found = self._path(folder)
        try:
            return tuple(sorted(entry.name for entry in found.iterdir())) if found is not None else ()
        except OSError:
            return ()

    def command(self, *argv: str) -> Output | None:
        return self._commands.get(" ".join(argv))

    def env(self, name: str) -> str | None:
        return self._env.get(name)

    def streaming(self, plan: Plan) -> Streaming | None:
        if not (self._folder / "streaming.json").exists():
            return None
        from llmfit.hardware.sources.bandwidth import Streaming

        found: Streaming = self._json("streaming.json", Streaming, None)
        return found

    def nvml(self) -> NvmlSnapshot:
        return self._nvml

    def platform(self) -> Facts:
        return self._facts

    def psutil(self) -> Facts:
        return self._facts
