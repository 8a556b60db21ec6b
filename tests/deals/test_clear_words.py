"""Clear words: which sentences say how a deal stands, what they name, and what only looks like it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conversations.conversation import Conversation
from deals.clear_words import ClearWord, clear_words, detail_of
from encoder.torch_encoder import SalesEncoder
from signals.said import SaidSentence, said_sentences
from tests.test_architecture import ROOT

DATA = ROOT / "tests" / "data"
OF_SIGNALS = {"budget": "budget", "authority": "authority", "need": "need", "timeline": "timing", "urgency": "timing"}


def words_of(sentence: str, turn: int | None = 1) -> list[ClearWord]:
    return list(clear_words(SaidSentence(sentence, "", "customer", turn), "us"))


def labels(words: list[ClearWord]) -> list[str]:
    return [f"{word.element}{'+' if word.favourable else '-'}" for word in words]


def answer(encoder: SalesEncoder, question: str, said: str) -> list[tuple[str, str]]:
    turns = [{"speaker": "seller", "text": question}, {"speaker": "customer", "text": said}]
    sentences = said_sentences(Conversation.model_validate({"turns": turns}), encoder)
    words = [word for one in sentences for word in clear_words(one, "us")]
    return list(zip(labels(words), [word.detail for word in words], strict=True))


def test_of_our_sentences_what_is_found_is_right_and_most_is_found() -> None:
    """Half of them look like something and say nothing."""
    rows: list[dict[str, Any]] = json.loads((DATA / "deal_sentences.json").read_text(encoding="utf-8"))
    found = [(label, row["says"]) for row in rows for label in labels(words_of(row["sentence"]))]
    right = sum(label in says for label, says in found)
    assert len(rows) >= 40 and right / len(found) >= 0.95
    assert right / sum(len(row["says"]) for row in rows) >= 0.9
    assert [row["sentence"] for row in rows if not row["says"] and words_of(row["sentence"])] == []


def test_of_sentences_that_were_written_for_the_signals_what_is_found_is_right() -> None:
    rows = json.loads((DATA / "signal_test_sentences.json").read_text(encoding="utf-8"))
    told = [
        (label, {OF_SIGNALS[name[:-1]] + name[-1] for name in row["signals"] if name[:-1] in OF_SIGNALS})
        for row in rows
        for label in labels(words_of(row["sentence"]))
    ]
    assert told, "some are found"
    assert [label for label, says in told if label not in says] == []


def test_who_how_much_and_by_when_are_named() -> None:
    rows = json.loads((DATA / "deal_sentences.json").read_text(encoding="utf-8"))
    named = {row["sentence"]: row["detail"] for row in rows if "detail" in row}
    got = {sentence: next((word.detail for word in words_of(sentence)), None) for sentence in named}
    assert len(named) >= 12
    assert {sentence: detail for sentence, detail in got.items() if detail not in (named[sentence], None)} == {}
    assert list(got.values()).count(None) <= 1


@pytest.mark.parametrize(
    ("question", "said", "expected"),
    [
        ("Who signs the contract?", "Me.", [("authority+", "")]),
        ("Who decides in the end?", "That would be me.", [("authority+", "")]),
        ("Who decides in the end?", "Our CFO.", [("authority-", "Our CFO")]),
        ("Who signs?", "Nicholas does.", [("authority-", "Nicholas")]),
        ("Who signs?", "I sign it.", [("authority+", "")]),  # once, as an answer and by itself
        ("Who signs?", "I don't know.", []),
        ("Who signs?", "There's the rub.", []),
        ("Who signs?", "Our CFO, or is it the board?", []),
        ("Who came to the fair?", "Our CFO.", []),
        ("When would you like to start?", "In early May.", [("timing+", "early May")]),
        ("When would you like to start?", "Not in May.", []),
        ("When do letters go out?", "On Thursday.", []),
        ("What budget have you got?", "About 20,000 euros.", [("budget+", "20,000 euros")]),
        ("What budget have you got?", "Nobody knows, perhaps 20,000 euros.", []),
    ],
)
def test_a_short_answer_is_read_with_its_question(
    tiny_encoder: SalesEncoder, question: str, said: str, expected: list[tuple[str, str]]
) -> None:
    assert answer(tiny_encoder, question, said) == expected


def test_clauses_are_read_one_by_one() -> None:
    both = words_of("The budget is approved, but my boss decides.")
    assert [(label, word.clause) for label, word in zip(labels(both), both, strict=True)] == [
        ("budget+", "The budget is approved"),
        ("authority-", "my boss decides."),
    ]
    assert labels(words_of("I don't decide, I only collect offers.")) == ["authority-"], "and not + as well"


@pytest.mark.parametrize(
    "sentence",
    [
        "If the budget is approved, we start in May.",
        "Is the budget approved?",
        "The budget was never approved.",
        "You say the money's there.",
        "We would lose customers.",
        "We no longer have no budget.",
        "That had been our biggest problem.",
    ],
)
def test_conditions_questions_denials_and_the_past_say_nothing(sentence: str) -> None:
    assert words_of(sentence) == []


def test_what_is_said_of_a_rival_says_nothing() -> None:
    rivals = SaidSentence("Their budget is approved.", "", "customer", 1)
    assert labels(list(clear_words(rivals, "us"))) == ["budget+"]
    assert list(clear_words(rivals, "rival")) == []


def test_a_note_says_that_its_contact_decides() -> None:
    assert labels(words_of("She is the decision maker.", turn=None)) == ["authority+"]
    assert labels(words_of("She is the decision maker.", turn=3)) == [], "in a talk she is somebody else"


def test_details_of_words_that_have_none() -> None:
    assert [detail_of(element, "We like it.") for element in ("budget", "authority", "need", "timing")] == [""] * 4
    assert detail_of("timing", "It's the 3rd of May meeting, and we decide by 12 June.") == "12 June", "the date meant"
