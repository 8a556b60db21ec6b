"""InfoNCE and triplet loss against hand-worked batches and against plain loops written from the formulas."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from modelling.contrastive.losses import info_nce, triplet_loss


def unit(*degrees: float) -> Tensor:
    """Points on the unit circle, so that the similarity of two is the cosine of the angle between them."""
    radians = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return torch.stack([radians.cos(), radians.sin()], dim=1)


def random_batch(seed: int) -> tuple[Tensor, Tensor]:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(12, 5))
    labels = random.integers(0, 2, size=12)
    return torch.from_numpy(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)), torch.from_numpy(labels)


# ----------------------------------------------------------------------------------------------------------- hand-worked


def test_info_nce_of_three_items_by_hand() -> None:
    # Items at 0°, 60° (both label 1) and 90° (label 0), temperature 0.5.
    # Similarities: s01 = cos 60° = 0.5, s02 = cos 90° = 0, s12 = cos 30° = 0.866025.
    # Anchor 0: −log( e^(0.5/0.5) / (e^(0.5/0.5) + e^(0/0.5)) )       = −log(2.718282 / 3.718282)        = 0.313262
    # Anchor 1: −log( e^(0.5/0.5) / (e^(0.5/0.5) + e^(0.866025/0.5)) ) = −log(2.718282 / (2.718282 + 5.652234)) = 1.124715
    # Anchor 2 has no positive and is left out. Mean: (0.313262 + 1.124715) / 2 = 0.718989.
    loss = info_nce(unit(0, 60, 90), torch.tensor([1, 1, 0]), temperature=0.5)
    assert loss.item() == pytest.approx(0.718989, abs=1e-6)


def test_info_nce_averages_over_the_positives_outside_the_logarithm() -> None:
    # Items at 0°, 90° and 180° of label 1 and one at 0° of label 0, temperature 1. Anchor 0 sees 0, −1 and, of the
    # negative, 1: the sum is e^0 + e^−1 + e^1 = 1 + 0.367879 + 2.718282 = 4.086161, its logarithm 1.407606.
    #   Anchor 0: 1.407606 − (0 + (−1)) / 2 = 1.907606
    # Anchor 1 sees 0, 0 and 0: log 3 = 1.098612.
    # Anchor 2 sees −1, 0 and −1: log(0.367879 + 1 + 0.367879) = log 1.735759 = 0.551445.
    #   Anchor 2: 0.551445 − (−1 + 0) / 2 = 1.051445
    # Mean of the three: (1.907606 + 1.098612 + 1.051445) / 3 = 1.352554.
    loss = info_nce(unit(0, 90, 180, 0), torch.tensor([1, 1, 1, 0]), temperature=1.0)
    assert loss.item() == pytest.approx(1.352554, abs=1e-6)


def test_triplets_by_hand() -> None:
    # Items at 0° and 60° (label 1), 80° and 180° (label 0), margin 0.2. Anchor-positive pairs, each with its semi-hard
    # negative, the most similar of those less similar than the positive:
    #   (0°, 60°):  positive 0.5;       negatives cos 80° = 0.173648 and cos 180° = −1: 0.2 − 0.5 + 0.173648 < 0, so 0
    #   (60°, 0°):  positive 0.5;       negatives cos 20° = 0.939693 (harder than the positive) and cos 120° = −0.5:
    #                                   0.2 − 0.5 − 0.5 < 0, so 0
    #   (80°, 180°): positive cos 100° = −0.173648; negatives 0.173648 and 0.939693 are both harder, so the easiest:
    #                                   0.2 + 0.173648 + 0.173648 = 0.547296
    #   (180°, 80°): positive −0.173648; negatives −1 and cos 120° = −0.5: 0.2 + 0.173648 − 0.5 = −0.126352, so 0
    # Mean: 0.547296 / 4 = 0.136824.
    loss = triplet_loss(unit(0, 60, 80, 180), torch.tensor([1, 1, 0, 0]), margin=0.2)
    assert loss.item() == pytest.approx(0.136824, abs=1e-6)


def test_a_larger_margin_reaches_more_triplets() -> None:
    # The batch above with margin 0.5: 0.5 − 0.5 + 0.173648 = 0.173648; 0.5 − 0.5 − 0.5 < 0; 0.5 + 0.347296 = 0.847296;
    # 0.5 + 0.173648 − 0.5 = 0.173648. Mean: (0.173648 + 0 + 0.847296 + 0.173648) / 4 = 0.298648.
    loss = triplet_loss(unit(0, 60, 80, 180), torch.tensor([1, 1, 0, 0]), margin=0.5)
    assert loss.item() == pytest.approx(0.298648, abs=1e-6)


def test_a_perfectly_separated_batch_has_no_triplet_loss() -> None:
    assert triplet_loss(unit(0, 0, 180, 180), torch.tensor([1, 1, 0, 0]), margin=1.0).item() == 0.0


# ---------------------------------------------------------------------------------------------------- independent loops


def looped_info_nce(z: NDArray[np.float64], labels: Sequence[int], temperature: float) -> float:
    losses = []
    for i in range(len(labels)):
        others = [a for a in range(len(labels)) if a != i]
        positives = [p for p in others if labels[p] == labels[i]]
        total = sum(math.exp(sum(z[i] * z[a]) / temperature) for a in others)
        shares = [math.exp(sum(z[i] * z[p]) / temperature) / total for p in positives]
        if shares:
            losses.append(-sum(map(math.log, shares)) / len(shares))
    return sum(losses) / len(losses)


def looped_triplet_loss(z: NDArray[np.float64], labels: Sequence[int], margin: float) -> float:
    losses = []
    for a in range(len(labels)):
        negatives = sorted(float(sum(z[a] * z[n])) for n in range(len(labels)) if labels[n] != labels[a])
        for p in range(len(labels)):
            if p != a and labels[p] == labels[a]:
                positive = float(sum(z[a] * z[p]))
                semi_hard = [negative for negative in negatives if negative < positive]
                losses.append(max(0.0, margin - positive + (semi_hard[-1] if semi_hard else negatives[0])))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("seed", range(8))
def test_both_agree_with_plain_loops(seed: int) -> None:
    embeddings, labels = random_batch(seed)
    for temperature in (0.07, 0.5):
        expected = looped_info_nce(embeddings.numpy(), labels.tolist(), temperature)
        assert info_nce(embeddings, labels, temperature).item() == pytest.approx(expected, abs=1e-6)
    for margin in (0.2, 1.0):
        expected = looped_triplet_loss(embeddings.numpy(), labels.tolist(), margin)
        assert triplet_loss(embeddings, labels, margin).item() == pytest.approx(expected, abs=1e-6)


def test_with_one_positive_each_it_is_plain_info_nce() -> None:
    """Van den Oord's loss is the cross-entropy of picking the positive out of all others."""
    embeddings, _ = random_batch(0)
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    others = (embeddings @ embeddings.T / 0.1)[~torch.eye(12, dtype=torch.bool)].reshape(12, 11)
    place_of_positive = torch.tensor([n if n % 2 == 0 else n - 1 for n in range(12)])  # without itself in the row
    expected = torch.nn.functional.cross_entropy(others, place_of_positive)
    assert info_nce(embeddings, labels, 0.1).item() == pytest.approx(expected.item(), abs=1e-9)


# -------------------------------------------------------------------------------------------------- gradients and edges


@pytest.mark.parametrize(
    ("labels", "has_positives", "has_triplets"),
    [([1, 0, 1, 0], True, True), ([1, 1, 1, 1], True, False), ([1, 0, 2, 3], False, False), ([1, 1, 1, 0], True, True)],
    ids=["two classes", "one class", "all different", "one lone item"],
)
def test_losses_and_gradients_are_finite(labels: list[int], has_positives: bool, has_triplets: bool) -> None:
    for angles in ((0, 10, 100, 200), (30, 30, 30, 30)):  # the second: a collapsed batch
        for loss_of, setting, counts in ((info_nce, 0.01, has_positives), (triplet_loss, 0.5, has_triplets)):
            embeddings = unit(*angles).requires_grad_()
            loss = loss_of(embeddings, torch.tensor(labels), setting)
            loss.backward()
            assert loss.isfinite()
            assert (loss.item() > 0) == counts
            assert embeddings.grad is not None
            assert embeddings.grad.isfinite().all()
            assert counts or not embeddings.grad.any()


def test_a_single_item_gives_zero() -> None:
    embeddings = unit(45).requires_grad_()
    loss = info_nce(embeddings, torch.tensor([1]), 0.1) + triplet_loss(embeddings, torch.tensor([1]), 0.5)
    loss.backward()
    assert loss.item() == 0.0
    assert embeddings.grad is not None
    assert not embeddings.grad.any()


def test_both_pull_the_same_label_together_and_push_the_other_away() -> None:
    embeddings, labels = unit(0, 80, 40), torch.tensor([1, 1, 0])
    for loss_of, setting in ((info_nce, 0.5), (triplet_loss, 0.5)):
        positive_nearer = loss_of(unit(0, 70, 40), labels, setting)
        negative_farther = loss_of(unit(0, 80, 200), labels, setting)
        assert positive_nearer < loss_of(embeddings, labels, setting)
        assert negative_farther < loss_of(embeddings, labels, setting)
