"""The figures of /performance for a time window, from the store, so over all workers and those that ended.

Requests and errors come from the request counts; latency, outcomes and drift from the stored predictions; accuracy, Brier
score and calibration from those whose outcome was fed back. Percentiles are exact to a tenth of a millisecond. The
database counts, so a million predictions are a matter of about a second; the metrics read at most the newest 100,000
outcomes. Accuracy of fed back deals is that of all deals only if it doesn't depend on the outcome which are fed back.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, case, cast, func, literal, select

from prediction_log.schemas import (
    CalibrationPoint,
    Drift,
    DriftSpan,
    Latency,
    LiveAccuracy,
    ModelPerformance,
    Performance,
    Resources,
)
from prediction_log.store import PredictionStore
from prediction_log.tables import feedback, predictions, request_counts
from probability.confidence import wilson_interval
from probability.drift import ABSENT, CONTEXT_FIELDS, stability_index
from probability.metrics import calibration_bins, classification_metrics

MOST_OUTCOMES = 100_000
_TENTHS = 10  # latency is counted by tenths of a millisecond

_Window = ColumnElement[bool]


def performance(
    store: PredictionStore, hours: float, references: dict[str, tuple[str, dict[str, Any]]], resources: Resources
) -> Performance:
    """The report of the last `hours`. references: version and `drift_reference` of each served model.

    Drift is that of the served version's predictions. Raises StoreAwayError.
    """
    until = datetime.now(UTC)
    since = until - timedelta(hours=hours)
    window = and_(predictions.c.created_at >= since, predictions.c.created_at <= until)
    latencies = _latencies(store, window)
    outcomes = _outcomes(store, window)
    ended = _ended(store, window)
    models = [
        ModelPerformance(
            model=model,
            latency=_latency(latencies.get(model, {})),
            outcomes=found,
            live=_live([(actual, p) for name, actual, p in ended if name == model]),
            **_drift(store, window, model, *references.get(model, ("", {}))),
        )
        for model, found in outcomes.items()
    ]
    return Performance(
        hours=hours,
        since=since,
        until=until,
        **_requests(store, since),
        **_span(store, window),
        latency=_latency(_added(latencies.values())),
        outcomes=_added(outcomes.values()),
        live=_live([(actual, p) for _, actual, p in ended]),
        models=models,
        resources=resources,
    )


def _requests(store: PredictionStore, since: datetime) -> dict[str, Any]:
    counts = request_counts.c
    minute = since.replace(second=0, microsecond=0)
    rows = store.rows(
        select(counts.status, func.sum(counts.requests)).where(counts.minute >= minute).group_by(counts.status)
    )
    by_status = {int(status): int(number) for status, number in rows}
    return {
        "requests": sum(by_status.values()),
        "errors": sum(number for status, number in by_status.items() if status >= 400),
        "server_errors": sum(number for status, number in by_status.items() if status >= 500),
        "statuses": {str(status): number for status, number in sorted(by_status.items())},
    }


def _span(store: PredictionStore, window: _Window) -> dict[str, Any]:
    """How many predictions there are, and when the first and the last were made; null where there are none."""
    created_at = predictions.c.created_at
    count, first, last = store.rows(select(func.count(), func.min(created_at), func.max(created_at)).where(window))[0]
    return {"predictions": count, "first_prediction_at": first, "last_prediction_at": last}


def _latencies(store: PredictionStore, window: _Window) -> dict[str, dict[int, int]]:
    """How many single predictions took so many tenths of a millisecond, by model."""
    tenths = cast(func.round(predictions.c.latency_ms * _TENTHS), Integer).label("tenths")
    single = select(predictions.c.model, tenths).where(window, predictions.c.batch_size == 1).subquery()
    rows = store.rows(select(single.c.model, single.c.tenths, func.count()).group_by(single.c.model, single.c.tenths))
    found: dict[str, dict[int, int]] = {}
    for model, tenth, count in rows:
        found.setdefault(model, {})[tenth] = count
    return found


def _latency(counts: dict[int, int]) -> Latency:
    """Percentiles by nearest rank: the smallest value that at least that share does not exceed."""
    total = sum(counts.values())
    if not total:
        return Latency(predictions=0, p50_ms=None, p95_ms=None, p99_ms=None)
    found = {}
    for percent in (50, 95, 99):
        left = -(-total * percent // 100)
        for tenth in sorted(counts):
            left -= counts[tenth]
            if left <= 0:
                found[f"p{percent}_ms"] = tenth / _TENTHS
                break
    return Latency(predictions=total, **found)


def _outcomes(store: PredictionStore, window: _Window) -> dict[str, dict[Any, int]]:
    """How often each outcome was predicted, by model."""
    columns = predictions.c
    rows = store.rows(
        select(columns.model, columns.outcome, func.count()).where(window).group_by(columns.model, columns.outcome)
    )
    found: dict[str, dict[Any, int]] = {}
    for model, outcome, count in sorted(tuple(row) for row in rows):
        found.setdefault(model, {"successful": 0, "failed": 0})[outcome] = count
    return found


def _ended(store: PredictionStore, window: _Window) -> list[tuple[str, int, float]]:
    """(model, 1 for successful, probability) of the newest predictions whose outcome was fed back."""
    rows = store.rows(
        select(predictions.c.model, feedback.c.actual_outcome, predictions.c.probability)
        .join(feedback, feedback.c.prediction_id == predictions.c.prediction_id)
        .where(window)
        .order_by(predictions.c.prediction_id.desc())
        .limit(MOST_OUTCOMES)
    )
    return [(model, int(actual == "successful"), probability) for model, actual, probability in rows]


def _live(ended: list[tuple[int, float]]) -> LiveAccuracy:
    if not ended:
        return LiveAccuracy(feedback=0)
    labels, probabilities = zip(*ended, strict=True)
    figures = classification_metrics(labels, probabilities)
    return LiveAccuracy(
        feedback=len(ended),
        accuracy=figures["accuracy"],
        accuracy_interval=wilson_interval(round(figures["accuracy"] * len(ended)), len(ended)),
        brier=figures["brier"],
        ece=figures["ece"],
        roc_auc=figures.get("roc_auc"),
        calibration=[CalibrationPoint(**found._asdict()) for found in calibration_bins(labels, probabilities)],
    )


def _drift(
    store: PredictionStore, window: _Window, model: str, version: str, reference: dict[str, Any]
) -> dict[str, Any]:
    """`drift_of`, `probability.drift` and `context_drift` of ModelPerformance."""
    window = and_(window, predictions.c.model == model, predictions.c.model_version == version)
    scores = _score_counts(store, window, reference["score_edges"]) if reference else {}
    if not scores:
        return {"drift_of": None, "score_drift": None, "context_drift": {}}
    then = dict(enumerate(reference["score_counts"]))
    return {
        "drift_of": DriftSpan(model_version=version, **_span(store, window)),
        "score_drift": _as_drift(then, scores),
        "context_drift": {
            name: _as_drift(reference["context"][name], _context_counts(store, window, name))
            for name in CONTEXT_FIELDS
            if name in reference["context"]
        },
    }


def _score_counts(store: PredictionStore, window: _Window, edges: list[float]) -> dict[int, int]:
    bin_of = case(
        *[(predictions.c.probability < edge, literal(place)) for place, edge in enumerate(edges)],
        else_=literal(len(edges)),
    ).label("bin")
    binned = select(bin_of).where(window).subquery()
    rows = store.rows(select(binned.c.bin, func.count()).group_by(binned.c.bin))
    return {int(bin_): count for bin_, count in rows}


def _context_counts(store: PredictionStore, window: _Window, name: str) -> dict[str, int]:
    value = func.lower(func.coalesce(predictions.c.context[name].as_string(), ABSENT)).label("value")
    values = select(value).where(window).subquery()
    rows = store.rows(select(values.c.value, func.count()).group_by(values.c.value))
    found: dict[str, int] = {}
    for text, count in rows:
        key = str(text).strip()[:80]
        found[key] = found.get(key, 0) + count
    return found


def _as_drift(then: dict[Any, int], now: dict[Any, int]) -> Drift:
    return Drift.model_validate(stability_index(then, now)._asdict())


def _added(parts: Iterable[dict[Any, int]]) -> dict[Any, int]:
    total: dict[Any, int] = {}
    for part in parts:
        for key, count in part.items():
            total[key] = total.get(key, 0) + count
    return total
