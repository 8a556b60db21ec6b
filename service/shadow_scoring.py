"""What versions on trial say, after the answers were sent: a thread of each worker asks shadows and stores their scores.

It asks only while hardly anybody else predicts, and what waits too long is dropped and counted: under load shadows are the
first to go. What a split answered is known already and only stored. Holds no words longer than its queue: at most
LONGEST_QUEUE conversations and LARGEST_QUEUE characters. Costs the answers nothing but the look whether there is a trial.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from answers.model_server import ModelServer
from conversations.conversation import Conversation
from foundations.database import RefusedRecordError, StoreAwayError
from foundations.errors import UnavailableError
from foundations.json_log import failed_at, log
from foundations.long_work import GivenUpError, until_given_up
from foundations.machine import available_cores
from learning.trials import trial_score
from modelling.conversion_model import ConversionModel
from prediction_log.store import PredictionStore
from prediction_log.tables.rows import Record
from service import metrics as service_metrics

LONGEST_QUEUE = 256  # conversations that wait for a shadow
LARGEST_QUEUE = 8 * 1024 * 1024  # characters of them
MOST_ROWS = 10_000  # scores that wait for the database
BUSY_SECONDS = 0.05  # between two looks whether there is time for a shadow
AWAY_SECONDS = 1.0  # between two tries while the database is away
_BATCH = 500


@dataclass(frozen=True)
class _Shadow:
    """A conversation that a shadow is to be asked about."""

    row: Record
    model: ConversionModel
    conversation: Conversation


class TrialScores:
    """One worker's trials. `start` it before use, `stop` it at the end."""

    def __init__(self, models: ModelServer, store: PredictionStore, in_flight: Callable[[], int]) -> None:
        """in_flight: how many predictions are being made now over all workers."""
        self._models = models
        self._store = store
        self._in_flight = in_flight
        self._most_beside = max(
            1, available_cores() // 2
        )  # predictions in flight from which there is no time for shadows
        self._shadows: deque[_Shadow] = deque()
        self._characters = 0
        self._rows: deque[Record] = deque(maxlen=MOST_ROWS)
        self._guard = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadows", daemon=True)

    def start(self) -> None:
        """Begins to ask and to store."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Stores what is known within about `seconds`; what still waits for a shadow is dropped."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(seconds)

    def on_trial(self, model: str) -> bool:
        """Whether `offer` would do something."""
        return self._models.challenger(model) is not None

    async def offer(
        self, model: str, conversation: Conversation, prediction_id: str, version: str, probability: float
    ) -> None:
        """Takes note of what a version answered; never waits and never fails."""
        challenger = self._models.challenger(model)
        if challenger is None or challenger.model is None:
            return
        row = trial_score(model, challenger, conversation, prediction_id, version, probability)
        if row is not None and "probability" in row:
            self._rows.append(row)
        elif row is not None:
            self._queue(_Shadow(row, challenger.model, conversation))
        self._wake.set()

    def _queue(self, shadow: _Shadow) -> None:
        with self._guard:
            self._shadows.append(shadow)
            self._characters += shadow.conversation.characters
            while len(self._shadows) > LONGEST_QUEUE or self._characters > LARGEST_QUEUE:
                self._characters -= self._shadows.popleft().conversation.characters
                service_metrics.shadows.labels("dropped").inc()

    def _next(self) -> _Shadow | None:
        with self._guard:
            if not self._shadows:
                return None
            shadow = self._shadows.popleft()
            self._characters -= shadow.conversation.characters
            return shadow

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                pause = self._step()
            except Exception as error:  # noqa: BLE001 — else no trial would go on until the next start
                log.error("a shadow could not be asked", reason=failed_at(error))
                service_metrics.shadows.labels("dropped").inc()
                pause = BUSY_SECONDS
            if pause is None:
                self._wake.wait()
                self._wake.clear()
            else:
                self._stopping.wait(pause)
        self._store_rows()
        while self._next():
            service_metrics.shadows.labels("dropped").inc()

    def _step(self) -> float | None:
        """Stores what is known and asks one shadow; seconds until the next step, None where there is nothing to do."""
        if self._rows and not self._store_rows():
            return AWAY_SECONDS
        if not self._shadows:
            return None
        if self._in_flight() >= self._most_beside:
            return BUSY_SECONDS
        if shadow := self._next():
            with until_given_up(self._stopping):
                self._ask(shadow)
        return 0.0

    def _ask(self, shadow: _Shadow) -> None:
        try:
            probability = float(shadow.model.predict_proba([shadow.conversation])[0])
        except (GivenUpError, UnavailableError):
            service_metrics.shadows.labels("dropped").inc()
            return
        service_metrics.shadows.labels("asked").inc()
        self._rows.append({**shadow.row, "probability": probability})

    def _store_rows(self) -> bool:
        """Whether all is stored."""
        while self._rows:
            rows = [self._rows.popleft() for _ in range(min(_BATCH, len(self._rows)))]
            try:
                self._store.write_trial_scores(rows)
            except RefusedRecordError as error:
                log.error("scores of a trial were refused", reason=error.reason)
            except StoreAwayError:
                self._rows.extendleft(reversed(rows))
                return False
        return True
