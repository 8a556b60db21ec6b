"""What starts a retraining: so many new outcomes, the champion's age, or that what is scored has changed.

A trigger starts a try and no more: whether a model is promoted is the gate's decision alone, so drift by itself promotes none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from foundations.errors import InputError
from prediction_log.performance import drift_now
from prediction_log.store import PredictionStore

DRIFT_HOURS = 30 * 24.0  # of predictions that are compared with training
_ASKED_FOR = "asked for"


@dataclass(frozen=True)
class Triggers:
    """The options; without any a retraining is tried at once."""

    after: int | None = None  # outcomes that came since the last try
    older_than: float | None = None  # days since the champion was trained
    on_drift: bool = False

    def __post_init__(self) -> None:
        if self.after is not None and self.after < 1:
            raise InputError(f"--after {self.after} is no number of outcomes; give 1 or more.")
        if self.older_than is not None and not 0 <= self.older_than < float("inf"):
            raise InputError(f"--older-than {self.older_than:g} is no number of days; give 0 or more.")

    @property
    def any(self) -> bool:
        """Whether one was given."""
        return self.after is not None or self.older_than is not None or self.on_drift


@dataclass(frozen=True)
class Situation:
    """What triggers go by."""

    model: str
    version: str  # the champion's
    manifest: dict[str, Any]
    since_last_try: int  # outcomes


def first_met(triggers: Triggers, now: Situation, store: PredictionStore) -> tuple[str | None, str]:
    """(the first trigger that is met, as words, or None; what a person is told where none is). Raises StoreAwayError."""
    if not triggers.any:
        return _ASKED_FOR, ""
    not_met = []
    if triggers.after is not None:
        if now.since_last_try >= triggers.after:
            return f"{now.since_last_try} new outcomes (--after {triggers.after})", ""
        not_met.append(f"{now.since_last_try} of {triggers.after} new outcomes (--after)")
    if triggers.older_than is not None:
        days = (datetime.now(UTC) - datetime.fromisoformat(now.manifest["created_at"])).total_seconds() / 86400
        if days >= triggers.older_than:
            return f"{days:.0f} days since it was trained (--older-than {triggers.older_than:g})", ""
        not_met.append(f"{days:.1f} of {triggers.older_than:g} days since it was trained (--older-than)")
    if triggers.on_drift:
        if drifted := _drifted(now, store):
            return f"drift of {drifted} (--on-drift)", ""
        not_met.append("no large drift beyond chance (--on-drift)")
    return None, f"No retraining of {now.model}: {'; '.join(not_met)}."


def _drifted(now: Situation, store: PredictionStore) -> str | None:
    """The scores or the context field that changed most, where that is large and more than chance."""
    found = drift_now(store, DRIFT_HOURS, now.model, now.version, now.manifest.get("reference", {}))
    alarms = {name: drift.psi for name, drift in found.items() if drift.level == "large" and drift.beyond_chance}
    worst = max(alarms, key=lambda name: alarms[name], default=None)
    return f"{worst}, PSI {alarms[worst]:.2f}" if worst else None
