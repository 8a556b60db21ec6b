"""How early a prediction is worth something: ROC AUC when only a share of the turns has been read.

The models are those trained on whole conversations, and so is the baseline beside them; only what they read is cut.
Shares are of the turns of a dialogue and of the sentences of a note; the context is known from the start. With
`remembered_texts` around it, no segment is encoded again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation
from conversations.prefixes import prefix_at, turns_of
from probability.confidence import bootstrap_intervals
from probability.metrics import classification_metrics

SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)

Predict = Callable[[Sequence[Conversation]], NDArray[np.float64]]


def probabilities_by_share(predict: Predict, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
    """(shares, n): P(successful) of each conversation after each of SHARES."""
    return np.stack([predict([prefix_at(c, share) for c in conversations]) for share in SHARES])


def early_prediction(
    conversations: Sequence[Conversation],
    labels: NDArray[np.int64],
    probabilities: Mapping[str, NDArray[np.float64]],
    best: str,
) -> dict[str, Any]:
    """The report's part: `roc_auc` at each of SHARES by name, and `confidence_interval` of the model `best`.

    probabilities: by name what `probabilities_by_share` gave. Intervals are drawn by group, as all of the report's are.
    Without both outcomes there are neither figures nor intervals.
    """
    groups = [conversation.group_key for conversation in conversations]
    dialogues = sum(c.turns is not None for c in conversations)
    turns = [len(turns_of(c)) for c in conversations]
    intervals = [bootstrap_intervals(labels, at_share, groups).get("roc_auc") for at_share in probabilities[best]]
    return {
        "share_of_turns": list(SHARES),
        "dialogues_by_turns": dialogues,
        "notes_by_sentences": len(conversations) - dialogues,
        "median_turns": float(np.median(turns)),
        "roc_auc": {name: _roc_auc(labels, by_share) for name, by_share in probabilities.items()},
        "confidence_interval": {best: [list(interval) for interval in intervals if interval]},
    }


def _roc_auc(labels: NDArray[np.int64], by_share: NDArray[np.float64]) -> list[float]:
    figures = [classification_metrics(labels, at_share) for at_share in by_share]
    return [found["roc_auc"] for found in figures if "roc_auc" in found]
