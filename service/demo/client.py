"""How the demo asks a running server, with the standard library alone, and what it makes of answers that should not be."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from foundations.errors import InputError

TIMEOUT_SECONDS = 120  # the first search for similar conversations loads their index


class WrongAnswerError(Exception):
    """The server answered, but not what the API promises."""


@dataclass(frozen=True)
class DemoClient:
    """One server; `key` is sent where it isn't empty."""

    url: str
    key: str = ""

    def fetch(self, method: str, path: str, body: Any = None) -> tuple[int, str, str]:
        """(status, content type, text) of a request; a dictionary is sent as JSON, bytes as they are.

        Raises InputError where no server answers.
        """
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": kind} | ({"X-API-Key": self.key} if self.key else {})
        try:
            request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
                return response.status, response.headers.get_content_type(), response.read().decode("utf-8")
        except urllib.error.HTTPError as error:
            return error.code, error.headers.get_content_type(), error.read().decode("utf-8", "replace")
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise InputError(
                f"No server answers at {self.url!r} ({reason}); start one with: python main.py --mode deploy"
            ) from error

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        """(status, JSON body). Raises as `fetch` does, and WrongAnswerError where the answer isn't a JSON object."""
        status, _, text = self.fetch(method, path, body)
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise WrongAnswerError(f"{path} answered {status} with {text[:60]!r}, which is not JSON.") from error
        if not isinstance(answer, dict):
            raise WrongAnswerError(f"{path} answered {status} with {answer!r}, which is no object.")
        return status, answer

    def get(self, path: str) -> dict[str, Any]:
        """The answer to GET, which has to be a success; raises as `expect` does."""
        return self.expect("GET", path)

    def expect(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """The answer, which has to be a success. Raises InputError where a key is needed, else WrongAnswerError."""
        status, answer = self.ask(method, path, body)
        check_allowed(status, answer)
        if status != 200:
            raise WrongAnswerError(f"{method} {path} was answered {status}, not 200: {answer}")
        return answer

    def text(self, path: str, kind: str) -> str:
        """A page or file of that content type. Raises as `expect` does."""
        status, found, text = self.fetch("GET", path)
        if status in (401, 403) and found == "application/json":
            check_allowed(status, json.loads(text))
        if (status, found) != (200, kind):
            raise WrongAnswerError(f"GET {path} was answered {status} with {found}, not 200 with {kind}.")
        return text


def check_allowed(status: int, answer: dict[str, Any]) -> None:
    """Raises InputError where the answer says that a key is needed, or another one."""
    if status in (401, 403) and "error" in answer:
        raise InputError(f"{answer['error']['message']} The demo sends the one of its option --key.")


def require(true: bool, said: str) -> None:
    """Raises WrongAnswerError."""
    if not true:
        raise WrongAnswerError(said)
