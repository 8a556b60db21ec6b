"""Whom the gate lets through: a formula by hand, too few, worse, and outcomes that are all turned round."""

from __future__ import annotations

import math

import numpy as np
import pytest

from conversations.conversation import Conversation
from learning.gate import FEWEST_OF_EACH, THRESHOLD, judged, too_few


def held_out(successful: int, failed: int) -> list[Conversation]:
    return [
        Conversation(conversation_id=str(n), transcript="Words.", outcome="successful" if n < successful else "failed")
        for n in range(successful + failed)
    ]


def test_the_figures_by_hand() -> None:
    # Two outcomes, one of each; the champion says 0.8 and 0.2, so its loss is -ln 0.8 both times; the challenger 0.9 and 0.1.
    verdict = judged(held_out(1, 1), np.array([0.8, 0.2]), np.array([0.9, 0.1]))
    assert verdict.champion_loss == pytest.approx(-math.log(0.8)) == pytest.approx(0.22314, abs=1e-5)
    assert verdict.challenger_loss == pytest.approx(0.10536, abs=1e-5)
    assert verdict.difference == pytest.approx(0.10536 - 0.22314, abs=1e-5)
    # Every draw has the same difference, so the interval is that one number.
    assert verdict.interval == pytest.approx((verdict.difference, verdict.difference))
    assert verdict.passed


@pytest.mark.parametrize(
    ("worse_by", "passes"), [(-0.1, True), (0.0, True), (0.019, True), (0.021, False), (0.2, False)]
)
def test_a_challenger_passes_that_is_not_noticeably_worse(worse_by: float, passes: bool) -> None:
    """Worse by the same on every outcome: the interval has no width and only the threshold decides."""
    champion = np.where(np.arange(40) < 20, 0.7, 0.3)
    right = 0.7 * math.exp(-worse_by)  # -ln of it is larger by worse_by
    verdict = judged(held_out(20, 20), champion, np.where(np.arange(40) < 20, right, 1 - right))
    assert verdict.difference == pytest.approx(worse_by, abs=1e-9)
    assert verdict.passed is passes
    assert f"{THRESHOLD:+.2f}" in verdict.reason and f"{worse_by:+.3f}" in verdict.reason


def test_one_that_is_better_on_average_is_refused_while_that_may_be_chance() -> None:
    champion = np.full(40, 0.5)
    challenger = np.where(np.arange(40) < 20, 0.5, 0.5)
    challenger[:12], challenger[20:24] = 0.95, 0.95  # twelve much better, four much worse
    verdict = judged(held_out(20, 20), champion, challenger)
    assert verdict.difference is not None and verdict.interval is not None
    assert verdict.difference < 0.05 < verdict.interval[1]
    assert not verdict.passed


def test_outcomes_that_are_all_turned_round_are_told_by_the_champion() -> None:
    """A challenger that learned from turned outcomes is far better on turned ones; no comparison of losses would stop it."""
    champion = np.where(np.arange(40) < 20, 0.2, 0.8)
    verdict = judged(held_out(20, 20), champion, 1 - champion)
    assert verdict.difference is not None and verdict.difference < -1
    assert not verdict.passed
    assert "see whether won and lost are exchanged" in verdict.reason


def test_groups_make_the_interval_wider() -> None:
    alone = held_out(20, 20)
    grouped = [one.model_copy(update={"group": f"g{n // 10}"}) for n, one in enumerate(alone)]
    champion = np.full(40, 0.5)
    challenger = np.where(np.arange(40) // 10 % 2 == 0, 0.6, 0.4)
    narrow, wide = (judged(of, champion, challenger).interval for of in (alone, grouped))
    assert narrow is not None and wide is not None
    assert wide[1] - wide[0] > 1.5 * (narrow[1] - narrow[0])


@pytest.mark.parametrize(("successful", "failed"), [(0, 0), (FEWEST_OF_EACH - 1, 50), (50, FEWEST_OF_EACH - 1)])
def test_too_few_are_a_refusal_with_the_numbers(successful: int, failed: int) -> None:
    verdict = too_few(held_out(successful, failed), 123)
    assert verdict is not None and not verdict.passed
    assert f"{successful} successful and {failed} failed" in verdict.reason
    assert "of the 123 that the champion" in verdict.reason
    assert too_few(held_out(FEWEST_OF_EACH, FEWEST_OF_EACH), 40) is None
