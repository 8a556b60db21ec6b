"""Whether what is scored now looks like what the model was trained on: the population stability index.

PSI = Σ_b (now_b − then_b) · ln(now_b / then_b) over shares (Siddiqi 2006, "Credit Risk Scorecards"). Under 0.1 counts
as stable, from 0.25 as a large change, and even without any change it is not zero: with n conversations then and m now
it follows (1/n + 1/m) · χ² with bins − 1 degrees of freedom (Yurdakul 2018, "Statistical properties of population
stability index"). What is new brings χ²/m of that noise. Until its 95 % quantile is down to 0.1, which takes
m ≥ χ²₉₅(bins − 1) / 0.1 (38 of two bins, 170 of ten), chance alone may look like a moderate change, and the level is
"too few to tell". A small reference adds χ²/n, which no waiting mends: `by_chance` has both. Scores are compared with those
of conversations that the fit which scored them had not seen: those learned from, held out in turn. Context is compared
with that of the same conversations.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation, ConversationContext

Level = Literal["too few to tell", "stable", "moderate", "large"]
CONTEXT_FIELDS = tuple(ConversationContext.model_fields)
ABSENT, OTHER = "", "(other)"  # as values of a context field
MOST_VALUES = 12  # of a field that are told apart
_MOST_BINS, _CONVERSATIONS_A_BIN = 10, 10
_EMPTY = 0.5  # conversations in place of 0, whose logarithm has no value; much less would make any gap a large change
MODERATE, LARGE = 0.1, 0.25  # levels of the index
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


class Stability(NamedTuple):
    """How far one distribution is from another."""

    psi: float
    by_chance: float  # what chance alone exceeds one time in twenty
    fewest: int  # conversations now, from which on a level is told
    level: Level
    beyond_chance: bool  # never where there are too few to tell


def stability_index(then: Mapping[Any, float], now: Mapping[Any, float]) -> Stability:
    """The PSI of two distributions given as counts by bin, and what it means.

    Bins of `now` that `then` lacks count together as OTHER. Both must have conversations.
    """
    known = {bin_: now.get(bin_, 0) for bin_ in then if bin_ != OTHER}
    rest = sum(now.values()) - sum(known.values())
    if rest or OTHER in then:
        known[OTHER] = rest
    n, m = sum(then.values()), sum(now.values())
    psi = 0.0
    for bin_, count in known.items():
        share, before = max(count, _EMPTY) / m, max(then.get(bin_, 0), _EMPTY) / n
        psi += (share - before) * math.log(share / before)
    noise = _chi_squared_95(len(known) - 1)
    by_chance, fewest = (1 / n + 1 / m) * noise, math.ceil(noise / MODERATE)
    if m < fewest:
        return Stability(psi, by_chance, fewest, "too few to tell", beyond_chance=False)
    level: Level = "stable" if psi < MODERATE else "moderate" if psi < LARGE else "large"
    return Stability(psi, by_chance, fewest, level, psi > by_chance)


def _chi_squared_95(freedom: int) -> float:
    """The 95 % quantile of χ² by Wilson and Hilferty's approximation (1931), within 1 % from 2 degrees on, 3 % at 1."""
    if freedom < 1:
        return 0.0
    spread = 2 / (9 * freedom)
    return float(freedom * (1 - spread + _NORMAL_95 * math.sqrt(spread)) ** 3)
