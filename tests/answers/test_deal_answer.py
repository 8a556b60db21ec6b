"""Signals of a deal: each with the conversation it comes from, and of several mentions the newest word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from structlog.testing import capture_logs

from answers.deals.answer import answer_deal
from answers.sources import Sources
from conversations.conversation import Conversation
from deals.deal import deal_of
from encoder.torch_encoder import SalesEncoder
from foundations.artifact_folder import ArtifactFolder
from signals.finder import Signal
from tests.deals.test_deal import record


class SaidSignals:
    """Finds what a conversation's transcript or turns name: "budget negative", a mention a sentence or a turn."""

    def __init__(self, encoder: SalesEncoder) -> None:
        self.encoder = encoder

    def finder(self) -> SaidSignals:
        return self

    def mentions(self, conversation: Conversation) -> list[Signal]:
        said: Sequence[Any] = [(turn.text, n) for n, turn in enumerate(conversation.turns or [])]
        said = said or [(sentence, None) for sentence in (conversation.transcript or "").split(". ")]
        return [Signal(text.split()[0], text.split()[1], 0.9, text, "", turn) for text, turn in said]


def test_of_each_signal_the_newest_word_counts_with_its_date(
    trained_artifacts: ArtifactFolder, tiny_encoder: SalesEncoder
) -> None:
    sources = replace(Sources.of(trained_artifacts, 1), signals=SaidSignals(tiny_encoder))  # type: ignore[arg-type]
    first = record("a", date="2024-01-01", said="budget negative. timeline positive. price_objection negative")
    second = record("b", date="2024-01-02", turns=[{"text": "need positive"}, {"text": "budget positive"}])
    third = record("c", said="objection_resolved positive the price is fine", date="2024-01-03")
    found = answer_deal(sources, deal_of("d", [third, first, second]), ["Told."], "classification_head")
    # The budget was missing and is there; the resolution settles the price, which then counts as accepted on the 3rd.
    assert {one.name: (one.polarity, one.conversation_id, one.date, one.turn) for one in found.signals} == {
        "budget": ("positive", "b", "2024-01-02", 1),
        "timeline": ("positive", "a", "2024-01-01", None),
        "need": ("positive", "b", "2024-01-02", 0),
        "price_objection": ("positive", "c", "2024-01-03", None),
        "objection_resolved": ("positive", "c", "2024-01-03", None),
    }
    told, learned_from_calls = found.notices
    assert told == "Told."
    assert learned_from_calls.startswith("The model classification_head learned from single conversations")
    assert deal_of("d", [first, second]).whole.conversation_id == "d"
    turned = record("z", date="2024-01-09", said="budget negative")
    again = answer_deal(sources, deal_of("d", [turned, second]), [], "classification_head")
    assert [(one.polarity, one.date) for one in again.signals if one.name == "budget"] == [("negative", "2024-01-09")]


def test_a_deal_in_another_language_says_which_part_can_not_be_relied_on(
    trained_artifacts: ArtifactFolder, tiny_encoder: SalesEncoder
) -> None:
    sources = replace(Sources.of(trained_artifacts, 1), signals=SaidSignals(tiny_encoder))  # type: ignore[arg-type]
    said = "budget negative und der Chef will noch nicht, aber wir haben es mit ihm am Montag besprochen"
    found = answer_deal(sources, deal_of("d", [record("a", said=said)]), ["Told."], "classification_head")
    assert found.notices[0] == "Told."
    assert "learned from English; this reads as German, where none can be found reliably" in found.notices[1]


def test_what_is_missing_and_what_to_act_on_today_come_with_the_answer(
    trained_artifacts: ArtifactFolder, tiny_encoder: SalesEncoder
) -> None:
    sources = replace(Sources.of(trained_artifacts, 1), signals=SaidSignals(tiny_encoder))  # type: ignore[arg-type]
    first = record("a", date="2024-01-01", turns=[{"speaker": "customer", "text": "budget negative"}])
    second = record("b", date="2024-01-02", turns=[{"speaker": "customer", "text": "budget positive"}])
    deal = deal_of("d", [first, second])
    found = answer_deal(sources, deal, [], "classification_head", today=date(2024, 6, 1))
    assert (found.qualification.budget.status, found.qualification.budget.since) == ("met", date(2024, 1, 2))
    assert found.qualification.authority.status == "unknown"
    assert "no_activity" in {one.kind for one in found.warnings}
    ended = deal_of("d", [first, second.model_copy(update={"outcome": "successful"})])
    assert answer_deal(sources, ended, [], "classification_head", today=date(2024, 6, 1)).warnings == []


def test_a_model_of_single_conversations_is_told_of_in_each_answer_and_once_in_the_log(
    trained_artifacts: ArtifactFolder, tiny_encoder: SalesEncoder
) -> None:
    sources = replace(Sources.of(trained_artifacts, 1), signals=SaidSignals(tiny_encoder))  # type: ignore[arg-type]
    sources.models.model("classification_head").version = "of this test"
    calls = [record(name, date=f"2024-01-0{n}", said="budget positive") for n, name in enumerate("ab", start=1)]
    with capture_logs() as logged:
        for _ in range(2):
            (sentence,) = answer_deal(sources, deal_of("d", calls), [], "classification_head").notices
            assert "learned from single conversations" in sentence
            assert "--by deal" in sentence
    assert answer_deal(sources, deal_of("d", calls[:1]), [], "classification_head").notices == []
    assert [(one["log_level"], one["version"]) for one in logged] == [("warning", "of this test")]
