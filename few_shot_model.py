"""Few-shot: no gradient step; a conversation is judged by its similarity to labelled examples.

Every labelled training conversation votes for its outcome with weight exp(similarity / temperature). Which view of the
conversations is compared and which temperature is used is chosen by cross-validation, group by group, so validation
conversations are examples like any other. Training takes a second or two once the vectors are there; run as a
script it trains where there is no artifact, evaluates, and shows a few test predictions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation, labels_of
from encoder.text_encoder import TextEncoder
from foundations.errors import InputError
from foundations.long_work import Progress
from modelling.conversation_vectors import ConversationSpace, Passages, spoken_passages
from modelling.conversion_model import ConversionModel, Fitted, Reading
from modelling.names import FEW_SHOT
from modelling.saved.training_record import TrainingHistory
from modelling.whitening import normalised
from probability.calibration import PlattScaling
from probability.metrics import classification_metrics

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FewShotSettings:
    """What cross-validation chooses from."""

    temperatures: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0)
    neighbours: tuple[int, ...] = (0, 15)  # only the k most similar examples vote; 0: all of them
    folds: int = 5

    def __post_init__(self) -> None:
        if min(self.temperatures) <= 0 or min(self.neighbours) < 0 or self.folds < 2:
            raise InputError(
                f"temperatures {self.temperatures} must be positive, neighbours {self.neighbours} not negative and "
                f"folds {self.folds} at least 2."
            )


@dataclass(frozen=True)
class Vote:
    """One way to let examples vote."""

    temperature: float
    neighbours: int

    def log_odds(self, queries: Floats, examples: Floats, labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """log Σ₊ exp(s/t) − log Σ₋ exp(s/t) − log(n₊/n₋), for cosine similarities s of (n, d) to (m, d): (n,).

        The last term takes out that one class may simply have more examples. With `neighbours`, a class without a
        single one among the k nearest counts with the k-th similarity.
        """
        similarity = (queries @ examples.T).astype(np.float64)
        if self.neighbours and self.neighbours < len(labels):
            kth = -np.partition(-similarity, self.neighbours - 1, axis=1)[:, self.neighbours - 1 : self.neighbours]
            similarity = np.maximum(similarity, kth)
        by_class = [np.logaddexp.reduce(similarity[:, labels == c] / self.temperature, axis=1) for c in (0, 1)]
        return np.asarray(by_class[1] - by_class[0] - np.log(labels.sum() / (labels == 0).sum()))


class FewShotModel(ConversionModel):
    """Similarity-weighted vote over the labelled examples."""

    name = FEW_SHOT
    title = "Few-shot similarity"
    artifact_file = "few_shot_sales_model.pkl"

    space: ConversationSpace
    vote: Vote
    examples: Floats
    example_labels: NDArray[np.int64]

    @staticmethod
    def default_settings() -> FewShotSettings:
        """The defaults."""
        return FewShotSettings()

    def embed(self, conversations: Sequence[Conversation]) -> Floats:
        """Frozen conversation vectors: float32 (n, width of the space), L2-normalised."""
        return normalised(self.space.vectors(conversations))

    def embed_passages(self, conversations: Sequence[Conversation]) -> Passages:
        """See ConversionModel; centred and whitened as for `embed`."""
        return spoken_passages(self.space.encoder, conversations, self.space.whitening.apply)

    def _fit(self, train: Sequence[Conversation], validation: Sequence[Conversation], progress: Progress) -> Fitted:
        examples = [*train, *validation]
        self.space = ConversationSpace.fit(self.encoder, examples, self.seed, self._known_spaces(), self.knows_sales)
        self.examples, self.example_labels = self.embed(examples), labels_of(examples)
        progress(0.8)
        history = TrainingHistory("candidate", [self._cross_validate(vote, examples) for vote in self._candidates()])
        history.best = int(np.argmin([row["log_loss"] for row in history.rows]))
        kept = history.rows[history.best]
        self.vote = Vote(kept["temperature"], kept["neighbours"])
        return Fitted(history, self._out_of_fold(self.vote, examples))

    def _candidates(self) -> Iterator[Vote]:
        for neighbours in self.settings.neighbours:
            for temperature in self.settings.temperatures:
                yield Vote(temperature, neighbours)

    def _out_of_fold(self, vote: Vote, examples: Sequence[Conversation]) -> NDArray[np.float64]:
        """(n,): what the other folds' examples say of each."""
        from conversations.folds import group_folds  # scikit-learn takes seconds to import, and serving never fits

        labels = self.example_labels
        log_odds = np.zeros(len(labels))
        for kept, held in group_folds(examples, self.seed, self.settings.folds):
            log_odds[held] = vote.log_odds(self.examples[held], self.examples[kept], labels[kept])
        return log_odds

    def _cross_validate(self, vote: Vote, examples: Sequence[Conversation]) -> dict[str, Any]:
        """Log loss of out-of-fold votes, after the scaling that calibration would give them."""
        log_odds, labels = self._out_of_fold(vote, examples), self.example_labels
        probabilities = PlattScaling.fit(log_odds, labels).probabilities(log_odds)
        figures = classification_metrics(labels, probabilities)
        return {
            "name": f"t={vote.temperature:g}, " + (f"k={vote.neighbours}" if vote.neighbours else "all"),
            "temperature": vote.temperature,
            "neighbours": vote.neighbours,
            **{metric: figures[metric] for metric in ("log_loss", "roc_auc")},
        }

    def _log_odds(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        return self._read(conversations).log_odds

    def _read(self, conversations: Sequence[Conversation]) -> Reading:
        vectors, spoken = self.space.read(conversations)
        embedding = normalised(vectors)
        return Reading(self.vote.log_odds(embedding, self.examples, self.example_labels), embedding, spoken)

    def _state(self) -> dict[str, Any]:
        return {
            "space": self.space.state(),
            "vote": {"temperature": self.vote.temperature, "neighbours": self.vote.neighbours},
            "examples": self.examples,
            "example_labels": self.example_labels,
        }

    def _restore(self, state: dict[str, Any], encoders: Mapping[str, TextEncoder]) -> None:
        self.space = ConversationSpace.from_state(self.encoder, state["space"])
        self.vote = Vote(**state["vote"])
        self.examples = state["examples"]
        self.example_labels = state["example_labels"]


if __name__ == "__main__":  # as a script it is a command of main.py, and imports nothing from above
    import runpy
    import sys

    sys.argv[1:1] = ["--mode", "try", "--model", FEW_SHOT]
    runpy.run_module("main", run_name="__main__", alter_sys=True)
