"""Who did what, for the audit log: refused keys are noted here, without delaying an answer.

Feedback, deletions and versions are noted in one transaction with what is done. Somebody who guesses keys must not
fill the database: of refusals each worker notes thirty a minute, and how many it left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from starlette.requests import HTTPConnection

from foundations.database import StoreAwayError
from foundations.json_log import log
from prediction_log.actors import Actor, audit_row
from prediction_log.store import PredictionStore
from prediction_log.tables.rows import Record

REFUSALS_A_MINUTE = 30


class AuditTrail:
    """What one worker notes."""

    def __init__(self, store: PredictionStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._noted = 0.0  # refusals of late, which are forgotten at an even pace
        self._noted_at = clock()
        self._left_out = 0

    def refused(self, actor: Actor, route: str, why: str) -> None:
        """A key that was given and not accepted: why is unknown, ended, or that its role does not allow the route."""
        now = self._clock()
        self._noted = max(0.0, self._noted - (now - self._noted_at) * REFUSALS_A_MINUTE / 60)
        self._noted_at = now
        if self._noted > REFUSALS_A_MINUTE - 1:
            self._left_out += 1
            return
        self._noted += 1
        self._note(audit_row(actor, "key refused", route, why=why, left_out_before=self._left_out))
        self._left_out = 0

    def close(self) -> None:
        """Waits for nothing."""
        self._writer.shutdown(wait=False)

    def _note(self, entry: Record) -> None:
        log.info("audit", **{name: value for name, value in entry.items() if name not in ("entry_id", "at")})
        self._writer.submit(self._write, entry)

    def _write(self, entry: Record) -> None:
        try:
            self._store.note(entry)
        except StoreAwayError as error:
            log.warning("an audit entry is in this log only", request_id=entry["request_id"], problem=error.reason)


def actor_of(request: HTTPConnection) -> Actor:
    """Who sends an admitted request."""
    caller = request.state.caller
    return Actor(caller.name, caller.address, request.state.request_id)
