"""Drift: the population stability index by hand, its chance level, and the reference that training keeps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import chi2

from conversations.conversation import Conversation
from probability.drift import ABSENT, OTHER, _chi_squared_95, drift_reference, stability_index


def test_psi_by_hand() -> None:
    # Shares 0.5/0.5 became 0.8/0.2: 0.3·ln(1.6) + (−0.3)·ln(0.4).
    found = stability_index({"a": 50, "b": 50}, {"a": 40, "b": 10})
    assert found.psi == pytest.approx(0.3 * math.log(1.6) - 0.3 * math.log(0.4))
    assert found.by_chance == pytest.approx((1 / 100 + 1 / 50) * chi2.ppf(0.95, 1), rel=0.04)
    assert (found.level, found.beyond_chance) == ("large", True)


def test_no_change_is_zero_and_new_values_count_as_other() -> None:
    assert stability_index({"a": 3, "b": 1}, {"a": 300, "b": 100}).psi == pytest.approx(0.0)
    known = stability_index({"a": 10, OTHER: 10}, {"a": 10, "new": 6, "newer": 4})
    assert known.psi == pytest.approx(0.0)
    # An empty bin counts as half a conversation: shares 1 and 0.05 became 0.05 and 1.
    assert stability_index({"a": 10}, {"b": 10}).psi == pytest.approx(2 * 0.95 * math.log(20))


@pytest.mark.parametrize("bins", [2, 10])
def test_few_predictions_are_too_few_to_tell_whatever_they_are(bins: int) -> None:
    then = dict.fromkeys(range(bins), 100)
    fewest = stability_index(then, {0: 1}).fewest
    assert fewest == pytest.approx(chi2.ppf(0.95, bins - 1) / 0.1, abs=1.5)
    one, many = stability_index(then, {0: fewest - 1}), stability_index(then, {0: fewest})
    assert (one.level, one.beyond_chance) == ("too few to tell", False)
    assert (many.level, many.beyond_chance) == ("large", True)


@pytest.mark.parametrize("freedom", [1, 2, 5, 9, 20])
def test_the_chi_squared_quantile_is_near_scipys(freedom: int) -> None:
    assert _chi_squared_95(freedom) == pytest.approx(chi2.ppf(0.95, freedom), rel=0.04)


@pytest.mark.parametrize(
    "shares", [[1 / 5] * 5, [0.5, 0.25, 0.12, 0.06, 0.04, 0.02, 0.01]], ids=["even", "with rare values"]
)
@pytest.mark.parametrize("count", [300, None], ids=["many", "the fewest"])
def test_chance_level_is_exceeded_one_time_in_twenty(shares: list[float], count: int | None) -> None:
    rng = np.random.default_rng(0)
    now = count or stability_index(dict(enumerate(shares)), {0: 1}).fewest
    drawn = [[dict(enumerate(rng.multinomial(n, shares))) for n in (400, now)] for _ in range(1000)]
    beyond = sum(stability_index(*pair).beyond_chance for pair in drawn)
    assert 0.03 <= beyond / 1000 <= 0.075


def test_the_reference_of_training() -> None:
    scores = np.linspace(0.01, 0.99, 50)  # 50 conversations: 5 bins of 10
    train = [
        Conversation.model_validate({"transcript": "x", "conversation_context": c})
        for c in ({"industry": "Retail"}, {})
    ]
    reference = drift_reference(scores, train)
    assert reference["score_counts"] == [10] * 5
    assert len(reference["score_edges"]) == 4
    assert reference["context"]["industry"] == {"retail": 1, ABSENT: 1}
    many = [
        Conversation.model_validate({"transcript": "x", "conversation_context": {"industry": f"i{n}"}})
        for n in range(20)
    ]
    kept = drift_reference(scores, many)["context"]["industry"]
    assert len(kept) == 13
    assert kept[OTHER] == 8


def test_scores_that_are_all_the_same_make_bins_too() -> None:
    reference = drift_reference(np.full(30, 0.5), [])
    assert sum(reference["score_counts"]) == 30
    assert len(reference["score_counts"]) == len(reference["score_edges"]) + 1
