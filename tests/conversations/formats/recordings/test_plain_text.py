"""Plain-text transcripts in the shapes in which recorders, chats and people write them; notes that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.formats.recordings.plain_text import read_plain_transcript
from conversations.formats.turns import Spoken

SAID = [("Jane Doe", "Hello."), ("Raj", "It is 10:30 here: late."), ("Jane Doe", "Right."), ("Raj", "Go on.")]
SHAPES = {
    "names": "{name}: {words}",
    "time before": "[00:0{n}] {name}: {words}",
    "time of day before": "10:02:1{n} AM {name}: {words}",
    "name in brackets, time behind, words below": "[{name}] 22:30:4{n}\n{words}\n",
    "time alone, name below": "00:00:0{n}\n\n{name}: {words}\n",
    "name and time, words below": "{name}  0:0{n}\n{words}\n",
    "time and name, words below": "0:0{n} {name}\n{words}",
    "time, name and words between colons": "0:0{n} : {name} : {words}",
    "time in parentheses behind the name": "{name} (00:0{n}): {words}",
    "a phone's chat": "[12/03/2024, 10:15:0{n}] {name}: {words}",
    "a phone's chat with a dash": "12.03.24, 10:1{n} - {name}: {words}",
    "a meeting's chat": "10:02:1{n} From {name} to Everyone: {words}",
    "Markdown": "**{name}:** {words}\n",
}


def utterances(text: str) -> list[Spoken] | None:
    found = read_plain_transcript(text)
    return found and found.said


def written(shape: str) -> str:
    return "\n".join(SHAPES[shape].format(name=name, words=words, n=n) for n, (name, words) in enumerate(SAID))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("before", ["", "Call with Globex\n\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_shape_gives_names_and_words(shape: str, before: str, end: str) -> None:
    found = utterances((before + written(shape)).replace("\n", end))
    assert found is not None
    assert [(one.name, one.text) for one in found] == SAID


def test_roles_in_names_become_sides_and_lines_below_go_on() -> None:
    text = (
        "AE: Hello.\nand welcome\nRaj (Customer): Hi.\nThree things:\nprice, date\nAE: Fine.\nRaj (Customer): Yes.\n"
        "AE: Bye."
    )
    found = read_plain_transcript("Call 7\n" + text.replace("AE", "Kim (Sales)"))
    assert found is not None and found.heading == ["Call 7"]
    assert found.record["turns"][:2] == [
        {"speaker": "seller", "name": "Kim (Sales)", "text": "Hello. and welcome"},
        {"speaker": "customer", "name": "Raj (Customer)", "text": "Hi. Three things: price, date"},
    ]


def test_somebody_heard_once_is_a_speaker_too() -> None:
    text = "\n".join(["Jane: a", "Raj: b", "Jane: c", "Maria Lund: d", "Raj: e"])
    assert [one.name for one in utterances(text) or []] == ["Jane", "Raj", "Jane", "Maria Lund", "Raj"]


def test_two_lines_of_two_sides_are_a_talk() -> None:
    found = utterances("Seller: Shall I?\nCustomer: Please do.")
    assert found is not None and [one.name for one in found] == ["Seller", "Customer"]


@pytest.mark.parametrize(
    "note",
    [
        "Budget: 50k\nTimeline: May\nNext step: demo on Tuesday\nRisk: the CFO",
        "Met Jane. She liked it: the price is right.\nShe signs on Friday.",
        "Summary: good call\nThey want two seats.\nNext: send the quote at 10:30",
        "They called at 10:30 and again at 11:15.",
        "",
        "::::\n:::\n12:30",
    ],
)
def test_a_note_is_no_transcript(note: str) -> None:
    assert utterances(note) is None


@given(st.lists(st.sampled_from(["Jane: hi", "12:30", "[Raj] 1:02", "x", "", ":", "a:b", "0:1 : Q : z"]), max_size=30))
def test_any_lines_are_read_and_no_word_of_a_turn_is_lost(lines: list[str]) -> None:
    found = read_plain_transcript("\n".join(lines))
    if found is not None:
        assert all(one.name and one.text for one in found.said)
        kept = [*(one.text for one in found.said), *found.heading]
        assert sum(words.count("hi") for words in kept) == lines.count("Jane: hi")
