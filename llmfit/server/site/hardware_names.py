"""``/api/v1/hardware``: the machines and accelerators that the what-ifs `profile` and `gpu` know by name."""

from __future__ import annotations

from sanic import HTTPResponse, Request, Sanic

from llmfit.answers.encode import encode
from llmfit.catalog.catalog import Catalog
from llmfit.query.engine import Engine
from llmfit.server.http.hosts import HostCheck
from llmfit.server.site.static import ASK_AGAIN, StaticFile
from llmfit.wire.system import HardwareAnswer, KnownAccelerator, KnownMachine


class HardwareNames:
    """The answer, made when it is first asked for: the tables cost a server nothing that no page looks at."""

    def __init__(self, engine: Engine, hosts: HostCheck) -> None:
        self.engine = engine
        self.hosts = hosts
        self._file: tuple[Catalog, StaticFile] | None = None

    def install(self, app: Sanic) -> None:  # type: ignore[type-arg]
        app.add_route(self.hardware, "/api/v1/hardware", methods=("GET", "HEAD"))  # type: ignore[arg-type]

    def hardware(self, request: Request) -> HTTPResponse:
        refused = self.hosts.refuse(request)
        if refused:
            return refused
        catalog = self.engine.catalog
        if self._file is None or self._file[0] is not catalog:
            made = StaticFile(encode(known(catalog)), b"application/json", ASK_AGAIN, b"Accept-Encoding")
            self._file = catalog, made
        return self._file[1].answer(request)


def known(catalog: Catalog) -> HardwareAnswer:
    """Every machine and accelerator of the tables that has a name."""
    rows = sorted(catalog.tables.accelerators, key=lambda row: row.name.lower())
    return HardwareAnswer(
        catalog.name,
        tuple(KnownMachine(row.name, row.title, row.kind, row.year) for row in catalog.tables.machines if row.name),
        tuple(
            KnownAccelerator(row.name, row.vendor, row.memory_gb, row.memory_bandwidth_gbps, row.unified)
            for row in rows
        ),
    )
