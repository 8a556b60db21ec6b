"""How deals ended, as it comes back: by prediction, by conversation or by deal, from the API, a file or a CRM.

Whoever brings outcomes calls `record_outcomes`. All of them are stored or none; what was said before stays in the audit log,
and what says nothing new changes nothing. Costs three statements for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, select

from conversations.conversation import Outcome
from foundations.errors import InputError, quoted
from prediction_log.actors import Actor, audit_row
from prediction_log.repeats import Repeatable, remember
from prediction_log.store import PredictionStore
from prediction_log.tables.predictions import feedback, predictions
from prediction_log.tables.requests import audit
from prediction_log.tables.rows import Record, stored_conversation_id

Kind = Literal["prediction", "conversation", "deal"]
KINDS: tuple[Kind, ...] = ("prediction", "conversation", "deal")
_COLUMNS = {
    "prediction": predictions.c.prediction_id,
    "conversation": predictions.c.conversation_id,
    "deal": predictions.c.deal_id,
}
_ONE_DAY = timedelta(days=1)  # by which a day elsewhere may differ from that in UTC


@dataclass(frozen=True)
class GivenOutcome:
    """How something that was predicted ended."""

    kind: Kind  # what the id is of
    identifier: str
    outcome: Outcome
    closed_at: date | None = None  # the day it ended
    where: str = ""  # where it stands in a file, for messages

    @property
    def subject(self) -> str:
        """`deal 'd-17'`."""
        return f"{self.kind} {quoted(self.identifier)}"


class RecordedOutcome(NamedTuple):
    """An outcome and the stored predictions that it is of, the newest first; none where its subject is not known."""

    given: GivenOutcome
    predictions: list[Any]  # rows of `predictions`, with `before` and `closed_before`


class UnknownSubjectError(InputError):
    """There is no stored prediction of it."""

    def __init__(self, given: GivenOutcome) -> None:
        what = "" if given.kind == "prediction" else f" of a {given.kind}"
        said = given.identifier[:80]
        super().__init__(_at(given, f"{'no' if given.where else 'No'} prediction{what} {said!r} is stored."))
        self.code = f"unknown_{given.kind}"


def record_outcomes(
    store: PredictionStore,
    outcomes: Sequence[GivenOutcome],
    actor: Actor,
    request: Repeatable | None = None,
    leave_out_unknown: bool = False,
) -> list[RecordedOutcome]:
    """Stores outcomes with all predictions of their subjects, in place of what was said before; a repeated `request`
    changes nothing.

    Raises InputError where two of them contradict each other, where one is dated before its conversation or in the future;
    UnknownSubjectError for one that nothing is stored of, unless those are to be left out; ReusedKeyError, StoreAwayError.
    """
    with store.connection(writing=True) as connection:
        found = [RecordedOutcome(given, _predictions_of(connection, given)) for given in outcomes]
        for given, rows in found:
            if not rows and not leave_out_unknown:
                raise UnknownSubjectError(given)
            _check_not_in_the_future(given)
            _check_after_the_conversation(given, rows)
        _check_agreement(found)
        is_known = any(one.predictions for one in found)
        if request is None or not is_known or remember(connection, store.insert, request)[1]:
            _store(connection, store, found, actor)
    return found


def _predictions_of(connection: Connection, given: GivenOutcome) -> list[Any]:
    identifier = stored_conversation_id(given.identifier)
    if identifier is None:  # nothing but signs that no id may have
        return []
    before = feedback.c.actual_outcome.label("before"), feedback.c.closed_at.label("closed_before")
    wanted = select(predictions, *before).outerjoin(feedback).where(_COLUMNS[given.kind] == identifier)
    return list(connection.execute(wanted.order_by(predictions.c.prediction_id.desc())))


def _store(connection: Connection, store: PredictionStore, found: Sequence[RecordedOutcome], actor: Actor) -> None:
    now = datetime.now(UTC)
    given_rows: dict[str, Record] = {}
    said: list[Record] = []
    for given, rows in found:
        day = given.closed_at.isoformat() if given.closed_at else None
        for row in rows:
            changed = row.before != given.outcome or (day is not None and row.closed_before != day)
            if changed and row.prediction_id not in given_rows:
                values = {"actual_outcome": given.outcome, "received_at": now, "closed_at": day or row.closed_before}
                given_rows[row.prediction_id] = {"prediction_id": row.prediction_id, **values}
                detail = {"before": row.before, "after": given.outcome, **({"closed_at": day} if day else {})}
                said.append(audit_row(actor, "feedback given", row.prediction_id, **detail))
    if not given_rows:
        return
    statement = store.insert(feedback)
    new = {name: statement.excluded[name] for name in ("actual_outcome", "received_at", "closed_at")}
    statement = statement.on_conflict_do_update(index_elements=["prediction_id"], set_=new)
    connection.execute(statement, list(given_rows.values()))
    connection.execute(store.insert(audit), said)


def _check_agreement(found: Sequence[RecordedOutcome]) -> None:
    """Raises InputError where two outcomes are of one subject, or of one prediction by different ids, and differ."""
    said: dict[tuple[str, str], GivenOutcome] = {}
    for given, rows in found:
        of = [(given.kind, given.identifier), *(("prediction", row.prediction_id) for row in rows)]
        for subject in of:
            other = said.setdefault(subject, given)
            if other.outcome != given.outcome:
                raise InputError(
                    f"Two outcomes contradict each other: {_told(other)} and {_told(given)}; correct one of them. Nothing "
                    "was stored."
                )


def _told(given: GivenOutcome) -> str:
    return f"{given.subject} ended {given.outcome!r}{f' ({given.where})' if given.where else ''}"


def _check_not_in_the_future(given: GivenOutcome) -> None:
    today = datetime.now(UTC).date()
    if given.closed_at is not None and given.closed_at > today + _ONE_DAY:
        raise InputError(
            _at(
                given,
                f"the outcome of {given.subject} is dated {given.closed_at}, which is to come (today is {today}); give the "
                "day it ended, or leave the date out.",
            )
        )


def _check_after_the_conversation(given: GivenOutcome, rows: Sequence[Any]) -> None:
    """Of a deal after the first of its conversations: later ones, as of who buys again, are left out of training."""
    if given.closed_at is None or not rows:
        return
    day, row = min(((_first_day(row), row) for row in rows), key=lambda pair: pair[0])
    if given.closed_at < day:
        what = "its conversation" if given.kind != "deal" else "its first conversation"
        said = (
            f"{what} of {row.conversation_day}; correct the date, or leave it out."
            if row.conversation_day
            else f"{what}, which has no date and was predicted on {row.created_at:%Y-%m-%d}; send the conversation's date "
            "with its prediction, or leave the outcome's out."
        )
        raise InputError(_at(given, f"the outcome of {given.subject} is dated {given.closed_at}, before {said}"))


def _first_day(row: Any) -> date:
    return date.fromisoformat(row.conversation_day) if row.conversation_day else row.created_at.date() - _ONE_DAY


def _at(given: GivenOutcome, sentence: str) -> str:
    return f"{given.where}: {sentence}" if given.where else sentence[0].upper() + sentence[1:]
