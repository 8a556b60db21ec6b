"""What a prediction is worth before the last conversation of a deal, which often holds the decision itself.

Only deals of several conversations count, as they were and as they stood before the last one, with what the CRM said then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation
from deals.parts import before_last
from evaluation.early import Predict
from probability.confidence import bootstrap_intervals
from probability.metrics import classification_metrics


def probabilities_before_last(predict: Predict, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
    """(n,): P(successful) of each joined deal before its last conversation, NaN of what is no joined deal."""
    earlier = [before_last(conversation) for conversation in conversations]
    found = np.full(len(conversations), np.nan)
    several = [place for place, one in enumerate(earlier) if one is not None]
    found[several] = predict([one for one in earlier if one is not None])
    return found


def without_last_conversation(
    labels: NDArray[np.int64],
    whole: Mapping[str, NDArray[np.float64]],
    before: Mapping[str, NDArray[np.float64]],
    groups: Sequence[str],
) -> dict[str, Any] | None:
    """The report's part: the ROC AUC of deals of several conversations with their last one and without it, by name.

    whole, before: P(successful) by name, (n,) each, as `probabilities_before_last` gives it. None where no deal has several
    conversations; no figures where all of them ended one way.
    """
    several = ~np.isnan(next(iter(before.values())))
    if not several.any():
        return None
    ended = labels[several]
    of_these = [group for group, counts in zip(groups, several, strict=True) if counts]

    def figures(probabilities: NDArray[np.float64]) -> dict[str, Any]:
        return _roc_auc(ended, probabilities[several], of_these)

    return {
        "deals": int(several.sum()),
        "with_last": {name: figures(whole[name]) for name in before},
        "without_last": {name: figures(probabilities) for name, probabilities in before.items()},
    }


def without_last_sentence(report: Mapping[str, Any]) -> str | None:
    """What a person should know of it; None where there is nothing to say."""
    part, best = report.get("without_last_conversation"), report["recommended_model"]
    if not part or "roc_auc" not in part["with_last"].get(best, {}):
        return None
    with_last, without = part["with_last"][best], part["without_last"][best]
    return (
        f"On the {part['deals']} evaluated deals of several conversations {report['models'][best]['title']} has ROC AUC "
        f"{_shown(with_last)}; without the last conversation of each, {_shown(without)}."
    )


def _roc_auc(labels: NDArray[np.int64], probabilities: NDArray[np.float64], groups: Sequence[str]) -> dict[str, Any]:
    found = classification_metrics(labels, probabilities)
    if "roc_auc" not in found:
        return {}
    interval = bootstrap_intervals(labels, probabilities, groups).get("roc_auc")
    return {"roc_auc": found["roc_auc"], "confidence_interval": list(interval) if interval else None}


def _shown(figures: Mapping[str, Any]) -> str:
    interval = figures["confidence_interval"]
    return f"{figures['roc_auc']:.3f}" + (f" (95 % {interval[0]:.3f} to {interval[1]:.3f})" if interval else "")
