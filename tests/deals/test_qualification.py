"""The card of a deal: what was said last counts, who said it when, what is a gap; and the order of time."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations.conversation import Conversation
from deals.heard import Heard, hear, in_order
from deals.qualification import ELEMENTS, MOST_QUOTES, QualificationCard, Quote, qualification
from encoder.torch_encoder import SalesEncoder
from signals.finder import SignalFinder
from signals.trained import read_trained_signals
from tests.deals.deal_conversations import call, note

MISSING = "There is simply no money."
APPROVED = "The budget got approved, 40,000 euros."


def test_where_nothing_was_said_everything_is_a_gap(tiny_encoder: SalesEncoder) -> None:
    empty = call(
        tiny_encoder, "2024-03-01", "seller: Shall we talk about the budget?", "customer: The weather is fine."
    )
    for card in (qualification([]), qualification([empty])):
        assert card.gaps == list(ELEMENTS)
        assert card.budget.quotes == () and card.budget.since is None


def test_each_quote_has_who_said_it_and_when(tiny_encoder: SalesEncoder) -> None:
    heard = [
        call(tiny_encoder, "2024-03-01", "seller: Hello.", "Ann Lee: It was a long week. Our CFO has to approve it."),
        note(tiny_encoder, "2024-03-09", "Long talk about golf. They told us the money has been released."),
    ]
    card = qualification(heard)
    assert card.authority.quotes == (
        Quote(
            text="Our CFO has to approve it.",
            said_by="Ann Lee",
            day=date(2024, 3, 1),
            conversation_id="c-2024-03-01",
            favourable=False,
            detail="Our CFO",
        ),
    )
    (budget,) = card.budget.quotes
    assert (budget.said_by, budget.day, budget.favourable) == ("", date(2024, 3, 9), True)
    assert (card.authority.status, card.budget.status) == ("not met", "met")
    assert card.gaps == ["need", "timing"]


def test_a_budget_that_is_approved_after_it_was_missing_is_there(tiny_encoder: SalesEncoder) -> None:
    first = call(tiny_encoder, "2024-03-01", f"customer: {MISSING}")
    later = call(tiny_encoder, "2024-04-02", f"customer: {APPROVED}")
    card = qualification([first, later])
    assert (card.budget.status, card.budget.detail, card.budget.since) == ("met", "40,000 euros", date(2024, 4, 2))
    assert [quote.text for quote in card.budget.quotes] == [APPROVED, MISSING], "the newest first"
    back = call(tiny_encoder, "2024-05-03", f"customer: {MISSING}")
    card = qualification([first, later, back])
    assert (card.budget.status, card.budget.detail, card.budget.since) == ("not met", "", date(2024, 5, 3))


def test_within_a_conversation_the_later_word_counts(tiny_encoder: SalesEncoder) -> None:
    card = qualification([call(tiny_encoder, None, f"customer: {MISSING}", "seller: Oh.", f"customer: {APPROVED}")])
    assert card.budget.status == "met" and card.budget.since is None


def test_a_signal_outweighs_the_patterns_on_its_sentence(tiny_encoder: SalesEncoder) -> None:
    said = "The budget is approved, they say."
    plain = qualification([call(tiny_encoder, "2024-03-01", f"customer: {said}")])
    signalled = qualification([call(tiny_encoder, "2024-03-01", f"customer: {said}", found={said: "budget-"})])
    assert (plain.budget.status, signalled.budget.status) == ("met", "not met")
    assert len(signalled.budget.quotes) == 1
    later = call(tiny_encoder, "2024-04-01", f"customer: {APPROVED}")
    first = call(tiny_encoder, "2024-03-01", f"customer: {said}", found={said: "budget-"})
    assert qualification([first, later]).budget.status == "met", "but not on a newer one"


def test_a_signals_quote_names_the_amount_the_decider_and_the_date(tiny_encoder: SalesEncoder) -> None:
    heard = call(
        tiny_encoder,
        "2024-03-01",
        "customer: Say 30,000 euros, that is fine. My boss decides that. May suits all of us.",
        found={
            "Say 30,000 euros, that is fine.": "budget+",
            "My boss decides that.": "authority-",
            "May suits all of us.": "timeline+",
        },
    )
    card = qualification([heard])
    assert [card.criterion(one).detail for one in ELEMENTS] == ["30,000 euros", "My boss", "", "May"]


def test_hurry_counts_for_the_time_only_where_no_date_was_spoken_of(tiny_encoder: SalesEncoder) -> None:
    relaxed = call(
        tiny_encoder, "2024-03-05", "customer: We can take it easy.", found={"We can take it easy.": "urgency-"}
    )
    dated = call(tiny_encoder, "2024-03-01", "customer: June is fixed.", found={"June is fixed.": "timeline+"})
    assert qualification([relaxed]).timing.status == "not met"
    assert qualification([dated, relaxed]).timing.status == "met"


def test_the_way_to_a_decision_is_not_who_takes_it(tiny_encoder: SalesEncoder) -> None:
    said = "First a pilot, then a vote."
    card = qualification([call(tiny_encoder, "2024-03-01", f"customer: {said}", found={said: "decision_process+"})])
    assert card.authority.status == "unknown"


def test_the_sellers_words_are_none(tiny_encoder: SalesEncoder) -> None:
    card = qualification([call(tiny_encoder, None, f"seller: {APPROVED} I decide.", "customer: The weather is fine.")])
    assert card.gaps == list(ELEMENTS)


def test_at_most_so_many_quotes_and_since_when_counts_them_all(tiny_encoder: SalesEncoder) -> None:
    heard = [call(tiny_encoder, f"2024-03-{day:02}", f"customer: {MISSING}") for day in range(1, MOST_QUOTES + 4)]
    card = qualification(heard)
    assert len(card.budget.quotes) == MOST_QUOTES
    assert (card.budget.quotes[0].day, card.budget.since) == (date(2024, 3, MOST_QUOTES + 3), date(2024, 3, 1))


def test_it_survives_json(tiny_encoder: SalesEncoder) -> None:
    card = qualification([call(tiny_encoder, "2024-03-01", f"customer: {APPROVED} I decide. No rush.")])
    assert card.gaps == ["need"]
    assert QualificationCard.model_validate_json(card.model_dump_json()) == card


@pytest.fixture(scope="module")
def deal(tiny_encoder: SalesEncoder) -> list[Heard]:
    """Ties, no dates, dates that can't be read, and one id twice."""
    days = [None, "2024-03-01", "2024-03-01", "2024-03-01T10:00:00+05:00", "soon", "2024-04-01", "2024-04-01"]
    said = [MISSING, APPROVED, "I decide.", "My boss decides.", "No rush.", "We don't need another tool.", APPROVED]
    return [
        call(tiny_encoder, day, f"customer: {text}", conversation_id=f"c-{n % 3}")
        for n, (day, text) in enumerate(zip(days, said, strict=True))
    ]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_order_in_which_conversations_are_given_changes_nothing(deal: list[Heard], data: st.DataObject) -> None:
    given_as = data.draw(st.permutations(deal))
    assert in_order(given_as) == in_order(deal)
    assert qualification(given_as) == qualification(deal)


def test_conversations_without_a_date_come_first_then_by_date_then_by_id(deal: list[Heard]) -> None:
    order = [(one.conversation.conversation_id, one.day) for one in in_order(deal)]
    march, april = date(2024, 3, 1), date(2024, 4, 1)
    assert order == [
        ("c-0", None),
        ("c-1", None),  # "soon"
        ("c-1", march),
        ("c-2", march),
        ("c-0", march),  # 10:00 in UTC+5 is five hours after midnight in UTC
        ("c-0", april),
        ("c-2", april),
    ]


def test_the_detector_that_comes_with_the_program_fills_a_card(bundled_encoder: SalesEncoder) -> None:
    detector = read_trained_signals(bundled_encoder)
    assert detector is not None
    talks = {
        "2024-05-06": [("seller", "Hello again."), ("customer", "Finance has approved the budget, and our CFO signs.")],
        "2024-04-02": [
            ("customer", "We have no budget for this."),
            ("customer", "Every week we lose orders in the mess."),
        ],
    }
    conversations = [
        Conversation.model_validate({"date": day, "turns": [{"speaker": who, "text": text} for who, text in said]})
        for day, said in talks.items()
    ]
    heard = hear(conversations, SignalFinder(detector.encoder, detector.head))
    assert [one.day for one in heard] == [date(2024, 4, 2), date(2024, 5, 6)]
    card = qualification(heard)
    assert (card.budget.status, card.need.status, card.authority.status) == ("met", "met", "not met")
    assert card.authority.detail == "our CFO"
    assert card.gaps == ["timing"]
