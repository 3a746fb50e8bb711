"""POST /api/v1/plan and /place: each in a thread of its own, of counted work, ended when the client goes."""

from __future__ import annotations

from collections.abc import Callable

from sanic import HTTPResponse, Request, Sanic

from llmfit.query.work import Work
from llmfit.server.http.raw_response import RawResponse
from llmfit.server.routes.handlers import Routes
from llmfit.server.routes.long_work import LongWork
from llmfit.server.routes.page_cache import bare_headers
from llmfit.server.routes.request_bodies import must_be_json, object_of, placed, planned


class PlanAndPlace:
    """The handlers of one worker."""

    def __init__(self, routes: Routes) -> None:
        self.routes = routes
        self.plans, self.placements = LongWork("plans"), LongWork("placements")
        routes.threads += self.plans.thread, self.placements.thread

    def install(self, app: Sanic) -> None:  # type: ignore[type-arg]
        app.add_route(self.plan, "/api/v1/plan", methods=("POST",), name="plan")
        app.add_route(self.place, "/api/v1/place", methods=("POST",), name="place")

    async def plan(self, request: Request) -> HTTPResponse:
        refused = self.routes.hosts.refuse(request)
        if refused:
            return refused
        return await self.worked(self.plans, planned, object_of(request))

    async def place(self, request: Request) -> HTTPResponse:
        refused = self.routes.hosts.refuse(request)
        if refused:
            return refused
        must_be_json(request)
        work = Work()
        try:
            return await self.worked(self.placements, placed, request.body, work)
        finally:
            work.cancelled = True  # nobody waits for it, if it is not done

    async def worked(self, long: LongWork, make: Callable[..., bytes], *args: object) -> HTTPResponse:
        """What `make` gives, sent and not kept."""
        if self.routes.reservations.changed():
            await self.routes.settle()
        body = await long.run(make, self.routes.pages.engine, *args)
        return RawResponse(((b"content-length", b"%d" % len(body)), *bare_headers()), body)
