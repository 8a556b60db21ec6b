"""Who sells, found from the words: the formula by hand, the cases in which it says nothing, and how often it is right."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from conversations.conversation import Conversation
from conversations.terms import TermWeights, term_counts
from conversations.who_sells import RoleWords, role_words
from foundations.errors import InputError
from knowledge.who_sells import corpus_dialogues, learned_words, main, told_right, written_dialogues

WORDS = RoleWords(TermWeights({"offer": 2.0, "my budget": -1.0, "we": 0.5}), first=0.3)
OFFER, BUDGET = "We offer it " + "today " * 20, "That is my budget " + "now " * 20
CALL = [
    (
        "Jane Doe",
        "Thanks for joining. What are you hoping we can take off your plate? I can show you how it works first.",
    ),
    (
        "Raj",
        "Our team keeps it all in spreadsheets and I lose a day a week. My boss told me the budget is tight though.",
    ),
    ("Jane Doe", "Got it. If you like I'll send you a quote for ten seats, and we could start you on a free month?"),
    ("Raj", "I don't know, I'd have to ask. They said no to the last thing we wanted."),
]


def test_a_voices_log_odds_are_worked_by_hand() -> None:
    assert term_counts(["We offer. We offer?"])["we"] == 2 and term_counts(["a b", "c"])["b c"] == 0
    twice = 1 + math.log(2)
    expected = (2.0 * twice + 0.5 * 1) / math.sqrt(twice**2 + 1)
    assert WORDS.terms.log_odds(["offer it, we offer"]) == pytest.approx(expected)
    assert WORDS.terms.log_odds(["nothing known"]) == 0.0


def test_the_highest_sells_the_lowest_buys_and_others_stand_with_the_nearer() -> None:
    said = [("a", BUDGET), ("b", OFFER), ("c", "we"), ("d", "my budget")]
    assert WORDS.sides(said) == {"a": "customer", "b": "seller", "c": "customer", "d": "customer"}


@pytest.mark.parametrize(
    "said",
    [
        [("a", BUDGET), ("", OFFER)],
        [("a", BUDGET)],
        [("a", BUDGET), ("b", "We offer it.")],
        [("a", "today " * 20), ("b", "now " * 20)],
        [],
    ],
    ids=["nobody's words", "one voice", "few words", "no difference", "nothing"],
)
def test_where_words_do_not_tell_nobody_is_called_anything(said: list[tuple[str, str]]) -> None:
    assert RoleWords(WORDS.terms, first=0.0).sides(said) == {}


def test_a_conversation_with_names_gets_sides_keeps_the_names_and_says_that_it_was_inferred() -> None:
    call = Conversation.model_validate({"turns": [{"speaker": name, "text": text} for name, text in CALL]})
    assert call.sides_inferred
    assert [(turn.speaker, turn.name) for turn in call.turns or []][:2] == [("seller", "Jane Doe"), ("customer", "Raj")]
    again = Conversation.model_validate(call.model_dump())
    assert again == call


@pytest.mark.parametrize("name", ["Customer", "Prospect"])
def test_a_given_side_is_never_overruled(name: str) -> None:
    turns = [{"speaker": name if speaker == "Jane Doe" else speaker, "text": text} for speaker, text in CALL]
    call = Conversation.model_validate({"turns": turns})
    assert not call.sides_inferred and [turn.speaker for turn in call.turns or []][:2] == ["customer", "raj"]


def test_what_is_learned_tells_a_writer_who_was_not_read_and_swapping_sides_swaps_the_answer() -> None:
    written = written_dialogues()
    held = [dialogue for dialogue in written if dialogue.writer == "persuader"]
    words = learned_words(corpus_dialogues()[:300], [one for one in written if one.writer != "persuader"])
    right, wrong, _ = told_right(words, held)
    assert right > 0.8 > 0.2 > wrong
    swapped = RoleWords(TermWeights({term: -weight for term, weight in words.terms.weights.items()}), -words.first)
    assert told_right(swapped, held)[:2] == pytest.approx((wrong, right))


def test_the_words_that_come_with_the_program_tell_its_own_dialogues() -> None:
    assert told_right(role_words(), written_dialogues())[0] > 0.95


def test_a_bad_line_and_a_damaged_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "w.txt").write_text("S: Hello\nBob: Hi\n")
    with pytest.raises(InputError, match=r"the line 'Bob: Hi' begins with neither 'S: ' nor 'C: '"):
        written_dialogues(tmp_path)
    (tmp_path / "words.json").write_text('{"weights": [1]}')
    with pytest.raises(InputError, match=r"words\.json' does not say what words weigh"):
        role_words(tmp_path / "words.json")


def test_the_command_measures_conversations_that_name_both_sides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [
        {"turns": [{"speaker": side, "text": text} for side, text in one.said]} for one in written_dialogues()[:9]
    ]
    unsided = {"turns": [{"speaker": name, "text": text} for name, text in CALL]}
    path = tmp_path / "calls.jsonl"
    path.write_text("\n".join(map(json.dumps, [*records, unsided])), encoding="utf-8")
    assert main(["--data", str(path)]) == 0
    assert "1.000 right, 0.000 wrong, 0.000 not told, of 9 with two sides" in capsys.readouterr().out
    assert main(["--data", str(tmp_path / "none.jsonl")]) == 2
