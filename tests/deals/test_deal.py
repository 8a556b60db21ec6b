"""Conversations of one deal as one: order, context, what contradicts, and that one alone is left as it is."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from conversations.conversation import MAX_TRANSCRIPT_CHARACTERS, Conversation
from conversations.formats.notices import gathered_notices
from conversations.model_text import rendered_text
from conversations.reading.files import read_conversations, write_conversations
from conversations.reading.record import conversation_from_record
from deals.deal import deal_of
from deals.parts import before_last, holds, parts_of
from foundations.errors import InputError


def record(name: str, said: str = "", date: str | None = None, **fields: Any) -> Conversation:
    given = {"conversation_id": name, "transcript": said or f"This is {name}.", "deal_id": "d", **fields}
    return conversation_from_record(given | ({"date": date} if date else {}), name)


CALL: dict[str, Any] = {
    "transcript": None,
    "turns": [{"speaker": "seller", "text": "Hello?", "start": 0, "end": 1}, {"text": "Yes. Hi."}],
}


def test_the_conversations_follow_each_other_by_date_whatever_the_order_given() -> None:
    given = [
        record("a", date="2024-03-03", said="Third. Really."),
        record("b", date="2024-03-01", **CALL),
        record("c", date="2024-03-02T23:30:00-02:00", said="It is the third already, at 1:30."),
        record("d", date="2024-03-02", said="Second."),
    ]
    # By moment: b on the 1st, d on the 2nd at 0:00, a on the 3rd at 0:00, c on the 3rd at 1:30 UTC.
    for order in itertools.permutations(given):
        deal = deal_of("d", order)
        assert [one.conversation_id for one in deal.conversations] == ["b", "d", "a", "c"]
        said = [(turn.speaker, turn.text) for turn in deal.whole.turns or []]
        assert said == [
            ("seller", "Hello?"),
            ("", "Yes. Hi."),
            ("", "Second."),
            ("", "Third."),
            ("", "Really."),
            ("", "It is the third already, at 1:30."),
        ]
        assert deal.whole.model_dump() == deal_of("d", given).whole.model_dump()
    assert deal.whole.conversation_id == deal.whole.deal_id == "d"
    assert deal.dates[0] == "2024-03-01"
    assert {(turn.start, turn.end) for turn in deal.whole.turns or []} == {(None, None)}, "each call begins at zero"


def test_a_deal_of_one_conversation_is_that_conversation() -> None:
    for one in (record("a"), record("b", deal_id=None), record("c", **CALL)):
        deal = deal_of("d", [one])
        assert deal.whole is one
        assert deal.upto(1) is one
        assert before_last(one) is None


def test_equal_dates_and_missing_ones_go_by_id_and_those_without_a_date_come_first() -> None:
    given = [record("b", date="2024-01-01"), record("a", date="2024-01-01"), record("z"), record("y", date="3/4/2024")]
    for order in itertools.permutations(given):
        assert [one.conversation_id for one in deal_of("d", order).conversations] == ["y", "z", "a", "b"]


def test_conversations_without_ids_and_dates_are_told_apart_by_their_words_and_context() -> None:
    context = {"industry": "retail"}
    given = [record("", said="One."), record("", said="Two."), record("", said="Two.", conversation_context=context)]
    answers = {deal_of("d", order).whole.model_dump_json() for order in itertools.permutations(given)}
    assert len(answers) == 1


def test_the_newest_that_is_known_of_the_context_counts_field_by_field() -> None:
    early = record("a", date="2024-01-01", conversation_context={"industry": "retail", "urgency": "low", "own": 1})
    late = record("b", date="2024-01-02", conversation_context={"urgency": "high"})
    context = deal_of("d", [late, early]).whole.conversation_context
    assert (context.industry, context.urgency, context.model_extra) == ("retail", "high", {"own": 1})
    assert deal_of("d", [late, early]).upto(1) is early


def test_how_many_conversations_there_are_is_no_part_of_what_models_read() -> None:
    apart = deal_of("d", [record("a", date="2024-01-01", said="One."), record("b", date="2024-01-02", said="Two.")])
    together = record("c", turns=[{"text": "One."}, {"text": "Two."}])
    assert rendered_text(apart.whole) == rendered_text(together)


@pytest.mark.parametrize(
    ("field", "first", "second", "what"),
    [
        ("outcome", "failed", "successful", "how it ended"),
        ("group", "Acme", "Globex", "its group"),
        ("split", "test", "train", "its split"),
    ],
)
def test_conversations_that_contradict_each_other_are_refused(field: str, first: str, second: str, what: str) -> None:
    given = [record("a", **{field: first}), record("b", **{field: second}), record("c")]
    messages = set()
    for order in itertools.permutations(given):
        with pytest.raises(InputError) as refused:
            deal_of("d-17", order)
        messages.add(str(refused.value))
    (message,) = messages
    assert what in message
    for quoted in ("d-17", first, second, "'a'", "'b'"):
        assert quoted in message


def test_what_one_conversation_knows_of_the_deal_all_of_it_knows() -> None:
    deal = deal_of(
        "d", [record("a", date="2024-01-01"), record("b", date="2024-01-02", outcome="failed", group="Acme")]
    )
    assert (deal.whole.outcome, deal.whole.group, deal.whole.model_extra["date"]) == ("failed", "Acme", "2024-01-02")  # type: ignore[index]
    left = deal.without([deal.conversations[1]])
    assert left is not None
    assert (left.whole.conversation_id, left.whole.outcome, left.whole.group) == ("a", "failed", "Acme")
    assert deal.without([]) is deal
    assert deal.without(deal.conversations) is None


def test_a_conversation_that_is_there_twice_counts_once() -> None:
    one, again = record("a", said="Yes.", date="2024-01-01"), record("a", said="yes.", date="2024-01-01")
    assert deal_of("d", [one, again]).whole.conversation_id == "a"
    other = record("a", said="No.", date="2024-01-01")
    assert len(deal_of("d", [one, again, other]).conversations) == 2
    assert len(deal_of("d", [record("", said="Yes."), record("", said="Yes.")]).conversations) == 2, "no id says so"


def test_a_deal_may_be_as_long_as_a_conversation() -> None:
    half = "x" * (MAX_TRANSCRIPT_CHARACTERS // 2)
    assert deal_of("d", [record("a", said=half), record("b", said=half)]).whole.characters == MAX_TRANSCRIPT_CHARACTERS
    with pytest.raises(
        InputError, match=r"2 conversations of deal 'd' have 1,000,001 characters together; at most 1,000,000"
    ):
        deal_of("d", [record("a", said=half), record("b", said=half + "x")])
    turns = [{"text": "x"}] * 25_001
    with pytest.raises(InputError, match="50,002 turns together; at most 50,000"):
        deal_of("d", [record("a", turns=turns), record("b", turns=turns)])


def test_a_joined_deal_that_was_written_and_read_still_knows_its_conversations(tmp_path: Any) -> None:
    early = record("a", date="2024-01-01", conversation_context={"urgency": "low"}, said="One. Two.")
    late = record("b", date="2024-01-02", conversation_context={"urgency": "high"}, **CALL)
    path = tmp_path / "deals.json"
    notes = [record("n1", deal_id="n"), record("n2", deal_id="n")]
    write_conversations(path, [deal_of("d", [early, late]).whole, record("c"), deal_of("n", notes).whole])
    with gathered_notices() as notices:
        whole, single, _ = read_conversations(path)
    assert notices == [], "that nobody speaks in a note is no surprise"
    assert [(part.conversation_id, part.date, part.turns) for part in parts_of(whole)] == [
        ("a", "2024-01-01", 2),
        ("b", "2024-01-02", 2),
    ]
    assert [holds(whole, name) for name in ("a", "b", "d", "c")] == [True, True, True, False]
    before = before_last(whole)
    assert before is not None
    assert [turn.text for turn in before.turns or []] == ["One.", "Two."]
    assert before.conversation_context.urgency == "low", "what the CRM said then"
    assert rendered_text(before) == rendered_text(early)
    assert before_last(single) is None
    assert before_last(before) is None


def test_a_field_of_that_name_that_is_not_ours_is_no_deal() -> None:
    for theirs in ("wheels", [{"turns": 7, "conversation_id": "x"}], [{"conversation_id": "x"}], 3):
        assert not parts_of(record("a", deal_parts=theirs, **CALL))
