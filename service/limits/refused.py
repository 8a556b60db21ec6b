"""Why a limit turns a request away, as an exception; `service.api_errors` makes the answer of it."""

from __future__ import annotations

from starlette.exceptions import HTTPException

RETRY_SECONDS = 1  # said to who is asked to come back


class RefusedError(HTTPException):
    """A request that is not served: HTTP status, code for programs, sentence for people."""

    def __init__(self, status: int, code: str, message: str, retry_seconds: int | None = None) -> None:
        """retry_seconds: after which it may come again; None where that would not help."""
        super().__init__(status, message, {"Retry-After": str(retry_seconds)} if retry_seconds else {})
        self.code = code
