"""Talk figures: every figure by hand, and what is not known is not said."""

from __future__ import annotations

from typing import Any

import pytest

from conversations.conversation import Conversation, Turn
from conversations.talk import TalkFigures, talk_figures


def talk_of(*turns: dict[str, Any]) -> TalkFigures:
    found = talk_figures(Conversation(turns=[Turn(**turn) for turn in turns]))
    assert found is not None
    return found


def turn(speaker: str, words: int, start: float | None = None, end: float | None = None, **more: Any) -> dict[str, Any]:
    return {
        "speaker": speaker,
        "text": " ".join(["word"] * (words - 1) + ["word."]),
        "start": start,
        "end": end,
        **more,
    }


TIMED = [
    turn("seller", 20, 0, 10),
    turn("customer", 50, 12, 42),
    turn("seller", 40, 43, 63),
    turn("customer", 10, 62, 68),  # before the seller has ended
    turn("seller", 30, 71, 80),
]


def test_by_time_each_figure_is_that_of_the_clock() -> None:
    talk = talk_of(*TIMED)
    assert talk.measured_by == "time"
    # The seller speaks 10 + 20 + 9 s, the customer 30 + 6 s: 75 s in all, silence left out.
    assert talk.talk_ratio == pytest.approx(39 / 75)
    assert talk.seller is not None and talk.customer is not None
    assert (talk.seller.seconds, talk.customer.seconds) == (39, 36)
    assert talk.customer.share == pytest.approx(36 / 75)
    assert (talk.seller.longest_monologue, talk.customer.longest_monologue) == (20, 30)
    assert (talk.seller.words, talk.customer.words) == (90, 60)
    # The customer ends at 42 and 68, the seller begins at 43 and 71: (1 + 3) / 2.
    assert talk.patience == pytest.approx(2.0)
    # Four changes from second 0 to second 80.
    assert talk.speaker_changes == 4
    assert talk.minutes == pytest.approx(80 / 60)
    assert talk.interactivity == pytest.approx(3.0)


def test_by_words_where_a_time_is_missing() -> None:
    talk = talk_of(*TIMED[:-1], turn("seller", 30, 71, None))
    assert (talk.measured_by, talk.patience, talk.minutes) == ("words", None, None)
    assert talk.talk_ratio == pytest.approx(90 / 150)
    assert talk.seller is not None and talk.seller.seconds is None
    assert talk.seller.longest_monologue == 40
    # Four changes in 150 words.
    assert talk.interactivity == pytest.approx(1000 * 4 / 150)


@pytest.mark.parametrize(
    "times",
    [
        [(0, 10), (10, 5)],  # it ends before it begins
        [(10, 20), (0, 10)],  # out of order
        [(0, 0), (0, 0)],  # a tool that knows none
        [(0, 9000), (9000, 20_000)],  # milliseconds: six words a minute
        [(0, 0.4), (0.4, 0.9)],  # hours: thousands of words a minute
    ],
)
def test_times_that_cannot_be_true_are_not_used(times: list[tuple[float, float]]) -> None:
    talk = talk_of(*(turn(side, 30, *given) for side, given in zip(("seller", "customer"), times, strict=True)))
    assert (talk.measured_by, talk.talk_ratio) == ("words", 0.5)


def test_who_answers_before_the_other_has_ended_has_waited_for_nothing() -> None:
    talk = talk_of(
        turn("customer", 20, 0, 10), turn("seller", 20, 6, 16), turn("customer", 20, 16, 26), turn("seller", 9, 28, 30)
    )
    assert talk.patience == pytest.approx((0 + 2) / 2)


def test_a_monologue_is_one_persons_and_goes_on_over_several_turns() -> None:
    talk = talk_of(
        turn("seller", 10, name="Ann"),
        turn("seller", 15, name="Ann"),
        turn("seller", 20, name="Bob"),
        turn("customer", 5),
    )
    assert talk.seller is not None and talk.seller.longest_monologue == 25
    assert talk.speaker_changes == 2
    assert [(one.name, one.words, one.share) for one in talk.speakers] == [
        ("Ann", 25, 0.5),
        ("Bob", 20, 0.4),
        (None, 5, 0.1),
    ]


def test_pauses_inside_a_monologue_are_nobodys() -> None:
    talk = talk_of(turn("seller", 20, 0, 10), turn("seller", 20, 30, 40), turn("customer", 40, 40, 60))
    assert talk.seller is not None
    assert (talk.seller.seconds, talk.seller.longest_monologue, talk.talk_ratio) == (20, 20, 0.5)


def test_where_nobody_is_known_to_sell_there_are_figures_of_each_speaker_only() -> None:
    talk = talk_of(turn("Jane Doe", 30, 0, 10), turn("Raj", 10, 11, 15))
    assert (talk.talk_ratio, talk.patience, talk.seller, talk.customer) == (None, None, None, None)
    assert [(one.speaker, one.words) for one in talk.speakers] == [("jane doe", 30), ("raj", 10)]


@pytest.mark.parametrize(
    ("text", "questions"),
    [
        ("Is it May? Or June?", 2),
        ("Really??! Yes!? No!", 2),
        ("See https://example.org/a?b=1 please.", 0),
        ("你要吗？ هل؟", 2),
        ("No.", 0),
    ],
)
def test_questions_are_counted_by_their_marks(text: str, questions: int) -> None:
    talk = talk_of({"speaker": "seller", "text": text}, {"speaker": "customer", "text": "Why?"})
    assert talk.seller is not None and talk.customer is not None
    assert (talk.seller.questions, talk.customer.questions) == (questions, 1)


def test_without_punctuation_nobody_can_count_questions() -> None:
    talk = talk_of(
        {"speaker": "seller", "text": "so what do you think"}, {"speaker": "customer", "text": "v2.0 is fine"}
    )
    assert talk.seller is not None and talk.seller.questions is None
    assert [one.questions for one in talk.speakers] == [None, None]


@pytest.mark.parametrize(
    "record", [{"transcript": "They liked it."}, {"turns": [{"text": "Hello."}, {"text": "Yes?"}]}]
)
def test_a_note_and_turns_of_nobody_have_no_figures(record: dict[str, Any]) -> None:
    assert talk_figures(Conversation.model_validate(record)) is None


def test_one_speaker_alone_never_changes() -> None:
    talk = talk_of(turn("seller", 30, 5, 15))
    assert (talk.talk_ratio, talk.interactivity, talk.patience, talk.customer) == (1.0, 0.0, None, None)
