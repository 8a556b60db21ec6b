"""Cosine and silhouette figures by hand on vectors whose angles can be seen, and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import silhouette_score
from sklearn.metrics.pairwise import cosine_similarity

from modelling import embedding_quality as quality
from modelling.embedding_quality import cosine_matrix, embedding_quality, mean_dimension_std

# East and north-east are successful, north and west are failed; lengths differ and must not matter.
VECTORS = [[2.0, 0.0], [1.0, 1.0], [0.0, 3.0], [-1.0, 0.0]]
LABELS = [1, 1, 0, 0]
HALF = math.sqrt(0.5)


def test_cosines_by_hand() -> None:
    expected = [[1, HALF, 0, -1], [HALF, 1, HALF, -HALF], [0, HALF, 1, 0], [-1, -HALF, 0, 1]]
    assert cosine_matrix(VECTORS) == pytest.approx(np.array(expected))


def test_intra_and_inter_class_by_hand() -> None:
    figures = embedding_quality(VECTORS, LABELS)
    # Within: east-north-east √½ and north-west 0. The diagonal of ones stays out.
    assert figures["intra_class_cosine"] == pytest.approx((HALF + 0) / 2)
    # Between: 0 (east-north), −1 (east-west), √½ (north-east-north), −√½ (north-east-west).
    assert figures["inter_class_cosine"] == pytest.approx((0 - 1 + HALF - HALF) / 4)
    assert figures["separation"] == pytest.approx(HALF / 2 + 1 / 4)
    # All six pairs: √½ + 0 − 1 + √½ − √½ + 0
    assert figures["mean_cosine"] == pytest.approx((HALF - 1) / 6)


def test_silhouette_by_hand() -> None:
    # Distances 1 − cosine; a: to the own class's other member, b: mean to the other class; s = (b − a) / max(a, b).
    near, far = 1 - HALF, 1 + HALF
    east = ((1 + 2) / 2 - near) / ((1 + 2) / 2)
    north_east = ((near + far) / 2 - near) / ((near + far) / 2)
    north = ((1 + near) / 2 - 1) / 1
    west = ((2 + far) / 2 - 1) / ((2 + far) / 2)
    assert embedding_quality(VECTORS, LABELS)["silhouette"] == pytest.approx((east + north_east + north + west) / 4)


def test_agrees_with_scikit_learn() -> None:
    random = np.random.default_rng(0)
    x, y = random.standard_normal((60, 8)), random.integers(0, 2, 60)
    assert cosine_matrix(x) == pytest.approx(cosine_similarity(x))
    assert embedding_quality(x, y)["silhouette"] == pytest.approx(silhouette_score(x, y, metric="cosine"))


def test_collapse_shows() -> None:
    figures = embedding_quality(np.ones((6, 4)), [0, 1, 0, 1, 0, 1])
    assert figures["mean_cosine"] == pytest.approx(1.0)
    assert figures["mean_dimension_std"] == 0.0
    assert figures["separation"] == pytest.approx(0.0)


def test_dimension_spread_by_hand_and_of_even_directions() -> None:
    # Columns (1, 3) and (0, 0): standard deviations 1 and 0.
    assert mean_dimension_std([[1.0, 0.0], [3.0, 0.0]]) == pytest.approx(0.5)
    x = np.random.default_rng(0).standard_normal((4000, 64))
    assert mean_dimension_std(x / np.linalg.norm(x, axis=1, keepdims=True)) == pytest.approx(1 / 8, rel=0.02)


def test_what_the_labels_do_not_allow_is_left_out() -> None:
    one_class = embedding_quality(VECTORS, [1, 1, 1, 1])
    assert not {"inter_class_cosine", "separation", "silhouette"} & one_class.keys()
    assert "intra_class_cosine" in one_class
    one_each = embedding_quality(VECTORS[:2], [0, 1])
    assert one_each.keys() == {"inter_class_cosine", "mean_cosine", "mean_dimension_std"}
    assert embedding_quality([[1.0, 2.0]], [1]) == {"mean_dimension_std": 0.0}


def test_a_vector_of_zeros_has_no_direction() -> None:
    assert cosine_matrix([[0.0, 0.0], [1.0, 0.0]])[0].tolist() == [0.0, 0.0]


def test_many_conversations_are_represented_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    x, y = random.standard_normal((200, 4)) + 2, random.integers(0, 2, 200)
    whole = embedding_quality(x, y)
    monkeypatch.setattr(quality, "MOST_COMPARED", 100)
    assert embedding_quality(x, y)["mean_cosine"] == pytest.approx(whole["mean_cosine"], abs=0.05)


@pytest.mark.parametrize(("vectors", "labels"), [(np.zeros((0, 3)), []), (np.ones((2, 3)), [1]), (np.ones(2), [0, 1])])
def test_wrong_shapes_are_refused(vectors: np.ndarray, labels: list[int]) -> None:
    with pytest.raises(ValueError, match=r"must be \(n, d\)"):
        embedding_quality(vectors, labels)
