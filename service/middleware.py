"""What stands around every request: its log line, the headers of its answer, and HEAD. ASGI, 0.1 ms a request.

A log line has the request's id, route, status, duration and model; never a transcript, a context or an answer: what a
customer said is not for a log. Headers tell a browser to trust nothing but the service's own pages: answers may not be
framed or cached, pages load scripts, styles, pictures and data from the service alone (the pages of /docs and /redoc
start with a script inside the page, which is allowed there only). HEAD, as monitors send it, is answered as GET is,
without the body (RFC 9110, 9.3.2): FastAPI offers it on no route by itself, and the OpenAPI schema stays as it is.
"""

from __future__ import annotations

import re
import time
import traceback
import uuid
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foundations.json_log import log
from foundations.tracing import span
from service.api_errors import error_response

_ALL = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"}
_PAGES = {"Cross-Origin-Opener-Policy": "same-origin", "Permissions-Policy": "camera=(), geolocation=(), microphone=()"}
_POLICY = (
    "default-src 'self'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_STRICT, _DOCUMENTATION = _POLICY.format(scripts=""), _POLICY.format(scripts=" 'unsafe-inline'")
_DOCUMENTATION_PAGES = ("/docs", "/redoc")


REQUEST_ID_HEADER = "X-Request-ID"
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestLog:
    """ASGI middleware: gives each request an id, logs its end, and turns a bug into a 500 of the one error shape."""

    def __init__(self, app: ASGIApp, answered: Callable[[str, str, int, float], None] | None = None) -> None:
        """answered: told method, route, status and seconds of each request, before its caller learns the answer."""
        self.app = app
        self._answered = answered or (lambda method, route, status, seconds: None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(Headers(scope=scope).get(REQUEST_ID_HEADER))
        status = 0
        scope.setdefault("state", {}).update(request_id=request_id, started=started)

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
                self._answered(_method(scope), _route(scope), status, time.perf_counter() - started)
            await send(message)

        with span("request", request_id=request_id) as request:
            try:
                await self.app(scope, receive, send_with_id)
            except Exception as error:  # a bug: the caller learns nothing of it, the log where it happened
                log.error("bug", request_id=request_id, error=type(error).__name__, stack=_stack_without_values(error))
                if status:
                    raise  # half an answer is out; the server must close the connection
                said = f"The service has a bug; its log has request {request_id}."
                await error_response(500, "internal_error", said)(scope, receive, send_with_id)
            finally:
                facts = _facts(scope, started)
                log.info("request", request_id=request_id, status=status, **facts)
                if request:
                    request.update_name(f"{facts['method']} {facts['route']}")
                    request.set_attributes({"status": status, **facts})


def _facts(scope: Scope, started: float) -> dict[str, Any]:
    facts = {
        "method": _method(scope),
        "route": _route(scope),
        "duration_ms": round(1000 * (time.perf_counter() - started), 3),
    }
    model = scope.get("state", {}).get("model")
    return {**facts, "model": model} if model else facts


def _route(scope: Scope) -> str:
    """The template: a path that matches nothing may hold anything."""
    route = scope.get("route")
    return getattr(route, "path_format", None) or getattr(route, "path", None) or "unmatched"


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _request_id(given: str | None) -> str:
    return given if given and _SAFE_REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _stack_without_values(error: Exception) -> list[str]:
    """Where it happened, without the exception's message, which may quote what a customer said."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]


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
