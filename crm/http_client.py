"""How a CRM's API is asked: at its pace, again where that helps, and with one sentence where it does not.

A limit that was hit (429) is waited for, also where the answer does not say how long: 1, 2, 4 … seconds, and some chance, so
that two programs don't wait alike. What may have happened in spite of a lost answer is repeated only where twice is as good
as once. Tokens go into the header and nowhere else: neither messages nor logs have them. No redirect is followed.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2

from foundations.errors import InputError, quoted

TIMEOUT_SECONDS = 30.0
MOST_TRIES = 7  # with pauses of 1 to 32 s, together about a minute: HubSpot's limits hold for ten seconds
_LONGEST_ASKED_PAUSE = 120.0  # seconds; a limit that asks for more is one of a day
_PASSES = frozenset({500, 502, 503, 504})
_NO_JSON: Any = object()
_HERE = ("127.0.0.1", "localhost", "::1")


class CrmError(InputError):
    """The CRM can't be asked, or refused; the message says how to go on."""


class CrmRefusedError(CrmError):
    """The CRM answered with an error. `status` is HTTP's, `answer` its body as JSON, {} where it has none."""

    def __init__(self, message: str, status: int, answer: Any) -> None:
        super().__init__(message)
        self.status = status
        self.answer = answer


@dataclass
class Pace:
    """At most `count` requests within any `seconds`."""

    count: int
    seconds: float
    _sent: deque[float] = field(default_factory=deque)

    def pause(self, now: float) -> float:
        """Seconds to wait before the next one, 0 where it may be sent at once; it counts as sent then."""
        while self._sent and now - self._sent[0] >= self.seconds:
            self._sent.popleft()
        wait = self.seconds - (now - self._sent[0]) if len(self._sent) >= self.count else 0.0
        self._sent.append(now + wait)
        return wait


@dataclass(frozen=True)
class Ask:
    """One request."""

    method: str
    path: str
    does: str  # for messages: "read the deals"
    scope: str  # the right that it needs, as the CRM calls it
    body: Any = None
    has: str = ""  # what an answer is good for: the field that it must have
    is_text: bool = False  # the answer is a text, and not JSON
    query: Mapping[str, str] = field(default_factory=dict)
    twice: bool = True  # whether doing it twice is as good as once
    searches: bool = False  # counts for the pace of searches too


class BearerToken(httpx2.Auth):
    """A token in the header of each request."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """See httpx2.Auth."""
        request.headers["Authorization"] = self._header
        yield request


class CrmHttp:
    """One CRM's API."""

    def __init__(
        self,
        name: str,
        address: str,
        auth: httpx2.Auth,
        paces: Mapping[bool, Pace],
        refused: Callable[[Ask, int, Any], str],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """paces: of all requests (False) and of searches (True); refused: the sentence for an error's status and body."""
        self.name = name
        self.address = address
        self._paces = paces
        self._refused = refused
        self._clock, self._sleep = clock, sleep
        is_here = urlsplit(address).hostname in _HERE
        self._client = httpx2.Client(
            base_url=address, auth=auth, timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=not is_here
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self, wanted: Ask) -> Any:
        """A success as JSON or text, None of an empty one. Raises CrmRefusedError for an error, CrmError for no answer."""
        for number in range(MOST_TRIES):
            is_last = number == MOST_TRIES - 1
            self._keep_pace(wanted)
            try:
                response = self._client.request(
                    wanted.method, wanted.path, json=wanted.body, params=dict(wanted.query) or None
                )
            except httpx2.RequestError as error:
                was_sent = not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
                if is_last or (was_sent and not wanted.twice):
                    raise self._away(wanted, error) from error
            else:
                pause = self._pause_for(response, wanted)
                if pause is None or is_last:
                    return self._answer(response, wanted)
                if pause:
                    self._sleep(pause)
                    continue
            self._sleep(_growing(number))

    def _keep_pace(self, wanted: Ask) -> None:
        for of_searches, pace in self._paces.items():
            if (wanted.searches or not of_searches) and (wait := pace.pause(self._clock())):
                self._sleep(wait)

    def _pause_for(self, response: httpx2.Response, wanted: Ask) -> float | None:
        """Seconds before another try, 0 for a growing pause; None where another try is of no use."""
        if response.status_code == 429:
            return _asked_pause(response)
        return 0.0 if response.status_code in _PASSES and wanted.twice else None

    def _answer(self, response: httpx2.Response, wanted: Ask) -> Any:
        status, answer = response.status_code, _NO_JSON
        if response.is_success and wanted.is_text:
            return response.content.decode("utf-8", "replace")
        with contextlib.suppress(ValueError):
            answer = response.json() if response.content else None
        is_right = answer is not _NO_JSON and (not wanted.has or (isinstance(answer, dict) and wanted.has in answer))
        if response.is_success and is_right:
            return answer
        if response.is_success or response.is_redirect:
            raise CrmError(
                f"{self.name} at {self.address!r} answered a request to {wanted.does} with status {status} and not with what "
                "it documents; check the address."
            )
        said = answer if isinstance(answer, dict | list) else {}
        raise CrmRefusedError(self._refused(wanted, status, said), status, said)

    def _away(self, wanted: Ask, error: Exception) -> CrmError:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        return CrmError(
            f"{self.name} at {self.address!r} can't be reached to {wanted.does} ({reason}); what was written stays, and "
            "the next run goes on from there."
        )


def _growing(number: int) -> float:
    return 2.0**number * random.uniform(1.0, 1.25)


def _asked_pause(response: httpx2.Response) -> float | None:
    """What Retry-After says, 0 where it says nothing; None where that would be a wait of hours."""
    asked = response.headers.get("retry-after", "")
    seconds = float(asked) if asked.isdecimal() else 0.0
    return seconds if seconds <= _LONGEST_ASKED_PAUSE else None


def said_by(answer: Any) -> str:
    """What a CRM's error says, quoted, for the end of a sentence; it is the CRM's own text and has no words of deals."""
    first = answer[0] if isinstance(answer, list) and answer else answer
    message = first.get("message") or first.get("error_description") if isinstance(first, dict) else None
    return f": {quoted(message)}" if isinstance(message, str) else ""
