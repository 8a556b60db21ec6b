"""How a tool asks the service: in its own process, as the caller who asked for the tool, or by HTTP with a key.

In its own process the request goes through all that stands around every other: the same key, address, limits, turns and
log. Nothing but an answer comes back: (status, JSON).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import anyio
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Scope

from foundations.errors import UnavailableError
from service.agents.tools import Asked

if TYPE_CHECKING:
    import httpx2

Ask = Callable[[Asked], Awaitable[tuple[int, Any]]]
# Who asks, and by which name; what a browser adds was judged with the request that brought the call.
_CALLERS = (b"host", b"authorization", b"x-api-key", b"x-forwarded-for", b"x-real-ip", b"forwarded", b"via")
_CONNECTION = ("type", "asgi", "http_version", "scheme", "client", "server", "root_path", "extensions")


@dataclass
class Answer:
    """What an ASGI application answered."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""


async def answer_of(app: ASGIApp, scope: Scope, body: bytes) -> Answer:
    """The whole answer to one request with that body."""
    found, waiting = Answer(), [body]

    async def receive() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        await anyio.sleep_forever()  # nobody leaves; who waits for it is cancelled at the end
        raise AssertionError

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            found.status, found.headers = message["status"], list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            found.body += message.get("body", b"")

    await app(scope, receive, send)
    return found


def as_caller_of(request: Request) -> Ask:
    """Asks the application that `request` came to, as who sent it and under its id."""

    async def ask(asked: Asked) -> tuple[int, Any]:
        body = b"" if asked.body is None else json.dumps(asked.body).encode("utf-8")
        path, _, query = asked.path.partition("?")
        headers = [(name, value) for name, value in request.scope["headers"] if name in _CALLERS]
        headers += [(b"accept", b"application/json"), (b"x-request-id", request.state.request_id.encode("ascii"))]
        if asked.body is not None:
            headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode("ascii"))]
        scope = {name: request.scope[name] for name in _CONNECTION if name in request.scope} | {
            "method": asked.method,
            "path": unquote(path),
            "raw_path": path.encode("ascii"),
            "query_string": query.encode("ascii"),
            "headers": headers,
            "state": dict(request.scope["state"]),
        }
        found = await answer_of(request.app, scope, body)
        return found.status, json.loads(found.body)

    return ask


def by_http(client: httpx2.AsyncClient) -> Ask:
    """Asks a running service, whose address and key the client has. Raises UnavailableError where none answers."""
    import httpx2

    async def ask(asked: Asked) -> tuple[int, Any]:
        try:
            found = await client.request(asked.method, asked.path, json=asked.body)
            return found.status_code, found.json()
        except httpx2.TransportError as error:
            raise UnavailableError(
                f"No service answers at {str(client.base_url)!r} ({type(error).__name__}); start it with: python main.py "
                "--mode deploy"
            ) from error
        except ValueError as error:
            raise UnavailableError(f"What answers at {str(client.base_url)!r} is not the sales service.") from error

    return ask
