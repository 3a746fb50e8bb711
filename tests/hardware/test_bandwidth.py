"""The measurement of memory bandwidth: what it reads, when it stands, and what is kept of it on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from llmfit._stream import read, touch
from llmfit.hardware.sources import bandwidth as s

PLAN = s.Plan(cpu="AMD EPYC, Genoa", ram_gib=24, cores=2, free_bytes=16 << 30, cache_bytes=32 << 20)


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s, "_remembered", {})


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "LOCALAPPDATA": str(tmp_path / "cache")}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """What the next measurements find (None: nothing); a measurement too many fails."""
    results: list[float | None] = []

    def fake(_: s.Plan) -> s.Streaming:
        found = results.pop(0)
        return s.Streaming(problem="noise") if found is None else s.Streaming(gbps=found)

    monkeypatch.setattr(s, "measure", fake)
    return results


def only_file(environment: dict[str, str]) -> Path:
    folder = s.cache_folder(environment)
    assert folder is not None
    (path,) = folder.iterdir()
    return path


def test_every_word_is_read_once() -> None:
    memory = bytearray(8 * 1024)
    for word in range(1024):
        memory[8 * word : 8 * word + 8] = (word + 1).to_bytes(8, sys.byteorder)
    assert read(memory, 0, 8192) == sum(range(1, 1025))
    assert read(memory, 64, 128) == sum(range(9, 17))
    touch(memory, 4096, 8192)
    assert memory[4096] == 1 and memory[4097:4104] == (513).to_bytes(8, sys.byteorder)[1:]


@pytest.mark.parametrize(("start", "stop"), [(-64, 64), (0, 8256), (64, 64), (8, 128), (0, 100)])
def test_nothing_outside_is_read(start: int, stop: int) -> None:
    for function in (read, touch):
        with pytest.raises(ValueError, match="no part of 8192 bytes"):
            function(bytearray(8192), start, stop)


@pytest.mark.parametrize(("plan", "mib"), [
    ({}, 256),
    ({"cache_bytes": 4 << 20}, 256),
    ({"cache_bytes": 384 << 20, "cores": 96}, 1536),
    ({"cache_bytes": 384 << 20, "cores": 8}, 1024),  # memory is written first: 128 MiB a thread
    ({"cache_bytes": 384 << 20, "cores": 2}, 0),  # and less than twice the caches would be read from them
    ({"free_bytes": 400 << 20}, 100),
    ({"free_bytes": 200 << 20}, 0),
    ({"free_bytes": 0}, 0),
])  # fmt: skip
def test_the_buffer_is_above_the_caches_and_below_free_memory(plan: dict[str, int], mib: int) -> None:
    assert s.buffer_bytes(replace(PLAN, **plan)) == mib << 20


def test_no_room_is_a_problem_not_a_crash() -> None:
    found = s.measure(replace(PLAN, free_bytes=100 << 20))
    assert found.gbps is None and "100 MiB of free RAM" in found.problem


@pytest.mark.parametrize(("rates", "gbps"), [
    ([30.0, 31.0, 31.5, 12.0, 8.0], 31.5),
    ([44.0, 31.9, 31.8, 31.7, 20.0], 31.9),  # one pass ahead of all that agree does not count
    ([100.0, 31.9, 31.8, 31.7], None),  # but so far ahead something is wrong
    ([30.0, 25.0, 20.0, 15.0], None),
    ([30.0, 30.0], None),
    ([], None),
])  # fmt: skip
def test_passes_must_agree(rates: list[float], gbps: float | None) -> None:
    found = s.judged(rates)
    assert found.gbps == gbps and bool(found.problem) == (gbps is None)


def test_a_result_is_kept(environment: dict[str, str], measured: list[float | None]) -> None:
    measured.append(31.9)
    assert s.streaming(PLAN, environment, run=False) is None
    assert s.streaming(PLAN, environment, run=True) == s.Streaming(gbps=31.9)
    s._remembered.clear()
    for run in (True, False):
        assert s.streaming(replace(PLAN, free_bytes=1), environment, run=run) == s.Streaming(gbps=31.9)
    assert only_file(environment).stat().st_mode & 0o077 == 0 or sys.platform == "win32"


@pytest.mark.parametrize("other", [{"cpu": "another"}, {"ram_gib": 48}, {"cores": 1}, {"version": s.VERSION + 1}])
def test_of_this_machine_alone(
    other: dict[str, object], environment: dict[str, str], measured: list[float | None]
) -> None:
    measured += [31.9, 12.0]
    s.streaming(PLAN, environment, run=True)
    another = replace(PLAN, **other)
    assert s.streaming(another, environment, run=False) is None
    assert s.streaming(another, environment, run=True) == s.Streaming(gbps=12.0)
    # a file under the other's name that is of this machine
    path = s.kept_path(PLAN, environment)
    foreign = s.kept_path(another, environment)
    assert path is not None and foreign is not None
    foreign.write_bytes(path.read_bytes())
    assert s.load(foreign, another) is None


@pytest.mark.parametrize("text", [
    b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}" + b" " * 10000, b'{"gbps": 1e308}', b"[" * 5000,
    b'{"key":["AMD EPYC, Genoa",24,2,1],"at":1,"gbps":-5}',
    b'{"key":["AMD EPYC, Genoa",24,2,1],"at":1,"gbps":1e9}',
    b'{"key":["AMD EPYC, Genoa",24,2,1],"at":1,"gbps":"fast"}',
])  # fmt: skip
def test_what_lies_there_is_not_trusted(
    text: bytes, environment: dict[str, str], measured: list[float | None]
) -> None:
    path = s.kept_path(PLAN, environment)
    assert path is not None
    path.parent.mkdir(parents=True)
    path.write_bytes(text)
    assert s.streaming(PLAN, environment, run=False) is None
    measured.append(31.9)
    assert s.streaming(PLAN, environment, run=True) == s.Streaming(gbps=31.9)
    s._remembered.clear()
    assert s.streaming(PLAN, environment, run=False) == s.Streaming(gbps=31.9)


@pytest.mark.parametrize("place", ["folder", "file", "nowhere", "relative", "device"])
def test_an_unusable_place_does_no_harm(place: str, tmp_path: Path, measured: list[float | None]) -> None:
    environment = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    path = s.kept_path(PLAN, environment)
    assert path is not None
    if place == "folder":
        path.mkdir(parents=True)
    elif place == "file":
        (tmp_path / "cache").write_text("not a folder")
    elif place == "nowhere":
        environment = {"HOME": "/proc/nowhere", "XDG_CACHE_HOME": "/proc/nowhere"}
    elif place == "relative":
        environment["XDG_CACHE_HOME"] = "here"
    else:
        path.parent.mkdir(parents=True)
        path.symlink_to("/dev/zero")
    measured.append(31.9)
    assert s.streaming(PLAN, environment, run=True) == s.Streaming(gbps=31.9)
    assert s.streaming(PLAN, environment, run=True) == s.Streaming(gbps=31.9)  # remembered, if not kept
    assert not Path("here").exists()
    assert not list(tmp_path.rglob("*.json.*"))


def test_a_failure_is_not_repeated_at_once(environment: dict[str, str], measured: list[float | None]) -> None:
    measured.append(None)
    assert s.streaming(PLAN, environment, run=True) == s.Streaming(problem="noise")
    s._remembered.clear()
    assert s.streaming(PLAN, environment, run=True) == s.Streaming(problem="noise")
    path = only_file(environment)
    old = json.loads(path.read_bytes()) | {"at": time.time() - s.RETRY_SECONDS - 1}
    path.write_text(json.dumps(old))
    s._remembered.clear()
    measured.append(31.9)
    assert s.streaming(PLAN, environment, run=True) == s.Streaming(gbps=31.9)


def test_this_machine(this_computer: None) -> None:
    """Really read: a sane figure, or a reason why not, in well under a second of reading."""
    begun = time.process_time()
    found = s.measure(replace(PLAN, cores=2, free_bytes=2 << 30))
    assert time.process_time() - begun < 5  # of two threads, each half a second
    assert found.problem if found.gbps is None else 1 < found.gbps < 1000
    rates = s.read_rates(1, 64 << 20)
    assert len(rates) >= s.LEAST_PASSES or min(rates) > 0
    assert all(0.1 < rate < 500 for rate in rates)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs sched_setaffinity")
def test_affinity_is_respected(this_computer: None) -> None:
    one = min(os.sched_getaffinity(0))
    code = f"""
import os
os.sched_setaffinity(0, {{{one}}})
from llmfit.catalog import catalog
from llmfit.hardware.sources.source import LiveSource
from llmfit.hardware.detect import detect
class Seen(LiveSource):
    def streaming(self, plan):
        print(plan.cores)
        from llmfit.hardware.sources.bandwidth import Streaming, read_rates
        assert read_rates(plan.cores, 64 << 20)
        assert os.sched_getaffinity(0) == {{{one}}}
        return Streaming(gbps=7.5)
machine = detect(catalog.default().tables, Seen())
print(machine.ram_bandwidth_source if not machine.devices else "measured")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.split() == ["1", "measured"]
