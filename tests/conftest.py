"""The machine that tests see (CONTRIBUTING.md), the shipped catalog and the machines of tests/machines."""

from __future__ import annotations

import atexit
import os
import random
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from pathlib import Path

import msgspec
import pytest

HERE = Path(__file__).parent
RECORDED = HERE / "hardware" / "recorded"
USUAL = "aws_m7i"  # what detection sees unless --machine or a test says otherwise; no test may count on it
sys.path[:0] = [str(HERE / room) for room in ("host", "cli", "golden", "http", "page")]  # what several rooms share

import llmfit_test_machine as seen  # noqa: E402  # before llmfit, which it changes at import

from llmfit._core import Estimates, Ranking  # noqa: E402
from llmfit.answers.encode import system_of  # noqa: E402
from llmfit.catalog import catalog as catalogs  # noqa: E402
from llmfit.catalog.catalog import Catalog  # noqa: E402
from llmfit.hardware.host import host_of  # noqa: E402
from llmfit.machine import Machine  # noqa: E402
from llmfit.wire.rows import Row  # noqa: E402

FOLDER = HERE / "machines"
# What remains of the environment of whoever runs the tests: what programs need to run at all.
NEEDED = re.compile(
    r"PATH|PATHEXT|SYSTEMROOT|COMSPEC|TMPDIR|TEMP|TMP|LD_\w+|\w*SAN_OPTIONS|PYTHON\w*|PYTEST_\w+|PIP_\w+|VIRTUAL_ENV"
    r"|(?i:\w+_proxy)|\w+_CA_\w+|SSL_\w+"
    r"|LLMFIT_(TEST_\w+|WHEEL|CHROMIUM|DESCRIPTORS|EXAMPLES|IDLE_CONNECTIONS|OTHER|SEED|UNREAD_CLIENTS)"  # of tests
)


def clean_environment() -> None:
    """For this process and all that it starts: no settings and no home of the user's, one language, one time zone."""
    for name in [name for name in os.environ if not NEEDED.fullmatch(name)]:
        del os.environ[name]
    home = tempfile.mkdtemp(prefix="llmfit-home-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ.update(HOME=home, USERPROFILE=home, HOSTNAME="tested", TZ="UTC", LANG="C.UTF-8", TERM="xterm-256color")
    os.environ["LLMFIT_NO_PROBE"] = "1"  # no test, and no program it starts, measures unless it says so
    os.environ.update(LLMFIT_MODELS_DIR=str(FOLDER), LLMFIT_DATA_DIR=str(FOLDER))  # a folder that holds none
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HERE / "host"), os.environ.get("PYTHONPATH"))))
    os.environ.setdefault(seen.MACHINE, str(RECORDED / USUAL))


clean_environment()
READS = Path(os.environ["HOME"], "reads")  # of this process and what it starts


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("llmfit")
    group.addoption("--machine", metavar="NAME", help="the recorded machine that detection sees; `real`: this one")
    group.addoption("--moving-memory", action="store_true", help="its free memory is another each second")
    group.addoption("--shuffle", metavar="SEED", help="run files, and the tests of each, in a random order; 0: any")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "machine(name): detection sees this recorded machine of tests/hardware/recorded")
    chosen = config.getoption("machine")
    if chosen is not None:
        if chosen != "real" and not (RECORDED / chosen).is_dir():
            raise pytest.UsageError(f"--machine {chosen}: use `real` or the name of a folder in {RECORDED}")
        os.environ[seen.MACHINE] = "" if chosen == "real" else str(RECORDED / chosen)
    if config.getoption("moving_memory"):
        os.environ[seen.MOVING] = "1"
    if config.getoption("shuffle") == "0":  # before the workers get it: they must agree
        config.option.shuffle = str(random.randrange(1, 10**6))


def pytest_report_header(config: pytest.Config) -> str:
    machine = Path(os.environ[seen.MACHINE]).name or "this computer"
    order = config.getoption("shuffle")
    return f"machine: {machine}" + (f", order: --shuffle {order}" if order else "")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if seed := config.getoption("shuffle"):
        chance = random.Random(seed)
        places = {item.path: chance.random() for item in items}
        items.sort(key=lambda item: (places[item.path], chance.random()))


@pytest.fixture(autouse=True)
def machine_seen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine of the test's mark; what looks at the real computer fails, unless it asks for `this_computer`."""
    if mark := request.node.get_closest_marker("machine"):
        monkeypatch.setenv(seen.MACHINE, str(RECORDED / mark.args[0]))
    monkeypatch.setenv(seen.READS, str(READS))
    yield
    if READS.exists():
        looks = READS.read_text()
        READS.unlink()
        pytest.fail(f"this test looked at the computer that it runs on:\n{looks}give it a machine (CONTRIBUTING.md)")


@pytest.fixture
def this_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the few tests of detection where they run: they and what they start see the real computer."""
    monkeypatch.setenv(seen.MACHINE, "")


NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


class Simulated:
    """All rows of the catalog on one machine of tests/machines: written and decoded when a test asks for them."""

    def __init__(self, name: str, machine: Machine, catalog: Catalog) -> None:
        self.name, self.machine, self.system = name, machine, system_of(machine)
        self.ranking = Ranking(Estimates(catalog.core, host_of(machine, catalog)))

    @cached_property
    def encoded(self) -> bytes:
        return self.ranking.encode(list(range(self.ranking.estimates.catalog.n_rows)))

    @cached_property
    def rows(self) -> list[Row]:
        return msgspec.json.decode(self.encoded, type=list[Row])


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return catalogs.default()


@pytest.fixture(scope="session")
def machine_of() -> Callable[[str], Machine]:
    """The machine of a file in tests/machines."""

    @cache
    def read(name: str) -> Machine:
        return msgspec.json.decode((FOLDER / f"{name}.json").read_bytes(), type=Machine)

    return read


@pytest.fixture(scope="session", params=NAMES)
def simulated(request: pytest.FixtureRequest, catalog: Catalog, machine_of: Callable[[str], Machine]) -> Simulated:
    """One machine after the other; pytest runs all tests of one together, so that each list is decoded once."""
    return Simulated(request.param, machine_of(request.param), catalog)
