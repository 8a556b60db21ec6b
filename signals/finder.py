"""Which signals a conversation gives: found sentence by sentence in the encoder's vectors, read by a trained head.

Which sentences count, and with which question an answer is read, is `signals.said`; what holds of several mentions is
`signals.mentions`.

A long sentence often says two things ("they have the budget and want to start soon"), so its clauses are read as well
as the whole. A clause lacks its context, so it counts only from CLEAR_CLAUSE. A short answer borrows the question's
words, so it counts only where what it seems to say is likelier than all else (CLEAR_ANSWER). Where a sentence speaks
for the deal and against it, each signal quotes the clause that gives it most clearly. How well single sentences are
read: make signals. Costs one encoder pass over the sentences and clauses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation
from encoder.text_encoder import TextEncoder
from signals.grammar import Subject, judged, subjects
from signals.head import THRESHOLD, SignalHead
from signals.mentions import Signal, settled
from signals.said import SaidSentence, said_sentences
from signals.sentences import SIGNAL_LABELS, Polarity

__all__ = ["Signal", "SignalFinder", "find_signals"]

CLEAR_CLAUSE = 0.9  # a lower one raises more false alarms than it finds signals
CLEAR_ANSWER = 0.5  # all signals of a short answer together; "How did it go? – Better than we hoped." is no sure word
_CLAUSES_FROM = 10  # words of a sentence from which its clauses are read, too
_SHORTEST_CLAUSE = 3  # words of a clause that counts beside the whole


class Reading(NamedTuple):
    """What the head says of one text."""

    found: Sequence[tuple[str, Polarity, float]]
    scores: NDArray[np.float32]  # (len(SIGNAL_LABELS),)


@dataclass(frozen=True)
class SignalFinder:
    """Finds signals with the head and the encoder that its vectors must come from."""

    encoder: TextEncoder
    head: SignalHead

    def find(self, conversation: Conversation) -> list[Signal]:
        """At most one Signal for each of SIGNAL_NAMES, in their order."""
        return settled(self.mentions(conversation))

    def mentions(self, conversation: Conversation) -> list[Signal]:
        """Every mention of a signal, in order."""
        return self._mentions_of([conversation])[0]

    def find_many(self, conversations: Sequence[Conversation]) -> list[list[Signal]]:
        """`find` for each; the encoder reads the different sentences of all at once."""
        return [settled(mentions) for mentions in self._mentions_of(conversations)]

    def _mentions_of(self, conversations: Sequence[Conversation]) -> list[list[Signal]]:
        """Every mention of a signal in each conversation, in order."""
        said = [list(said_sentences(conversation, self.encoder)) for conversation in conversations]
        texts = list(dict.fromkeys(text for of_one in said for sentence in of_one for text in _readings(sentence)))
        if not texts:
            return [[] for _ in conversations]
        vectors = self.encoder.embed_texts(texts)
        readings = map(Reading, self.head.detect(vectors), self.head.scores(vectors))
        read = dict(zip(texts, readings, strict=True))
        return [
            [
                one
                for sentence, subject in zip(of_one, subjects(of_one), strict=True)
                for one in _mentions(sentence, read, subject)
            ]
            for of_one in said
        ]


def find_signals(conversation: Conversation, finder: SignalFinder) -> list[Signal]:
    """At most one Signal for each of SIGNAL_NAMES, in their order."""
    return finder.find(conversation)


def _readings(sentence: SaidSentence) -> list[str]:
    """The sentence's text and, where it has several clauses, theirs."""
    parts = sentence.clauses
    return [sentence.text, *map(sentence.reading, parts)] if len(parts) > 1 else [sentence.text]


def _mentions(sentence: SaidSentence, read: Mapping[str, Reading], subject: Subject) -> list[Signal]:
    """The sentence's signals; where it speaks for the deal and against it, in the order of its clauses."""
    best = judged(sentence, _clearest(sentence, read), subject)
    speaks_for_both = len({polarity for polarity, _ in best.values()}) > 1
    parts = _own_clauses(sentence, best, read) if speaks_for_both else None
    mentions = [
        Signal(name, polarity, strength, sentence.quote, sentence.speaker, sentence.turn, sentence.question)
        for name, (polarity, strength) in best.items()
    ]
    if parts is None:
        return mentions
    quoted = [(parts[one.name], one) for one in mentions]
    in_order = sorted(quoted, key=lambda pair: sentence.clauses.index(pair[0]))
    return [replace(one, quote=part.rstrip(" ,;")) for part, one in in_order]


def _own_clauses(
    sentence: SaidSentence, best: Mapping[str, tuple[Polarity, float]], read: Mapping[str, Reading]
) -> dict[str, str] | None:
    """For each signal the clause that gives it most clearly; None where one comes from the sentence as a whole."""
    found = {}
    for name, (polarity, _) in best.items():
        column = SIGNAL_LABELS.index(f"{name}{'+' if polarity == 'positive' else '-'}")
        scores = {part: float(read[sentence.reading(part)].scores[column]) for part in sentence.clauses}
        found[name] = max(scores, key=lambda part: scores[part])
        if scores[found[name]] < THRESHOLD:
            return None
    return found


def _clearest(sentence: SaidSentence, read: Mapping[str, Reading]) -> dict[str, tuple[Polarity, float]]:
    """For each signal the polarity and strength of the reading that gives it most clearly."""
    best = {name: (polarity, strength) for name, polarity, strength in read[sentence.text].found}
    if sentence.question and sum(strength for _, strength in best.values()) < CLEAR_ANSWER:
        return {}
    if sentence.question or len(sentence.quote.split()) < _CLAUSES_FROM:
        return best
    for clause in sentence.clauses:
        if len(clause.split()) < _SHORTEST_CLAUSE or clause == sentence.quote:
            continue
        for name, polarity, strength in read[clause].found:
            if strength >= max(CLEAR_CLAUSE, best.get(name, ("", 0.0))[1]):
                best[name] = (polarity, strength)
    return best
