"""Intervals by hand where they can be, else by what must hold of them: width, pairing, groups."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from probability.confidence import _draws, _numbered, bootstrap_intervals, paired_bootstrap_difference, wilson_interval
from probability.metrics import classification_metrics

LABELS = [1, 1, 0, 0]
PROBABILITIES = [0.9, 0.4, 0.6, 0.1]


def test_one_label_only_leaves_out_what_needs_both() -> None:
    figures = classification_metrics([1, 1, 1], [0.9, 0.2, 0.7])
    intervals = bootstrap_intervals([1, 1, 1], [0.9, 0.2, 0.7], samples=50)
    assert intervals.keys() == figures.keys()
    assert paired_bootstrap_difference([1, 1, 1], [0.9, 0.2, 0.7], [0.5, 0.5, 0.5]) is None


def test_bootstrap_covers_the_figure_and_narrows_with_n() -> None:
    random = np.random.default_rng(5)
    y = random.integers(0, 2, 1600)
    p = np.clip(0.3 * y + 0.7 * random.random(1600), 0, 1)
    widths = {}
    for n in (100, 1600):
        figures, intervals = classification_metrics(y[:n], p[:n]), bootstrap_intervals(y[:n], p[:n])
        for metric in ("accuracy", "roc_auc", "brier", "log_loss"):
            assert intervals[metric][0] < figures[metric] < intervals[metric][1]
        widths[n] = intervals["accuracy"][1] - intervals["accuracy"][0]
    # The standard error of a share goes with 1/√n: 16 times the conversations, a quarter of the width.
    assert widths[1600] == pytest.approx(widths[100] / 4, rel=0.25)


def test_bootstrap_of_accuracy_agrees_with_its_normal_approximation() -> None:
    y = np.array([1] * 240 + [0] * 160)
    low, high = bootstrap_intervals(y, np.full(400, 0.9))["accuracy"]
    # 240 of 400 right: 0.6 ± 1.96 · √(0.6 · 0.4 / 400) = 0.6 ± 0.048
    assert (low, high) == pytest.approx((0.552, 0.648), abs=0.008)


def test_bootstrap_is_the_same_every_time_whatever_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    y, p = [1, 0, 1, 0, 1], [0.9, 0.3, 0.4, 0.6, 0.8]
    first = bootstrap_intervals(y, p, samples=200)
    assert bootstrap_intervals(y, p, samples=200) == first
    monkeypatch.setattr("probability.confidence._NUMBERS_AT_ONCE", 35)
    blocks = bootstrap_intervals(y, p, samples=200)
    # The samples are the same; a sum of another number of rows may round otherwise on some processors.
    assert {name: pytest.approx(interval, rel=1e-12) for name, interval in first.items()} == blocks


def test_whole_groups_are_drawn() -> None:
    # Group a: two right, group b: two wrong. Two groups are drawn: aa, ab, ba or bb, so accuracy is 1, ½, ½ or 0 with
    # probabilities ¼, ½, ¼: never ¼ or ¾, which draws of single conversations would also give.
    y, p, groups = [1, 1, 0, 0], [0.9, 0.9, 0.9, 0.9], ["a", "a", "b", "b"]
    assert bootstrap_intervals(y, p, groups)["accuracy"] == (0.0, 1.0)
    drawn = np.concatenate([*_draws(_numbered(groups, 4), samples=4000, seed=1)])
    accuracies, counts = np.unique(drawn @ [1, 1, 0, 0] / drawn.sum(axis=1), return_counts=True)
    assert accuracies.tolist() == [0.0, 0.5, 1.0]
    assert counts / 4000 == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_within_a_drawn_group_conversations_are_drawn() -> None:
    # One group of two, one right and one wrong: the group is drawn for sure, and of its two conversations two are drawn
    # with replacement, so accuracy is 0, ½ or 1 with probabilities ¼, ½, ¼. Whole groups alone would always give ½.
    drawn = np.concatenate([*_draws(_numbered(["a", "a"], 2), samples=4000, seed=1)])
    assert drawn.sum(axis=1).tolist() == [2.0] * 4000
    accuracies, counts = np.unique(drawn @ [1, 0] / 2, return_counts=True)
    assert accuracies.tolist() == [0.0, 0.5, 1.0]
    assert counts / 4000 == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_groups_of_one_change_nothing_and_copies_widen_the_interval() -> None:
    random = np.random.default_rng(4)
    y = random.integers(0, 2, 60)
    p = np.clip(0.3 * y + 0.7 * random.random(60), 0, 1)
    alone = bootstrap_intervals(y, p, [f"customer {n}" for n in range(60)], samples=300)
    assert alone == bootstrap_intervals(y, p, samples=300)
    # Each conversation four times over is no new knowledge: drawn by group the interval stays, drawn singly it halves.
    groups = [str(n) for n in range(60)] * 4
    fourfold = bootstrap_intervals(np.tile(y, 4), np.tile(p, 4), groups, samples=300)
    assert fourfold["roc_auc"] == pytest.approx(alone["roc_auc"])
    single = bootstrap_intervals(np.tile(y, 4), np.tile(p, 4), samples=300)["roc_auc"]
    assert single[1] - single[0] < 0.7 * (alone["roc_auc"][1] - alone["roc_auc"][0])


def test_a_difference_is_paired_within_whole_groups() -> None:
    y, groups = [1, 0, 1, 0], ["a", "a", "b", "b"]
    good, bad = [0.9, 0.1, 0.9, 0.1], [0.9, 0.1, 0.1, 0.9]  # `bad` is right in group a and wrong in b
    # Drawn aa: 1 − 1 = 0; ab: 1 − ½; bb: 1 − 0 = 1.
    assert paired_bootstrap_difference(y, good, bad, "accuracy", groups) == (0.5, 0.0, 1.0)
    with pytest.raises(ValueError, match="3 groups were given for 4"):
        paired_bootstrap_difference(y, good, bad, groups=["a", "a", "b"])


def test_constant_prediction_has_no_spread_in_roc_auc() -> None:
    assert bootstrap_intervals([1, 0] * 20, [0.5] * 40, samples=100)["roc_auc"] == (0.5, 0.5)


def test_paired_difference_of_a_model_with_itself_is_zero() -> None:
    assert paired_bootstrap_difference(LABELS, PROBABILITIES, PROBABILITIES) == (0.0, 0.0, 0.0)


def test_paired_difference_is_antisymmetric_and_by_hand() -> None:
    random = np.random.default_rng(1)
    y = random.integers(0, 2, 200)
    good, bad = 0.6 * y + 0.4 * random.random(200), random.random(200)
    found = paired_bootstrap_difference(y, good, bad)
    assert found is not None
    difference, low, high = found
    assert difference == pytest.approx(metrics.roc_auc_score(y, good) - metrics.roc_auc_score(y, bad))
    assert 0 < low < difference < high
    assert paired_bootstrap_difference(y, bad, good) == pytest.approx((-difference, -high, -low))


def test_pairing_cancels_what_both_models_share() -> None:
    random = np.random.default_rng(2)
    y = random.integers(0, 2, 100)
    p = np.clip(0.3 * y + 0.7 * random.random(100), 0, 1)
    nearly_p = np.clip(p + 0.005 * random.standard_normal(100), 0, 1)
    _, low, high = paired_bootstrap_difference(y, p, nearly_p) or (0, 0, 0)
    alone = bootstrap_intervals(y, p)["roc_auc"]
    assert high - low < (alone[1] - alone[0]) / 4


def test_wilson_interval_by_hand() -> None:
    # 8 of 10, z² = 3.8415: centre (0.8 + 0.19207) / 1.38415 = 0.71674; half width
    # 1.95996 / 1.38415 · √(0.8 · 0.2 / 10 + 3.8415 / 400) = 1.41601 · √0.025604 = 0.22658
    assert wilson_interval(8, 10) == pytest.approx((0.49016, 0.94332), abs=1e-4)
    assert wilson_interval(0, 10)[0] == 0.0
    assert wilson_interval(0, 0) == (0.0, 1.0)
