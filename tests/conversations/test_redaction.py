"""Marks that others put in place of words: read as words of their kind, wherever a conversation becomes text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.conversation import Conversation
from conversations.model_text import rendered_text, spoken_text
from conversations.redaction import without_marks


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hi [PERSON_NAME], this is [NAME_2] of [ORGANIZATION].", "Hi someone, this is someone of the company."),
        ("Call <PHONE_NUMBER> or [phone].", "Call that number or that number."),
        ("From {{CITY}} on [DATE-1]", "From the place on that day"),
        ("My name is *** and we pay ____ or XXXX.", "My name is something and we pay something or something."),
        ("J*** sent it", "J sent it"),
        ("[CUSTOMER NAME] wants [FOO_BAR]", "someone wants something"),
        ("So [inaudible 00:03:12] yes [laughs]", "So  yes "),
        ("[see below] is **bold**, [X] and [Jane Doe]", "[see below] is **bold**, [X] and [Jane Doe]"),
        ("No marks.", "No marks."),
    ],
)
def test_marks_become_words_of_their_kind(text: str, expected: str) -> None:
    assert without_marks(text) == expected


def test_no_model_and_no_judge_of_language_sees_a_mark() -> None:
    call = Conversation.model_validate({"turns": [{"speaker": "seller", "text": "Hello [NAME], 5 [MONEY]?"}]})
    note = Conversation(transcript="[NAME] of [ORG] agreed. Send it to ***.")
    assert rendered_text(call) == "seller: Hello someone, 5 that amount?"
    assert spoken_text(call) == "Hello someone, 5 that amount?"
    assert (
        rendered_text(note)
        == spoken_text(note).replace(". ", ".\n")
        == "someone of the company agreed.\nSend it to something."
    )


@given(
    st.lists(
        st.sampled_from(["[NAME]", "<ORG_1>", "{{CITY}}", "***", "XXXX", "price", "it's", "[a]", "5%"]), max_size=20
    )
)
def test_every_mark_between_words_goes_and_every_word_stays(parts: list[str]) -> None:
    read = without_marks(" ".join(parts)).split()
    marks = {"[NAME]": ["someone"], "<ORG_1>": ["the", "company"], "{{CITY}}": ["the", "place"]}
    marks |= {"***": ["something"], "XXXX": ["something"]}
    assert read == [word for part in parts for word in marks.get(part, [part])]
