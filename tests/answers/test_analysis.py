"""Signals and context become lines that never contradict each other."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from answers.analysis import TITLES, ConversationAnalysis, analyse
from conversations.conversation import Conversation, ConversationContext
from signals.finder import Signal
from signals.sentences import SIGNAL_NAMES


def found(name: str, polarity: Literal["positive", "negative"], quote: str, strength: float = 0.8) -> Signal:
    return Signal(name, polarity, strength, quote, speaker="customer", turn=None)


def analysed(*signals: Signal, **context: Any) -> ConversationAnalysis:
    conversation = Conversation(transcript="Hello.", conversation_context=ConversationContext(**context))
    return analyse(conversation, signals)


def test_signals_become_lines_with_their_quotes() -> None:
    analysis = analysed(
        found("budget", "positive", "we have $50,000 set aside"), found("authority", "negative", "my boss decides")
    )
    assert analysis.key_indicators == ["💰 Budget confirmed: “we have $50,000 set aside”"]
    assert analysis.risk_factors == ["👤 The decision lies with someone else: “my boss decides”"]


@pytest.mark.parametrize("name", TITLES)
def test_every_signal_has_a_line_for_and_against(name: str) -> None:
    assert analysed(found(name, "positive", "yes")).key_indicators == [f"{TITLES[name][0]}: “yes”"]
    assert analysed(found(name, "negative", "no")).risk_factors == [f"{TITLES[name][1]}: “no”"]


def test_there_is_a_title_for_every_signal() -> None:
    assert set(TITLES) == set(SIGNAL_NAMES)


def test_no_quote_is_both_an_indicator_and_a_risk() -> None:
    both = "They love it and have no budget."
    against = analysed(found("sentiment", "positive", both), found("budget", "negative", both))
    assert against.key_indicators == []
    assert against.risk_factors == [f"💸 Budget missing or in doubt: “{both}”"]
    assert against.mentioned == {"sentiment", "budget"}
    stronger = analysed(found("sentiment", "positive", both, 0.9), found("budget", "negative", both, 0.5))
    assert stronger.risk_factors == []
    long = "word " * 40  # two sentences that look the same once they are shortened
    cut = analysed(found("need", "positive", f"{long}yes"), found("budget", "negative", f"{long}no"))
    assert cut.key_indicators == []
    assert len(cut.risk_factors[0]) < 160
    assert cut.risk_factors[0].endswith("…”")


def test_the_sentiment_is_where_the_customer_stands_at_the_end() -> None:
    cross, order = found("sentiment", "negative", "awful"), found("commitment", "positive", "Yes please, send it over.")
    assert analysed().sentiment == "neutral"
    assert analysed(cross, cross, cross, order).sentiment == "positive"
    assert analysed(order, cross, cross, cross).sentiment == "negative"
    assert analysed(found("budget", "negative", "no money", 0.9)).sentiment == "neutral", "an obstacle is no refusal"
    assert analysed(cross, order).signals == [order, cross], "what holds of each signal, in the order of the names"


def test_context_is_an_indicator_or_a_risk() -> None:
    good = analysed(urgency="high", budget_authority="decision_maker")
    assert good.key_indicators == ["⚡ High urgency customer", "👤 Speaking with decision maker"]
    bad = analysed(urgency="low", budget_authority="end_user")
    assert bad.risk_factors == ["🐢 Low urgency customer", "👤 Not speaking with the decision maker (end user)"]


def test_a_short_answer_is_shown_with_its_question() -> None:
    one = Signal("budget", "positive", 0.9, "Yes.", "customer", 1, "Is it approved?")
    other = Signal("competitor", "negative", 0.9, "Yes.", "customer", 3, "Is there another?")
    analysis = analyse(Conversation(transcript="Hello."), [one, other])
    assert analysis.key_indicators == ["💰 Budget confirmed: “Is it approved? – Yes.”"]
    assert analysis.risk_factors == ["🏁 A competitor is in play: “Is there another? – Yes.”"]


def test_the_crm_says_nothing_twice_and_no_hurry_beside_a_late_date() -> None:
    decides = found("authority", "positive", "I decide")
    assert analysed(decides, budget_authority="decision_maker").key_indicators == [
        "👤 The one who decides is involved: “I decide”"
    ]
    assert analysed(found("timeline", "negative", "not before next year"), urgency="high").key_indicators == []
    assert analysed(found("timeline", "positive", "in May"), urgency="critical").key_indicators == [
        "📅 Date in view: “in May”",
        "⚡ High urgency customer",
    ]
    assert analysed(urgency=" Critical ").key_indicators == ["⚡ High urgency customer"]


def test_what_was_said_outweighs_the_crm() -> None:
    assert analysed(found("urgency", "negative", "no rush"), urgency="high").key_indicators == []
    assert analysed(found("urgency", "positive", "by Friday!"), urgency="low").risk_factors == []
    assert analysed(found("authority", "positive", "I decide"), budget_authority="end_user").risk_factors == []
    # Also where its own line is left out, because its quote stands for something stronger.
    hidden = analysed(found("need", "positive", "so", 0.9), found("urgency", "negative", "so", 0.5), urgency="high")
    assert hidden.key_indicators == ["🎯 Need stated: “so”"]
