"""Classification head: a linear layer on frozen conversation vectors, each conversation encoded once.

Logistic regression trained by quasi-Newton steps with an L2 penalty, stopped early on validation log loss and put back to
its best epoch. The encoder is never changed. Training takes under a second once the vectors are there; run as a script
it trains where there is no artifact, evaluates, and shows a few test predictions.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from conversation import Conversation, labels_of
from conversation_vectors import BLOCKS, ConversationSpace, normalised
from conversion_model import ConversionModel, Progress, TrainingHistory
from input_error import InputError


@dataclass(frozen=True)
class ClassificationHeadSettings:
    """Hyper-parameters; an impossible one is refused where it is made."""

    epochs: int = 50
    fewest_epochs: int = 5  # early stopping keeps no epoch before this one
    patience: int = 10  # epochs without a better validation loss before stopping
    l2: float = 1.0  # the penalty is l2 / 2 · |weights|² / n training conversations, as 1/C in scikit-learn

    def __post_init__(self) -> None:
        if self.epochs < self.fewest_epochs or self.fewest_epochs < 1:
            raise InputError(f"epochs is {self.epochs}; it must be at least fewest_epochs, {self.fewest_epochs}.")
        if self.l2 < 0:
            raise InputError(f"l2 is {self.l2}; it must not be negative.")


class ClassificationHeadModel(ConversionModel):
    """Frozen encoder and a trained linear head."""

    name = "classification_head"
    title = "Classification head"
    artifact_file = "classification_head_model.pth"

    space: ConversationSpace
    head: nn.Linear

    @staticmethod
    def default_settings() -> ClassificationHeadSettings:
        """The defaults."""
        return ClassificationHeadSettings()

    def embed(self, conversations: Sequence[Conversation]) -> NDArray[np.float32]:
        """Frozen conversation vectors: float32 (n, blocks · dim), L2-normalised."""
        return normalised(self.space.vectors(conversations))

    def _fit(
        self, train: Sequence[Conversation], validation: Sequence[Conversation], progress: Progress
    ) -> TrainingHistory:
        self.space = ConversationSpace.fit(self.encoder, train, self.seed)
        parts = [(self._inputs(part), torch.tensor(labels_of(part)).float()) for part in (train, validation)]
        progress(0.5)  # encoding is most of the work
        torch.manual_seed(self.seed)
        self.head = nn.Linear(len(BLOCKS) * self.encoder.dim, 1)
        nn.init.zeros_(self.head.weight)  # the problem is convex: start from "no opinion"
        nn.init.zeros_(self.head.bias)
        return self._train_head(parts[0], parts[1])

    def _train_head(
        self, train: tuple[torch.Tensor, torch.Tensor], validation: tuple[torch.Tensor, torch.Tensor]
    ) -> TrainingHistory:
        settings = self.settings
        # One epoch is one step over all conversations: the cached vectors of thousands fit one matrix.
        optimizer = torch.optim.LBFGS(self.head.parameters(), max_iter=1, line_search_fn="strong_wolfe")
        history = TrainingHistory("epoch")
        best_loss, best_weights = float("inf"), copy.deepcopy(self.head.state_dict())

        def penalised_loss() -> torch.Tensor:
            optimizer.zero_grad()
            penalty = settings.l2 / 2 * self.head.weight.square().sum() / len(train[1])
            loss = self._loss(*train) + penalty
            loss.backward()
            return loss

        for epoch in range(settings.epochs):
            optimizer.step(penalised_loss)
            with torch.no_grad():
                losses = [float(self._loss(*part)) for part in (train, validation)]
            history.rows.append({"epoch": epoch + 1, "train_loss": losses[0], "validation_loss": losses[1]})
            if epoch + 1 >= settings.fewest_epochs and losses[1] < best_loss:
                best_loss, history.best = losses[1], epoch
                best_weights = copy.deepcopy(self.head.state_dict())
            elif epoch - history.best >= max(settings.patience, settings.fewest_epochs):
                break
        self.head.load_state_dict(best_weights)
        return history

    def _loss(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return nn.functional.binary_cross_entropy_with_logits(self.head(inputs).squeeze(1), labels)

    def _inputs(self, conversations: Sequence[Conversation]) -> torch.Tensor:
        return torch.from_numpy(self.space.vectors(conversations))

    @torch.inference_mode()
    def _log_odds(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        return np.asarray(self.head(self._inputs(conversations)).squeeze(1).double().numpy())

    def _state(self) -> dict[str, Any]:
        return {"space": self.space.state(), "head": self.head.state_dict()}

    def _restore(self, state: dict[str, Any]) -> None:
        self.space = ConversationSpace.from_state(self.encoder, state["space"])
        self.head = nn.Linear(len(BLOCKS) * self.encoder.dim, 1)
        self.head.load_state_dict(state["head"])


if __name__ == "__main__":
    from model_script import main

    raise SystemExit(main(ClassificationHeadModel.name))
