"""The stored predictions as /logs shows them: filters, pages by cursor, and CSV that no spreadsheet runs as a formula."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator
from sqlalchemy import select

from conversations.conversation import Outcome
from foundations.texts import not_a_formula
from modelling.names import MODEL_NAMES
from prediction_log.schemas import LoggedPrediction, LogPage
from prediction_log.store import PredictionStore
from prediction_log.tables.predictions import feedback, predictions
from prediction_log.tables.rows import stored_conversation_id

LONGEST_PAGE = 500
COLUMNS = tuple(LoggedPrediction.model_fields)
_NUMBER = re.compile(r"\s*[-+]?[\d_.]+(e[-+]?\d+)?\s*", re.IGNORECASE)
_DATE: dict[str, Any] = {
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}, {"type": "null"}]
}


class LogFilter(BaseModel):
    """Which predictions; what is left out asks for all."""

    model: str | None = Field(default=None, json_schema_extra={"enum": list(MODEL_NAMES)})
    model_version: str | None = Field(default=None, pattern=r"^[0-9a-f]{1,64}$")
    outcome: Outcome | None = Field(default=None, description="As predicted")
    since: datetime | None = Field(default=None, json_schema_extra=_DATE)
    until: datetime | None = Field(default=None, description="Exclusive", json_schema_extra=_DATE)
    min_probability: float | None = Field(default=None, ge=0, le=1)
    max_probability: float | None = Field(default=None, ge=0, le=1)
    request_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,64}$")
    conversation_id: str | None = Field(
        default=None, pattern=r"^[^\x00]+$", description="As it was given with the prediction"
    )
    feedback: Literal["given", "missing"] | None = None
    limit: int = Field(default=50, ge=1, le=LONGEST_PAGE, description="Predictions on a page")
    cursor: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$", description="`next_cursor` of the page before")

    @field_validator("model")
    @classmethod
    def _known_model(cls, value: str | None) -> str | None:
        if value is not None and value not in MODEL_NAMES:
            raise ValueError(f"There is no model {value[:80]!r}; there are {', '.join(MODEL_NAMES)}.")
        return value

    @field_validator("since", "until", mode="before")
    @classmethod
    def _no_bare_number(cls, value: Any) -> Any:
        """A number may be seconds or milliseconds since 1970, or a year; pydantic would guess."""
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            raise ValueError(f"{value[:80]!r} is no date; give one such as 2026-03-31 or 2026-03-31T12:00:00Z.")
        return value

    @field_validator("since", "until")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        """A moment without a time zone is one in UTC."""
        if value is None or value.tzinfo is None:
            return value if value is None else value.replace(tzinfo=UTC)
        try:
            return value.astimezone(UTC)
        except OverflowError as error:
            raise ValueError(f"{value.isoformat()} is out of range in UTC.") from error

    def apply(self, statement: Any) -> Any:
        """`statement` on predictions and feedback with these conditions."""
        columns = predictions.c
        wanted = [
            (columns.model, self.model),
            (columns.model_version, self.model_version),
            (columns.outcome, self.outcome),
            (columns.request_id, self.request_id),
            (columns.conversation_id, stored_conversation_id(self.conversation_id)),
        ]
        statement = statement.where(*(column == value for column, value in wanted if value is not None))
        if self.since is not None:
            statement = statement.where(columns.created_at >= self.since)
        if self.until is not None:
            statement = statement.where(columns.created_at < self.until)
        if self.min_probability is not None:
            statement = statement.where(columns.probability >= self.min_probability)
        if self.max_probability is not None:
            statement = statement.where(columns.probability <= self.max_probability)
        if self.feedback is not None:
            given = feedback.c.actual_outcome.is_not(None)
            statement = statement.where(given if self.feedback == "given" else ~given)
        return statement


def log_page(store: PredictionStore, wanted: LogFilter, limit: int, cursor: str | None) -> LogPage:
    """At most `limit` predictions older than `cursor`, the newest first. Raises StoreAwayError."""
    statement = wanted.apply(_joined()).order_by(predictions.c.prediction_id.desc()).limit(limit + 1)
    if cursor is not None:
        statement = statement.where(predictions.c.prediction_id < cursor)
    rows = store.rows(statement)
    shown = [_logged(row) for row in rows[:limit]]
    return LogPage(predictions=shown, next_cursor=shown[-1].prediction_id if len(rows) > limit else None)


def log_csv(store: PredictionStore, wanted: LogFilter, first: LogPage) -> Iterator[str]:
    """All predictions as CSV with a header, a page at a time; `first` is the page that was read already."""
    yield _csv([COLUMNS])
    page: LogPage | None = first
    while page is not None:
        yield _csv([_cells(prediction) for prediction in page.predictions])
        page = log_page(store, wanted, LONGEST_PAGE, page.next_cursor) if page.next_cursor else None


def logged_prediction(store: PredictionStore, prediction_id: str) -> LoggedPrediction | None:
    """One stored prediction, None where there is none of this id. Raises StoreAwayError."""
    rows = store.rows(_joined().where(predictions.c.prediction_id == prediction_id))
    return _logged(rows[0]) if rows else None


def _joined() -> Any:
    return select(predictions, feedback.c.actual_outcome).outerjoin(
        feedback, feedback.c.prediction_id == predictions.c.prediction_id
    )


def _logged(row: Any) -> LoggedPrediction:
    return LoggedPrediction.model_validate(row, from_attributes=True)


def _cells(prediction: LoggedPrediction) -> list[Any]:
    values = prediction.model_dump(mode="json")
    values["context"] = json.dumps(values["context"], ensure_ascii=False)
    return [not_a_formula(value) if isinstance(value, str) else value for value in values.values()]


def _csv(rows: list[Any]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()
