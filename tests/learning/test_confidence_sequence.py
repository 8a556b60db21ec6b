"""The confidence sequence: by hand, and that daily looks don't fool it where they fool a z test."""

from __future__ import annotations

import math

import numpy as np
import pytest

from learning.confidence_sequence import FEWEST, FEWEST_OF_A_GROUP, RHO_SQUARED, Estimate, half_width, paired, unpaired

DAYS, DEALS_A_DAY, WORLDS = 100, 6, 1000


def test_half_width_by_hand() -> None:
    # −2 ln 0.05 = 5.99146; ln 5.99146 = 1.79034; ρ² = (5.99146 + 1.79034 + 1) / 150 = 0.0585453
    assert pytest.approx(0.0585453, abs=1e-7) == RHO_SQUARED
    # t = 100: tρ² + 1 = 6.85453; 2 · 6.85453 / (10,000 · 0.0585453) = 0.0234162;
    # ln(√6.85453 / 0.05) = ln(2.618116 / 0.05) = 3.958187; √(0.0234162 · 3.958187) = 0.304443
    assert half_width(100, 1.0) == pytest.approx(0.304443, abs=1e-6)
    assert half_width(100, 4.0) == pytest.approx(2 * 0.304443, abs=2e-6)
    assert half_width(100, 1.0) > 1.96 / 10, "wider than the interval of one look"


def test_paired_by_hand() -> None:
    found = paired([0.0, -0.4] * 50)  # mean −0.2, variance 0.04: ± 0.2 · 0.304443 = 0.060889
    assert found.count == 100
    assert (found.mean, found.variance) == pytest.approx((-0.2, 0.04))
    assert found.interval == pytest.approx((-0.260889, -0.139111), abs=1e-6)
    assert found.sign == -1
    assert found.still_needed() == 0


def test_unpaired_by_hand() -> None:
    # 50 of variance 0.04 and 100 of variance 0.01: 150 · (0.04/50 + 0.01/100) = 150 · 0.0009 = 0.135
    found = unpaired([0.5, 0.9] * 25, [0.4, 0.6] * 50)
    assert found.variance == pytest.approx(0.135)
    assert found.mean == pytest.approx(0.5 - 0.7)
    assert found.interval == pytest.approx((-0.2 - half_width(150, 0.135), -0.2 + half_width(150, 0.135)))


def test_nothing_is_said_of_too_few() -> None:
    one_group = unpaired([0.0] * (FEWEST_OF_A_GROUP - 1), [1.0] * 999)
    for few in (paired([]), paired([-1.0] * (FEWEST - 1)), unpaired([], [1.0] * 100), one_group):
        assert few.interval is None
        assert few.sign == 0
        assert few.still_needed() is None


def test_how_many_more_it_takes_is_exactly_so_many() -> None:
    now = Estimate(100, -0.02, 0.04, True)
    more = now.still_needed()
    assert more is not None
    assert Estimate(100 + more, -0.02, 0.04, True).sign == -1
    assert Estimate(100 + more - 1, -0.02, 0.04, True).sign == 0
    assert Estimate(100, 0.0, 0.04, True).still_needed() is None, "no number of deals tells equals apart"
    assert paired([0.0] * 80).sign == 0, "the same model twice"


def world(random: np.random.Generator, skewed: bool) -> np.ndarray:
    """Loss differences of two models that are equally good, WORLDS times; skewed: seldom a large one."""
    shape = (WORLDS, DAYS * DEALS_A_DAY)
    if skewed:
        return random.exponential(0.3, shape) - 0.3
    truth = random.normal(0, 1.3, shape)
    ended = random.random(shape) < 1 / (1 + np.exp(-truth))
    said = [1 / (1 + np.exp(-0.6 * (truth + random.normal(size=shape)))) for _ in range(2)]
    losses = [-np.log(np.where(ended, one, 1 - one).clip(0.01, 0.99)) for one in said]
    return losses[1] - losses[0]


@pytest.mark.parametrize("skewed", [False, True])
def test_daily_looks_raise_few_false_alarms_where_a_daily_z_test_raises_many(skewed: bool) -> None:
    values = world(np.random.default_rng(19), skewed)
    looks = np.arange(DEALS_A_DAY - 1, values.shape[1], DEALS_A_DAY)
    looks = looks[looks >= FEWEST - 1]
    count = (looks + 1).astype(float)
    mean = values.cumsum(axis=1)[:, looks] / count
    variance = (values**2).cumsum(axis=1)[:, looks] / count - mean**2
    alarms = (np.abs(mean) > half_width(count, variance)).any(axis=1).mean()
    of_z_test = (np.abs(mean) > 1.96 * np.sqrt(variance / count)).any(axis=1).mean()
    assert alarms <= 0.05
    assert of_z_test > 0.25


def test_daily_looks_at_a_split_raise_few_false_alarms() -> None:
    """One skewed distribution in both groups, of which one is a fifth of all."""
    random = np.random.default_rng(19)
    losses, tried = random.exponential(0.6, (500, 600)), random.random((500, 600)) < 0.2
    alarms = 0
    for loss, is_tried in zip(losses, tried, strict=True):
        looks = (
            unpaired(loss[:n][~is_tried[:n]].tolist(), loss[:n][is_tried[:n]].tolist()) for n in range(60, 601, 30)
        )
        alarms += any(one.sign for one in looks)
    assert alarms <= 0.05 * 500


def test_a_better_challenger_is_found() -> None:
    random = np.random.default_rng(19)
    found = paired((random.normal(-0.05, 0.25, 1000)).tolist())
    assert found.sign == -1
    assert math.isclose(found.mean, -0.05, abs_tol=0.02)
