"""What every guarded route checks before it does anything: who calls, how often, how large, how long.

A route gets it from its router: `APIRouter(route_class=access.route_class("admin"))`. The order is: rate limit of the
key or address (429), key (401), role (403), names of parameters (422), size of the body, counted while it streams in
(413), then the route itself, within the time-out (504). `Access.run` runs a prediction in a thread of its own, at most
so many at a time over all workers (503), and has it end once its time is over. Costs about 40 microseconds a request.

A body of megabytes is parsed in a thread, one at a time: on the event loop, as FastAPI does it, nobody else would be
answered for up to a second. A small body goes FastAPI's way, at no cost.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import anyio
from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.types import Message, Receive

from foundations.errors import quoted
from foundations.long_work import check_deadline, until_given_up
from foundations.machine import available_cores
from foundations.settings import Settings
from service.api_errors import RETRY_SECONDS, ApiError, invalid_request
from service.keys import ApiKeys, Caller, Role
from service.rate_limit import RateLimit
from service.shared import InFlight

LARGE_BODY = 32_768  # bytes; fewer take about a millisecond
MOST_FIELDS = 250_000  # five for each of as many turns as are accepted; a million take the parser a second
_FIELD = re.compile(rb'"\s*:')
_reader = ThreadPoolExecutor(1, thread_name_prefix="large-body")


GUARDED = (401, 403, 413, 429, 500, 503, 504)  # statuses that every guarded route can answer with
_DISCARDED = 4  # times the limit that is still read of a body that is too large, so that its sender gets to the answer
_SHORT_BODY_DIGITS = 4  # of the number of bytes: such a body arrives with its headers

T = TypeVar("T")


class Access:
    """The guards of one service; its rate limits and predictions in flight are shared with its other workers."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        """folder: `service_folder`. Raises InputError where the keys can't be read."""
        self.keys = ApiKeys(settings.api_keys)
        self.in_flight = InFlight(folder, settings.max_in_flight)
        self._rate_limit = RateLimit(folder, settings.rate_limit)
        self._largest_body = settings.max_body_bytes
        self._timeout = settings.request_timeout
        threads = min(settings.max_in_flight, max(4, 2 * available_cores()))  # more would only take turns
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="prediction")

    def route_class(self, role: Role) -> type[APIRoute]:
        """The class of routes that need `role`."""
        access = self

        class GuardedRoute(APIRoute):
            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                handle = super().get_route_handler()
                parameters, body = _query_parameters(self), _body_type(self)

                async def guarded(request: Request) -> Response:
                    request.state.caller = access._admit(request, role)
                    access._turn_away_early(request, role)
                    _refuse_unknown_parameters(request, parameters)
                    limited = ReadRequest(request.scope, access._limited(request))
                    limited.body_type = body
                    with anyio.move_on_after(access._timeout):
                        return await handle(limited)
                    raise access._too_slow()

                return guarded

        return GuardedRoute

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Runs a prediction in a thread. Raises ApiError 503 at once where too many are in flight over all workers."""
        if not self.in_flight.enter():
            raise self._too_many()
        given_up = threading.Event()
        running = self._threads.submit(copy_context().run, _work, given_up, function, *arguments)
        running.add_done_callback(lambda done: self.in_flight.exit())
        answer = asyncio.wrap_future(running)
        answer.add_done_callback(_retrieve)
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            running.cancel()  # where it still waits for a thread
            given_up.set()  # where it runs; it counts as in flight until it has noticed
            raise

    def close(self) -> None:
        """Ends the threads and gives this worker's slot back."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.in_flight.leave()

    def _admit(self, request: Request, role: Role) -> Caller:
        caller = self.keys.caller(request)
        seconds = self._rate_limit.wait(caller.name)
        if seconds:
            raise ApiError(
                429,
                "rate_limited",
                f"Too many requests; the next one is accepted in {math.ceil(seconds)} s.",
                {"Retry-After": str(math.ceil(seconds))},
            )
        if caller.role is None:
            said = "The API key is not known" if caller.gave_key else "This needs an API key"
            message = f"{said}; send one as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'."
            raise ApiError(401, "unauthorized", message, {"WWW-Authenticate": "Bearer"})
        if role == "admin" and caller.role != "admin":
            raise ApiError(403, "forbidden", self._why_forbidden())
        return caller

    def _turn_away_early(self, request: Request, role: Role) -> None:
        """Under overload most requests are refused, so what they cost decides how fast the others are answered.

        A long body is read before: closed in the middle of it, a connection would lose the answer.
        """
        predicts = role == "predict" and request.method == "POST"
        declared = request.headers.get("content-length", "")
        if predicts and declared.isdecimal() and len(declared) <= _SHORT_BODY_DIGITS and self.in_flight.full():
            raise self._too_many()

    def _too_many(self) -> ApiError:
        message = (
            f"As many predictions as are taken at once ({self.in_flight.limit}) are in flight; try again in a moment."
        )
        return ApiError(503, "too_many_in_flight", message, {"Retry-After": str(RETRY_SECONDS)})

    def _why_forbidden(self) -> str:
        if self.keys:
            return "This needs a key with the role 'admin'."
        return "Without API keys this is answered only to programs on the service's own machine; set SALES_API_KEYS."

    def _limited(self, request: Request) -> Receive:
        """`request.receive` that counts the body and refuses what is beyond the limit."""
        receive, limit, size = request.receive, self._largest_body, 0
        declared = request.headers.get("content-length", "")
        declared_size = int(declared) if declared.isdecimal() and len(declared) < 20 else 0

        async def limited() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if max(size, declared_size) <= limit:
                return message
            while message.get("more_body") and size <= _DISCARDED * limit:
                message = await receive()
                size += len(message.get("body", b""))
            raise ApiError(413, "too_large", f"The body is larger than the {limit:,} bytes that are accepted.")

        return limited

    def _too_slow(self) -> ApiError:
        message = f"The request took longer than {self._timeout:g} s; send a shorter conversation, or fewer of them."
        return ApiError(504, "timeout", message)


def _query_parameters(route: APIRoute) -> list[str]:
    """Names of what a route takes in its query; a model's fields each count."""
    names: list[str] = []
    for field in route.dependant.query_params:
        model = field.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            names += model.model_fields
        else:
            names.append(field.alias)
    return names


def _body_type(route: APIRoute) -> TypeAdapter[Any] | None:
    """What a route's body is validated as; None where it takes none."""
    kinds: list[Any] = [field.field_info.annotation for field in route.dependant.body_params]
    return TypeAdapter(kinds[0]) if kinds else None


def _refuse_unknown_parameters(request: Request, known: list[str]) -> None:
    """A filter with a typing mistake would else give everything; where nothing can be asked for, nothing is mistaken."""
    for name in request.query_params if known else ():
        if name not in known:
            raise ApiError(
                422, "invalid_request", f"There is no parameter {quoted(name)}; this takes {', '.join(known)}."
            )


def _work(given_up: threading.Event, function: Callable[..., T], *arguments: Any) -> T:
    with until_given_up(given_up):
        check_deadline()
        return function(*arguments)


def _retrieve(answer: asyncio.Future[Any]) -> None:
    """Nobody waits for it any more after a time-out, and asyncio would complain of its exception."""
    if not answer.cancelled():
        answer.exception()


class ReadRequest(Request):
    """A request whose large JSON body is validated in a thread as `body_type`; FastAPI then finds nothing left to do."""

    body_type: TypeAdapter[Any] | None = None

    async def json(self) -> Any:
        """The parsed body; of a large one, the validated model. Raises ApiError 422, JSONDecodeError."""
        body = await self.body()
        if self.body_type is None or len(body) < LARGE_BODY:
            return await super().json()
        return await asyncio.get_running_loop().run_in_executor(_reader, _read, body, self.body_type)


def _read(body: bytes, body_type: TypeAdapter[Any]) -> Any:
    if next(islice(_FIELD.finditer(body), MOST_FIELDS, None), None):
        raise ApiError(422, "invalid_request", f"The body has more than {MOST_FIELDS:,} fields; send what matters.")
    try:
        return body_type.validate_python(json.loads(body))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise invalid_request({**problem, "loc": ("body", *problem["loc"])}) from error
