"""The bag of words at its best, as baseline and as member of the ensemble: TF-IDF with logistic regression.

Terms are words, word pairs and words marked with who says them ("customer: ok"); counts are sublinear, both outcomes weigh
the same, and cross-validation chooses the penalty. scikit-learn fits it; applying it needs numpy only, as serving has no
scikit-learn, and gives the same log-odds. Costs a few seconds to fit on 600 dialogues and 0.1 ms to apply to a note.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation, labels_of
from conversations.model_text import Passage, render_input

PENALTIES = (10.0, 3.0, 30.0)  # scikit-learn's C, the usual best first; cross-validation has to want another
_CHANCE = 0.005  # of ROC AUC, that a few hundred conversations can't tell apart
_WORD = re.compile(r"\b\w\w+\b")  # scikit-learn's default: words of two characters or more


class _PassageTerms(NamedTuple):
    """What a passage of the rendered text adds to its terms."""

    terms: NDArray[np.int64]  # indices of its words, word pairs and marked words
    first: str  # word, for the pair with the passage before; "" where it has none
    last: str


@dataclass
class WordModel:
    """log-odds = bias + Σ weight(t) · tf-idf(t), tf-idf = (1 + ln count) · idf, of length 1 for a text.

    Salton and Buckley 1988, "Term-weighting approaches in automatic text retrieval".
    """

    vocabulary: dict[str, int]  # term → index
    idf: NDArray[np.float64]  # (terms,)
    weights: NDArray[np.float64]  # (terms,)
    bias: float
    penalty: float  # C, as it was chosen

    @classmethod
    def fit(cls, conversations: Sequence[Conversation], seed: int = 42, penalty: float | None = None) -> WordModel:
        """Learns from the rendered text of labelled conversations of both outcomes; penalty: None chooses it."""
        from sklearn.feature_extraction.text import TfidfVectorizer  # seconds to import, and serving never fits

        vectorizer = TfidfVectorizer(analyzer=_all_terms, sublinear_tf=True)
        terms = vectorizer.fit_transform([render_input(conversation) for conversation in conversations])
        labels = labels_of(conversations)
        chosen = penalty if penalty is not None else _best_penalty(terms, conversations, seed)
        classifier = _classifier(chosen).fit(terms, labels)
        vocabulary = {term: int(index) for term, index in vectorizer.vocabulary_.items()}
        return cls(vocabulary, vectorizer.idf_, classifier.coef_[0], float(classifier.intercept_[0]), chosen)

    def log_odds(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        """(n,)."""
        read: dict[str, _PassageTerms] = {}  # variants of one conversation share most of their passages
        return np.array([self._log_odds_of(render_input(conversation), read) for conversation in conversations])

    def _log_odds_of(self, passages: Sequence[Passage], read: dict[str, _PassageTerms]) -> float:
        """As of the `rendered_text` with these passages."""
        for passage in passages:
            if passage.text not in read:
                read[passage.text] = self._terms_of(passage)
        parts = [of_one for passage in passages if (of_one := read[passage.text]).first]
        across = self._known(f"{one.last} {other.first}" for one, other in itertools.pairwise(parts))
        terms, counts = np.unique(np.concatenate([across, *(part.terms for part in parts)]), return_counts=True)
        if not len(terms):
            return self.bias
        tf_idf = (1.0 + np.log(counts)) * self.idf[terms]
        return float(tf_idf @ self.weights[terms] / np.linalg.norm(tf_idf)) + self.bias

    def _terms_of(self, passage: Passage) -> _PassageTerms:
        words = _words(passage)
        return _PassageTerms(self._known(_terms(words, passage)), words[0] if words else "", words[-1] if words else "")

    def _known(self, terms: Iterable[str]) -> NDArray[np.int64]:
        """The indices of those that training had."""
        found = [index for term in terms if (index := self.vocabulary.get(term)) is not None]
        return np.array(found, dtype=np.int64)

    def state(self) -> dict[str, Any]:
        """Arrays and plain values for an artifact; the vocabulary as the UTF-8 bytes of its terms in order."""
        terms = "\n".join(sorted(self.vocabulary, key=self.vocabulary.__getitem__))
        encoded = np.frombuffer(terms.encode("utf-8"), dtype=np.uint8)
        return {"terms": encoded, "idf": self.idf, "weights": self.weights, "bias": self.bias, "penalty": self.penalty}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> WordModel:
        """What `state` gave."""
        terms = state["terms"].tobytes().decode("utf-8").split("\n")
        vocabulary = {term: index for index, term in enumerate(terms)}
        return cls(vocabulary, state["idf"], state["weights"], state["bias"], state["penalty"])


def _words(passage: Passage) -> list[str]:
    return _WORD.findall(passage.text.lower())


def _terms(words: Sequence[str], passage: Passage) -> Iterator[str]:
    """The words of one passage, its word pairs, and each word with who says it."""
    yield from words
    yield from (f"{first} {second}" for first, second in itertools.pairwise(words))
    if passage.speaker in ("seller", "customer"):
        yield from (f"{passage.speaker}: {word}" for word in words[1:])  # the first is the speaker's own name


def _all_terms(passages: Sequence[Passage]) -> list[str]:
    """The terms of a rendered conversation; pairs go over from one passage to the next."""
    read = [(_words(passage), passage) for passage in passages]
    spoken = [words for words, _ in read if words]
    across = (f"{one[-1]} {other[0]}" for one, other in itertools.pairwise(spoken))
    return [*across, *(term for words, passage in read for term in _terms(words, passage))]


def _classifier(penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    # The dual problem has as many unknowns as conversations, which are far fewer than terms.
    return LogisticRegression(
        C=penalty, class_weight="balanced", solver="liblinear", dual=True, max_iter=1000, random_state=0
    )


def _best_penalty(terms: Any, conversations: Sequence[Conversation], seed: int) -> float:
    """The first of PENALTIES, unless another ranks clearly better in grouped cross-validation."""
    from conversations.folds import group_folds  # as above
    from probability.metrics import roc_auc

    labels = labels_of(conversations)
    folds = list(group_folds(conversations, seed))
    ranking = {}
    for penalty in PENALTIES:
        scores = np.zeros(len(labels))
        for kept, held in folds:
            scores[held] = _classifier(penalty).fit(terms[kept], labels[kept]).decision_function(terms[held])
        ranking[penalty] = roc_auc(labels, scores)
    best = max(ranking.values())
    return next(penalty for penalty in PENALTIES if ranking[penalty] >= best - _CHANCE)
