"""GET /metrics: the counters of all workers and the state of the machine in Prometheus' text formats."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from itertools import accumulate
from typing import TYPE_CHECKING

from sanic import HTTPResponse, Request, Sanic

from llmfit._version import __version__
from llmfit.catalog.layers import Layers
from llmfit.errors import LlmfitError
from llmfit.server.http.raw_response import RawResponse
from llmfit.server.http.security_headers import DATA
from llmfit.server.observe import counters as cells
from llmfit.server.observe.counters import ANSWERED, BOUNDS, ROUTES, STATUSES, Counters
from llmfit.server.routes.handlers import Routes

if TYPE_CHECKING:
    from prometheus_client import Metric


def wanted() -> None:
    """LlmfitError where the library that writes the formats is not installed."""
    if find_spec("prometheus_client") is None:
        raise LlmfitError("--metrics needs the package prometheus-client: pip install 'llmfit[metrics]'")


class Metrics:
    """The route, and the collector behind it."""

    def __init__(self, routes: Routes, counts: Counters) -> None:
        self.routes, self.counts = routes, counts

    def install(self, app: Sanic) -> None:  # type: ignore[type-arg]
        app.add_route(self.answer, "/metrics", methods=("GET", "HEAD"))  # type: ignore[arg-type]

    def answer(self, request: Request) -> HTTPResponse:
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import choose_encoder

        refused = self.routes.hosts.refuse(request)
        if refused:
            return refused
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        self.routes.note()
        try:
            encode, kind = choose_encoder(request.headers.get("accept", ""))
            body, header = encode(registry), kind.encode("ascii")
        except (ValueError, TypeError, LookupError, AttributeError):  # a version or an escaping that is none
            encode, kind = choose_encoder("")
            body, header = encode(registry), kind.encode("ascii")
        headers = ((b"content-type", header), (b"content-length", b"%d" % len(body)), *DATA)
        return RawResponse((*headers, (b"cache-control", b"no-store")), body)

    def describe(self) -> list[Metric]:
        """Nothing: what there is is known when it is collected."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every family. prometheus_client calls it."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
            InfoMetricFamily,
        )

        counts, engine = self.counts, self.routes.pages.engine
        answers = CounterMetricFamily("llmfit_requests", "Answers by route and status.", labels=("route", "status"))
        times = HistogramMetricFamily(
            "llmfit_request_duration_seconds", "From a whole request to the beginning of its answer.",
            labels=("route",), unit="seconds",
        )  # fmt: skip
        found = 0  # answers that a page or a 304 was sent for
        for at, route in enumerate(ROUTES):
            statuses, durations, seconds = counts.route(at)
            if at in ANSWERED:
                found += statuses[STATUSES.index(200)] + statuses[STATUSES.index(304)]
            if not any(statuses):
                continue
            for status, number in zip(STATUSES, statuses, strict=True):
                if number:
                    answers.add_metric((route, str(status or "other")), number)
            bounds = (*map(str, BOUNDS), "+Inf")
            times.add_metric((route,), list(zip(bounds, accumulate(durations), strict=True)), seconds)
        yield answers
        yield times
        computed = counts.total(cells.COMPUTED)
        for name, text, number in (
            ("llmfit_page_cache_hits", "Answers that were there already.", max(0, found - computed)),
            ("llmfit_page_cache_misses", "Answers that were made.", computed),
            ("llmfit_analyses", "Estimates of all models for one machine and context.", counts.total(cells.ANALYSES)),
            ("llmfit_workers_replaced", "Workers that ended and were replaced.", counts.total(cells.REPLACED)),
        ):
            yield CounterMetricFamily(name, text, value=number)
        laid = engine.catalog.layers or Layers()
        machine, change = engine.machine, self.routes.events.change
        for name, text, number in (
            ("llmfit_workers", "Worker processes.", counts.workers),
            ("llmfit_connections", "Open connections.", counts.total(cells.CONNECTIONS)),
            ("llmfit_listeners", "Listeners to /api/v1/events.", counts.total(cells.LISTENERS)),
            ("llmfit_page_cache_pages", "Answers that are kept.", counts.total(cells.PAGES)),
            ("llmfit_page_cache_bytes", "Bytes of the answers that are kept.", counts.total(cells.PAGE_BYTES)),
            ("llmfit_catalog_models", "Models in the catalog.", engine.catalog.size),
            ("llmfit_catalog_own_models", "Models of the operator's own among them.", laid.own),
            ("llmfit_catalog_gathered_models", "Models from the Hub among them.", laid.gathered),
            ("llmfit_catalog_left_out", "Own models and lists that could not be read.", len(laid.problems)),
            ("llmfit_machine_ram_bytes", "RAM of the machine.", machine.ram_total_bytes),
            ("llmfit_machine_ram_available_bytes", "RAM that answers take for free.", machine.ram_available_bytes),
        ):
            yield GaugeMetricFamily(name, text, value=number)
        total = GaugeMetricFamily("llmfit_machine_device_bytes", "Memory of a device.", labels=("device", "name"))
        free = GaugeMetricFamily(
            "llmfit_machine_device_free_bytes", "Memory that answers take for free.", labels=("device", "name")
        )
        for at, device in enumerate(machine.devices):
            total.add_metric((str(at), device.name), device.total_bytes)
            free.add_metric((str(at), device.name), device.free_bytes)
        yield total
        yield free
        yield InfoMetricFamily("llmfit_build", "What answers are made with.", value={
            "version": __version__, "catalog_version": engine.catalog.name.version,
            "catalog_digest": engine.catalog.name.digest,
        })  # fmt: skip
        yield InfoMetricFamily("llmfit_state", "The state of the machine.", value={"generation": change.generation})
