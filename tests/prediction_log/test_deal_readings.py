"""Deals that were read, out of the store: warnings of the day, orders, deletion, and files while the database is away."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from conversations.conversation import Outcome
from deals.qualification import Criterion, QualificationCard
from foundations.settings import load_settings
from prediction_log.actors import Actor
from prediction_log.deals.listing import DealFilter, deal_page
from prediction_log.deals.lost import lost_deals
from prediction_log.deals.timeline import deal_timeline
from prediction_log.outcomes.ended import ended
from prediction_log.store import PredictionStore
from prediction_log.tables.predictions import deal_parts, deal_readings
from prediction_log.tables.rows import DEAL, Record
from prediction_log.waiting import WaitingRecords
from tests.prediction_log.test_deals import of_deal
from tests.prediction_log.test_store import say

NOBODY = Actor("nobody", "127.0.0.1", "r")
TODAY = date(2024, 6, 30)
UNKNOWN = Criterion(status="unknown", detail="", since=None, quotes=())


def day(ago: int) -> str:
    return (TODAY - timedelta(days=ago)).isoformat()


def read(
    deal: str,
    number: int,
    probability: float,
    ago: int,
    *,
    calls: tuple[str, ...] = ("c",),
    silent: int | None = None,
    lasting: bool = False,
    against: str = "",
) -> Record:
    """A prediction of a deal with what was found: `against`, a competitor's quote. silent: days of the customer's silence."""
    row = of_deal(deal, number, probability) | {"conversation_id": calls[-1], "request_id": f"r{number}"}
    card = QualificationCard(budget=UNKNOWN, authority=UNKNOWN, need=UNKNOWN, timing=UNKNOWN)
    warning: dict[str, Any] = {
        "kind": "no_next_step",
        "severity": "medium",
        "sentence": "No next step",
        "since": None,
        "quotes": [],
    }
    signal = {
        "name": "competitor",
        "polarity": "negative",
        "strength": 0.9,
        "quote": against,
        "speaker": "customer",
        "turn": 0,
        "conversation_id": calls[-1],
        "date": day(ago),
    }
    found: dict[str, Any] = {
        "moved_most": {"conversation_id": calls[-1], "date": None, "change": None, "evidence": []},
        "signals": [signal] if against else [],
        "qualification": card.model_dump(mode="json"),
        "warnings": [warning] if lasting else [],
        "silence": {
            "last_day": day(ago),
            "silent_since": None if silent is None else day(silent),
            "unanswered": 0 if silent is None else 2,
        },
        "recommended_actions": [],
        "words": True,
    }
    reading = {
        "prediction_id": row["prediction_id"],
        "band": "B",
        "next_step": "Call",
        "lasting_warnings": int(lasting),
        "last_day": day(ago),
        "silent_since": None if silent is None else day(silent),
        "found": found,
    }
    parts = [
        {
            "prediction_id": row["prediction_id"],
            "place": place,
            "conversation_id": name,
            "date": day(ago + 9 - place),
            "probability": probability,
            "transcript": f"words of {name}",
        }
        for place, name in enumerate(calls)
    ]
    return {**row, DEAL: {"reading": reading, "parts": parts}}


def shown(store: PredictionStore, **wanted: Any) -> list[str]:
    return [one.deal_id for one in deal_page(store, DealFilter(**wanted), TODAY).deals]


def test_warnings_are_those_of_the_day_that_asks(store: PredictionStore) -> None:
    store.write(
        [
            read("fresh", 1, 0.5, 3),
            read("quiet", 2, 0.6, 14),
            read("quieter", 3, 0.4, 30),
            read("unanswered", 4, 0.3, 2, silent=15),
            read("lasting", 5, 0.2, 1, lasting=True),
            of_deal("never read", 6, 0.9),
        ]
    )
    page = deal_page(store, DealFilter(), TODAY)
    assert {one.deal_id: [warning.sentence for warning in one.warnings] for one in page.deals} == {
        "never read": [],
        "quiet": ["Nothing has happened for 14 days"],
        "fresh": [],
        "quieter": ["Nothing has happened for 30 days; ask whether they still want it"],
        "unanswered": ["The customer has been silent for 15 days; 2 attempts since are unanswered"],
        "lasting": ["No next step"],
    }
    assert shown(store, warned=True) == ["quiet", "quieter", "unanswered", "lasting"]
    yesterday = deal_page(store, DealFilter(warned=True), TODAY - timedelta(days=1))
    assert [one.deal_id for one in yesterday.deals] == ["quieter", "unanswered", "lasting"], "13 days are not 14"
    assert yesterday.total == 3
    assert deal_page(store, DealFilter(warned=True, offset=9), TODAY).total == 4


def test_orders_and_search(store: PredictionStore) -> None:
    store.write(
        [of_deal("up", 1, 0.1, "Acme"), of_deal("down", 2, 0.9), of_deal("up", 3, 0.5, "Acme"), of_deal("down", 4, 0.6)]
    )
    store.write([read("quiet", 5, 0.7, 20), read("loud", 6, 0.55, 1)])
    assert shown(store) == ["quiet", "down", "loud", "up"]
    assert shown(store, sort="rising")[:2] == ["up", "down"]
    assert shown(store, sort="falling")[:2] == ["down", "up"]
    assert shown(store, sort="newest") == ["loud", "quiet", "down", "up"]
    assert shown(store, sort="quietest")[:2] == ["quiet", "loud"]
    assert shown(store, text="ACM") == ["up"], "in the group, too"
    assert shown(store, text="o%") == []


def test_the_curve_has_each_conversation_once(store: PredictionStore) -> None:
    store.write([read("d", 1, 0.1, 9, calls=("a",)), read("d", 2, 0.2, 8, calls=("b",))])
    store.write([read("d", 3, 0.3, 7, calls=("b", "c"))])
    (one,) = deal_page(store, DealFilter(), TODAY).deals
    assert [point.conversation_id for point in one.curve] == ["a", "b", "c"]
    assert one.change == pytest.approx(0.1)


def test_a_conversations_words_go_wherever_they_are(store: PredictionStore) -> None:
    store.write([read("d", 1, 0.1, 9, calls=("a", "b")), read("e", 2, 0.1, 9, calls=("b",))])
    assert store.remove_conversation("a", NOBODY) == 1
    parts = [
        (row.conversation_id, row.transcript)
        for row in store.rows(select(deal_parts).order_by(deal_parts.c.prediction_id))
    ]
    assert parts == [("b", "words of b"), ("b", "words of b")]
    assert len(store.rows(select(deal_readings))) == 1, "what was found with it may quote it"
    timeline = deal_timeline(store, "d", TODAY)
    assert timeline is not None
    assert timeline.qualification is None
    assert store.remove(f"{2:032x}", NOBODY)
    assert store.purge(datetime.now(UTC) + timedelta(days=1)) == 1
    assert store.rows(select(deal_parts)) == store.rows(select(deal_readings)) == []


def test_a_conversations_words_are_kept_once_with_the_newest_prediction(store: PredictionStore) -> None:
    store.write([read("d", 1, 0.1, 9, calls=("a", "b")), read("other", 2, 0.1, 9, calls=("a",))])
    store.write([read("d", 3, 0.1, 9, calls=("b", "c"))])
    parts = deal_parts.c
    rows = store.rows(select(parts.conversation_id, parts.transcript).order_by(parts.prediction_id, parts.place))
    assert [tuple(row) for row in rows] == [
        ("a", "words of a"),
        ("b", None),
        ("a", "words of a"),
        ("b", "words of b"),
        ("c", "words of c"),
    ]


def test_lost_deals_by_month_and_by_rival(store: PredictionStore) -> None:
    store.write(
        [
            read("a", 1, 0.1, 9, against="We went with Globex."),
            read("b", 2, 0.1, 9, against="We chose globex and Globex it is, we went with Globex."),
            read("c", 3, 0.1, 9, against="Another vendor was cheaper."),
            read("d", 4, 0.1, 9),
            read("won", 5, 0.1, 9, against="We went with Initech."),
            of_deal("never read", 6, 0.1),
            read("open", 7, 0.1, 9, against="We went with Initech."),
        ]
    )
    outcomes: tuple[Outcome, ...] = ("failed", "failed", "failed", "failed", "successful", "failed")
    for number, outcome in enumerate(outcomes, start=1):
        say(store, f"{number:032x}", outcome)
    found = lost_deals(store)
    assert found.deals == 5
    (month,) = found.months
    assert (month.month, month.deals, month.without_reason) == (f"{datetime.now(UTC):%Y-%m}", 5, 2)
    assert [(one.name, one.title, one.deals, len(one.quotes)) for one in month.reasons] == [
        ("competitor", "A competitor is in play", 3, 3)
    ]
    assert [(one.rival, one.deals) for one in found.rivals] == [("Globex", 2), (None, 1)]
    assert found.notices == ["Nothing was read in the words of 1 of them, so why they were lost is not known."]


def test_what_waits_on_disk_keeps_and_forgets_a_deals_words(tmp_path: Path) -> None:
    waiting = WaitingRecords(tmp_path)
    waiting.append([read("d", 1, 0.1, 9, calls=("a", "b")), of_deal("e", 2, 0.2)])
    waiting.release()
    (batch,) = [records for records, _ in WaitingRecords(tmp_path).batches()]
    store = PredictionStore(load_settings(state=tmp_path / "state").database)
    store.write(batch)
    assert [row.conversation_id for row in store.rows(select(deal_parts.c.conversation_id))] == ["a", "b"]
    store.close()
    waiting.append([read("d", 1, 0.1, 9, calls=("a", "b"))])
    waiting.release()
    assert waiting.remove_conversation("a") == 1
    assert not any("words of a" in path.read_text() for path in tmp_path.glob("waiting-*"))


def test_what_ended_is_learned_from_conversation_by_conversation(store: PredictionStore) -> None:
    """Of a deal that was predicted twice each conversation counts once, whichever of the two predictions has its words."""
    store.write([read("a", 1, 0.5, 9, calls=("first", "second"))])
    store.write([read("a", 2, 0.5, 9, calls=("first", "second", "third"))])
    say(store, f"{2:032x}", "failed")
    (one,) = ended(store)
    assert [said.conversation_id for said in one.conversations] == ["first", "second", "third"]
    assert {said.deal_id for said in one.conversations} == {"a"} and {said.outcome for said in one.conversations} == {
        "failed"
    }
