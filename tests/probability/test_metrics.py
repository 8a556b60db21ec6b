"""Every metric by hand on a few conversations, then against scikit-learn on many, with ties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics

from probability.metrics import bayes_accuracy, calibration_bins, classification_metrics, confusion_matrix

# Four conversations: a sure hit, a missed success, a false alarm, a sure miss.
LABELS = [1, 1, 0, 0]
PROBABILITIES = [0.9, 0.4, 0.6, 0.1]


def test_counts_by_hand() -> None:
    # Called successful: 0.9 and 0.6. True positive 1, false positive 1, false negative 1, true negative 1.
    assert confusion_matrix(LABELS, PROBABILITIES) == [[1, 1], [1, 1]]
    figures = classification_metrics(LABELS, PROBABILITIES)
    assert figures["accuracy"] == figures["balanced_accuracy"] == pytest.approx(2 / 4)
    assert figures["precision"] == figures["recall"] == figures["f1"] == pytest.approx(1 / 2)


def test_ranking_by_hand() -> None:
    figures = classification_metrics(LABELS, PROBABILITIES)
    # Pairs (successful, failed): 0.9>0.6 yes, 0.9>0.1 yes, 0.4>0.6 no, 0.4>0.1 yes: 3 of 4.
    assert figures["roc_auc"] == pytest.approx(3 / 4)
    # Down the ranking 0.9 (hit), 0.6, 0.4 (hit): precision 1/1 at the first hit, 2/3 at the second; each is half.
    assert figures["average_precision"] == pytest.approx((1 / 1 + 2 / 3) / 2)


def test_losses_by_hand() -> None:
    figures = classification_metrics(LABELS, PROBABILITIES)
    # (0.1² + 0.6² + 0.6² + 0.1²) / 4 = 0.74 / 4
    assert figures["brier"] == pytest.approx(0.185)
    # −(ln 0.9 + ln 0.4 + ln 0.4 + ln 0.9) / 4
    assert figures["log_loss"] == pytest.approx(-(math.log(0.9) + math.log(0.4)) / 2)


def test_expected_calibration_error_by_hand() -> None:
    labels, probabilities = [1, 0, 1, 1, 0], [0.72, 0.78, 0.95, 1.0, 0.05]
    # Bin [0.7, 0.8): two of 0.72 and 0.78, mean 0.75, one success: |0.5 − 0.75| · 2/5 = 0.1
    # Bin [0.9, 1.0]: two of 0.95 and 1.0, mean 0.975, both successes: |1 − 0.975| · 2/5 = 0.01
    # Bin [0.0, 0.1): one of 0.05, no success: |0 − 0.05| · 1/5 = 0.01
    assert classification_metrics(labels, probabilities)["ece"] == pytest.approx(0.1 + 0.01 + 0.01)
    bins = calibration_bins(labels, probabilities)
    assert [found.conversations for found in bins] == [1, 2, 2]
    assert bins[1].mean_probability == pytest.approx(0.75)
    assert bins[1].share_successful == pytest.approx(0.5)
    assert (bins[2].low, bins[2].high) == (0.9, 1.0)


def test_all_metrics_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(3)
    y = random.integers(0, 2, 300)
    p = np.round(np.clip(0.3 * y + 0.7 * random.random(300), 0, 1), 2)  # rounded: many ties
    said = p >= 0.5
    figures = classification_metrics(y, p)
    expected = {
        "accuracy": metrics.accuracy_score(y, said),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, said),
        "precision": metrics.precision_score(y, said),
        "recall": metrics.recall_score(y, said),
        "f1": metrics.f1_score(y, said),
        "roc_auc": metrics.roc_auc_score(y, p),
        "average_precision": metrics.average_precision_score(y, p),
        "brier": metrics.brier_score_loss(y, p),
        "log_loss": metrics.log_loss(y, np.clip(p, 1e-15, 1 - 1e-15)),
    }
    assert figures == pytest.approx({**expected, "ece": figures["ece"]})
    assert confusion_matrix(y, p) == metrics.confusion_matrix(y, said).tolist()


def test_certain_probabilities_have_a_finite_log_loss() -> None:
    assert classification_metrics([1, 0], [0.0, 1.0])["log_loss"] == pytest.approx(-math.log(1e-15), rel=1e-3)
    assert classification_metrics([1, 0], [1.0, 0.0])["log_loss"] == pytest.approx(0.0, abs=1e-12)


def test_one_label_only_leaves_out_what_needs_both() -> None:
    figures = classification_metrics([1, 1, 1], [0.9, 0.2, 0.7])
    assert not {"roc_auc", "average_precision", "balanced_accuracy"} & figures.keys()
    assert figures["accuracy"] == pytest.approx(2 / 3)


def test_no_positive_prediction_has_precision_zero() -> None:
    figures = classification_metrics([1, 0], [0.2, 0.1])
    assert figures["precision"] == figures["recall"] == figures["f1"] == 0.0


@pytest.mark.parametrize(("labels", "probabilities"), [([], []), ([1, 0], [0.5]), ([[1], [0]], [[0.5], [0.5]])])
def test_wrong_shapes_are_refused(labels: list[int], probabilities: list[float]) -> None:
    with pytest.raises(ValueError, match="of one length"):
        classification_metrics(labels, probabilities)


def test_bayes_accuracy_by_hand() -> None:
    # Call the likelier outcome each time: right with 0.9, 0.8 and 0.5, on average 2.2 / 3.
    assert bayes_accuracy([0.9, 0.2, 0.5]) == pytest.approx(2.2 / 3)
    assert bayes_accuracy([0.0, 1.0]) == 1.0
