"""Whether what is scored now looks like what the model was trained on: the population stability index.

PSI = Σ_b (now_b − then_b) · ln(now_b / then_b) over shares (Siddiqi 2006, "Credit Risk Scorecards"). Under 0.1 counts
as stable, from 0.25 as a large change, and even without any change it is not zero: it then follows (1/n + 1/m) · χ²
with bins − 1 degrees of freedom (Yurdakul 2018, "Statistical properties of population stability index"), so that a
small reference drifts by chance alone. Scores are compared with those of conversations that the fit which scored them
had not seen: those learned from, held out in turn. Context is compared with that of the same conversations.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation, ConversationContext

CONTEXT_FIELDS = tuple(ConversationContext.model_fields)
ABSENT, OTHER = "", "(other)"  # as values of a context field
MOST_VALUES = 12  # of a field that are told apart
_MOST_BINS, _CONVERSATIONS_A_BIN = 10, 10
_SMALLEST_SHARE = 1e-4  # in place of 0, whose logarithm has no value
_NORMAL_95 = 1.644854  # the standard normal's 95 % quantile


def drift_reference(probabilities: NDArray[np.float64], train: Sequence[Conversation]) -> dict[str, Any]:
    """What a manifest keeps: score bins of equal count with at least 10 conversations, and the counts of context values."""
    bins = max(2, min(_MOST_BINS, len(probabilities) // _CONVERSATIONS_A_BIN))
    edges = sorted({round(float(edge), 6) for edge in np.quantile(probabilities, np.arange(1, bins) / bins)})
    counts = np.bincount(np.searchsorted(edges, probabilities, side="right"), minlength=len(edges) + 1)
    context = {}
    for name in CONTEXT_FIELDS:
        found = Counter(context_value(conversation.conversation_context, name) for conversation in train)
        kept = dict(found.most_common(MOST_VALUES))
        if rest := found.total() - sum(kept.values()):
            kept[OTHER] = rest
        context[name] = kept
    return {"score_edges": edges, "score_counts": counts.tolist(), "context": context}


def context_value(context: ConversationContext, name: str) -> str:
    """A field's value as it is compared: text in lower case, ABSENT where there is none."""
    value = getattr(context, name)
    return ABSENT if value is None else str(value).strip().lower()[:80]


def stability_index(then: Mapping[Any, float], now: Mapping[Any, float]) -> dict[str, float | bool]:
    """The PSI of two distributions given as counts by bin, and the value that chance exceeds one time in twenty.

    Bins of `now` that `then` lacks count together as OTHER. Both must have conversations.
    """
    known = {bin_: now.get(bin_, 0) for bin_ in then if bin_ != OTHER}
    rest = sum(now.values()) - sum(known.values())
    if rest or OTHER in then:
        known[OTHER] = rest
    n, m = sum(then.values()), sum(now.values())
    psi = 0.0
    for bin_, count in known.items():
        share, before = max(count / m, _SMALLEST_SHARE), max(then.get(bin_, 0) / n, _SMALLEST_SHARE)
        psi += (share - before) * math.log(share / before)
    by_chance = (1 / n + 1 / m) * _chi_squared_95(len(known) - 1)
    return {"psi": psi, "by_chance": by_chance, "beyond_chance": psi > by_chance}


def _chi_squared_95(freedom: int) -> float:
    """The 95 % quantile of χ² by Wilson and Hilferty's approximation (1931), within 1 % from 2 degrees on, 3 % at 1."""
    if freedom < 1:
        return 0.0
    spread = 2 / (9 * freedom)
    return float(freedom * (1 - spread + _NORMAL_95 * math.sqrt(spread)) ** 3)
