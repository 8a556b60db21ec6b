"""What an evaluation measured: arrays over the same conversations, and the report; recommendation and pictures go by it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation
from modelling.saved.training_record import TrainingHistory
from probability.reliability import Assessment

GENERIC = "generic"  # the embedding before any fine-tuning: the plain mean of frozen segment vectors


@dataclass
class Evaluation:
    """The arrays that were measured, and the report that says what they mean. The pictures are drawn from both."""

    conversations: list[Conversation]  # (n) labelled, in the order of every array below
    labels: NDArray[np.int64]  # (n,)
    probabilities: dict[str, NDArray[np.float64]] = field(default_factory=dict)  # models, then baselines: (n,) each
    assessments: dict[str, list[Assessment]] = field(default_factory=dict)  # of the models: (n) each
    by_share: dict[str, NDArray[np.float64]] = field(default_factory=dict)  # models and TF-IDF: (shares of turns, n)
    before_last: dict[str, NDArray[np.float64]] = field(
        default_factory=dict
    )  # of the same: (n,), NaN of no joined deal
    embeddings: dict[str, NDArray[np.float32]] = field(default_factory=dict)  # GENERIC, then models: (n, d) each
    histories: dict[str, TrainingHistory] = field(default_factory=dict)  # of the models that have one
    report: dict[str, Any] = field(default_factory=dict)  # what final_project_report.json holds

    @property
    def titles(self) -> dict[str, str]:
        """What people call each model and baseline, in the order of `probabilities`."""
        return {name: entry["title"] for part in ("models", "baselines") for name, entry in self.report[part].items()}

    @property
    def groups(self) -> list[str]:
        """(n) what each conversation must not be told apart from when intervals are drawn."""
        return [conversation.group_key for conversation in self.conversations]
