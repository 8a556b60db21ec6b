"""`--mode agents`: the tools over standard input and output, for an agent on the same machine that starts this itself.

It has no models: a running service answers, with the roles of the key that it is sent. Standard output has the protocol's
messages and nothing else.
"""

from __future__ import annotations

import anyio

from foundations.errors import InputError
from foundations.outgoing import checked_url
from foundations.settings import Settings

_MORE_SECONDS = 5.0  # than the service takes for a request


def serve_agents(settings: Settings, version: str) -> None:
    """Serves until standard input ends. Raises InputError where the packages are missing, or it would ask in the clear."""
    check_packages("--mode agents")
    anyio.run(_serve, settings, _address(settings), version)


def _address(settings: Settings) -> str:
    try:
        return checked_url(settings.agents_address)
    except ValueError:
        raise InputError(
            f"The service at {settings.agents_address!r} is on another machine, where keys and words must not go in the clear; "
            "name it with https in SALES_AGENTS_URL."
        ) from None


def check_packages(wanted_by: str) -> None:
    """Raises InputError that says how to install what is missing."""
    try:
        import httpx2  # noqa: F401
        import mcp  # noqa: F401
    except ModuleNotFoundError as error:
        message = f"{wanted_by} needs the package {error.name!r}: pip install -r requirements/agents.txt"
        raise InputError(message) from error


async def _serve(settings: Settings, address: str, version: str) -> None:
    import httpx2
    from mcp.server.stdio import stdio_server

    from service.agents.asking import by_http
    from service.agents.server import agents_server

    client = httpx2.AsyncClient(
        base_url=address,
        headers={"X-API-Key": settings.agents_key} if settings.agents_key else {},
        timeout=settings.request_timeout + _MORE_SECONDS,
        trust_env=False,  # a proxy would read what customers said
    )
    async with client, stdio_server() as (incoming, outgoing):
        server = agents_server(version, lambda _: by_http(client))
        await server.run(incoming, outgoing, server.create_initialization_options())
