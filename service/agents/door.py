"""POST /mcp: the tools over HTTP, for callers who may predict or read; with SALES_AGENTS=yes only.

A call is one request to this route and, inside of it, one to the route that the tool stands for, each with its own check of
the caller: what a key may not do, none of its tools does. Nothing is kept between two calls, so any worker answers any of
them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response

from foundations.settings import Settings
from service.access.guards import Access
from service.agents.asking import Ask, answer_of, as_caller_of
from service.agents.stdio import check_packages

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager


def _asking(context: ServerRequestContext[Any, Any]) -> Ask:
    assert isinstance(context.request, Request)  # this is HTTP
    return as_caller_of(context.request)


class AgentsDoor:
    """The route, and what has to run while the service does."""

    def __init__(self, settings: Settings, version: str) -> None:
        """Raises InputError where it is switched on and the packages are missing."""
        self.is_on = settings.agents == "yes"
        self._version = version
        self._largest = settings.max_body_bytes
        self._manager: StreamableHTTPSessionManager | None = None
        if self.is_on:
            check_packages("SALES_AGENTS=yes")

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Within this block calls are answered."""
        if not self.is_on:
            yield
            return
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        from service.agents.server import agents_server

        server = agents_server(self._version, _asking)
        self._manager = StreamableHTTPSessionManager(
            server, json_response=True, stateless=True, max_request_body_size=self._largest
        )
        async with self._manager.run():
            yield

    def router(self, access: Access) -> APIRouter:
        """No part of the schema: what is sent and answered is the protocol's."""
        router = APIRouter(route_class=access.route_class("figures"), include_in_schema=False)

        @router.post("/mcp")
        async def mcp(request: Request) -> Response:
            """One message of the protocol, and its answer."""
            assert self._manager is not None  # no request comes before the service has started
            found = await answer_of(self._manager.handle_request, request.scope, await request.body())
            kinds = {name.decode("latin-1"): value.decode("latin-1") for name, value in found.headers}
            return Response(found.body, found.status, {"Content-Type": kinds.get("content-type", "application/json")})

        return router
