"""What a trained model has to beat: majority, length, a sales keyword list, words (TF-IDF), and untouched embeddings.

Each baseline has `fit(conversations)` and `predict_proba(conversations)` and is fitted on training data only. They use
scikit-learn's defaults where not said otherwise; tuning them is not the point. Costs under a second for 600
conversations, but for the embeddings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from conversations.conversation import Conversation, labels_of
from conversations.model_text import render_input, rendered_text
from modelling.words import WordModel
from probability.calibration import PlattScaling

POSITIVE_WORDS = (
    "agree agreed approve approved budget buy close commit contract decision demo excited great interested love "
    "perfect proceed purchase quickly ready sign signed start yes"
).split()
NEGATIVE_WORDS = (
    "cancel competitor concern concerned delay difficult doubt expensive frozen hesitant issue later never no not "
    "problem reject rejected risk unsure unfortunately worried wrong"
).split()
REFERENCE_BASELINE = "tfidf_logreg"
BASELINE_TITLES = {
    "majority": "Majority",
    "length_only": "Length only",
    "keywords": "Keywords",
    "tfidf_logreg": "TF-IDF + logistic regression",
    "frozen_embeddings_logreg": "Frozen embeddings + logistic regression",
}


class Baseline(Protocol):
    """The part of a model's contract that a comparison needs."""

    name: str

    def fit(self, conversations: Sequence[Conversation]) -> None:
        """Learns from labelled conversations."""

    def predict_proba(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        """P(successful), (n,)."""


class MajorityBaseline:
    """Says the training data's share of successes of every conversation."""

    name = "majority"

    def fit(self, conversations: Sequence[Conversation]) -> None:
        """Counts."""
        self._share = labels_of(conversations).mean()

    def predict_proba(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        """P(successful), (n,), all equal."""
        return np.full(len(conversations), self._share)


class KeywordBaseline:
    """Logistic regression on two counts: words of a fixed list that sound good for a deal, and that sound bad."""

    name = "keywords"

    def fit(self, conversations: Sequence[Conversation]) -> None:
        """Learns what the two counts weigh."""
        self._classifier = LogisticRegression().fit(self._counts(conversations), labels_of(conversations))

    def predict_proba(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        """P(successful), (n,)."""
        return np.asarray(self._classifier.predict_proba(self._counts(conversations))[:, 1])

    def _counts(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        words = [re.findall(r"[a-z']+", rendered_text(c).lower()) for c in conversations]
        lists = (set(POSITIVE_WORDS), set(NEGATIVE_WORDS))
        return np.array([[sum(word in known for word in text) for known in lists] for text in words], dtype=float)


class LengthBaseline:
    """Logistic regression on how long the conversation is: the logarithms of its words and of its turns or sentences."""

    name = "length_only"

    def fit(self, conversations: Sequence[Conversation]) -> None:
        """Learns what length says."""
        self._classifier = make_pipeline(StandardScaler(), LogisticRegression())
        self._classifier.fit(self._lengths(conversations), labels_of(conversations))

    def predict_proba(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        """P(successful), (n,)."""
        return np.asarray(self._classifier.predict_proba(self._lengths(conversations))[:, 1])

    def _lengths(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        counts = [(len(rendered_text(c).split()), len(render_input(c))) for c in conversations]
        return np.log(np.array(counts, dtype=float))


class TfidfLogisticRegression:
    """The best bag of words: `modelling.words`, its penalty chosen by cross-validation on the training data."""

    name = "tfidf_logreg"

    def fit(self, conversations: Sequence[Conversation]) -> None:
        """Learns from the rendered text."""
        self._words = WordModel.fit(conversations)

    def predict_proba(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        """P(successful), (n,)."""
        return PlattScaling().probabilities(self._words.log_odds(conversations))


class FrozenEmbeddingsLogisticRegression:
    """The usual way to use a sentence encoder: one mean vector a conversation, untouched, with logistic regression."""

    name = "frozen_embeddings_logreg"

    def __init__(self, encoder: Any) -> None:  # a SalesEncoder; not imported, so that the words need no torch
        self._encoder = encoder
        self._classifier = LogisticRegression(max_iter=1000)

    def fit(self, conversations: Sequence[Conversation]) -> None:
        """Learns the weights of the mean vector's dimensions."""
        self._classifier.fit(self._means(conversations), labels_of(conversations))

    def predict_proba(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        """P(successful), (n,)."""
        return np.asarray(self._classifier.predict_proba(self._means(conversations))[:, 1])

    def _means(self, conversations: Sequence[Conversation]) -> NDArray[np.float32]:
        from modelling.conversation_vectors import mean_segment_vectors  # needs torch, which only this baseline does

        return mean_segment_vectors(self._encoder, conversations)


def all_baselines(encoder: Any) -> list[Baseline]:
    """One of each, not fitted yet; `encoder` is the TextEncoder whose embeddings stay untouched."""
    words: list[Baseline] = [MajorityBaseline(), LengthBaseline(), KeywordBaseline(), TfidfLogisticRegression()]
    return [*words, FrozenEmbeddingsLogisticRegression(encoder)]
