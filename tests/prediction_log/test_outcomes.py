"""Outcomes by prediction, conversation and deal: what is stored, what is refused with which sentence, what is given back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from foundations.errors import InputError
from learning.outcomes import outcomes_to_learn_from
from prediction_log.actors import Actor
from prediction_log.audit import AuditFilter, audit_page
from prediction_log.outcomes.ended import ended
from prediction_log.outcomes.recording import GivenOutcome, Kind, UnknownSubjectError, record_outcomes
from prediction_log.repeats import Repeatable
from prediction_log.store import PredictionStore
from prediction_log.tables.predictions import feedback
from prediction_log.tables.rows import Record
from tests.prediction_log.test_store import record

NOBODY = Actor("nobody", "127.0.0.1", "r")
NOW = datetime.now(UTC)


def predicted(number: int, **changed: object) -> Record:
    return record(
        prediction_id=f"{number:032x}", created_at=NOW - timedelta(hours=9) + timedelta(minutes=number), **changed
    )


def said(store: PredictionStore) -> dict[int, tuple[str, str | None]]:
    rows = store.rows(select(feedback))
    return {int(row.prediction_id, 16): (row.actual_outcome, row.closed_at) for row in rows}


def test_an_outcome_is_of_all_predictions_of_its_subject(store: PredictionStore) -> None:
    store.write(
        [
            predicted(1, conversation_id="c-1"),
            predicted(2, conversation_id="c-1", deal_id="d-1"),
            predicted(3, conversation_id="c-2", deal_id="d-1"),
            predicted(4),
        ]
    )
    (by_deal,) = record_outcomes(store, [GivenOutcome("deal", "d-1", "failed", NOW.date())], NOBODY)
    assert [int(row.prediction_id, 16) for row in by_deal.predictions] == [3, 2], "the newest first"
    day = NOW.date().isoformat()
    assert said(store) == {2: ("failed", day), 3: ("failed", day)}
    record_outcomes(store, [GivenOutcome("conversation", "c-1", "successful")], NOBODY)
    record_outcomes(store, [GivenOutcome("prediction", f"{4:032x}", "failed")], NOBODY)
    assert said(store) == {1: ("successful", None), 2: ("successful", day), 3: ("failed", day), 4: ("failed", None)}
    history = [
        (int(one.subject, 16), one.detail["before"], one.detail["after"])
        for one in audit_page(store, AuditFilter()).entries
    ]
    assert sorted(history, key=str) == sorted(
        [
            (4, None, "failed"),
            (1, None, "successful"),
            (2, "failed", "successful"),
            (3, None, "failed"),
            (2, None, "failed"),
        ],
        key=str,
    )


def test_what_says_nothing_new_changes_nothing(store: PredictionStore) -> None:
    """A CRM that sends all of its outcomes every night must not look as if they had come today."""
    store.write([predicted(1, deal_id="d-1")])
    given = [GivenOutcome("deal", "d-1", "failed", NOW.date())]
    record_outcomes(store, given, NOBODY)
    before = store.rows(select(feedback))
    record_outcomes(store, given, NOBODY)
    record_outcomes(store, [GivenOutcome("deal", "d-1", "failed")], NOBODY)
    assert store.rows(select(feedback)) == before
    assert len(audit_page(store, AuditFilter()).entries) == 1


@pytest.mark.parametrize("kind", ["prediction", "conversation", "deal"])
@pytest.mark.parametrize("identifier", ["nowhere", "\x00"])
def test_an_unknown_subject_is_a_sentence_and_stores_nothing(
    store: PredictionStore, kind: Kind, identifier: str
) -> None:
    store.write([predicted(1, deal_id="d-1"), predicted(2)])
    known, unknown = (
        GivenOutcome("deal", "d-1", "failed"),
        GivenOutcome(kind, identifier, "failed", where="a.csv, row 3"),
    )
    with pytest.raises(UnknownSubjectError, match=r"a\.csv, row 3: no prediction.* is stored\.") as caught:
        record_outcomes(store, [known, unknown], NOBODY)
    assert caught.value.code == f"unknown_{kind}"
    assert said(store) == {}
    found = record_outcomes(store, [known, unknown], NOBODY, leave_out_unknown=True)
    assert [len(one.predictions) for one in found] == [1, 0]
    assert list(said(store)) == [1]


def test_outcomes_of_one_request_that_contradict_each_other_are_refused(store: PredictionStore) -> None:
    store.write([predicted(1, conversation_id="c-1", deal_id="d-1")])
    for other in (
        GivenOutcome("deal", "d-1", "failed", where="row 3"),
        GivenOutcome("conversation", "c-1", "failed", where="row 3"),
    ):
        with pytest.raises(InputError) as caught:
            record_outcomes(store, [GivenOutcome("deal", "d-1", "successful", where="row 2"), other], NOBODY)
        assert str(caught.value) == (
            f"Two outcomes contradict each other: deal 'd-1' ended 'successful' (row 2) and {other.subject} ended 'failed' "
            "(row 3); correct one of them. Nothing was stored."
        )
    assert said(store) == {}


def test_an_outcome_before_its_conversation_is_refused(store: PredictionStore) -> None:
    store.write(
        [
            predicted(1, deal_id="d-1", conversation_day="2026-03-10"),
            predicted(2, deal_id="d-1", conversation_day="2026-03-20"),
            predicted(3, conversation_id="undated"),
        ]
    )
    with pytest.raises(InputError) as caught:
        record_outcomes(store, [GivenOutcome("deal", "d-1", "failed", date(2026, 3, 9))], NOBODY)
    assert str(caught.value) == (
        "The outcome of deal 'd-1' is dated 2026-03-09, before its first conversation of 2026-03-10; correct the date, or "
        "leave it out."
    )
    for first in (date(2026, 3, 10), date(2026, 3, 15)):  # on its day, and between two
        record_outcomes(store, [GivenOutcome("deal", "d-1", "failed", first)], NOBODY)
    with pytest.raises(InputError, match="which has no date and was predicted on"):
        record_outcomes(
            store, [GivenOutcome("conversation", "undated", "failed", NOW.date() - timedelta(days=3))], NOBODY
        )
    with pytest.raises(InputError, match="which is to come"):
        record_outcomes(store, [GivenOutcome("deal", "d-1", "failed", NOW.date() + timedelta(days=2))], NOBODY)


def test_a_repeated_request_changes_nothing_back(store: PredictionStore) -> None:
    store.write([predicted(1, deal_id="d-1")])
    request = Repeatable("k" * 64, "c" * 64)
    for outcome, asked in (("failed", request), ("successful", None), ("failed", request)):
        record_outcomes(store, [GivenOutcome("deal", "d-1", outcome)], NOBODY, asked)  # type: ignore[arg-type]
    assert said(store) == {1: ("successful", None)}


def test_an_unknown_subject_does_not_use_up_the_key_of_its_request(store: PredictionStore) -> None:
    request, given = Repeatable("k" * 64, "c" * 64), [GivenOutcome("deal", "d-1", "failed")]
    record_outcomes(store, given, NOBODY, request, leave_out_unknown=True)
    store.write([predicted(1, deal_id="d-1")])
    record_outcomes(store, given, NOBODY, request)
    assert said(store) == {1: ("failed", None)}


# What may be learned from


def test_a_deals_conversations_become_one_in_order_of_their_dates(store: PredictionStore) -> None:
    deal = {"deal_id": "d-1", "deal_group": "Acme", "context": {"industry": "retail"}}
    store.write(
        [
            predicted(
                1, conversation_id="second", conversation_day="2026-03-20", transcript="seller: B\ncustomer: C", **deal
            ),
            predicted(2, conversation_id="first", conversation_day="2026-03-10", transcript="A note.", **deal),
            predicted(3, conversation_id="other", transcript="Alone."),
        ]
    )
    record_outcomes(store, [GivenOutcome("deal", "d-1", "successful", date(2026, 4, 1))], NOBODY)
    record_outcomes(store, [GivenOutcome("conversation", "other", "failed")], NOBODY)
    whole, alone = (one.conversation for one in outcomes_to_learn_from(store).known)
    assert [turn.text for turn in whole.turns or []] == ["A note.", "B", "C"]
    assert [turn.speaker for turn in whole.turns or []] == ["", "seller", "customer"]
    assert (whole.conversation_id, whole.outcome, whole.group) == ("d-1", "successful", "Acme")
    assert whole.conversation_context.industry == "retail"
    assert (alone.conversation_id, alone.transcript, alone.outcome) == ("other", "Alone.", "failed")


def test_several_predictions_of_one_conversation_count_once_with_the_newest_words(store: PredictionStore) -> None:
    store.write(
        [
            predicted(1, conversation_id="c-1", transcript="Half of it."),
            predicted(2, conversation_id="c-1", transcript="Half of it. And the rest."),
            predicted(3, transcript="No id."),
            predicted(4, transcript="No id."),
        ]
    )
    for number in (1, 2, 3, 4):
        record_outcomes(store, [GivenOutcome("prediction", f"{number:032x}", "failed")], NOBODY)
    assert [one.conversations[0].transcript for one in ended(store)] == ["Half of it. And the rest.", "No id."]


def test_of_outcomes_that_differ_the_last_one_counts(store: PredictionStore) -> None:
    store.write([predicted(1, deal_id="d-1"), predicted(2, deal_id="d-1", transcript="More.")])
    record_outcomes(store, [GivenOutcome("deal", "d-1", "failed")], NOBODY)
    record_outcomes(store, [GivenOutcome("prediction", f"{1:032x}", "successful")], NOBODY)
    (one,) = ended(store)
    assert {conversation.outcome for conversation in one.conversations} == {"successful"}


def test_what_was_said_after_the_outcome_came_or_after_the_close_is_left_out(store: PredictionStore) -> None:
    store.write([predicted(1, deal_id="d-1", conversation_day="2026-03-10", transcript="Before.")])
    store.write([predicted(2, deal_id="d-1", conversation_day="2026-03-20", transcript="On the day of the close.")])
    record_outcomes(store, [GivenOutcome("deal", "d-1", "successful", date(2026, 3, 20))], NOBODY)
    late = record(created_at=datetime.now(UTC) + timedelta(minutes=1), deal_id="d-1", transcript="After the outcome.")
    store.write([late])
    found = outcomes_to_learn_from(store)
    assert [one.conversation.transcript for one in found.known] == ["Before."]
    assert "1 conversations of 1 deals are left out, as they are dated on the day of the close" in found.notices[0]


def test_without_stored_words_there_is_nothing(store: PredictionStore) -> None:
    store.write([predicted(1, deal_id="d-1", transcript=None), predicted(2, transcript=" ")])
    record_outcomes(
        store, [GivenOutcome("deal", "d-1", "failed"), GivenOutcome("prediction", f"{2:032x}", "failed")], NOBODY
    )
    assert ended(store) == []


def test_a_deal_that_is_too_long_keeps_its_newest_conversations(store: PredictionStore) -> None:
    words = "word " * 100_000
    store.write(
        [
            predicted(n, deal_id="d-1", conversation_id=f"c-{n}", conversation_day=f"2026-03-{n:02}", transcript=words)
            for n in range(1, 5)
        ]
    )
    record_outcomes(store, [GivenOutcome("deal", "d-1", "failed")], NOBODY)
    (one,) = outcomes_to_learn_from(store).known
    assert len(one.conversation.turns or []) < 2 * len(words) and one.conversation.characters <= 1_000_000
