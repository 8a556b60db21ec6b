"""Starter: what the program knows about sales before it has learned from a deal of yours.

A linear head on the sales or the multilingual encoder's vectors, made once from written scenarios
(`knowledge.starter_head`, `knowledge.multilingual`). Its weights never change: `fit` only calibrates it on your deals, so
that fifty of them start from it and not from nothing. It needs one of these encoders. Run as a script it trains where there
is no artifact, evaluates, and shows a few test predictions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation
from encoder.text_encoder import TextEncoder, remembered_texts
from foundations.errors import InputError
from foundations.long_work import Progress
from modelling import starter_head
from modelling.conversation_vectors import spoken_vectors
from modelling.conversion_model import ConversionModel, Fitted, Reading
from modelling.names import STARTER, STARTER_ENCODERS
from modelling.saved.training_record import TrainingHistory
from modelling.starter_head import StarterHead
from modelling.whitening import normalised


def shipped_head(encoder: TextEncoder) -> StarterHead:
    """The head that comes with the program. Raises InputError for any encoder but those that one was learned on."""
    head = starter_head.starter_head_for(encoder)
    if head is None:
        raise InputError(
            f"The model {STARTER!r} was learned on the encoders {' and '.join(map(repr, STARTER_ENCODERS))} and can't read "
            f"{encoder.identity.name!r}; leave --encoder out, or choose another model."
        )
    return head


@dataclass(frozen=True)
class StarterSettings:
    """It has none to choose."""


class StarterModel(ConversionModel):
    """The shipped head, calibrated."""

    name = STARTER
    title = "Starter"
    artifact_file = "starter_sales_model.pkl"

    head: StarterHead

    @staticmethod
    def default_settings() -> StarterSettings:
        """The defaults."""
        return StarterSettings()

    def embed(self, conversations: Sequence[Conversation]) -> NDArray[np.float32]:
        """Pooled vectors of the sales encoder: float32 (n, blocks · dim), L2-normalised."""
        return normalised(self.head.read(self.encoder, conversations)[1])

    def _fit(self, train: Sequence[Conversation], validation: Sequence[Conversation], progress: Progress) -> Fitted:
        self.head = shipped_head(self.encoder)
        unseen = self._log_odds([*train, *validation])  # it has learned from none of them
        return Fitted(TrainingHistory("candidate", [{"name": "as shipped"}]), unseen)

    def _log_odds(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        return self.head.read(self.encoder, conversations)[0]

    def _read(self, conversations: Sequence[Conversation]) -> Reading:
        with remembered_texts():
            spoken = spoken_vectors(self.encoder, conversations)
            log_odds, pooled = self.head.read(self.encoder, conversations)
        return Reading(log_odds, normalised(pooled), spoken)

    def _state(self) -> dict[str, Any]:
        return {"weights": self.head.weights, "bias": self.head.bias}

    def _restore(self, state: dict[str, Any], encoders: Mapping[str, TextEncoder]) -> None:
        self.head = StarterHead(state["weights"], float(state["bias"]))


if __name__ == "__main__":  # as a script it is a command of main.py, and imports nothing from above
    import runpy
    import sys

    sys.argv[1:1] = ["--mode", "try", "--model", STARTER]
    runpy.run_module("main", run_name="__main__", alter_sys=True)
