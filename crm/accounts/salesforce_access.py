"""How Salesforce knows us: by an access token, or by a connected app that logs in by itself; and what its errors mean."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

import httpx2

from crm.http_client import Ask, CrmRefusedError, said_by

NAME = "Salesforce"
SCOPE = "api"
PACES = {False: (20, 1.0)}  # requests in seconds; Salesforce limits those of a day
_LOGIN = "/services/oauth2/token"


class ClientCredentials(httpx2.Auth):
    """Logs in with a connected app's own id and secret (OAuth 2.0, RFC 6749, 4.4), and again when the token ended."""

    requires_response_body = True

    def __init__(self, address: str, client_id: str, client_secret: str) -> None:
        self._address = address
        self._given = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
        self._token = ""

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """See httpx2.Auth. Raises CrmRefusedError."""
        is_new = not self._token
        if is_new:
            yield from self._log_in()
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == 401 and not is_new:
            yield from self._log_in()
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _log_in(self) -> Generator[httpx2.Request, httpx2.Response, None]:
        response = yield httpx2.Request("POST", f"{self._address}{_LOGIN}", data=self._given)
        answer: Any = {}
        with contextlib.suppress(ValueError):
            answer = response.json()
        if not response.is_success or not isinstance(answer, dict) or "access_token" not in answer:
            message = (
                "Salesforce does not take SALES_SALESFORCE_CLIENT_ID and SALES_SALESFORCE_CLIENT_SECRET "
                f"({response.status_code}{said_by(answer)}); copy them again from the connected app, whose client "
                "credentials flow has to be on."
            )
            raise CrmRefusedError(message, response.status_code, answer)
        self._token = str(answer["access_token"])


def code_of(answer: Any) -> str:
    """The code of an error, such as INVALID_FIELD; "" where it has none."""
    first = answer[0] if isinstance(answer, list) and answer else answer
    return str(first.get("errorCode") or first.get("error") or "") if isinstance(first, dict) else ""


def refused(wanted: Ask, status: int, answer: Any) -> str:
    """The sentence for an error of Salesforce."""
    code = code_of(answer)
    if status == 401:
        return (
            f"Salesforce does not know the token in SALES_SALESFORCE_TOKEN, or it has ended (401{said_by(answer)}); set a new "
            "one, or SALES_SALESFORCE_CLIENT_ID and SALES_SALESFORCE_CLIENT_SECRET, which last."
        )
    if code == "REQUEST_LIMIT_EXCEEDED":
        return f"Salesforce's limit of requests a day is reached ({status}{said_by(answer)}); the next run goes on from there."
    if status == 403:
        return (
            f"Salesforce does not let this user {wanted.does} (403, {code or 'no code'}{said_by(answer)}); the connected app "
            f"needs the scope {wanted.scope}, and the user the permission API Enabled and access to the object."
        )
    return f"Salesforce refused to {wanted.does} ({status}, {code or 'no code'}{said_by(answer)})."
