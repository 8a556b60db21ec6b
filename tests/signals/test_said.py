"""Which sentences may carry a signal: answers with their questions, e-mails' messages, and what a note's writer did."""

from __future__ import annotations

import pytest

from conversations.conversation import Conversation
from conversations.mail import is_courtesy, own_message
from conversations.sentences import clauses
from encoder.torch_encoder import SalesEncoder
from signals.said import said_sentences


def read(encoder: SalesEncoder, *turns: str) -> list[str]:
    """What the encoder reads of turns that the seller and the customer take, the seller first."""
    speakers = ("seller", "customer")
    talk = [{"speaker": speakers[n % 2], "text": text} for n, text in enumerate(turns)]
    return [one.text for one in said_sentences(Conversation.model_validate({"turns": talk}), encoder)]


def noted(encoder: SalesEncoder, text: str) -> list[str]:
    return [one.quote for one in said_sentences(Conversation(transcript=text), encoder)]


# ------------------------------------------------------------------------------------------------ questions, answers


@pytest.mark.parametrize(
    ("seller", "customer", "expected"),
    [
        ("Is it approved?", "Yes. It has been so all this time since the spring.", "Is it approved? Yes."),
        ("Is it approved?", "Hmm, let me check. Yes, it is.", "Is it approved? Yes, it is."),
        ("Is it approved? I need it for the paperwork.", "Yes.", "Is it approved? Yes."),
        ("So it is approved, right.", "Yes.", "So it is approved, right. Yes."),
        ("It is approved, isn't it?", "Sure.", "It is approved, isn't it? Sure."),
        ("Hello. How are you? Is it approved?", "No.", "Is it approved? No."),
    ],
)
def test_a_short_answer_is_read_with_the_last_question(
    tiny_encoder: SalesEncoder, seller: str, customer: str, expected: str
) -> None:
    assert expected in read(tiny_encoder, seller, customer)


@pytest.mark.parametrize(
    "assent", ["Do that.", "Yes, please.", "Great, thanks.", "That would be helpful.", "Tuesday works."]
)
def test_a_short_assent_is_read_with_the_offer(tiny_encoder: SalesEncoder, assent: str) -> None:
    offer = "I can send the contract on Tuesday."
    assert read(tiny_encoder, f"Good to hear. {offer}", assent) == [f"{offer} {assent}"]
    assert read(tiny_encoder, f"{offer} Our office is in Leeds.", assent) == [assent], "it is no longer on the table"


@pytest.mark.parametrize("answer", ["Not now, please.", "Then we have a deal.", "Still too much.", "That would be too late.",
                                    "Fine, but only in May.", "That works, but I can't."])  # fmt: skip
def test_what_is_no_assent_speaks_for_itself(tiny_encoder: SalesEncoder, answer: str) -> None:
    assert read(tiny_encoder, "I can send the contract on Tuesday.", answer) == [answer]


def test_several_questions_are_answered_in_order(tiny_encoder: SalesEncoder) -> None:
    asked = "Is it approved? And are there others?"
    assert read(tiny_encoder, asked, "Yes. No, we looked.") == [
        "Is it approved? Yes.",
        "And are there others? No, we looked.",
    ]
    assert read(tiny_encoder, asked, "No.") == ["And are there others? No."], "of one answer, the last question"


def test_a_question_that_the_seller_left_behind_needs_a_clear_answer(tiny_encoder: SalesEncoder) -> None:
    assert read(tiny_encoder, "How are you? Here is the offer.", "Sounds good.") == ["Sounds good."]
    assert read(tiny_encoder, "Hello.", "Hi.", "Nice.", "Yes, it is.") == ["Yes, it is."]


def test_one_word_is_no_sentence_unless_it_answers(tiny_encoder: SalesEncoder) -> None:
    assert noted(tiny_encoder, "They agreed. Great. 价格合适。") == ["They agreed.", "价格合适。"]
    assert read(tiny_encoder, "Here it is.", "Great. Fine. We agree.") == ["Great.", "We agree."]


# ----------------------------------------------------------------------------------------------------------- clauses


@pytest.mark.parametrize(
    ("sentence", "parts"),
    [
        ("They have it, but it is dear.", ["They have it", "it is dear."]),
        ("They have it; it is dear.", ["They have it", "it is dear."]),
        ("They have it, however, it is dear.", ["They have it", "it is dear."]),
        ("Although it is dear, they want it.", ["Although it is dear", "they want it."]),
        ("They want it although it is dear.", ["They want it", "it is dear."]),
        ("They have $50,000 – but not yet.", ["They have $50,000", "not yet."]),
        ("They want it — it is dear.", ["They want it", "it is dear."]),
        ("They want 5 – 10 of them.", ["They want 5 – 10 of them."]),
        ("Nice, but too dear.", ["Nice, but too dear."]),  # one word is no clause
        ("Budget and time are fine.", ["Budget and time are fine."]),
        ("Miller and Sons are dear.", ["Miller and Sons are dear."]),
        ("", [""]),
    ],
)
def test_clauses_are_the_sentences_own_words(sentence: str, parts: list[str]) -> None:
    assert clauses(sentence) == parts
    assert all(part in sentence for part in parts)


# ----------------------------------------------------------------------------------------------------------- e-mails


def test_a_mails_frame_is_not_its_message(tiny_encoder: SalesEncoder) -> None:
    mail = (
        "Hello Ann,\n\nThe price is too high.\n\nBest,\nTom Miller\nHead of IT\nPS We like it.\n-- \n"
        "Great software for great people\n"
    )
    assert noted(tiny_encoder, mail) == ["The price is too high.", "PS We like it."]
    answer = "> Is it approved?\nIt is.\n> And the date?\nIn May.\nSent from my iPhone"
    assert read(tiny_encoder, "Hello.", answer) == ["It is.", "In May."]
    above = "We agree.\n\nOn Tue, 5 Sep 2023 at 10:00 Ann Lee <ann@example.com>\nwrote:\n\nWe are excited."
    assert noted(tiny_encoder, above) == ["We agree."]
    forwarded = "We agree.\n-----Original Message-----\nFrom: Ann\nSent: Monday\nSubject: Offer\n\nWe are excited."
    assert noted(tiny_encoder, forwarded) == ["We agree."]
    assert noted(tiny_encoder, "From: Tom\nTo: Ann\nSubject: Offer\n\nWe agree.") == ["We agree."]
    assert noted(tiny_encoder, "Subject: Re: Offer\n\nWe agree.") == ["We agree."]
    below = "On 5/9/2023 Ann wrote:\n> We are excited.\n\nWe agree."
    assert noted(tiny_encoder, below) == ["We agree."]


@pytest.mark.parametrize(
    "text",
    ["Best,", "Best regards,", "Kind regards", "We wish you all the best.", "Many thanks, Tom", "Dear Ms Lee,", "Hi all!",
     "With best wishes", "Have a nice weekend!", "hi ann,", "Looking forward to hearing from you.",
     "Thank you for the revised proposal.", "Thanks for the call yesterday.", "Many thanks for your quick reply!"],
)  # fmt: skip
def test_courtesies(text: str) -> None:
    assert is_courtesy(text)


@pytest.mark.parametrize(
    "text",
    [
        "Best offer we had.",
        "Thanks for the demo, we buy.",
        "The best is yours.",
        "Hello, we agree to it.",
        "No thanks.",
        "Thanks for the offer, but we took another.",
        "Thanks for the 10% discount.",
        "Thank you for the time and money this saves us in every call.",
    ],
)
def test_a_sentence_with_a_message_is_no_courtesy(text: str) -> None:
    assert not is_courtesy(text)


@pytest.mark.parametrize(
    "note",
    [
        "Call 1: no budget.\n--\nCall 2: they agreed.",
        "On Monday they wrote:\nWe agree.",
        "Cost > 5 and < 10.\nFine by them.",
    ],
)
def test_a_note_that_only_looks_like_a_mail_stays(note: str) -> None:
    assert own_message(note) == note


# ---------------------------------------------------------------------------------------------- what the writer did


def test_what_a_notes_writer_did_is_not_the_customers(tiny_encoder: SalesEncoder) -> None:
    for alone in ("I told them we can start on Monday.", "Then we offered a discount.", "We've sent the contract."):
        assert noted(tiny_encoder, alone) == []
    assert noted(tiny_encoder, "I offered a discount, and they accepted the price.") == ["they accepted the price."]
    assert noted(tiny_encoder, "We sent the quote, no answer since.") == ["no answer since."]
    two = "We sent the dates; Bo booked none and named nobody, then I told them more."
    assert noted(tiny_encoder, two) == ["Bo booked none and named nobody"]
    for of_both in ("We agreed to sign on Friday.", "They told me the date.", "I met the CFO, who decides."):
        assert noted(tiny_encoder, of_both) == [of_both]
    letter = "We sent the signed contract to your office."
    assert noted(tiny_encoder, letter) == [letter], "who says you to the reader is the customer"
    assert read(tiny_encoder, "Hello.", "I told my boss about it.") == ["I told my boss about it."]
