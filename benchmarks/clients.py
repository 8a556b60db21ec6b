"""Clients that predict until they are told to stop, as careful clients do, and note down every answer they got.

Each is a thread with connections of its own, of which it opens a new one every few requests, so that all workers get
some. A connection is left where the server says so. What was sent and not answered is lost, unless it may be sent again.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.running_server import RunningServer

REQUESTS_A_CONNECTION = 20
_PAUSE_SECONDS = 0.05  # before a request that failed is sent again, and where nobody listens
_JSON = {"Content-Type": "application/json"}
_SHORT = "They will sign."


class Answer(NamedTuple):
    """One answered request; moments are those of time.monotonic."""

    at: float
    seconds: float
    status: int
    prediction_id: str
    model_version: str


class Load:
    """The clients, between `with Load(…)` and its end. Their notes may be read meanwhile."""

    def __init__(
        self,
        server: RunningServer,
        clients: int,
        texts: Sequence[str] = (_SHORT,),
        model: str = "few_shot",
        retries: int = 0,
        stay: bool = False,
    ) -> None:
        """retries: how often a request is sent again that got no answer or a 5xx; stay: also where nobody listens."""
        self.answers: list[Answer] = []
        self.lost: list[str] = []  # requests that were sent, and failed whatever was tried
        self.refused = 0  # connections that nobody took: nothing was sent
        self._server = server
        self._bodies = [json.dumps({"transcript": text, "model_type": model}) for text in texts]
        self._retries, self._stay = retries, stay
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)

    @property
    def statuses(self) -> Counter[int]:
        """How many answers had each status."""
        return Counter(answer.status for answer in self.answers.copy())

    @property
    def versions(self) -> set[str]:
        """The model versions that answered."""
        return {answer.model_version for answer in self.answers.copy()}

    @property
    def running(self) -> int:
        """Clients that have not ended."""
        return sum(thread.is_alive() for thread in self._threads)

    def _run(self, number: int) -> None:
        sent, tries, left = number, 0, 0
        connection = self._server.connection()
        while tries or not self._stopping.is_set():
            try:
                if not left:
                    connection.close()
                    connection.connect()
                    left = REQUESTS_A_CONNECTION
            except OSError:
                with self._guard:
                    self.refused += 1
                if not self._stay or self._stopping.wait(_PAUSE_SECONDS):
                    self.lost += ["nobody took it the second time"] if tries else []
                    return
                continue
            problem, keep = self._ask(connection, self._bodies[sent % len(self._bodies)])
            left = left - 1 if keep else 0
            if problem and tries < self._retries:
                tries += 1
                time.sleep(_PAUSE_SECONDS)
                continue
            if problem:
                with self._guard:
                    self.lost.append(problem)
            sent, tries = sent + 1, 0
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, body: str) -> tuple[str, bool]:
        """What went wrong, empty where nothing did, and whether the connection may be used again."""
        started = time.monotonic()
        try:
            connection.request("POST", "/predict", body, _JSON)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            return repr(error), False
        now = time.monotonic()
        found = json.loads(text)
        answer = Answer(
            now, now - started, response.status, found.get("prediction_id", ""), found.get("model_version", "")
        )
        with self._guard:
            self.answers.append(answer)
        problem = str(response.status) if response.status >= http.client.INTERNAL_SERVER_ERROR else ""
        return problem, response.headers.get("Connection") != "close"
