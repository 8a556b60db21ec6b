"""One error shape for the whole API: {"error": {"code": …, "message": …}}, the message one sentence for a person.

A caller's mistake is a 4xx that quotes the bad value, a model that isn't there a 503 that says how to train it. A bug
is a 500 that tells the caller nothing; its stack trace is in the log (`service.middleware`).
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from conversations.reading.record import shown_value
from foundations.errors import InputError, UnavailableError, described, quoted, sign_at
from foundations.texts import without_folders
from prediction_log.repeats import ReusedKeyError
from service.limits.refused import RETRY_SECONDS, RefusedError

_WANTED = (
    "send a JSON object with the fields that /docs lists, for a prediction 'transcript' (text) or 'turns' (a list of "
    "speaker and text)"
)
_HTTP_CODES = {400: "invalid_json", 404: "not_found", 405: "method_not_allowed"}
_DESCRIPTIONS = {
    400: "The body is not JSON.",
    401: "The key is missing or unknown.",
    403: "The key's role does not allow this, or another site's page asks.",
    404: "There is nothing of this name.",
    409: "The Idempotency-Key came with another request before, or it contradicts what is served; the message says which.",
    413: "The body is larger than the service accepts.",
    421: "The Host is none of the service's names.",
    422: "A value is missing or wrong; the message quotes it.",
    429: "Too many requests of this key or address; Retry-After says for how many seconds to wait.",
    500: "A bug in the service.",
    503: "The service can't do this now: too many predictions in flight, long ones before it, too many large bodies (with "
    "Retry-After), no such model trained, the database away; the message says which.",
    504: "The request took longer than the service allows.",
}


class ApiError(HTTPException):
    """An error with its answer: status, code for programs, sentence for people, further headers."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, message, headers)
        self.code = code


class ErrorDetail(BaseModel):
    """What went wrong."""

    code: str = Field(
        description="For programs; stays the same for the same kind of problem.", examples=["invalid_request"]
    )
    message: str = Field(description="For people: one sentence that quotes the bad value.")


class ErrorResponse(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorDetail


def error_response(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """The one error shape as an answer."""
    body = ErrorResponse(error=ErrorDetail(code=code, message=message))
    return JSONResponse(body.model_dump(), status, headers)


def documented_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: each status it can return besides 200, with the error shape.

    Those of `service.access.origins` are added, which looks at every request.
    """
    every = sorted({*statuses, 403, 421})
    return {status: {"model": ErrorResponse, "description": _DESCRIPTIONS[status]} for status in every}


def add_error_handlers(app: FastAPI) -> None:
    """Makes every error of `app` answer in the one shape.

    The handlers are asynchronous because others run in a thread each, which under overload costs more than the answer.
    """
    app.add_exception_handler(RequestValidationError, _answer_invalid_request)
    app.add_exception_handler(InputError, _answer_input_error)
    app.add_exception_handler(HTTPException, _answer_http_error)


def invalid_request(problem: dict[str, Any]) -> ApiError:
    """What pydantic found wrong with a request, as the answer to it."""
    return ApiError(422, "invalid_request", _validation_sentence(problem))


async def _answer_input_error(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, UnavailableError):
        return error_response(503, error.code, public_message(request, str(error)), {"Retry-After": str(RETRY_SECONDS)})
    if isinstance(error, ReusedKeyError):
        return error_response(409, "idempotency_key_reused", str(error))
    return error_response(422, "invalid_request", public_message(request, str(error)))


async def _answer_invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # registered for this class only
    problem = error.errors()[0]
    if problem["type"] == "json_invalid":
        return error_response(
            400, "invalid_json", _broken_json(str(error.body), problem["loc"][1], problem["ctx"]["error"])
        )
    return error_response(422, "invalid_request", _validation_sentence(problem))


async def _answer_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # registered for this class only
    if isinstance(error, ApiError | RefusedError):
        message = public_message(request, error.detail)
        return error_response(error.status_code, error.code, message, dict(error.headers or {}))
    path = quoted(request.url.path)
    messages = {
        400: "The body can't be read as JSON: it is not UTF-8, or nested too deep.",
        404: f"There is no page {path}; /docs lists what there is.",
        405: f"{request.method} {path} is not offered; /docs lists what is.",
    }
    code = _HTTP_CODES.get(error.status_code, "http_error")
    message = messages.get(error.status_code, str(error.detail))
    headers = _offered(request, error) if error.status_code == 405 else dict(error.headers or {})
    return error_response(error.status_code, code, message, headers)


def public_message(request: Request, message: str) -> str:
    """A message as callers may read it: without the folders of this machine."""
    return without_folders(message, request.app.state.service.settings.folders)


def _offered(request: Request, error: HTTPException) -> dict[str, str]:
    """Allow with all methods of the path: the framework names those of its first route only."""
    path = getattr(request.scope.get("route"), "path", "")
    methods = {method.upper() for method in request.app.openapi()["paths"].get(path, ())}
    methods |= {"HEAD"} if "GET" in methods else set()
    return {"Allow": ", ".join(sorted(methods))} if methods else dict(error.headers or {})


def _broken_json(text: str, position: int, reason: str) -> str:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return f"The body is broken JSON at line {line}, column {column}, at {sign_at(text, position)} ({reason})."


def _validation_sentence(problem: dict[str, Any]) -> str:
    field = ".".join(str(part) for part in problem["loc"][1:])
    if problem["type"] == "missing":
        return f"{field} is missing." if field else f"The request has no body; {_WANTED}."
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    if not field:
        return f"The body {described(problem['input'])} is no JSON object of type application/json; {_WANTED}."
    if problem["type"] == "model_attributes_type":
        return f"{field} {shown_value(problem['loc'], problem['input'])} is wrong: input should be a JSON object."
    shown = shown_value(problem["loc"], problem["input"])
    return f"{field} {shown} is wrong: {problem['msg'][0].lower()}{problem['msg'][1:]}."
