"""What is held out: the most recent, and nothing that is on the other side as well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from conversations.conversation import Conversation
from learning.division import MOST_HELD_OUT, Division, divided
from learning.outcomes import Outcome

START = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = (
    "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa quebec".split()
)


def outcome(day: int, name: str, words: str | None = None, received: int | None = None, **fields: Any) -> Outcome:
    said = words or f"{name} {WORDS[day % 17]} {WORDS[day * 5 % 17]} word{day} other{day}"
    record = {"conversation_id": name, "transcript": said, "outcome": "successful", **fields}
    moment = START + timedelta(days=day)
    return Outcome(Conversation(**record), START + timedelta(days=received or day), moment)


def ids(conversations: list[Conversation]) -> list[str]:
    return [one.conversation_id for one in conversations]


def outcomes(count: int) -> list[Outcome]:
    return [outcome(day, f"n{day}") for day in range(count)]


def test_the_most_recent_half_is_held_out_whatever_the_order_they_came_in() -> None:
    came_late = [outcome(0, "oldest", received=50), *outcomes(7)[1:], outcome(9, "newest", received=1)]
    parts = divided([], came_late, None)
    assert ids(parts.held_out) == ["n5", "n6", "newest"] or ids(parts.held_out) == ["n4", "n5", "n6", "newest"]
    assert "oldest" in ids(parts.new)
    assert parts.fresh == 8 and len(parts.everything) == 8


def test_no_more_are_held_out_than_it_takes() -> None:
    parts = divided([], outcomes(3 * MOST_HELD_OUT), None)
    assert len(parts.held_out) == MOST_HELD_OUT
    assert len(parts.new) == 2 * MOST_HELD_OUT


def test_what_the_champion_has_learned_from_is_not_held_out() -> None:
    parts = divided([], outcomes(10), START + timedelta(days=5))
    assert ids(parts.learned) == [f"n{day}" for day in range(6)]
    assert ids(parts.new) == ["n6", "n7"] and ids(parts.held_out) == ["n8", "n9"]


def test_a_conversation_of_the_training_data_is_of_no_further_use() -> None:
    old = [
        Conversation(conversation_id="n9", transcript="Quite other words.", outcome="failed"),
        Conversation(
            conversation_id="x", transcript="The very same words as one of those that came.", outcome="failed"
        ),
        Conversation(conversation_id="row-1", transcript="An id that its place in a file made.", outcome="failed"),
    ]
    same = outcome(10, "n10", words="the very same words as one of those that came")
    parts = divided(old, [*outcomes(10), same, outcome(11, "row-1")], None)
    assert parts.repeated == 2
    assert not {"n9", "n10"} & set(ids(parts.everything))
    assert "row-1" in ids(parts.held_out)


def test_a_group_of_the_training_data_is_learned_from_and_never_held_out() -> None:
    old = [Conversation(conversation_id="x", transcript="Words of old.", outcome="failed", group="Acme")]
    parts = divided(old, [*outcomes(8), outcome(20, "acme-new", group="Acme")], None)
    assert "acme-new" in ids(parts.new)
    assert ids(parts.held_out) == ["n4", "n5", "n6", "n7"]


def test_what_shares_group_or_words_with_one_held_out_waits_for_the_last_fit() -> None:
    came = [
        outcome(0, "early", group="Acme"),
        outcome(1, "copy", words="these are the words that both of them have in common"),
        *outcomes(8)[2:],
        outcome(20, "late", group="Acme"),
        outcome(21, "original", words="these are the words that both of them have in common"),
    ]
    parts = divided([], came, None)
    assert {"late", "original"} <= set(ids(parts.held_out))
    assert sorted(ids(parts.apart)) == ["copy", "early"]
    assert not {"early", "copy"} & set(ids(parts.new))
    assert sorted(ids(parts.everything)) == sorted(one.conversation.conversation_id for one in came)


def test_nothing_came() -> None:
    assert divided([], [], None) == Division([], [], [], [], 0)
