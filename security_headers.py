"""Headers that tell a browser to trust nothing but the service's own pages; ASGI, a few microseconds.

Every answer says what it is and may not be framed; pages may load scripts, styles, pictures and data from the service
alone. The pages of /docs and /redoc start with a script inside the page, which is allowed there only. Answers are not to
be cached: they hold predictions.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALL = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"}
_PAGES = {"Cross-Origin-Opener-Policy": "same-origin", "Permissions-Policy": "camera=(), geolocation=(), microphone=()"}
_POLICY = (
    "default-src 'self'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_STRICT, _DOCUMENTATION = _POLICY.format(scripts=""), _POLICY.format(scripts=" 'unsafe-inline'")
_DOCUMENTATION_PAGES = ("/docs", "/redoc")


class SecurityHeaders:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(MutableHeaders(scope=message), scope["path"])
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _add(headers: MutableHeaders, path: str) -> None:
    for name, value in _ALL.items():
        headers.append(name, value)
    kind = headers.get("content-type", "")
    if kind.startswith("text/html"):
        for name, value in _PAGES.items():
            headers.append(name, value)
        headers.append("Content-Security-Policy", _DOCUMENTATION if path.startswith(_DOCUMENTATION_PAGES) else _STRICT)
    if kind.startswith(("application/json", "text/csv", "text/html")):
        headers.setdefault("Cache-Control", "no-store")
