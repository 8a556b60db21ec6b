"""HEAD, as monitors of a service's uptime send it: answered as GET is, without the body (RFC 9110, 9.3.2).

FastAPI offers HEAD on no route by itself. Here it works on every path that has GET, and the OpenAPI schema, which lists
what can be learned from the service, stays as it is. ASGI; costs nothing on other requests.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """ASGI middleware; those before it, such as the log, still see HEAD."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        asked = {**scope, "method": "GET"}

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.start":
                scope["route"] = asked.get("route")  # for those before it
            elif message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app(asked, receive, send_without_body)
