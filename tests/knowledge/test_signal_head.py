"""The signals' head learns what vectors mean, counts sentences by their weight, and the shipped one is of today's encoder."""

from __future__ import annotations

import numpy as np
from safetensors import safe_open

from encoder.sales import SALES_WEIGHTS
from foundations.atomic_files import file_sha256
from knowledge.signal_head import fit_signal_head
from signals.head import found_labels
from signals.sentences import SIGNAL_LABELS, SPOKEN_SENTENCES, read_training_sentences
from signals.trained import SALES_SIGNALS

LABELS = len(SIGNAL_LABELS)


def test_it_tells_the_labels_of_vectors_and_gives_the_same_again() -> None:
    labels = np.repeat(np.eye(3, LABELS, dtype=bool), 20, axis=0)
    labels[40:] = False  # these say nothing
    vectors = np.repeat(np.eye(3, 8, dtype=np.float32), 20, axis=0)
    head, again = (fit_signal_head(vectors, labels, np.ones(60, np.float32)) for _ in range(2))
    assert np.array_equal(found_labels(head.scores(vectors)), labels)
    assert np.array_equal(head.weights, again.weights)


def test_of_two_labels_for_one_vector_the_weightier_wins() -> None:
    labels, vectors = np.eye(2, LABELS, dtype=bool), np.ones((2, 8), np.float32)
    first = fit_signal_head(vectors, labels, np.array([3.0, 1.0], np.float32)).scores(vectors)[0]
    second = fit_signal_head(vectors, labels, np.array([1.0, 3.0], np.float32)).scores(vectors)[0]
    assert first[0] > 0.6 > first[1] and second[1] > 0.6 > second[0]


def test_the_shipped_head_is_of_todays_encoder_and_sentences() -> None:
    """Else: python -m knowledge.signal_head"""
    with safe_open(SALES_SIGNALS, "numpy") as file:
        about = file.metadata()
    sentences = len(read_training_sentences().texts) + len(read_training_sentences(SPOKEN_SENTENCES).texts)
    assert about == {"encoder": file_sha256(SALES_WEIGHTS), "sentences": str(sentences)}
