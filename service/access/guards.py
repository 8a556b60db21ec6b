"""What every guarded route checks before it does anything: who calls, how often, how large, how long.

A route gets it from its router: `APIRouter(route_class=access.route_class("manage"))`. The order is: rate limit of the
key or address (429), key (401), role (403), names of parameters (422), size of the body, counted while it streams in
(413), then the route itself, within the time-out (504). `admission` runs predictions. Costs about 40 microseconds a
request.

A body of megabytes is parsed in a thread, one at a time: on the event loop, as FastAPI does it, nobody else would be
answered for up to a second. A small body goes FastAPI's way, at no cost.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import anyio
from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError

from foundations.errors import quoted
from foundations.settings import Settings
from prediction_log.store import PredictionStore
from service.access.audit_trail import AuditTrail, actor_of
from service.access.callers import Caller, Callers
from service.access.keys import Need, roles_with
from service.access.rate_limit import RateLimit
from service.api_errors import ApiError, invalid_request
from service.limits.admission import Admission
from service.limits.bodies import Bodies

LARGE_BODY = 32_768  # bytes; fewer take about a millisecond
RECORDING_SECONDS = 600.0  # that a recording may take to arrive
MOST_FIELDS = 250_000  # five for each of as many turns as are accepted; a million take the parser a second
_FIELD = re.compile(rb'"\s*:')
_reader = ThreadPoolExecutor(1, thread_name_prefix="large-body")


GUARDED = (401, 403, 413, 429, 500, 503, 504)  # statuses that every guarded route can answer with
_SHORT_BODY_DIGITS = 4  # of the number of bytes: such a body arrives with its headers


class Access:
    """The guards of one service; its rate limits and predictions in flight are shared with its other workers."""

    def __init__(self, settings: Settings, folder: Path, store: PredictionStore) -> None:
        """folder: `service_folder`; store: of the audit log. Raises InputError where the keys can't be read."""
        self.callers = Callers(settings)
        self.audit = AuditTrail(store)
        self.admission = Admission(folder, settings.max_in_flight, settings.request_timeout)
        self._bodies = Bodies(settings.max_body_bytes)
        self._recordings = Bodies(settings.max_recording_bytes)
        self._rate_limit = RateLimit(folder, settings.rate_limit)
        self._timeout = settings.request_timeout

    def route_class(self, need: Need | None, takes_recordings: bool = False) -> type[APIRoute]:
        """The class of routes that ask `need` of their callers; None: open to everybody, within the limits.

        takes_recordings: larger bodies, and the time that they take to arrive.
        """
        access = self
        bodies = self._recordings if takes_recordings else self._bodies
        timeout = max(RECORDING_SECONDS, self._timeout) if takes_recordings else self._timeout

        class GuardedRoute(APIRoute):
            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                handle = super().get_route_handler()
                parameters, body = _query_parameters(self), _body_type(self)

                async def guarded(request: Request) -> Response:
                    access._admit(request, need)
                    access._turn_away_early(request, need)
                    _refuse_unknown_parameters(request, parameters)
                    with bodies.counted(request, request.state.caller.name) as receive:
                        limited = ReadRequest(request.scope, receive)
                        limited.body_type = body
                        with anyio.move_on_after(timeout):
                            return await handle(limited)
                    raise access._too_slow(timeout)

                return guarded

        return GuardedRoute

    def close(self) -> None:
        """Ends the threads and gives this worker's slot back."""
        self.audit.close()
        self.admission.close()

    def _admit(self, request: Request, need: Need | None) -> None:
        """Sets `request.state.caller`."""
        caller = request.state.caller = self.callers.of(request)
        seconds = self._rate_limit.wait(caller.name)
        if seconds:
            raise ApiError(
                429,
                "rate_limited",
                f"Too many requests; the next one is accepted in {math.ceil(seconds)} s.",
                {"Retry-After": str(math.ceil(seconds))},
            )
        if need is not None and need not in caller.needs:
            raise self._refused(request, caller, need)

    def _refused(self, request: Request, caller: Caller, need: Need) -> ApiError:
        if caller.key != "none":
            why = caller.key if caller.key != "known" else f"no role that may {need}"
            self.audit.refused(actor_of(request), f"{request.method} {request.scope['route'].path_format}", why)
        if caller.key == "known":
            named = " or ".join(repr(role) for role in roles_with(need))
            return ApiError(403, "forbidden", f"This needs a key with the role {named}.")
        return ApiError(401, "unauthorized", f"{caller.missing}.", {"WWW-Authenticate": "Bearer"})

    def _turn_away_early(self, request: Request, need: Need | None) -> None:
        """Under overload most requests are refused, so what they cost decides how fast the others are answered.

        A long body is read before: closed in the middle of it, a connection would lose the answer.
        """
        predicts = need == "predict" and request.method == "POST"
        declared = request.headers.get("content-length", "")
        is_short = declared.isdecimal() and len(declared) <= _SHORT_BODY_DIGITS
        if predicts and is_short and self.admission.full_for(request.state.caller.name):
            raise self.admission.too_many()

    def _too_slow(self, timeout: float) -> ApiError:
        message = (
            f"The request could not be answered within {timeout:g} s; send a shorter conversation, fewer of them, "
            "or try again later."
        )
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
