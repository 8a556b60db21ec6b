"""What is called no sale: the formula by hand, written meetings of a writer who was not read, and what is not flagged."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from conversations.terms import TermWeights, read_weights, written_weights
from foundations.errors import InputError
from knowledge.sale_topic import learned_words, no_sale_texts, sale_texts
from probability.sale_topic import PIECE, SaleTopic, no_sale_words, piece_scores

WORDS = TermWeights({"agenda": 1.0, "price": -1.0}, bias=0.5)


def said(*words: str) -> str:
    """Each word as a piece of its own, filled up with words that weigh nothing."""
    return " ".join(" ".join([word, *["x"] * (PIECE - 1)]) for word in words)


def test_pieces_are_scored_and_spread_as_worked_by_hand() -> None:
    assert piece_scores(said("agenda", "price", "x"), WORDS).tolist() == [1.5, -0.5, 0.5]
    # means 1, 0 and 0; within: (0.5² + 0.5² + 0.5² + 0.5²) / 2 degrees; what chance brings to the means: 0.5 · ½ on average
    topic = SaleTopic.fit([said("agenda", "x"), said("price", "x"), said("price", "x")], 0.01, WORDS)
    assert topic.mean == pytest.approx(1 / 3) and topic.within == pytest.approx(3 * 0.5 / 3)
    assert topic.between == pytest.approx(max(0.0, 2 / 9 - topic.within / 2))
    assert topic.deviations_above(said("agenda", "agenda")) == pytest.approx(
        (1.5 - 1 / 3) / math.sqrt(topic.between + topic.within / 2)
    )


def test_the_same_words_for_longer_are_further_away() -> None:
    topic = SaleTopic(mean=0.0, between=0.1, within=1.0, farthest=2.0, words=WORDS)
    assert not topic.is_far(said("agenda")) and topic.is_far(said(*["agenda"] * 9))
    assert topic.deviations_above("") == pytest.approx(0.5 / math.sqrt(0.1 + 1.0 / 0.3))


def test_meetings_of_a_writer_who_was_not_read_are_told_and_sales_are_not() -> None:
    written, sales = no_sale_texts(), sale_texts("demo")
    words = learned_words(sale_texts("knowledge")[:900], [*written["colleague"], *written["neighbour"]])
    topic = SaleTopic.fit(sales[::2], 0.01, words)
    meeting = [" ".join(written["recorder"][start : start + 6]) for start in range(0, 54, 6)]
    assert np.mean([topic.is_far(text) for text in meeting]) > 0.5
    assert np.mean([topic.is_far(text) for text in sales[1::2]]) < 0.04


def test_who_trains_on_other_talk_is_not_flagged_for_it() -> None:
    talk = no_sale_texts()["neighbour"]
    topic = SaleTopic.fit(talk[::2], 0.01)
    assert np.mean([topic.is_far(text) for text in talk[1::2]]) < 0.1


def test_weights_are_written_and_read_back_and_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    path.write_text(str(written_weights({"a": 0.12345, "b": 0.0001}, bias=1.0)).replace("'", '"'), encoding="utf-8")
    assert read_weights(path, "bias") == ({"a": 0.123}, [1.0])
    path.write_text('{"weights": []}', encoding="utf-8")
    with pytest.raises(InputError, match=r"words\.json' does not say what words weigh"):
        no_sale_words(path)
