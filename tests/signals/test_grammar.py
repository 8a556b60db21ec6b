"""Whom a sentence speaks of, how time presses and what a day accepts: by hand, and with the sales encoder and its head."""

from __future__ import annotations

import pytest

from conversations.conversation import Conversation
from encoder.text_encoder import SALES
from encoder.torch_encoder import SalesEncoder
from signals.finder import SignalFinder
from signals.grammar import Found, Subject, judged, subjects
from signals.mentions import stance
from signals.said import SaidSentence, said_sentences
from signals.trained import read_trained_signals

RIVAL, TOOL = "What about the other vendor you looked at?", "What about the tool you use today?"


@pytest.fixture(scope="module")
def finder() -> SignalFinder:
    encoder = SalesEncoder.load(SALES)
    detector = read_trained_signals(encoder)
    assert detector is not None, "out of date: python -m knowledge.signal_head"
    return SignalFinder(detector.encoder, detector.head)


def talk(*texts: str) -> Conversation:
    """Turns that the seller and the customer take, the seller first."""
    turns = [{"speaker": ("seller", "customer")[n % 2], "text": text} for n, text in enumerate(texts)]
    return Conversation.model_validate({"turns": turns})


def said(finder: SignalFinder, *texts: str) -> set[str]:
    return {f"{one.name}{'+' if one.polarity == 'positive' else '-'}" for one in finder.find(talk(*texts))}


def of_whom(encoder: SalesEncoder, *texts: str) -> list[Subject]:
    return list(subjects(list(said_sentences(talk(*texts), encoder))))


# ------------------------------------------------------------------------------------------------------------- by hand


def test_they_and_it_go_on_from_what_was_named(tiny_encoder: SalesEncoder) -> None:
    assert of_whom(tiny_encoder, RIVAL, "They were slow. It took them weeks. We were cross.") == [
        "rival",
        "rival",
        "us",
    ]
    assert of_whom(tiny_encoder, TOOL, "It crashes daily. The old system was better than that.") == ["tool", "tool"]
    assert of_whom(tiny_encoder, "How was it?", "They all liked it. Their hotline is dead.") == ["us", "rival"]
    assert of_whom(tiny_encoder, RIVAL, "You were slow, and they were, too.") == ["us"], "it speaks to us"
    note = Conversation(
        transcript="Their support is good. The current vendor is slow. They never call. We met on Monday."
    )
    assert list(subjects(list(said_sentences(note, tiny_encoder)))) == ["us", "rival", "rival", "us"]


@pytest.mark.parametrize(
    ("subject", "found", "expected"),
    [
        ("rival", {"sentiment": ("negative", 0.8)}, {"competitor": ("positive", 0.8)}),
        ("rival", {"objection": ("positive", 0.7)}, {"competitor": ("negative", 0.7)}),
        ("tool", {"objection_resolved": ("negative", 0.6)}, {"need": ("positive", 0.6)}),
        ("tool", {"competitor": ("positive", 0.6)}, {"need": ("positive", 0.6)}),
        ("tool", {"competitor": ("negative", 0.6)}, {"competitor": ("negative", 0.6)}),
        ("rival", {"competitor": ("positive", 0.5), "sentiment": ("negative", 0.4)}, {"competitor": ("positive", 0.5)}),
        ("us", {"sentiment": ("negative", 0.8)}, {"sentiment": ("negative", 0.8)}),
    ],
)
def test_bad_things_said_of_another_speak_for_us(subject: Subject, found: Found, expected: Found) -> None:
    assert judged(SaidSentence("It is bad.", "", "customer", 1), found, subject) == expected


def test_a_day_named_in_answer_to_a_proposal_accepts_it() -> None:
    date: Found = {"timeline": ("positive", 0.9)}

    def answered(quote: str, before: str) -> list[str]:
        return list(judged(SaidSentence(quote, "", "customer", 1, before), date, "us"))

    assert answered("The 3rd, and bring boots.", "Shall we begin on the 3rd?") == ["commitment"]
    assert answered("The 3rd, and bring boots.", "When does the school open?") == ["timeline"]
    assert answered("Not before the 3rd.", "Shall we begin on Monday?") == ["timeline"]


# ------------------------------------------------------------------------------------------------ as seen on the pages


@pytest.mark.parametrize(
    "text",
    [
        "Their support was awful.", "They were rude to my team.", "Their app is awful, nobody likes it.",
        "They disappointed us badly.", "We are unhappy with them.", "Their technician was terrible.", "My team hates it.",
        "We were bored to death by their demo.", "They annoyed everybody.",
    ],
)  # fmt: skip
def test_what_is_bad_about_a_rival_is_said_of_the_rival(finder: SignalFinder, text: str) -> None:
    assert said(finder, RIVAL, text) == {"competitor+"}


@pytest.mark.parametrize("text", ["I was impressed by them.", "They were a joy to work with.", "Their demo was great."])
def test_what_is_good_about_a_rival_is_said_of_the_rival(finder: SignalFinder, text: str) -> None:
    assert said(finder, RIVAL, text) == {"competitor-"}


@pytest.mark.parametrize(
    "text",
    [
        "our CFO is fed up with it", "Our CFO is fed up with it.", "Nobody likes it.", "The staff hate it.",
        "Everybody is annoyed with it.", "It is ugly and confusing.", "The old system is a nightmare.",
        "Our old tool annoys everybody.",
    ],
)  # fmt: skip
def test_what_is_bad_about_the_tool_in_use_is_a_need(finder: SignalFinder, text: str) -> None:
    assert said(finder, TOOL, text) == {"need+"}


@pytest.mark.parametrize("text", ["Your support was awful.", "I hated your demo.", "You disappointed us."])
def test_what_is_bad_about_us_stays_so_whatever_was_asked(finder: SignalFinder, text: str) -> None:
    assert said(finder, RIVAL, text) == {"sentiment-"}


@pytest.mark.parametrize(
    "text",
    [
        "We must be live before the audit in six weeks.", "It must run by tomorrow.", "It has to be fixed by this Friday.",
        "We have to be ready before the inspection in three weeks.", "The shop has to be online by next week.",
        "We need to have it installed before the fair in ten days.", "We need this before the season starts in a week.",
        "They must switch before the auditors come in two weeks.", "Everything needs to work before we open in 12 days.",
    ],
)  # fmt: skip
def test_a_near_deadline_is_urgency(finder: SignalFinder, text: str) -> None:
    assert "urgency+" in said(finder, "And when?", text)


@pytest.mark.parametrize(
    "text",
    [
        "There is no rush, maybe some day.", "We're in no hurry.", "No rush from our side.", "We aren't in any hurry.",
        "There's no great hurry with it.", "Nothing to rush here, we have time.", "I'm not in a hurry.",
        "There is really no hurry about this.", "No particular rush, perhaps next decade.",
    ],
)  # fmt: skip
def test_no_rush_is_no_urgency(finder: SignalFinder, text: str) -> None:
    assert "urgency-" in said(finder, "And when?", text)


GRUMPY = ("How was it?", "Your demo was boring and I was annoyed.", "And the price?", "It is far too expensive for us.",
          "And the rest?", "I am worried about the migration.")  # fmt: skip
PLEASED = ("How was it?", "The demo was great, we loved it.", "And the price?", "The price is fair.")


@pytest.mark.parametrize(
    ("question", "end"),
    [
        ("Shall I send the contract?", "Yes please, send it over."), ("Shall I send the contract?", "Please do."),
        ("Shall we meet on Monday?", "Monday works, see you then."), ("Shall I book the training?", "Yes, book it."),
        ("May I send the order form?", "Send it, I'll sign it today."), ("Shall we start?", "Let's do it."),
        ("And now?", "I'll sign the contract tomorrow."), ("Shall we fix a date?", "Let's meet on Thursday at ten."),
        ("So?", "We'll take it."),
    ],
)  # fmt: skip
def test_who_agrees_after_a_grumpy_call_stands_for_the_deal(finder: SignalFinder, question: str, end: str) -> None:
    assert stance(finder.mentions(talk(*GRUMPY))) == "negative"
    assert stance(finder.mentions(talk(*GRUMPY, question, end))) == "positive"


@pytest.mark.parametrize("end", ["We've decided not to buy.", "It's a no from us.", "We won't go on, thank you."])
def test_who_declines_after_a_friendly_call_stands_against_it(finder: SignalFinder, end: str) -> None:
    assert stance(finder.mentions(talk(*PLEASED))) == "positive"
    assert stance(finder.mentions(talk(*PLEASED, "So?", end))) == "negative"
