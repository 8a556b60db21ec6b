"""Data that give their outcomes away: figures that read no word, by hand, and when they are worth a warning."""

from __future__ import annotations

import math
from typing import Any

import pytest

from conversations.conversation import Conversation
from evaluation.difficulty import Cue, leak_warning, leaks, wordless_cues


def deals(won: list[dict[str, Any]], lost: list[dict[str, Any]]) -> list[Conversation]:
    ended = [("successful", one) for one in won] + [("failed", one) for one in lost]
    return [Conversation.model_validate({**record, "outcome": outcome}) for outcome, record in ended]


def note(words: int) -> dict[str, Any]:
    return {"transcript": " ".join(["word"] * words)}


def aucs(conversations: list[Conversation]) -> dict[str, float]:
    return {cue.title: cue.roc_auc for cue in wordless_cues(conversations)}


def test_length_by_hand() -> None:
    # Pairs of a won and a lost one: 8 words against 3 and 9, and 5 against 3 and 9: the longer is won in 2 of 4.
    assert aucs(deals([note(8), note(5)], [note(3), note(9)]))["the number of words"] == 0.5
    # Shorter ones are won in all pairs: turned, since that tells as much.
    assert aucs(deals([note(2), note(3)], [note(8), note(9)]))["the number of words"] == 1.0


def test_form_fields_and_shares_are_figures_too() -> None:
    talk = [{"speaker": "customer", "text": "Yes we do."}, {"speaker": "seller", "text": "Fine."}]
    filled = {"conversation_context": {"industry": "retail", "urgency": "high"}}
    found = aucs(deals([{"turns": talk, **filled}] * 3, [note(4)] * 3))
    assert found["being a dialogue or a note"] == found["the number of filled CRM fields"] == 1.0
    assert found["the number of words"] == 0.5, "four words each"
    assert "the customer's share of the words" not in found, "no lost one has it"
    assert "the number of speakers" not in found


def test_few_conversations_may_look_so_by_chance() -> None:
    # Standard error of an AUC without anything to tell: √((n + 1) / (12 · won · lost)).
    (cue, *_) = wordless_cues(deals([note(n) for n in range(5, 9)], [note(n) for n in range(1, 5)]))
    assert cue.roc_auc == 1.0 and cue.by_chance == pytest.approx(0.5 + 3 * math.sqrt(9 / (12 * 16)))
    assert leaks([cue], 1.0) == [], "four of each prove nothing"
    (cue, *_) = wordless_cues(deals([note(n) for n in range(21, 41)], [note(n) for n in range(1, 21)]))
    assert cue.by_chance == pytest.approx(0.5 + 3 * math.sqrt(41 / (12 * 400)))
    assert leaks([cue], 1.0) == [cue]


@pytest.mark.parametrize(
    ("auc", "model", "leaks_it"),
    [
        (0.91, 1.0, True),  # too good to be true, whatever the model reaches
        (0.89, 0.95, False),
        (0.80, 0.82, True),  # nearly as well as the model
        (0.74, 0.70, False),  # longer talks may well convert more often
    ],
)
def test_a_figure_that_tells_as_much_as_the_model_is_a_leak(auc: float, model: float, leaks_it: bool) -> None:
    assert bool(leaks([Cue("length", auc, 0.6)], model)) == leaks_it


def test_the_warning_names_the_figures_and_what_they_probably_are() -> None:
    said = leak_warning(
        [Cue("the number of words", 1.0, 0.7), Cue("the number of speakers", 0.95, 0.7)], "Few-shot", 1.0
    )
    assert "the number of words (1.000) and the number of speakers (0.950) alone tell won from lost" in said
    assert "where Few-shot reaches 1.000" in said and "two sources" in said and "after the decision" in said


def test_one_outcome_has_no_figures() -> None:
    assert wordless_cues(deals([note(3)], [])) == []
