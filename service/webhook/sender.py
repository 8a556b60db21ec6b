"""Sends the queue of crossings, in a thread of its own beside predictions: again and again for a day, then never.

Pauses double from FIRST_PAUSE to LONGEST_PAUSE, each shortened at random by up to half, so that what failed together does
not come back together. Each try of any worker is claimed first, for longer than it can take. What a receiver does is no
part of the service's health: that it fails is told by the log and by `sales_webhook_events_total` in /metrics.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from answers.model_server import ModelServer
from foundations.database import StoreAwayError
from foundations.json_log import failed_at, log
from foundations.settings import Settings
from prediction_log.crossings.queue import Crossing, CrossingQueue
from prediction_log.store import PredictionStore
from service import metrics
from service.webhook.message import BandOf, body_of, headers_of
from service.webhook.post import PostError, post

LOOK_SECONDS = 1.0  # between two looks at the queue, and so about the longest that a first try waits
CLAIMED = timedelta(seconds=60)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=1)  # since it was queued
_STOP_SECONDS = 1.0  # a try that is still on its way then is made again by whoever runs next


def pause(tries: int, share: float) -> timedelta:
    """Until the next try, after so many; share: 0 to 1, at random."""
    doubled = FIRST_PAUSE * 2 ** min(tries - 1, 16)
    return min(doubled, LONGEST_PAUSE) * (1 - share / 2)


def webhook_of(settings: Settings, store: PredictionStore, models: ModelServer) -> WebhookSender | None:
    """The sender that the settings ask for; None where nobody is to be told."""
    if not settings.webhook_url:
        return None

    def band_of(model: str, version: str, probability: float) -> str | None:
        """None where that version is not in memory (any more)."""
        if models.versions.get(model) != version:
            return None
        return models.model(model).bands.band_of(probability).name

    return WebhookSender(CrossingQueue(store), settings.webhook_url, settings.webhook_secret, band_of)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class WebhookSender:
    """One worker's. `start` it, `stop` it at the end."""

    queue: CrossingQueue
    url: str
    secret: str
    band_of: BandOf
    now: Callable[[], datetime] = _now
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begins to look at the queue."""
        self._thread = threading.Thread(target=self._look, name="webhook", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Waits for a try that is on its way, a moment."""
        self._stopping.set()
        self._thread.join(_STOP_SECONDS)

    def send_due(self) -> None:
        """Makes a try of each crossing that is due. Raises StoreAwayError."""
        while not self._stopping.is_set():
            now = self.now()
            crossing = self.queue.claim(now, now + CLAIMED)
            if crossing is None:
                break
            self._try(crossing)
        metrics.webhook_waiting.set(self.queue.waiting())

    def _look(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self.send_due()
            except StoreAwayError:
                continue  # the writer tells of it
            except Exception as error:  # noqa: BLE001 — else nothing would be sent until the next start
                log.error("the webhook's thread failed", reason=failed_at(error))

    def _try(self, crossing: Crossing) -> None:
        body, now = body_of(crossing, self.band_of), self.now()
        headers = headers_of(crossing.prediction_id, body, self.secret, int(now.timestamp()))
        try:
            status = post(self.url, body, headers)
            problem = None if 200 <= status < 300 else f"status {status}"
        except PostError as error:
            problem = str(error)
        if problem is None:
            self.queue.end(crossing, "sent")
            metrics.webhook_events.labels("sent").inc()
        else:
            self._failed(crossing, problem)

    def _failed(self, crossing: Crossing, problem: str) -> None:
        facts = {"host": urlsplit(self.url).hostname, "crossing": crossing.prediction_id, "tries": crossing.tries}
        if self.now() - crossing.queued_at >= GIVEN_UP_AFTER:
            self.queue.end(crossing, "given up")
            metrics.webhook_events.labels("given up").inc()
            log.error("webhook given up", problem=problem, **facts)
            return
        self.queue.put_off(crossing, self.now() + pause(crossing.tries, random.random()))
        metrics.webhook_events.labels("failed").inc()
        log.warning("webhook failed", problem=problem, **facts)
