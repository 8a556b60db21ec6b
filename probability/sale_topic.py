"""Whether a conversation is a sale at all: its words beside those of the training conversations, as meetings have them.

`knowledge.sale_topic` learned from written meetings, chats and mails in which nobody sells, and from written sales, which
words tell them apart. A model's own training conversations say what is usual there: a charity's calls are no
software deals, and no meetings either. Each piece of PIECE words has log-odds of being no sale; a conversation's mean
lies within what the spread between conversations and that of as many pieces allow, or far above. So a long meeting is told
with more certainty than a short note. Fitting and judging cost 0.3 µs a character.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversations.terms import TermWeights, read_weights

NO_SALE_WORDS = Path(__file__).with_name("no_sale_words.json")
PIECE = 60  # words
MOST_PIECES = 200  # of one conversation, evenly spread: a bound on time
_FEWEST = 0.3  # of a piece: shorter texts are judged as if they were so long


@lru_cache(maxsize=1)
def no_sale_words(path: Path = NO_SALE_WORDS) -> TermWeights:
    """The words that come with the program. Raises InputError where the file is damaged."""
    weights, (bias,) = read_weights(path, "bias")
    return TermWeights(weights, bias)


@dataclass(frozen=True)
class SaleTopic:
    """What mean log-odds of being no sale the training conversations have."""

    mean: float
    between: float  # variance between conversations
    within: float  # variance of a piece around its conversation's mean
    farthest: float  # deviations above the mean that are still usual
    words: TermWeights = field(default_factory=no_sale_words, compare=False, repr=False)

    @classmethod
    def fit(cls, texts: Sequence[str], rare: float, words: TermWeights | None = None) -> SaleTopic:
        """texts: what was said in each training conversation; rare: the share of them that may be called no sale."""
        words = words or no_sale_words()
        scored = [piece_scores(text, words) for text in texts]
        means = np.array([scores.mean() for scores in scored])
        spreads = [scores - scores.mean() for scores in scored if len(scores) > 1]
        degrees = sum(len(spread) - 1 for spread in spreads)
        within = sum(float(spread @ spread) for spread in spreads) / degrees if degrees else 0.0
        expected = within * float(np.mean([1 / len(scores) for scores in scored]))
        topic = cls(float(means.mean()), max(float(means.var()) - expected, 0.0), within, np.inf, words)
        usual = np.quantile([topic.deviations_above(text) for text in texts], 1 - rare)
        return replace(topic, farthest=float(usual))

    def deviations_above(self, text: str) -> float:
        """How many standard deviations the text lies nearer to what is no sale than the training conversations."""
        scores = piece_scores(text, self.words)
        pieces = max(len(text.split()) / PIECE, _FEWEST)
        spread = (self.between + self.within / pieces) ** 0.5
        return (float(scores.mean()) - self.mean) / max(spread, 1e-6)

    def is_far(self, text: str) -> bool:
        """Whether it is no sale, as far as words tell."""
        return self.deviations_above(text) > self.farthest

    def state(self) -> dict[str, Any]:
        """Plain values for an artifact; the words come with the program."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "words"}


def piece_scores(text: str, words: TermWeights) -> NDArray[np.float64]:
    """(pieces,) log-odds of being no sale, of at most MOST_PIECES pieces evenly spread over the text; at least one."""
    said = text.split()
    starts = range(0, max(1, len(said) - PIECE // 2), PIECE)
    kept = starts[:: 1 + len(starts) // MOST_PIECES]
    return np.array([words.log_odds([" ".join(said[start : start + PIECE])]) for start in kept])
