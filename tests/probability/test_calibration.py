"""Platt scaling: it finds a known slope and intercept, keeps the ranking, and stays finite on separable data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from probability.calibration import PlattScaling


@pytest.mark.parametrize("slope", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("intercept", [-1.0, 0.0, 0.5])
def test_a_known_slope_and_intercept_are_found(slope: float, intercept: float) -> None:
    random = np.random.default_rng(5)
    true_log_odds = random.normal(scale=1.5, size=20_000)
    labels = random.random(20_000) < expit(true_log_odds)
    found = PlattScaling.fit((true_log_odds - intercept) / slope, labels)
    assert found.slope == pytest.approx(slope, rel=0.05)
    assert found.intercept == pytest.approx(intercept, abs=0.05)


def test_the_smoothed_optimum_by_hand() -> None:
    # Log-odds ±2, two successes above and two failures below. Platt's targets: (2 + 1) / (2 + 2) = 0.75 and
    # 1 / (2 + 2) = 0.25, so the best p is 0.75 at log-odds 2: 2 · slope = log 3 = 1.098612, slope = 0.549306.
    scaling = PlattScaling.fit([2, 2, -2, -2], [1, 1, 0, 0])
    assert scaling.slope == pytest.approx(0.549306, abs=1e-4)
    assert scaling.intercept == pytest.approx(0, abs=1e-4)
    assert scaling.probabilities([2, -2, 0]) == pytest.approx([0.75, 0.25, 0.5], abs=1e-4)


def test_probabilities_are_the_sigmoid_of_scaled_log_odds() -> None:
    # 1 / (1 + e^−(3 · 0.5 + 0)) = 1 / (1 + 0.223130) = 0.817574; with intercept −1.5 one half
    assert PlattScaling(0.5).probabilities([3.0])[0] == pytest.approx(0.817574, abs=1e-6)
    assert PlattScaling(0.5, -1.5).probabilities([3.0])[0] == pytest.approx(0.5)
    assert PlattScaling().probabilities([math.log(4)])[0] == pytest.approx(0.8)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("wrong", [False, True], ids=["separable", "every label wrong"])
def test_extreme_data_give_a_finite_slope(scale: float, wrong: bool) -> None:
    log_odds = np.linspace(-1, 1, 20) * scale
    scaling = PlattScaling.fit(log_odds, (log_odds > 0) != wrong)
    assert 0 < scaling.slope < math.inf
    assert scaling.probabilities(log_odds).dtype == np.float64


finite = st.floats(-1e6, 1e6)


@given(st.lists(finite, min_size=2), st.floats(1e-3, 1e3), st.floats(-10, 10))
def test_the_ranking_never_changes(log_odds: list[float], slope: float, intercept: float) -> None:
    probabilities = PlattScaling(slope, intercept).probabilities(np.sort(log_odds))
    assert (np.diff(probabilities) >= 0).all()
    assert ((probabilities > 0) & (probabilities < 1)).all(), "the log loss of no outcome may be infinite"


@given(st.lists(st.tuples(finite, st.booleans()), min_size=2, max_size=20))
def test_any_validation_data_can_be_fitted(rows: list[tuple[float, bool]]) -> None:
    log_odds, labels = zip(*rows, strict=True)
    assert 0 < PlattScaling.fit(log_odds, labels).slope < math.inf
