"""Writes predictions to the database in the background: a bounded queue, batches, and a file for when it is away.

`put` returns at once and never fails; what was put is stored within FLUSH_SECONDS and the time of one write, which is
what a killed process can lose. With `durable`, `stored` waits until it lies in the database or, while that is away, in
a file on disk. One thread for each worker; masking happens there too. A database that is away is tried again every
RETRY_SECONDS, and what waited is stored when it is back. Only where database and disk both refuse and the queue is full
are records dropped, oldest first, counted and shown in /health; so is one that the database refuses while it takes
others, and who waits for that one hears so.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from foundations.database import RefusedRecordError, StoreAwayError
from foundations.json_log import failed_at, log
from foundations.tracing import span
from prediction_log.store import PredictionStore
from prediction_log.tables.rows import Record
from prediction_log.waiting import RequestCounts, WaitingRecords

FLUSH_SECONDS = 0.2
RETRY_SECONDS = 1.0
LONGEST_QUEUE = 10_000  # records
LARGEST_QUEUE = 64 * 1024 * 1024  # characters of transcripts; beyond it a record is kept without its transcript
_BATCH = 500


@dataclass
class Waiting:
    """A prediction on its way to the database; `row` makes its columns and runs in the writer's thread."""

    row: Callable[[bool], Record]  # whether with its transcript
    characters: int = 0  # of its transcript
    urgent: bool = False  # somebody waits for `stored`
    keep_transcript: bool = True
    stored: Future[None] = field(default_factory=Future)

    def __post_init__(self) -> None:
        self.stored.set_running_or_notify_cancel()  # who stops waiting for it doesn't cancel it


class PredictionWriter:
    """One worker's way to the store. `start` it before use, `stop` it at the end."""

    def __init__(self, store: PredictionStore, waiting: WaitingRecords) -> None:
        self._store = store
        self._waiting = waiting
        self._queue: deque[Waiting] = deque()
        self._characters = 0
        self._counts = RequestCounts()
        self._guard = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._reachable = False  # seen since the database went away
        self._said_away = False
        self._writer = threading.Thread(target=self._write_until_stopped, name="prediction-writer", daemon=True)
        self._prober = threading.Thread(target=self._probe_until_stopped, name="database-probe", daemon=True)
        self.problem: str | None = "The prediction database has not been reached yet."
        self.dropped = 0

    def start(self) -> None:
        """Looks whether the database is there, at most a few seconds, and starts the threads."""
        _whatever_happens(self._probe)
        if self._reachable and not self._waiting.any():  # what waits is stored before it counts as back
            self.problem = None
        self._writer.start()
        self._prober.start()

    def stop(self, seconds: float) -> None:
        """Stores what is queued and ends the threads, within about `seconds`."""
        self._stopping.set()
        self._wake.set()
        self._writer.join(seconds)
        self._waiting.release()
        self._store.close()

    def put(self, prediction: Waiting) -> None:
        """Queues a prediction."""
        with self._guard:
            if self._characters + prediction.characters > LARGEST_QUEUE:
                prediction.keep_transcript, prediction.characters = False, 0
            if len(self._queue) >= LONGEST_QUEUE:
                first = self._queue.popleft()
                self._characters -= first.characters
                self._drop([first])
            self._queue.append(prediction)
            self._characters += prediction.characters
        if prediction.urgent or len(self._queue) >= _BATCH:
            self._wake.set()

    def count(self, route: str, status: int) -> None:
        """Counts an answered request."""
        self._counts.add(route, status)

    @property
    def queued(self) -> int:
        """Predictions in memory that are not stored yet."""
        return len(self._queue)

    def _drop(self, predictions: list[Waiting]) -> None:
        self.dropped += len(predictions)
        for prediction in predictions:
            prediction.stored.set_exception(StoreAwayError("neither database nor disk took the prediction"))

    def _write_until_stopped(self) -> None:
        while not self._stopping.is_set():
            _whatever_happens(self._write_all)
            self._wake.wait(FLUSH_SECONDS)
            self._wake.clear()
        _whatever_happens(self._write_all)

    def _probe_until_stopped(self) -> None:
        while not self._stopping.wait(RETRY_SECONDS):
            if self.problem:
                _whatever_happens(self._probe)

    def _probe(self) -> None:
        try:
            self._store.check()
        except StoreAwayError as error:
            self._is_away(error)
        else:
            self._reachable = True
            self._wake.set()

    def _is_away(self, error: StoreAwayError) -> None:
        if not self._said_away:
            log.warning("database away", reason=error.reason)
        self._reachable, self.problem, self._said_away = False, str(error), True

    def _write_all(self) -> None:
        if (self.problem and self._reachable) or (not self.problem and self._waiting.any()):
            self._drain_files()
        while self._queue or self._counts:
            with self._guard:
                batch = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
                self._characters -= sum(prediction.characters for prediction in batch)
            try:
                if not self._store_batch(*self._with_rows(batch), self._counts.take()):
                    return
            except Exception:
                self._drop([prediction for prediction in batch if not prediction.stored.done()])
                raise

    def _with_rows(self, batch: list[Waiting]) -> tuple[list[Waiting], list[Record]]:
        """The batch and its rows, without those that none can be made of."""
        kept, rows = [], []
        for prediction in batch:
            try:
                rows.append(prediction.row(prediction.keep_transcript))
                kept.append(prediction)
            except Exception as error:  # noqa: BLE001 — the others are stored
                log.error("no record can be made of a prediction", reason=failed_at(error))
                self._drop([prediction])
        return kept, rows

    def _store_batch(self, batch: list[Waiting], rows: list[Record], counts: list[Record]) -> bool:
        """To the database, else to the file, else back into the queue; False for the last."""
        refused: dict[str, StoreAwayError] = {}
        if self.problem is None:
            try:
                refused = self._write_what_it_takes(rows, counts)
            except StoreAwayError as error:
                self._is_away(error)
        if self.problem is not None:
            try:
                self._waiting.append(rows, counts)
            except OSError as error:
                log.error("neither database nor disk takes predictions", problem=error.strerror)
                self._put_back(batch)
                return False
        for prediction, row in zip(batch, rows, strict=True):
            if row["prediction_id"] in refused:
                prediction.stored.set_exception(refused[row["prediction_id"]])
            else:
                prediction.stored.set_result(None)
        return True

    def _write_what_it_takes(self, rows: Sequence[Record], counts: Sequence[Record]) -> dict[str, StoreAwayError]:
        """Where one record is refused, the others are stored and that one is dropped; why, by the predictions' ids.

        Raises StoreAwayError.
        """
        try:
            with span("store", predictions=len(rows), counts=len(counts)):
                self._store.write(rows, counts)
            return {}
        except RefusedRecordError as error:
            problem = error
        except StoreAwayError:
            raise
        except Exception as error:  # noqa: BLE001 — such as half a character, which the driver does not encode
            problem = RefusedRecordError(failed_at(error))
        if len(rows) + len(counts) <= 1:
            self.dropped += len(rows)
            log.error("record refused", reason=problem.reason)
            return {row["prediction_id"]: problem for row in rows}
        refused: dict[str, StoreAwayError] = {}
        for row in rows:
            refused |= self._write_what_it_takes([row], [])
        for count in counts:
            self._write_what_it_takes([], [count])
        return refused

    def _put_back(self, batch: list[Waiting]) -> None:
        with self._guard:
            waiting = [prediction for prediction in batch if not prediction.urgent]
            room = min(len(waiting), max(0, LONGEST_QUEUE - len(self._queue)))
            dropped, kept = waiting[: len(waiting) - room], waiting[len(waiting) - room :]
            self._queue.extendleft(reversed(kept))
            self._characters += sum(prediction.characters for prediction in kept)
            self._drop([*dropped, *(prediction for prediction in batch if prediction.urgent)])

    def _drain_files(self) -> None:
        self._waiting.release()
        try:
            for rows, counts in self._waiting.batches():
                self._write_what_it_takes(rows, counts)
        except StoreAwayError as error:
            self._is_away(error)
        except OSError as error:
            log.error("waiting predictions can't be read", problem=error.strerror)
        else:
            if self._said_away:
                log.info("database back")
            self.problem, self._said_away = None, False


def _whatever_happens(work: Callable[[], None]) -> None:
    """Does it; a mistake of ours is logged, and the thread lives on."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 — else nothing would be stored until the next start
        log.error("the prediction store's thread failed", reason=failed_at(error))
