"""Whether a prediction should be trusted: "ok", or "low" with the reasons as sentences.

Five things make a prediction unreliable: a conversation much shorter than those trained on, one that is far from each
of them, another language than theirs, words of people who sell nothing, and a probability that the outcomes known near it
leave open.
Every threshold comes from the training data and is kept with the model. It does not say whether a prediction is right. Of
conversations like those trained on, each check flags about one in a hundred or fewer. Fitting takes a second or two; a check
needs numpy only, the vectors that the model has made anyway, and about 0.4 ms.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conversations.conversation import Conversation
from conversations.model_text import spoken_text
from probability.language import FARTHEST, LanguageProfile
from probability.sale_topic import SaleTopic
from probability.venn_abers import ProbabilityIntervals, left_out_widths
from probability.which_language import language_of

MOST_EXAMPLES = 1000  # training conversations that a new one is compared with; of more, as many are drawn
RARE = 0.01  # share of the training conversations that a threshold would flag
FEWEST_WORDS = 5  # below, a text is called short whatever the training data are, unless theirs are as short
_MUCH_SHORTER = 4  # times shorter than the shortest training conversations
_NEARLY_ALL = 0.95  # of the training conversations whose language can be told
_FURTHER_OUT = 0.5  # of the way from the median to the rare quantile, beyond it
# A word of letters and digits, or a single character of a script that puts no space between words.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")

Reliability = Literal["ok", "low"]
Kind = Literal["short", "far", "language", "topic", "wide"]
Floats = NDArray[np.float32]


class Reason(NamedTuple):
    """Why a prediction is unreliable: a kind to count by, and a sentence to read."""

    kind: Kind
    sentence: str


class Assessment(NamedTuple):
    """A probability and how far to trust it."""

    probability: float  # calibrated P(successful)
    interval: tuple[float, float]  # around it, from `probability.venn_abers`
    reasons: list[Reason]  # none where it is reliable

    @property
    def reliability(self) -> Reliability:
        """ "low" where there is a reason."""
        return "low" if self.reasons else "ok"


class HeldOut(NamedTuple):
    """What a model says of conversations that it did not learn from, and how they ended."""

    log_odds: ArrayLike  # (n,)
    labels: ArrayLike  # (n,) of 0 and 1


@dataclass(frozen=True)
class PredictionReliability:
    """The thresholds of one trained model and what they are compared with."""

    language: LanguageProfile
    intervals: ProbabilityIntervals
    examples: Floats  # (m, dim) of training conversations, L2-normalised
    usual_words: int  # that all but a few training conversations have
    fewest_words: int
    least_similarity: float  # cosine to the nearest example
    widest_interval: float
    topic: SaleTopic | None = None  # None in artifacts from before it was looked at
    spoken_in: str | None = None  # the language of nearly all training conversations, as `language_of` names it

    @classmethod
    def fit(
        cls, training: Sequence[Conversation], vectors: Floats, held_out: HeldOut, seed: int
    ) -> PredictionReliability:
        """vectors: (n, dim), L2-normalised, what the training conversations are compared by."""
        from conversations.folds import group_folds  # scikit-learn takes seconds to import, and serving never fits

        drawn = np.random.default_rng(seed).permutation(len(training))[:MOST_EXAMPLES]
        sample, examples = [training[index] for index in drawn], vectors[drawn]
        texts = [spoken_text(conversation) for conversation in sample]
        usual = int(np.quantile([_word_count(text) for text in texts], RARE))
        return cls(
            language=LanguageProfile.fit(texts, list(group_folds(sample, seed))),
            intervals=ProbabilityIntervals.fit(held_out.log_odds, held_out.labels),
            examples=examples,
            usual_words=usual,
            fewest_words=min(usual, max(FEWEST_WORDS, usual // _MUCH_SHORTER)),
            least_similarity=_least_similarity(examples, [conversation.group_key for conversation in sample]),
            widest_interval=_rarely_exceeded(left_out_widths(held_out.log_odds, held_out.labels)),
            topic=SaleTopic.fit(texts, RARE),
            spoken_in=_common_language(texts),
        )

    def assess(
        self,
        conversations: Sequence[Conversation],
        probabilities: NDArray[np.float64],
        log_odds: NDArray[np.float64],
        vectors: Floats,
    ) -> list[Assessment]:
        """One assessment a conversation; all arrays in their order, `vectors` made as those of `fit`.

        An interval always holds its probability: where calibration and Venn-Abers disagree, it reaches to both.
        """
        lows, highs = self.intervals.of(log_odds)
        nearest = (vectors @ self.examples.T).max(axis=1)
        return [
            self._assessment(spoken_text(conversation), float(p), (float(low), float(high)), float(similarity))
            for conversation, p, low, high, similarity in zip(
                conversations, probabilities, lows, highs, nearest, strict=True
            )
        ]

    def _assessment(
        self, text: str, probability: float, interval: tuple[float, float], similarity: float
    ) -> Assessment:
        low, high = interval
        reasons = [
            *self._shortness(text),
            *self._distance(similarity),
            *self._strangeness(text),
            *self._off_topic(text),
        ]
        if high - low > self.widest_interval:
            sentence = f"The outcomes of similar scores allow any probability from {low:.2f} to {high:.2f}, "
            reasons.append(Reason("wide", f"{sentence}a wider interval than the training data usually leave."))
        return Assessment(probability, (min(low, probability), max(high, probability)), reasons)

    def _shortness(self, text: str) -> list[Reason]:
        if len(text.split()) >= self.fewest_words or (words := _word_count(text)) >= self.fewest_words:
            return []
        counted = "1 word" if words == 1 else f"{words} words"
        return [Reason("short", f"It has {counted}; training conversations rarely have fewer than {self.usual_words}.")]

    def _distance(self, similarity: float) -> list[Reason]:
        if similarity >= self.least_similarity:
            return []
        sentence = "It is far from every training conversation: the nearest has a cosine similarity of "
        return [Reason("far", f"{sentence}{similarity:.2f}, and {self.least_similarity:.2f} would be near enough.")]

    def _strangeness(self, text: str) -> list[Reason]:
        found = language_of(text)
        if found and self.spoken_in and found != self.spoken_in:
            return [
                Reason("language", f"It reads as {found}; the model learned from conversations in {self.spoken_in}.")
            ]
        if self.language.deviations_below(text) <= FARTHEST:
            return []
        return [Reason("language", "Its language or spelling is not that of the training conversations.")]

    def _off_topic(self, text: str) -> list[Reason]:
        if self.topic is None or not self.topic.is_far(text):
            return []
        return [Reason("topic", "Nobody seems to sell in it: its words are those of other meetings and messages.")]

    def state(self) -> dict[str, Any]:
        """Arrays and plain values for an artifact."""
        parts = ("language", "intervals", "topic")
        plain = {name: value for name, value in vars(self).items() if name not in parts}
        topic = {} if self.topic is None else {"topic": self.topic.state()}
        return {**plain, "language": self.language.state(), "intervals": self.intervals.state(), **topic}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> PredictionReliability:
        """What `state` gave."""
        parts = {
            "language": LanguageProfile.from_state(state["language"]),
            "intervals": ProbabilityIntervals(**state["intervals"]),
            "topic": SaleTopic(**state["topic"]) if "topic" in state else None,
        }
        return cls(**{**state, **parts})


def _least_similarity(examples: Floats, groups: Sequence[str]) -> float:
    """What a new conversation's nearest example should reach at least.

    Each example's nearest of another group shows how near strangers are. The rare quantile of that is the limit, put
    further out by half its distance to the median: a new customer or kind of call is further away than the known ones
    are from each other.
    """
    named = np.array(groups)
    same = named[:, None] == named[None, :]
    if same.all():
        same = np.eye(len(groups), dtype=bool)
    nearest = np.where(same, -1.0, examples @ examples.T).max(axis=1)
    rare, median = np.quantile(nearest, [RARE, 0.5])
    return float(rare - _FURTHER_OUT * (median - rare))


def _rarely_exceeded(values: NDArray[np.float64]) -> float:
    """What a further value exceeds with a probability of at most RARE (the conformal quantile), or the largest of few."""
    place = int(np.ceil((1 - RARE) * (len(values) + 1)))
    return float(np.sort(values)[min(place, len(values)) - 1])


def _common_language(texts: Sequence[str]) -> str | None:
    """None where no language has nearly all of those that can be told."""
    told = Counter(name for text in texts if (name := language_of(text)))
    if not told:
        return None
    name, count = told.most_common(1)[0]
    return name if count >= _NEARLY_ALL * told.total() else None


def _word_count(text: str) -> int:
    return len(_WORD.findall(text))
