"""Black-box tests of the HTTP contract. LLMFIT_TEST_URL=http://host:port points them at a running server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from contract import MACHINES, RIG, Checked, hold
from wire import MODELS, Server

FOREIGN = os.environ.get("LLMFIT_TEST_URL")
STILL = ("--from", str(Path(__file__).parents[1] / "hardware" / "recorded" / "aws_m7i"))  # it has no GPU


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The one server that most tests share, of a machine that stays as it is; SIGTERM must end it with status 0."""
    if FOREIGN:
        yield Server.at(FOREIGN)
        return
    one = Server.start((), tmp_path_factory.mktemp("server") / "server.log", before=STILL)
    yield one
    code = one.stop()
    assert code == 0, f"SIGTERM: wanted exit status 0, came {code}:\n{one.said()}"


@pytest.fixture
def start_server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Server]]:
    """start_server(*args of `llmfit serve`, before=, env=, umask=, probe=, tls=): a server of the test's own."""
    if FOREIGN:
        pytest.skip("LLMFIT_TEST_URL is set: no process is started")
    started: list[Server] = []

    def start(*args: str, **how: Any) -> Server:
        one = Server.start(args, tmp_path / f"server{len(started)}.log", **how)
        started.append(one)
        return one

    request.node.own_servers = started
    yield start
    for one in started:
        if one.process is not None and one.process.poll() is None:
            code = one.stop()
            assert code == 0, f"SIGTERM: wanted exit status 0, came {code}:\n{one.said()}"


@pytest.fixture(scope="session")
def everything(server: Server) -> dict[str, Any]:
    """The whole list, too-tight rows too, on a known machine: fetched once, never changed."""
    return server.ok(MODELS, **RIG, include_too_tight=True)


@pytest.fixture(scope="session", params=MACHINES, ids=str)
def page(server: Server, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The whole list of one simulated machine after the other; `asked` is added to it for messages.

    pytest runs all tests of one machine together, so that each list is fetched and kept once.
    """
    what = MACHINES[request.param]
    if what is RIG:
        return {**request.getfixturevalue("everything"), "asked": what}
    return {**server.ok(MODELS, **what, include_too_tight=True), "asked": what}


@pytest.fixture
def every_row(page: dict[str, Any]) -> Checked:
    """every_row(check): holds `check` against each row of `page`."""
    return lambda check: hold(page["asked"], page["models"], check)


@pytest.fixture
def every_runnable(page: dict[str, Any]) -> Checked:
    """every_runnable(check): the same for the rows that aren't too tight."""
    rows = [row for row in page["models"] if row["fit_level"] != "too_tight"]
    return lambda check: hold(page["asked"], rows, check)


@pytest.fixture(scope="session")
def no_gpu_here(server: Server) -> None:
    """For what only a machine without a GPU of its own can show: that of `server`, unless it is somebody else's."""
    if server.ok("/api/v1/system")["system"]["has_gpu"]:
        pytest.skip("the machine behind LLMFIT_TEST_URL has a GPU")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.failed:
        shared = getattr(item, "funcargs", {}).get("server")
        for one in [shared, *getattr(item, "own_servers", [])]:
            if isinstance(one, Server) and (words := one.said()):
                report.sections.append(("llmfit serve", words))
    return report
