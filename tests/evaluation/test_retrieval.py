"""Same-outcome precision: worked by hand, against scikit-learn, by chance, and in the report."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from evaluation.retrieval import by_chance, same_outcome_precision
from probability.confidence import mean_interval


def directions(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_precision_by_hand() -> None:
    corpus, outcomes = directions(0, 10, 20, 90, 100), np.array([1, 1, 0, 0, 0])
    # At 5°: 0°, 10° and 20° are nearest, of which two are successful. At 95°: 90°, 100° and 20°, all three failed.
    found = same_outcome_precision(directions(5, 95, 95), np.array([1, 0, 1]), corpus, outcomes, k=3)
    assert found == pytest.approx([2 / 3, 1.0, 0.0])
    # 2 of the 5 are successful: by chance 0.4 for a successful query, 0.6 for a failed one.
    assert by_chance(np.array([1, 0]), outcomes) == pytest.approx([0.4, 0.6])


def test_a_conversation_is_not_its_own_neighbour() -> None:
    corpus, outcomes = directions(0, 40, 50), np.array([1, 0, 0])
    own = np.array([[True, False, False]])
    assert same_outcome_precision(directions(0), np.array([1]), corpus, outcomes, k=1) == [1.0]
    assert same_outcome_precision(directions(0), np.array([1]), corpus, outcomes, own, k=1) == [0.0]
    assert same_outcome_precision(directions(0), np.array([0]), corpus, outcomes, own, k=5) == [1.0], "only two others"


def test_precision_is_that_of_scikit_learns_neighbours() -> None:
    random = np.random.default_rng(0)
    queries, corpus = (random.standard_normal((n, 8)).astype(np.float32) for n in (300, 80))
    labels, outcomes = random.integers(0, 2, 300), random.integers(0, 2, 80)
    nearest = NearestNeighbors(n_neighbors=5, metric="cosine").fit(corpus).kneighbors(queries)[1]
    expected = (outcomes[nearest] == labels[:, None]).mean(axis=1)
    assert same_outcome_precision(queries, labels, corpus, outcomes) == pytest.approx(expected)


def test_the_interval_of_a_mean() -> None:
    values = np.array([0.0, 1.0] * 200)
    mean, low, high = mean_interval(values)
    # The standard error is 0.5 / √400 = 0.025, so the interval is about 0.5 ± 1.96 · 0.025 = 0.451 to 0.549.
    assert (mean, low, high) == pytest.approx((0.5, 0.451, 0.549), abs=0.006)
    assert mean_interval([0.3, 0.3, 0.3]) == pytest.approx((0.3, 0.3, 0.3))
    _, low, high = mean_interval(values, [str(value) for value in values])
    assert (low, high) == (0.0, 1.0), "two groups: often one of them is drawn twice"
    with pytest.raises(ValueError, match="not empty"):
        mean_interval([])
