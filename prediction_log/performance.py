"""The figures of /performance for a time window, from the store, so over all workers and those that ended.

Requests and errors come from the request counts; latency, outcomes and drift from the stored predictions; accuracy, Brier
score and calibration from those whose outcome was fed back. Percentiles are exact to a tenth of a millisecond. The
database counts, in one pass over the predictions: about 25 µs for each of them. The metrics read at most the newest
100,000 outcomes. Accuracy of fed back deals is that of all deals only if it doesn't depend on the outcome which are fed back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    ColumnElement,
    Integer,
    Select,
    String,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

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
from prediction_log.tables.predictions import feedback, predictions
from prediction_log.tables.requests import request_counts
from probability.confidence import wilson_interval
from probability.drift import ABSENT, CONTEXT_FIELDS, stability_index
from probability.metrics import calibration_bins, classification_metrics

MOST_OUTCOMES = 100_000
_TENTHS = 10  # latency is counted by tenths of a millisecond

_OUTCOME, _LATENCY, _SCORE = "outcome", "latency", "score"  # kinds of counts; the others are fields of the context

_Window = ColumnElement[bool]
_Served = dict[str, tuple[str, dict[str, Any]]]  # version and `drift_reference` of each served model


def performance(
    store: PredictionStore, hours: float, references: dict[str, tuple[str, dict[str, Any]]], resources: Resources
) -> Performance:
    """The report of the last `hours`. references: version and `drift_reference` of each served model.

    Drift is that of the served version's predictions. Raises StoreAwayError.
    """
    until = datetime.now(UTC)
    since = until - timedelta(hours=hours)
    window = and_(predictions.c.created_at >= since, predictions.c.created_at <= until)
    served = {name: (version, reference) for name, (version, reference) in references.items() if reference}
    seen = _counted(store, window, served)
    ended = _ended(store, window)
    models = [
        ModelPerformance(
            model=model,
            latency=_latency(seen.latencies.get(model, {})),
            outcomes=found,
            live=_live([(actual, p) for name, actual, p in ended if name == model]),
            **_drift(seen, model, *served.get(model, ("", {}))),
        )
        for model, found in sorted(seen.outcomes.items())
    ]
    return Performance(
        hours=hours,
        since=since,
        until=until,
        **_requests(store, since),
        **_span(seen.spans.values())._asdict(),
        latency=_latency(_added(seen.latencies.values())),
        outcomes=_added(seen.outcomes.values()),
        live=_live([(actual, p) for _, actual, p in ended]),
        models=models,
        resources=resources,
    )


def drift_now(
    store: PredictionStore, hours: float, model: str, version: str, reference: dict[str, Any]
) -> dict[str, Drift]:
    """How far a version's predictions of the last `hours` are from training: "scores", and each context field.

    {} where it predicted nothing, or training kept no reference. Raises StoreAwayError.
    """
    if not reference:
        return {}
    window = and_(predictions.c.created_at >= datetime.now(UTC) - timedelta(hours=hours))
    found = _drift(_counted(store, window, {model: (version, reference)}), model, version, reference)
    return {"scores": found["score_drift"], **found["context_drift"]} if found["drift_of"] else {}


class _Span(NamedTuple):
    """How many predictions there are, and when the first and the last were made; None where there are none."""

    predictions: int
    first_prediction_at: datetime | None
    last_prediction_at: datetime | None


@dataclass
class _Seen:
    """What the database counted in the window."""

    spans: dict[tuple[str, str], _Span] = field(default_factory=dict)  # by model and version
    outcomes: dict[str, dict[Any, int]] = field(default_factory=dict)  # predicted, by model
    latencies: dict[str, dict[int, int]] = field(default_factory=dict)  # single predictions by tenths of a ms, by model
    scores: dict[str, dict[int, int]] = field(default_factory=dict)  # of the served version by bin, by model
    context: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)  # its values, by model and field


def _counted(store: PredictionStore, window: _Window, served: _Served) -> _Seen:
    """All counts in one statement, which goes through the predictions once: their rows are long, a count's are short."""
    rows = _window_rows(window)
    seen = _Seen()
    for kind, model, version, value, count, first, last in store.rows(union_all(*_counts(rows, served))):
        if kind == _OUTCOME:
            seen.outcomes.setdefault(model, {"successful": 0, "failed": 0})[value] += count
            span = _Span(count, first, last)
            seen.spans[model, version] = _span([span, *filter(None, [seen.spans.get((model, version))])])
        elif kind == _LATENCY:
            seen.latencies.setdefault(model, {})[int(value)] = count
        elif kind == _SCORE:
            seen.scores.setdefault(model, {})[int(value)] = count
        else:
            counts, key = seen.context.setdefault((model, kind), {}), value.strip()[:80]
            counts[key] = counts.get(key, 0) + count
    return seen


def _window_rows(window: _Window) -> CTE:
    """What is counted of the predictions in the window, read once however many counts there are."""
    columns = predictions.c
    values = [
        func.lower(func.coalesce(columns.context[name].as_string(), ABSENT)).label(name) for name in CONTEXT_FIELDS
    ]
    tenths = cast(func.round(columns.latency_ms * _TENTHS), Integer).label("tenths")
    of_all = (
        columns.model,
        columns.model_version,
        columns.outcome,
        columns.probability,
        columns.batch_size,
        columns.created_at,
    )
    return select(*of_all, tenths, *values).where(window).cte("seen").prefix_with("MATERIALIZED")


def _counts(rows: CTE, served: _Served) -> Iterator[Select[Any]]:
    """Each gives (kind, model, version, value, how many, first, last)."""
    columns = rows.c
    span = func.min(columns.created_at), func.max(columns.created_at)
    key = columns.model, columns.model_version, columns.outcome
    yield select(literal(_OUTCOME), *key, func.count(), *span).group_by(*key)
    timed = select(columns.model, cast(columns.tenths, String).label("value")).where(columns.batch_size == 1)
    yield _count_of(_LATENCY, timed)
    for model, (version, reference) in served.items():
        mine = and_(columns.model == model, columns.model_version == version)
        bins = cast(_bin_of(columns.probability, reference["score_edges"]), String).label("value")
        yield _count_of(_SCORE, select(columns.model, bins).where(mine))
    theirs = or_(
        false(),
        *(and_(columns.model == model, columns.model_version == version) for model, (version, _) in served.items()),
    )
    for name in CONTEXT_FIELDS if served else ():
        yield _count_of(name, select(columns.model, columns[name].label("value")).where(theirs))


def _count_of(kind: str, values: Select[Any]) -> Select[Any]:
    of = values.subquery().c
    nothing = null(), null()
    return select(literal(kind), of.model, null(), of.value, func.count(), *nothing).group_by(of.model, of.value)


def _bin_of(probability: ColumnElement[float], edges: list[float]) -> ColumnElement[int]:
    return case(*[(probability < edge, literal(n)) for n, edge in enumerate(edges)], else_=literal(len(edges)))


def _span(parts: Iterable[_Span]) -> _Span:
    """All of them together."""
    known = list(parts)
    firsts = [span.first_prediction_at for span in known if span.first_prediction_at]
    lasts = [span.last_prediction_at for span in known if span.last_prediction_at]
    return _Span(sum(span.predictions for span in known), min(firsts, default=None), max(lasts, default=None))


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


def _drift(seen: _Seen, model: str, version: str, reference: dict[str, Any]) -> dict[str, Any]:
    """`drift_of`, `probability.drift` and `context_drift` of ModelPerformance."""
    scores = seen.scores.get(model)
    if not scores:
        return {"drift_of": None, "score_drift": None, "context_drift": {}}
    then = dict(enumerate(reference["score_counts"]))
    return {
        "drift_of": DriftSpan(model_version=version, **seen.spans[model, version]._asdict()),
        "score_drift": _as_drift(then, scores),
        "context_drift": {
            name: _as_drift(reference["context"][name], seen.context[model, name])
            for name in CONTEXT_FIELDS
            if name in reference["context"]
        },
    }


def _as_drift(then: dict[Any, int], now: dict[Any, int]) -> Drift:
    return Drift.model_validate(stability_index(then, now)._asdict())


def _added(parts: Iterable[dict[Any, int]]) -> dict[Any, int]:
    total: dict[Any, int] = {}
    for part in parts:
        for key, count in part.items():
            total[key] = total.get(key, 0) + count
    return total
