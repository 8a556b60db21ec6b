"""The phrase-based analysis: negation, who speaks, order, context, and no contradiction."""

from __future__ import annotations

import pytest

from conversation import Conversation, ConversationContext, Turn
from conversation_analysis import SIGNALS, analyse, recommendations


def note(text: str, **context: str) -> Conversation:
    return Conversation(transcript=text, conversation_context=ConversationContext(**context))


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("They have a budget of $50,000.", "💰 Budget mentioned: “They have a budget of $50,000.”"),
        ("No, we have the budget.", "💰"),
        ("No doubt the budget is there.", "💰"),
        ("Budget is not a problem.", "💰"),
        ("We can't wait to get started.", "⚡"),
        ("Our concerns were resolved.", "✅"),
        ("It's not too expensive.", "✅"),
        ("She is the decision maker.", "👤"),
        ("Please send me the contract.", "🤝"),
    ],
)
def test_what_speaks_for_a_deal(text: str, start: str) -> None:
    found = analyse(note(text))
    assert found.risk_factors == []
    assert found.key_indicators[0].startswith(start)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("We have no budget for this.", "💸 Budget missing or in doubt: “We have no budget for this.”"),
        ("The budget hasn’t been approved.", "💸"),
        ("There is no rush.", "🐢"),
        ("The customer was not interested in a change.", "🧊"),
        ("The concern has not been addressed.", "⚠️"),
        ("It's too expensive.", "⚠️"),
        ("He is not the decision maker.", "👤"),
        ("They won't sign.", "🕳️"),
        ("They are shopping around.", "🏁"),
    ],
)
def test_what_speaks_against_it(text: str, start: str) -> None:
    found = analyse(note(text))
    assert found.key_indicators == []
    assert found.risk_factors[0].startswith(start)
    assert found.sentiment == "negative"


def test_but_divides_a_sentence() -> None:
    found = analyse(note("They don't have budget, but they are excited."))
    assert found.risk_factors == ["💸 Budget missing or in doubt: “They don't have budget”"]
    assert found.key_indicators == ["🔥 Interest shown: “but they are excited.”"]


def test_the_last_mention_of_a_signal_counts() -> None:
    found = analyse(note("They said there was no budget. After a call with the CFO the budget was approved."))
    assert found.risk_factors == []
    assert found.key_indicators == ["💰 Budget mentioned: “After a call with the CFO the budget was approved.”"]


def test_the_seller_does_not_speak_for_the_customer() -> None:
    turns = [Turn(speaker="seller", text="So the budget is approved?"), Turn(speaker="customer", text="I can't say.")]
    found = analyse(Conversation(turns=turns))
    assert (found.key_indicators, found.risk_factors, found.sentiment) == ([], [], "neutral")


def test_context_is_an_indicator_or_a_risk() -> None:
    good = analyse(note("Hello.", urgency="high", budget_authority="decision_maker"))
    assert good.key_indicators == ["⚡ High urgency customer", "👤 Speaking with decision maker"]
    bad = analyse(note("Hello.", urgency="low", budget_authority="end_user"))
    assert bad.risk_factors == ["🐢 Low urgency customer", "👤 Not speaking with the decision maker (end user)"]


def test_what_was_said_outweighs_the_crm() -> None:
    found = analyse(note("There is no rush.", urgency="high"))
    assert not any("urgency" in line for line in found.key_indicators)
    found = analyse(note("We need this as soon as possible.", urgency="low"))
    assert found.risk_factors == []


def test_no_quote_is_both_an_indicator_and_a_risk(conversations: list[Conversation]) -> None:
    both = note("They love it and have no budget.")
    for conversation in [both, *conversations]:
        found = analyse(conversation)
        quotes = [
            {line.partition(": “")[2] for line in lines if "“" in line}
            for lines in (found.key_indicators, found.risk_factors)
        ]
        assert not quotes[0] & quotes[1]
    assert analyse(both).risk_factors == ["💸 Budget missing or in doubt: “They love it and have no budget.”"]


def test_other_scripts_and_emptiness_find_nothing() -> None:
    for text in ("好的，成交！", "😀", ".", "予算はありません。"):
        assert analyse(note(text)).key_indicators == []


@pytest.mark.parametrize(("probability", "word"), [(0.95, "High"), (0.7, "High"), (0.5, "Medium"), (0.39, "Low")])
def test_recommendations_follow_the_band_and_the_risks(probability: float, word: str) -> None:
    found = analyse(note("We have no budget for this. I need to ask my manager."))
    lines = recommendations(probability, found)
    assert word in lines[0]
    advice = {signal.name: signal.advice for signal in SIGNALS}
    assert lines[-2:] == [advice["budget"], advice["authority"]]
