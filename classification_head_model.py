"""Classification head: a linear layer on frozen conversation vectors, each conversation encoded once.

Logistic regression trained by quasi-Newton steps with an L2 penalty. Validation log loss finds the best epoch; then it
is trained for as many epochs on training and validation together. The encoder is never changed. Training takes under a
second once the vectors are there; run as a script it trains where there is no artifact, evaluates, and shows a few test
predictions.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation, labels_of
from encoder.text_encoder import TextEncoder
from foundations.errors import InputError
from foundations.long_work import Progress
from modelling.conversation_vectors import ConversationSpace, Passages, spoken_passages
from modelling.conversion_model import ConversionModel, Fitted, Reading
from modelling.names import CLASSIFICATION_HEAD
from modelling.saved.training_record import TrainingHistory
from modelling.whitening import normalised

LabelledVectors = tuple[NDArray[np.float32], NDArray[np.int64]]  # (n, d) and (n,) of 0 and 1


@dataclass(frozen=True)
class ClassificationHeadSettings:
    """Hyper-parameters; an impossible one is refused where it is made."""

    epochs: int = 50
    fewest_epochs: int = 5  # early stopping keeps no epoch before this one
    patience: int = 10  # epochs without a better validation loss before stopping
    l2: float = 3.0  # the penalty is l2 / 2 · |weights|² / n training conversations, as 1/C in scikit-learn

    def __post_init__(self) -> None:
        if self.epochs < self.fewest_epochs or self.fewest_epochs < 1:
            raise InputError(f"epochs is {self.epochs}; it must be at least fewest_epochs, {self.fewest_epochs}.")
        if self.l2 < 0:
            raise InputError(f"l2 is {self.l2}; it must not be negative.")


class ClassificationHeadModel(ConversionModel):
    """Frozen encoder and a trained linear head."""

    name = CLASSIFICATION_HEAD
    title = "Classification head"
    artifact_file = "classification_head_model.pth"

    space: ConversationSpace
    weights: NDArray[np.float32]  # (width of the space,)
    bias: float

    @staticmethod
    def default_settings() -> ClassificationHeadSettings:
        """The defaults."""
        return ClassificationHeadSettings()

    def embed(self, conversations: Sequence[Conversation]) -> NDArray[np.float32]:
        """Frozen conversation vectors: float32 (n, width of the space), L2-normalised."""
        return normalised(self.space.vectors(conversations))

    def embed_passages(self, conversations: Sequence[Conversation]) -> Passages:
        """See ConversionModel; centred and whitened as for `embed`."""
        return spoken_passages(self.space.encoder, conversations, self.space.whitening.apply)

    def _fit(self, train: Sequence[Conversation], validation: Sequence[Conversation], progress: Progress) -> Fitted:
        learned_from = [*train, *validation]
        self.space = ConversationSpace.fit(
            self.encoder, learned_from, self.seed, self._known_spaces(), self.knows_sales
        )
        vectors, labels = self.space.vectors(learned_from), labels_of(learned_from)
        progress(0.5)  # encoding is most of the work
        parts = [(vectors[part], labels[part]) for part in (slice(len(train)), slice(len(train), None))]
        history = train_head(parts[0], parts[1], self.settings)[2]
        as_many = replace(self.settings, epochs=history.best + 1, fewest_epochs=history.best + 1)
        self.weights, self.bias, _ = train_head((vectors, labels), (vectors, labels), as_many)
        return Fitted(history, self._out_of_fold(learned_from, vectors, labels, as_many))

    def _out_of_fold(
        self,
        conversations: Sequence[Conversation],
        vectors: NDArray[np.float32],
        labels: NDArray[np.int64],
        settings: ClassificationHeadSettings,
    ) -> NDArray[np.float64]:
        """(n,): each conversation by a head of as many epochs that was trained on the other folds."""
        from conversations.folds import group_folds  # scikit-learn takes seconds to import, and serving never fits

        log_odds = np.zeros(len(labels))
        for kept, held in group_folds(conversations, self.seed):
            part = (vectors[kept], labels[kept])
            weights, bias, _ = train_head(part, part, settings)
            log_odds[held] = vectors[held] @ weights + bias
        return log_odds

    def _log_odds(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        return self._read(conversations).log_odds

    def _read(self, conversations: Sequence[Conversation]) -> Reading:
        vectors, spoken = self.space.read(conversations)
        log_odds = np.asarray(vectors @ self.weights + self.bias, dtype=np.float64)
        return Reading(log_odds, normalised(vectors), spoken)

    def _state(self) -> dict[str, Any]:
        return {"space": self.space.state(), "weights": self.weights, "bias": self.bias}

    def _restore(self, state: dict[str, Any], encoders: Mapping[str, TextEncoder]) -> None:
        self.space = ConversationSpace.from_state(self.encoder, state["space"])
        self.weights, self.bias = state["weights"], state["bias"]


def train_head(
    train: LabelledVectors, validation: LabelledVectors, settings: ClassificationHeadSettings
) -> tuple[NDArray[np.float32], float, TrainingHistory]:
    """(weights, bias, history) of the epoch with the least validation log loss.

    The problem is convex, so it starts from "no opinion" (all zero) and needs no seed. One epoch is one quasi-Newton
    step over all conversations: the cached vectors of thousands fit one matrix.
    """
    import torch  # serving has no need of it

    inputs = [(torch.from_numpy(vectors), torch.from_numpy(labels).float()) for vectors, labels in (train, validation)]
    head = torch.nn.Linear(train[0].shape[1], 1)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=1, line_search_fn="strong_wolfe")
    history = TrainingHistory("epoch")
    best_loss, best_weights = float("inf"), copy.deepcopy(head.state_dict())

    def loss_on(part: int) -> torch.Tensor:
        vectors, labels = inputs[part]
        return torch.nn.functional.binary_cross_entropy_with_logits(head(vectors).squeeze(1), labels)

    def penalised_loss() -> torch.Tensor:
        optimizer.zero_grad()
        loss = loss_on(0) + settings.l2 / 2 * head.weight.square().sum() / len(train[1])
        loss.backward()
        return loss

    for epoch in range(settings.epochs):
        optimizer.step(penalised_loss)
        with torch.no_grad():
            losses = [loss_on(part).item() for part in (0, 1)]
        history.rows.append({"epoch": epoch + 1, "train_loss": losses[0], "validation_loss": losses[1]})
        if epoch + 1 >= settings.fewest_epochs and losses[1] < best_loss:
            best_loss, history.best = losses[1], epoch
            best_weights = copy.deepcopy(head.state_dict())
        elif epoch - history.best >= max(settings.patience, settings.fewest_epochs):
            break
    return best_weights["weight"][0].numpy(), float(best_weights["bias"]), history


if __name__ == "__main__":  # as a script it is a command of main.py, and imports nothing from above
    import runpy
    import sys

    sys.argv[1:1] = ["--mode", "try", "--model", CLASSIFICATION_HEAD]
    runpy.run_module("main", run_name="__main__", alter_sys=True)
